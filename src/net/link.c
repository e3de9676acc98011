/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link: a bridge's port and the container's interface are one veth(4) made by one request: the host's end named, up and in its
 * bridge, the other end in the namespace. Address, link and route are set there, by a socket opened there.
 */
#include "net/link.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/netlink.h"
#include "sys/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

/* Of a bridge that is ours to take away: what `ip link` shows as its alias. */
static const char made_by[] = "hull";
/* Of an address that is ours to take away, on a bridge that is not: what `ip addr` shows as its proto. */
enum { GIVEN_BY = 'h' };

static int family(const struct addr *a)
{
	return a->len == 4 ? AF_INET : AF_INET6;
}

static int open_socket(void *arg, struct err *e)
{
	return netlink_open(arg, e);
}

/* Where the bridges are. */
static int open_base(struct netlink *n, struct err *e)
{
	return netns_run_base(open_socket, n, e);
}

static int routes(struct netlink *n, void (*each)(void *arg, const struct subnet *s), void *arg, struct err *e)
{
	own(buf) struct buf answers = BUF(NETLINK_ANSWERS);
	struct netlink_request r;
	struct netlink_answer m;
	struct rtmsg any = {};
	size_t at = 0;
	netlink_begin(&r, RTM_GETROUTE, NLM_F_DUMP, &any, sizeof any);
	if (netlink_call(n, &r, &answers, e) < 0)
		return err_wrap(e, "routes");
	while (netlink_next(&answers, &at, &m)) {
		const struct nlattr *a[RTA_MAX + 1];
		const void *p = m.type == RTM_NEWROUTE ? netlink_parse(&m, sizeof any, a, countof(a)) : NULL;
		struct rtmsg t;
		if (!p)
			continue;
		memcpy(&t, p, sizeof t);
		struct subnet s = {.base.len = t.rtm_family == AF_INET ? 4 : 16, .prefix = t.rtm_dst_len};
		const void *dst = netlink_bytes(a[RTA_DST], s.base.len);
		if ((t.rtm_family != AF_INET && t.rtm_family != AF_INET6) || !dst || t.rtm_dst_len > s.base.len * 8)
			continue;
		memcpy(s.base.b, dst, s.base.len);
		each(arg, &s);
	}
	return 0;
}

int link_routes(void (*each)(void *arg, const struct subnet *s), void *arg, struct err *e)
{
	own(netlink) struct netlink here = NETLINK_INIT;
	own(netlink) struct netlink there = NETLINK_INIT;
	if (netlink_open(&here, e) < 0 || routes(&here, each, arg, e) < 0)
		return -1;
	return netns_has_base() ? open_base(&there, e) < 0 ? -1 : routes(&there, each, arg, e) : 0;
}

bool link_has_default(void)
{
	own(netlink) struct netlink n = NETLINK_INIT;
	own(buf) struct buf answers = BUF(NETLINK_ANSWERS);
	struct err ignored = {};
	struct netlink_request r;
	struct netlink_answer m;
	struct rtmsg any = {}, t;
	size_t at = 0;
	netlink_begin(&r, RTM_GETROUTE, NLM_F_DUMP, &any, sizeof any);
	if (netlink_open(&n, &ignored) < 0 || netlink_call(&n, &r, &answers, &ignored) < 0)
		return false;
	while (netlink_next(&answers, &at, &m)) {
		const struct nlattr *a[RTA_MAX + 1];
		const void *p = m.type == RTM_NEWROUTE ? netlink_parse(&m, sizeof any, a, countof(a)) : NULL;
		if (!p)
			continue;
		memcpy(&t, p, sizeof t);
		if (!t.rtm_dst_len && t.rtm_type == RTN_UNICAST && t.rtm_table == RT_TABLE_MAIN)
			return true;
	}
	return false;
}

/* By ioctl: netlink would tell all that there is to know of it. */
static int get_index(struct netlink *n, const char *name, unsigned *ret, unsigned *flags, struct err *e)
{
	struct ifreq r = {};
	memcpy(r.ifr_name, name, strnlen(name, sizeof r.ifr_name - 1));
	if (ioctl(n->fd, SIOCGIFINDEX, &r) < 0)
		return err_sys(e, "interface %s", name);
	*ret = (unsigned)r.ifr_ifindex;
	if (flags && ioctl(n->fd, SIOCGIFFLAGS, &r) < 0)
		return err_sys(e, "interface %s", name);
	if (flags)
		*flags = (unsigned)(unsigned short)r.ifr_flags;
	return 0;
}

unsigned link_index(const char *name, struct err *e)
{
	own(netlink) struct netlink n = NETLINK_INIT;
	unsigned index;
	if (open_base(&n, e) < 0)
		return 0;
	if (get_index(&n, name, &index, NULL, e) == 0)
		return index;
	if (e->sys == ENODEV)
		err_set_(e, ERR_NOT_FOUND, "there is no interface %s", name);
	return 0;
}

/* 1: it was there, and if `given` it stays whose it was. */
static int put_address(struct netlink *n, unsigned index, const struct addr *a, unsigned prefix, bool given, struct err *e)
{
	static const uint8_t given_by = GIVEN_BY;
	struct netlink_request r;
	struct ifaddrmsg m = {.ifa_family = (uint8_t)family(a), .ifa_prefixlen = (uint8_t)prefix, .ifa_index = index,
		.ifa_flags = a->len == 16 ? IFA_F_NODAD : 0};
	netlink_begin(&r, RTM_NEWADDR, NLM_F_CREATE | (given ? NLM_F_EXCL : NLM_F_REPLACE), &m, sizeof m);
	netlink_add(&r, IFA_LOCAL, a->b, a->len);
	netlink_add(&r, IFA_ADDRESS, a->b, a->len);
	if (given)
		netlink_add(&r, IFA_PROTO, &given_by, 1);
	if (a->len == 4 && prefix < 31) {
		struct subnet s = subnet_of(a, prefix);
		struct addr last = subnet_last(&s);
		netlink_add(&r, IFA_BROADCAST, last.b, 4);
	}
	if (netlink_call(n, &r, NULL, e) == 0)
		return 0;
	char text[ADDR_TEXT];
	return e->sys == EEXIST ? 1 : err_wrap(e, "address %s", addr_format(a, text));
}

static int add_address(struct netlink *n, unsigned index, const struct addr *a, unsigned prefix, struct err *e)
{
	return put_address(n, index, a, prefix, false, e) < 0 ? -1 : 0;
}

static int set_up(struct netlink *n, unsigned index, struct err *e)
{
	struct netlink_request r;
	struct ifinfomsg m = {.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	netlink_begin(&r, RTM_NEWLINK, 0, &m, sizeof m);
	return netlink_call(n, &r, NULL, e);
}

int link_up(const char *name, struct err *e)
{
	own(netlink) struct netlink n = NETLINK_INIT;
	unsigned index;
	if (netlink_open(&n, e) < 0 || get_index(&n, name, &index, NULL, e) < 0 || set_up(&n, index, e) < 0)
		return err_wrap(e, "interface %s", name);
	return 0;
}

/* No link-local address, nor the packets that come with one. */
static int set_quiet(struct netlink *n, unsigned index, struct err *e)
{
	static const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
	struct netlink_request r;
	struct ifinfomsg m = {.ifi_index = (int)index};
	netlink_begin(&r, RTM_SETLINK, 0, &m, sizeof m);
	size_t spec = netlink_nest(&r, IFLA_AF_SPEC), six = netlink_nest(&r, AF_INET6);
	netlink_add(&r, IFLA_INET6_ADDR_GEN_MODE, &none, 1);
	netlink_nest_end(&r, six);
	netlink_nest_end(&r, spec);
	/* A kernel without IPv6 has nothing to be silenced. */
	return netlink_call(n, &r, NULL, e) < 0 && e->sys != EAFNOSUPPORT && e->sys != EOPNOTSUPP ? -1 : 0;
}

static int make_bridge(struct netlink *n, const struct network *w, const char *name, struct err *e)
{
	struct netlink_request r;
	struct ifinfomsg m = {};
	uint8_t mac[MAC_LEN];
	int mtu = network_mtu(w);
	/* Of its own, or it would change with the ports. */
	if (getrandom(mac, sizeof mac, 0) != sizeof mac)
		return err_sys(e, "random numbers");
	mac[0] = 0x02;
	netlink_begin(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
	netlink_add_str(&r, IFLA_IFNAME, name);
	netlink_add(&r, IFLA_ADDRESS, mac, sizeof mac);
	if (mtu)
		netlink_add_u32(&r, IFLA_MTU, (uint32_t)mtu);
	size_t info = netlink_nest(&r, IFLA_LINKINFO);
	netlink_add_str(&r, IFLA_INFO_KIND, "bridge");
	netlink_nest_end(&r, info);
	return netlink_call(n, &r, NULL, e);
}

/* A name that nobody else would make a bridge with: the network names none. */
static bool has_own_name(const struct network *w)
{
	return !network_option(w, "com.docker.network.bridge.name", "parent");
}

/* One that the user named may be his own. */
static bool is_made(struct netlink *n, const struct network *w, const char *name)
{
	if (has_own_name(w))
		return true;
	own(buf) struct buf answers = BUF(NETLINK_ANSWERS);
	struct err ignored = {};
	struct netlink_request r;
	struct netlink_answer m;
	struct ifinfomsg which = {};
	size_t at = 0;
	netlink_begin(&r, RTM_GETLINK, 0, &which, sizeof which);
	netlink_add_str(&r, IFLA_IFNAME, name);
	if (netlink_call(n, &r, &answers, &ignored) < 0)
		return false;
	while (netlink_next(&answers, &at, &m)) {
		const struct nlattr *a[IFLA_IFALIAS + 1];
		const char *alias = m.type == RTM_NEWLINK && netlink_parse(&m, sizeof which, a, countof(a)) ? netlink_str(a[IFLA_IFALIAS]) : NULL;
		if (alias && strcmp(alias, made_by) == 0)
			return true;
	}
	return false;
}

static int mark(struct netlink *n, unsigned index, struct err *e)
{
	struct netlink_request r;
	struct ifinfomsg m = {.ifi_index = (int)index};
	netlink_begin(&r, RTM_SETLINK, 0, &m, sizeof m);
	netlink_add_str(&r, IFLA_IFALIAS, made_by);
	return netlink_call(n, &r, NULL, e);
}

/* 1: nothing was missing. */
static int fill_bridge(struct netlink *n, const struct network *w, unsigned index, struct err *e)
{
	bool bare = network_option_bool(w, "com.docker.network.bridge.inhibit_ipv4", NULL, false);
	struct network_range range;
	int whole = 1;
	for (uint8_t len = 4; len <= 16; len += 12) {
		if ((len == 4 && bare) || !network_range(w, len, &range) || !range.gateway.len)
			continue;
		int r = put_address(n, index, &range.gateway, range.subnet.prefix, true, e);
		if (r < 0)
			return -1;
		whole &= r;
	}
	return set_up(n, index, e) < 0 ? -1 : whole;
}

/* Where it had to be made, or was not up, or has a name that somebody else can make a bridge with. */
static int look_after(struct netlink *n, const struct network *w, const char *name, bool fresh, struct err *e)
{
	unsigned index;
	/* Neighbours are asked for from a link-local address, and the kernel's own is none until nobody claims it for a second or two. */
	static const struct addr link_local = {16, {0xfe, 0x80, [15] = 1}};
	if (get_index(n, name, &index, NULL, e) < 0 || (fresh && !w->ipv6 && set_quiet(n, index, e) < 0) ||
		(fresh && w->ipv6 && add_address(n, index, &link_local, 64, e) < 0) ||
		(fresh && !has_own_name(w) && mark(n, index, e) < 0))
		return -1;
	return fill_bridge(n, w, index, e);
}

static bool is_bridge(struct netlink *n, const char *name)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq r = {.ifr_data = (char *)&info};
	memcpy(r.ifr_name, name, strnlen(name, sizeof r.ifr_name - 1));
	return ioctl(n->fd, SIOCETHTOOL, &r) == 0 && strcmp(info.driver, "bridge") == 0;
}

int link_bridge(const struct network *w, bool *made, struct err *e)
{
	own(netlink) struct netlink n = NETLINK_INIT;
	struct err why = {};
	char name[16];
	unsigned index, flags = 0;
	network_device(w, name);
	if (made)
		*made = false;
	if (open_base(&n, e) < 0)
		return -1;
	int r = get_index(&n, name, &index, &flags, &why);
	if (r == 0 && flags & IFF_UP && has_own_name(w))
		return 0;
	if (r == 0 && !is_bridge(&n, name))
		return err_set(e, ERR_CONFLICT, "network %s: the interface %s is there and is no bridge", w->name, name);
	if (r < 0 && make_bridge(&n, w, name, e) < 0) {
		if (e->sys == EOPNOTSUPP)
			return err_set(e, ERR_UNSUPPORTED, "network %s: this kernel has no bridges (module bridge)", w->name);
		if (e->sys != EEXIST)
			return err_wrap(e, "network %s: bridge %s", w->name, name);
	}
	int whole = look_after(&n, w, name, r < 0, e);
	if (made)
		*made = r < 0 || whole == 0;
	return whole < 0 ? err_wrap(e, "network %s: bridge %s", w->name, name) : 0;
}

static bool put(const char *path, const char *value)
{
	struct err ignored = {};
	own(buf) struct buf old = BUF(64);
	if (path_read(AT_FDCWD, path, &old, &ignored) == 0 && buf_text(&old)[0] == *value)
		return true;
	return path_put(AT_FDCWD, path, value, &ignored) == 0;
}

static int put_forward(void *arg, struct err *e)
{
	bool four = put("/proc/sys/net/ipv4/ip_forward", "1"), six = !*(bool *)arg || put("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	return four && six ? 0 : err_set(e, ERR_DENIED, "forwarding is off");
}

bool link_forward(bool ipv6)
{
	struct err ignored = {};
	return netns_run_base(put_forward, &ipv6, &ignored) == 0;
}

static int put_route_local(void *arg, struct err *e unused)
{
	char path[80];
	snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/route_localnet", (const char *)arg);
	put(path, "1");
	return 0;
}

void link_route_local(const char *bridge)
{
	struct err ignored = {};
	char name[16];
	snprintf(name, sizeof name, "%s", bridge);
	(void)!netns_run_base(put_route_local, name, &ignored);
}

static int remove_bridge(struct netlink *n, const char *name, struct err *e)
{
	struct netlink_request r;
	struct ifinfomsg m = {};
	netlink_begin(&r, RTM_DELLINK, 0, &m, sizeof m);
	netlink_add_str(&r, IFLA_IFNAME, name);
	return netlink_call(n, &r, NULL, e) < 0 && e->sys != ENODEV ? err_wrap(e, "remove interface %s", name) : 0;
}

static int remove_address(struct netlink *n, const struct ifaddrmsg *m, const struct nlattr *local, struct err *e)
{
	struct netlink_request r;
	size_t len = m->ifa_family == AF_INET ? 4 : 16;
	const void *bytes = netlink_bytes(local, len);
	netlink_begin(&r, RTM_DELADDR, 0, m, sizeof *m);
	if (bytes)
		netlink_add(&r, IFA_LOCAL, bytes, len);
	return bytes && netlink_call(n, &r, NULL, e) < 0 && e->sys != EADDRNOTAVAIL ? -1 : 0;
}

/* What the user gave it himself stays. A kernel before 5.18 keeps no proto: there all of them stay. */
static int take_back_addresses(struct netlink *n, const char *name, struct err *e)
{
	own(buf) struct buf answers = BUF(NETLINK_ANSWERS);
	struct netlink_request r;
	struct netlink_answer m;
	struct ifaddrmsg any = {}, t;
	unsigned index;
	size_t at = 0;
	if (get_index(n, name, &index, NULL, e) < 0)
		return e->sys == ENODEV ? 0 : -1;
	netlink_begin(&r, RTM_GETADDR, NLM_F_DUMP, &any, sizeof any);
	if (netlink_call(n, &r, &answers, e) < 0)
		return -1;
	while (netlink_next(&answers, &at, &m)) {
		const struct nlattr *a[IFA_PROTO + 1];
		const void *p = m.type == RTM_NEWADDR ? netlink_parse(&m, sizeof any, a, countof(a)) : NULL;
		const uint8_t *by = p ? netlink_bytes(a[IFA_PROTO], 1) : NULL;
		if (!by || *by != GIVEN_BY)
			continue;
		memcpy(&t, p, sizeof t);
		if (t.ifa_index == index && remove_address(n, &t, a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS], e) < 0)
			return -1;
	}
	return 0;
}

int link_unbridge(const struct network *w, struct err *e)
{
	own(netlink) struct netlink n = NETLINK_INIT;
	char name[16];
	network_device(w, name);
	if (open_base(&n, e) < 0)
		return -1;
	if (is_made(&n, w, name))
		return remove_bridge(&n, name, e);
	return take_back_addresses(&n, name, e) < 0 ? err_wrap(e, "addresses of the bridge %s", name) : 0;
}

static int add_veth(struct netlink *n, const struct link_end *l, struct err *e)
{
	struct netlink_request r;
	struct ifinfomsg m = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP}, peer = {};
	char bridge[16];
	unsigned master;
	int mtu = network_mtu(l->network);
	network_device(l->network, bridge);
	if (get_index(n, bridge, &master, NULL, e) < 0)
		return err_wrap(e, "bridge %s", bridge);
	netlink_begin(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
	netlink_add_str(&r, IFLA_IFNAME, l->host);
	netlink_add_u32(&r, IFLA_MASTER, master);
	if (mtu)
		netlink_add_u32(&r, IFLA_MTU, (uint32_t)mtu);
	size_t info = netlink_nest(&r, IFLA_LINKINFO);
	netlink_add_str(&r, IFLA_INFO_KIND, "veth");
	size_t data = netlink_nest(&r, IFLA_INFO_DATA);
	/* The attribute begins with a struct, then has attributes of its own. */
	size_t at = r.len;
	netlink_add(&r, VETH_INFO_PEER, &peer, sizeof peer);
	netlink_add_str(&r, IFLA_IFNAME, l->name);
	netlink_add(&r, IFLA_ADDRESS, l->mac, MAC_LEN);
	netlink_add_u32(&r, IFLA_NET_NS_FD, (uint32_t)l->netns);
	if (mtu)
		netlink_add_u32(&r, IFLA_MTU, (uint32_t)mtu);
	netlink_nest_end(&r, at);
	netlink_nest_end(&r, data);
	netlink_nest_end(&r, info);
	if (netlink_call(n, &r, NULL, e) < 0)
		return e->sys == EOPNOTSUPP ? err_set(e, ERR_UNSUPPORTED, "this kernel has no virtual Ethernet (module veth)") : -1;
	return 0;
}

/* icc=false: ports that may talk to the bridge, and not to each other. Hairpin: what br_netfilter turns back goes where it came from. */
static int set_port(struct netlink *n, const char *port, bool isolated, bool hairpin, struct err *e)
{
	static const uint8_t on = 1;
	struct netlink_request r;
	unsigned index;
	if (get_index(n, port, &index, NULL, e) < 0)
		return -1;
	struct ifinfomsg m = {.ifi_family = AF_BRIDGE, .ifi_index = (int)index};
	netlink_begin(&r, RTM_SETLINK, 0, &m, sizeof m);
	size_t info = netlink_nest(&r, IFLA_PROTINFO);
	if (isolated)
		netlink_add(&r, IFLA_BRPORT_ISOLATED, &on, 1);
	if (hairpin)
		netlink_add(&r, IFLA_BRPORT_MODE, &on, 1);
	netlink_nest_end(&r, info);
	return netlink_call(n, &r, NULL, e) < 0 ? err_wrap(e, "bridge port %s", port) : 0;
}

static bool is_isolated(const struct network *w)
{
	return strcmp(w->driver, "bridge") == 0 && !network_option_bool(w, "com.docker.network.bridge.enable_icc", NULL, true);
}

int link_rejoin(const struct network *w, const char *host, bool hairpin, struct err *e)
{
	own(netlink) struct netlink n = NETLINK_INIT;
	struct netlink_request r;
	char bridge[16];
	unsigned index, master;
	network_device(w, bridge);
	if (open_base(&n, e) < 0 || get_index(&n, bridge, &master, NULL, e) < 0)
		return -1;
	if (get_index(&n, host, &index, NULL, e) < 0)
		return e->sys == ENODEV ? 0 : -1;
	struct ifinfomsg m = {.ifi_index = (int)index};
	netlink_begin(&r, RTM_SETLINK, 0, &m, sizeof m);
	netlink_add_u32(&r, IFLA_MASTER, master);
	if (netlink_call(&n, &r, NULL, e) < 0)
		return err_wrap(e, "bridge port %s", host);
	return is_isolated(w) || hairpin ? set_port(&n, host, is_isolated(w), hairpin, e) : 0;
}

int link_hairpin(const char *host, struct err *e)
{
	own(netlink) struct netlink n = NETLINK_INIT;
	return open_base(&n, e) < 0 ? -1 : set_port(&n, host, false, true, e);
}

struct number { const char *word; uint32_t number; };

static uint32_t number_of(const struct number *rows, size_t n, const char *word, uint32_t preset)
{
	for (size_t i = 0; word && i < n; i++)
		if (strcmp(rows[i].word, word) == 0)
			return rows[i].number;
	return preset;
}

static void add_macvlan(struct netlink_request *r, const struct network *w)
{
	static const struct number modes[] = {{"private", MACVLAN_MODE_PRIVATE}, {"vepa", MACVLAN_MODE_VEPA}, {"bridge", MACVLAN_MODE_BRIDGE},
		{"passthru", MACVLAN_MODE_PASSTHRU}};
	netlink_add_u32(r, IFLA_MACVLAN_MODE, number_of(modes, countof(modes), network_option(w, "macvlan_mode", "mode"), MACVLAN_MODE_BRIDGE));
}

static void add_ipvlan(struct netlink_request *r, const struct network *w)
{
	static const struct number modes[] = {{"l2", IPVLAN_MODE_L2}, {"l3", IPVLAN_MODE_L3}, {"l3s", IPVLAN_MODE_L3S}};
	static const struct number flags[] = {{"private", IPVLAN_F_PRIVATE}, {"vepa", IPVLAN_F_VEPA}};
	uint16_t mode = (uint16_t)number_of(modes, countof(modes), network_option(w, "ipvlan_mode", "mode"), IPVLAN_MODE_L2);
	uint16_t flag = (uint16_t)number_of(flags, countof(flags), network_option(w, "ipvlan_flag", NULL), 0);
	netlink_add(r, IFLA_IPVLAN_MODE, &mode, sizeof mode);
	if (flag)
		netlink_add(r, IFLA_IPVLAN_FLAGS, &flag, sizeof flag);
}

static int add_vlan(struct netlink *n, const struct link_end *l, struct err *e)
{
	struct netlink_request r;
	struct ifinfomsg m = {};
	char parent[16];
	unsigned index;
	int mtu = network_mtu(l->network);
	bool mac = strcmp(l->network->driver, "macvlan") == 0;
	network_device(l->network, parent);
	if (get_index(n, parent, &index, NULL, e) < 0)
		return e->sys == ENODEV ? err_set(e, ERR_NOT_FOUND, "there is no interface %s to be the parent", parent) : -1;
	netlink_begin(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof m);
	netlink_add_str(&r, IFLA_IFNAME, l->name);
	netlink_add_u32(&r, IFLA_LINK, index);
	netlink_add_u32(&r, IFLA_NET_NS_FD, (uint32_t)l->netns);
	if (mac)
		netlink_add(&r, IFLA_ADDRESS, l->mac, MAC_LEN);
	if (mtu)
		netlink_add_u32(&r, IFLA_MTU, (uint32_t)mtu);
	size_t info = netlink_nest(&r, IFLA_LINKINFO);
	netlink_add_str(&r, IFLA_INFO_KIND, l->network->driver);
	size_t data = netlink_nest(&r, IFLA_INFO_DATA);
	if (mac)
		add_macvlan(&r, l->network);
	else
		add_ipvlan(&r, l->network);
	netlink_nest_end(&r, data);
	netlink_nest_end(&r, info);
	if (netlink_call(n, &r, NULL, e) < 0)
		return e->sys == EOPNOTSUPP ? err_set(e, ERR_UNSUPPORTED, "this kernel has no %s", l->network->driver) : -1;
	return 0;
}

static int add_default(struct netlink *n, unsigned index, const struct addr *gateway, struct err *e)
{
	struct netlink_request r;
	char text[ADDR_TEXT];
	struct rtmsg m = {.rtm_family = (uint8_t)family(gateway), .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
	netlink_begin(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof m);
	netlink_add(&r, RTA_GATEWAY, gateway->b, gateway->len);
	netlink_add_u32(&r, RTA_OIF, index);
	return netlink_call(n, &r, NULL, e) < 0 ? err_wrap(e, "route by way of %s", addr_format(gateway, text)) : 0;
}

static int add_link_local(struct netlink *n, unsigned index, const struct strv *list, struct err *e)
{
	for (size_t i = 0; list && i < list->n; i++) {
		struct addr a;
		if (!addr_parse(list->v[i], &a))
			return err_set(e, ERR_USAGE, "invalid link-local address \"%.60s\"", list->v[i]);
		if (add_address(n, index, &a, a.len == 4 ? 16 : 64, e) < 0)
			return -1;
	}
	return 0;
}

static int set_inside(struct netlink *n, const struct link_end *l, struct err *e)
{
	unsigned index;
	if (get_index(n, l->name, &index, NULL, e) < 0 || (!l->ip[1].len && set_quiet(n, index, e) < 0) ||
		add_link_local(n, index, l->link_local, e) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		if (l->ip[i].len && add_address(n, index, &l->ip[i], l->prefix[i], e) < 0)
			return -1;
	if (set_up(n, index, e) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		if (l->gateway[i].len && add_default(n, index, &l->gateway[i], e) < 0)
			return -1;
	return 0;
}

int link_add(const struct link_end *l, struct err *e)
{
	own(netlink) struct netlink here = NETLINK_INIT;
	own(netlink) struct netlink there = NETLINK_INIT;
	bool bridge = strcmp(l->network->driver, "bridge") == 0;
	if (open_base(&here, e) < 0 || netns_run(l->netns, open_socket, &there, e) < 0)
		return -1;
	if ((bridge ? add_veth(&here, l, e) : add_vlan(&here, l, e)) < 0)
		return err_wrap(e, "network %s", l->network->name);
	bool isolated = is_isolated(l->network);
	struct err ignored = {};
	if (((isolated || (bridge && l->hairpin)) && set_port(&here, l->host, isolated, l->hairpin, e) < 0) || set_inside(&there, l, e) < 0) {
		(void)!link_remove_in(l->netns, l->name, &ignored);
		return err_wrap(e, "network %s: interface %s", l->network->name, l->name);
	}
	return 0;
}

int link_remove_in(int netns, const char *name, struct err *e)
{
	own(netlink) struct netlink n = NETLINK_INIT;
	struct netlink_request r;
	struct ifinfomsg m = {};
	netlink_begin(&r, RTM_DELLINK, 0, &m, sizeof m);
	netlink_add_str(&r, IFLA_IFNAME, name);
	if (netns_run(netns, open_socket, &n, e) < 0)
		return -1;
	return netlink_call(&n, &r, NULL, e) < 0 && e->sys != ENODEV ? err_wrap(e, "interface %s", name) : 0;
}

int link_default_route(int netns, const char *name, const struct addr *gateway, struct err *e)
{
	own(netlink) struct netlink n = NETLINK_INIT;
	unsigned index;
	if (netns_run(netns, open_socket, &n, e) < 0 || get_index(&n, name, &index, NULL, e) < 0)
		return -1;
	return add_default(&n, index, gateway, e);
}

int link_free_name(int netns, const char *prefix, char ret[16], struct err *e)
{
	own(netlink) struct netlink n = NETLINK_INIT;
	if (netns_run(netns, open_socket, &n, e) < 0)
		return -1;
	for (unsigned i = 0; i < 1000; i++) {
		struct err why = {};
		unsigned index;
		snprintf(ret, 16, "%.11s%u", prefix, i);
		if (get_index(&n, ret, &index, NULL, &why) == 0)
			continue;
		return why.sys == ENODEV ? 0 : (*e = why, -1);
	}
	return err_set(e, ERR_LIMIT, "no interface name is free");
}
