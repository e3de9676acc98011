/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_devices: see net_devices.h. For each device:
 *
 *   here    its index and flags, its addresses of global scope that somebody has set: a move takes all addresses away
 *   here    down; into the other namespace and its new name in one request, so that no name is in the way in between
 *   there   the addresses again, up
 *
 * The socket that speaks there was made by ourselves, who went there for that moment. A failure on the way takes back what
 * has been moved: with the namespace of a container that did not come to be, a virtual device would go too.
 */
#include "runtime/net_devices.h"

#include "base/fd.h"
#include "sys/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEMPLATE_MAX = 4096, LIST_MAX = 1024 };

struct net_device {
	char from[IFNAMSIZ], to[IFNAMSIZ];
	unsigned flags;
	int here, there;  /* its index, and the one in the other namespace once it was moved; 0: it was not */
	struct buf addresses; /* as the kernel listed them */
};

static void device_drop(struct net_device *d)
{
	buf_drop(&d->addresses);
}

void net_devices_drop(struct net_devices *d)
{
	for (size_t i = 0; i < d->n; i++)
		device_drop(&d->v[i]);
	mem_drop(&d->v);
	d->n = 0;
	fd_drop(&d->home);
	fd_drop(&d->away);
}

/* What the kernel lets be a name (dev_valid_name()); a template has one %d and nothing else with a percent sign. */
static bool is_name(const char *s, bool template)
{
	const char *percent = strchr(s, '%');
	if (!*s || strlen(s) >= IFNAMSIZ || strcmp(s, ".") == 0 || strcmp(s, "..") == 0 || strpbrk(s, "/: \t\n\v\f\r"))
		return false;
	return !percent || (template && percent[1] == 'd' && !strchr(percent + 1, '%'));
}

static const char *target_of(const struct json_iter *it)
{
	const char *name = json_get_str(it->value, "name");
	return str_is_empty(name) ? it->key : name;
}

static bool is_twice(const struct json *devices, const struct json_iter *one)
{
	struct json_iter it = {};
	size_t n = 0;
	while (json_next(devices, &it))
		n += strcmp(target_of(&it), target_of(one)) == 0;
	return n > 1 && !strchr(target_of(one), '%');
}

int net_devices_check(const struct spec *s, uint64_t own, struct err *e)
{
	const struct json *devices = s->linux_->net_devices;
	struct json_iter it = {};
	if (devices && json_kind(devices) != JSON_OBJECT)
		return err_set(e, ERR_USAGE, "linux.netDevices: must be an object");
	if (json_len(devices) > LIST_MAX)
		return err_set(e, ERR_USAGE, "linux.netDevices: %zu devices, more than %d", json_len(devices), LIST_MAX);
	while (json_next(devices, &it)) {
		const struct json *name = json_get(it.value, "name");
		if ((it.value && json_kind(it.value) != JSON_OBJECT) || (name && json_kind(name) != JSON_STRING))
			return err_set(e, ERR_USAGE, "linux.netDevices: %.40s must be an object with a name", it.key);
		if (!is_name(it.key, false))
			return err_set(e, ERR_USAGE, "linux.netDevices: \"%.40s\" is no name of a device", it.key);
		if (!is_name(target_of(&it), true))
			return err_set(e, ERR_USAGE, "linux.netDevices: %s: \"%.40s\" is no name of a device", it.key, target_of(&it));
		if (is_twice(devices, &it))
			return err_set(e, ERR_USAGE, "linux.netDevices: two devices cannot be named %s", target_of(&it));
		if (!(own & CLONE_NEWNET))
			return err_set(e, ERR_USAGE, "linux.netDevices needs a network namespace of the container's own");
	}
	return 0;
}

/* The device's index, 0 when there is none of that name; its flags. */
static int find(struct netlink *n, const char *name, unsigned *ret_flags, struct err *e)
{
	const struct nlattr *attrs[1];
	struct netlink_request r;
	struct netlink_answer m;
	struct ifinfomsg link = {};
	size_t at = 0;
	own(buf) struct buf answers = BUF(NETLINK_ANSWERS);
	netlink_begin(&r, RTM_GETLINK, 0, &link, sizeof link);
	netlink_add_u32(&r, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	netlink_add_str(&r, IFLA_IFNAME, name);
	if (netlink_call(n, &r, &answers, e) < 0)
		return e->sys == ENODEV ? 0 : -1;
	while (netlink_next(&answers, &at, &m))
		if (m.type == RTM_NEWLINK && netlink_parse(&m, sizeof link, attrs, 1)) {
			memcpy(&link, m.body, sizeof link);
			*ret_flags = link.ifi_flags;
			return link.ifi_index;
		}
	return err_set(e, ERR_SYSTEM, "netlink: no answer about %s", name);
}

static int set_up(struct netlink *n, int index, bool up, struct err *e)
{
	struct ifinfomsg link = {.ifi_index = index, .ifi_change = IFF_UP, .ifi_flags = up ? IFF_UP : 0};
	struct netlink_request r;
	netlink_begin(&r, RTM_NEWLINK, 0, &link, sizeof link);
	return netlink_call(n, &r, NULL, e) < 0 ? err_wrap(e, up ? "set up" : "set down") : 0;
}

static int list_addresses(struct netlink *n, int index, struct buf *ret, struct err *e)
{
	struct ifaddrmsg a = {.ifa_index = (uint32_t)index};
	struct netlink_request r;
	*ret = BUF(NETLINK_ANSWERS);
	netlink_begin(&r, RTM_GETADDR, NLM_F_DUMP, &a, sizeof a);
	return netlink_call(n, &r, ret, e) < 0 ? err_wrap(e, "addresses") : 0;
}

/* Not what the kernel, or a server by way of it, chose for the other network. */
static int add_addresses(struct netlink *n, int from, int to, const struct buf *list, struct err *e)
{
	static const uint16_t kept[] = {IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST, IFA_RT_PRIORITY};
	const struct nlattr *attrs[IFA_RT_PRIORITY + 1];
	struct netlink_answer m;
	for (size_t at = 0; netlink_next(list, &at, &m);) {
		struct ifaddrmsg a;
		struct netlink_request r;
		if (m.type != RTM_NEWADDR || !netlink_parse(&m, sizeof a, attrs, countof(attrs)))
			continue;
		memcpy(&a, m.body, sizeof a);
		uint32_t flags = attrs[IFA_FLAGS] ? netlink_u32(attrs[IFA_FLAGS]) : a.ifa_flags;
		if (a.ifa_index != (uint32_t)from || a.ifa_scope != RT_SCOPE_UNIVERSE || !(flags & IFA_F_PERMANENT))
			continue;
		a.ifa_index = (uint32_t)to;
		a.ifa_flags = 0;
		netlink_begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &a, sizeof a);
		for (size_t i = 0; i < countof(kept); i++)
			if (netlink_bytes(attrs[kept[i]], 4))
				netlink_add(&r, kept[i], netlink_bytes(attrs[kept[i]], 4), attrs[kept[i]]->nla_len - NLA_HDRLEN);
		netlink_add_u32(&r, IFA_FLAGS, flags & (IFA_F_NOPREFIXROUTE | IFA_F_NODAD | IFA_F_MCAUTOJOIN));
		if (netlink_call(n, &r, NULL, e) < 0 && e->sys != EEXIST)
			return err_wrap(e, "address");
	}
	return 0;
}

/* Into the namespace, as `name`. */
static int send_off(struct netlink *n, int index, int ns, const char *name, struct err *e)
{
	struct ifinfomsg link = {.ifi_index = index};
	struct netlink_request r;
	netlink_begin(&r, RTM_NEWLINK, 0, &link, sizeof link);
	netlink_add_u32(&r, IFLA_NET_NS_FD, (uint32_t)ns);
	netlink_add_str(&r, IFLA_IFNAME, name);
	return netlink_call(n, &r, NULL, e) < 0 ? err_wrap(e, "move") : 0;
}

/* The name it will have there: of a template the first that is free. */
static int choose_name(struct netlink *there, struct net_device *d, struct err *e)
{
	char name[IFNAMSIZ + 16];
	unsigned flags;
	const char *percent = strchr(d->to, '%');
	for (int i = 0; i < (percent ? TEMPLATE_MAX : 1); i++) {
		if (percent)
			snprintf(name, sizeof name, "%.*s%d%s", (int)(percent - d->to), d->to, i, percent + 2);
		else
			snprintf(name, sizeof name, "%s", d->to);
		if (strlen(name) >= IFNAMSIZ)
			break;
		int index = find(there, name, &flags, e);
		if (index < 0)
			return -1;
		if (index == 0) {
			snprintf(d->to, sizeof d->to, "%.15s", name);
			return 0;
		}
	}
	return err_set(e, ERR_CONFLICT, "the container has a device %s already", d->to);
}

/* As it was: in our namespace. When it is not there it moved and could not be renamed, and will be taken back. */
static void settle(struct net_device *d, struct netlink *here, struct netlink *there)
{
	struct err ignored = {};
	unsigned flags;
	int index = find(here, d->from, &flags, &ignored);
	if (index == 0)
		d->there = find(there, d->from, &flags, &ignored);
	if (index <= 0)
		return;
	(void)!add_addresses(here, d->here, index, &d->addresses, &ignored);
	if (d->flags & IFF_UP)
		(void)!set_up(here, index, true, &ignored);
}

static int move(struct net_device *d, int ns, struct netlink *here, struct netlink *there, struct err *e)
{
	unsigned flags;
	d->here = find(here, d->from, &d->flags, e);
	if (d->here == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such device");
	if (d->here < 0 || choose_name(there, d, e) < 0 || list_addresses(here, d->here, &d->addresses, e) < 0)
		return -1;
	if ((d->flags & IFF_UP && set_up(here, d->here, false, e) < 0) || send_off(here, d->here, ns, d->to, e) < 0) {
		settle(d, here, there);
		return -1;
	}
	d->there = find(there, d->to, &flags, e);
	if (d->there == 0)
		return err_set(e, ERR_SYSTEM, "it is gone");
	return d->there < 0 || add_addresses(there, d->here, d->there, &d->addresses, e) < 0 || set_up(there, d->there, true, e) < 0 ? -1 : 0;
}

/* A socket in another network namespace. */
static int open_there(int home, int away, struct netlink *ret, struct err *e)
{
	if (setns(away, CLONE_NEWNET) < 0)
		return err_sys(e, "enter the container's network namespace");
	int r = netlink_open(ret, e);
	/* Going back to the namespace one comes from is always allowed to who could leave it. */
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	return r;
}

static int open_namespaces(struct net_devices *d, pid_t pid, int ns, struct netlink *here, struct netlink *there, struct err *e)
{
	char path[40];
	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
	d->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	d->away = ns >= 0 ? fcntl(ns, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
	if (d->home < 0 || d->away < 0)
		return err_sys(e, "the container's network namespace");
	return netlink_open(here, e) < 0 || open_there(d->home, d->away, there, e) < 0 ? -1 : 0;
}

int net_devices_move(const struct spec *s, pid_t pid, int ns, struct net_devices *ret, struct err *e)
{
	const struct json *devices = s->linux_->net_devices;
	struct json_iter it = {};
	own(netlink) struct netlink here = NETLINK_INIT;
	own(netlink) struct netlink there = NETLINK_INIT;
	if (!json_len(devices))
		return 0;
	if (open_namespaces(ret, pid, ns, &here, &there, e) < 0)
		return err_wrap(e, "linux.netDevices");
	ret->v = mem_alloc(json_len(devices) * sizeof *ret->v);
	while (json_next(devices, &it)) {
		struct net_device *d = &ret->v[ret->n++];
		snprintf(d->from, sizeof d->from, "%s", it.key);
		snprintf(d->to, sizeof d->to, "%s", target_of(&it));
		if (move(d, ret->away, &here, &there, e) < 0) {
			net_devices_return(ret);
			return err_wrap(e, "linux.netDevices: %s", it.key);
		}
	}
	return 0;
}

static void take_back(struct net_device *d, int home, struct netlink *here, struct netlink *there)
{
	struct err ignored = {};
	(void)!set_up(there, d->there, false, &ignored);
	if (send_off(there, d->there, home, d->from, &ignored) == 0)
		settle(d, here, there);
}

void net_devices_return(struct net_devices *d)
{
	struct err ignored = {};
	own(netlink) struct netlink here = NETLINK_INIT;
	own(netlink) struct netlink there = NETLINK_INIT;
	if (d->home < 0 || d->away < 0 || netlink_open(&here, &ignored) < 0 || open_there(d->home, d->away, &there, &ignored) < 0)
		return;
	for (size_t i = d->n; i-- > 0;)
		if (d->v[i].there > 0)
			take_back(&d->v[i], d->home, &here, &there);
	net_devices_drop(d);
}
