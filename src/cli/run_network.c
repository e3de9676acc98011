/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_network: --network, -p and what belongs to them: the grammar.
 */
#include "cli/run_request.h"

#include "base/num.h"
#include "net/endpoint.h"

#include <stdio.h>
#include <stdlib.h>

static int check_address(const char *option, const char *text, uint8_t len, struct err *e)
{
	struct addr a;
	if (!addr_parse(text, &a) || (len && a.len != len))
		return err_set(e, ERR_USAGE, "invalid %s \"%.60s\": it is an IPv%s address", option, text, len == 16 ? "6" : len == 4 ? "4" : "4 or IPv6");
	return 0;
}

static int check_link_local(const char *option, const char *text, struct err *e)
{
	struct addr a;
	if (!addr_parse(text, &a) || !addr_is_link_local(&a))
		return err_set(e, ERR_USAGE, "invalid %s \"%.60s\": it is an address of 169.254.0.0/16 or fe80::/10", option, text);
	return 0;
}

static int check_mac(const char *option, const char *text, struct err *e)
{
	uint8_t mac[MAC_LEN];
	if (!mac_parse(text, mac))
		return err_set(e, ERR_USAGE, "invalid %s \"%.60s\": it is a single machine's MAC address, as in 02:42:ac:11:00:02", option, text);
	return 0;
}

static int check_alias(const char *text, struct err *e)
{
	if (!*text || strlen(text) > 253 || strpbrk(text, " ,\t\n/"))
		return err_set(e, ERR_USAGE, "invalid alias \"%.100s\": it is a host's name", text);
	return 0;
}

static int check_device(const char *text, struct err *e)
{
	if (!*text || strlen(text) > 15 || strpbrk(text, "/ \t\n:%") || str_eq(text, ".") || str_eq(text, "..") || str_eq(text, "lo"))
		return err_set(e, ERR_USAGE, "invalid interface-name \"%.60s\": it has at most 15 characters, and none of / : %% and blanks", text);
	return 0;
}

/* One KEY=VALUE of the long form. */
static int one_key(struct arena *a, struct network_request *q, const char *key, char *value, struct err *e)
{
	if (str_eq(key, "name")) {
		q->network = value;
	} else if (str_eq(key, "alias")) {
		if (check_alias(value, e) < 0)
			return -1;
		arena_strv_add(a, &q->aliases, value);
	} else if (str_eq(key, "ip")) {
		q->ip = value;
		return check_address("ip", value, 4, e);
	} else if (str_eq(key, "ip6")) {
		q->ip6 = value;
		return check_address("ip6", value, 16, e);
	} else if (str_eq(key, "mac-address") || str_eq(key, "mac")) {
		q->mac = value;
		return check_mac(key, value, e);
	} else if (str_eq(key, "interface-name") || str_eq(key, "interface_name")) {
		q->interface = value;
		return check_device(value, e);
	} else if (str_eq(key, "link-local-ip")) {
		if (check_link_local(key, value, e) < 0)
			return -1;
		arena_strv_add(a, &q->link_local, value);
	} else if (str_eq(key, "gw-priority")) {
		return num_i64(value, INT32_MIN, INT32_MAX, &q->priority, "gw-priority", e);
	} else if (str_eq(key, "driver-opt") && str_has_prefix(value, "com.docker.network.endpoint.ifname=")) {
		q->interface = value + strlen("com.docker.network.endpoint.ifname=");
		return check_device(q->interface, e);
	} else {
		return err_set(e, ERR_USAGE, "unknown key \"%.60s\": name, alias, ip, ip6, mac-address, interface-name, link-local-ip, "
			"gw-priority and driver-opt=com.docker.network.endpoint.ifname=NAME are known", key);
	}
	return 0;
}

static int one_network(struct run_request *r, const char *text, struct err *e)
{
	struct network_request *q = arena_push(&r->arena, &r->host.networks);
	const char *eq = strchr(text, '='), *comma = strchr(text, ',');
	own(strv) struct strv parts = {};
	if (!eq || str_has_prefix(text, "ns:") || (comma && comma < eq)) {
		q->network = arena_dup(&r->arena, text);
		return 0;
	}
	strv_split(&parts, text, ',');
	for (size_t i = 0; i < parts.n; i++) {
		size_t n = strcspn(parts.v[i], "=");
		if (!parts.v[i][n])
			return err_set(e, ERR_USAGE, "invalid --network \"%.100s\": it is a name, or name=NAME,KEY=VALUE…", text);
		own(mem) char *key = str_lower(mem_ndup(parts.v[i], n));
		if (one_key(&r->arena, q, key, arena_dup(&r->arena, parts.v[i] + n + 1), e) < 0)
			return err_wrap(e, "--network");
	}
	return str_is_empty(q->network) ? err_set(e, ERR_USAGE, "invalid --network \"%.100s\": name= is missing", text) : 0;
}

/* --ip, --network-alias and the others stand for the one network there is. */
static int short_options(const struct run_options *o, struct run_request *r, struct err *e)
{
	bool any = o->ip || o->ip6 || o->mac_address || o->network_alias.n || o->link_local_ip.n;
	if (!any)
		return 0;
	if (r->host.networks.n > 1)
		return err_set(e, ERR_USAGE, "with several networks, say ip=, alias= and mac-address= behind the name of each: --network name=NAME,ip=IP");
	if (!r->host.networks.n)
		arena_push(&r->arena, &r->host.networks)->network = arena_dup(&r->arena, "default");
	struct network_request *q = r->host.networks.v;
	if ((o->ip && (check_address("--ip", o->ip, 4, e) < 0)) || (o->ip6 && check_address("--ip6", o->ip6, 16, e) < 0) ||
		(o->mac_address && check_mac("--mac-address", o->mac_address, e) < 0))
		return -1;
	q->ip = o->ip ? o->ip : q->ip;
	q->ip6 = o->ip6 ? o->ip6 : q->ip6;
	q->mac = o->mac_address ? o->mac_address : q->mac;
	for (size_t i = 0; i < o->network_alias.n; i++) {
		if (check_alias(o->network_alias.v[i], e) < 0)
			return err_wrap(e, "--network-alias");
		arena_strv_add(&r->arena, &q->aliases, o->network_alias.v[i]);
	}
	for (size_t i = 0; i < o->link_local_ip.n; i++) {
		if (check_link_local("--link-local-ip", o->link_local_ip.v[i], e) < 0)
			return -1;
		arena_strv_add(&r->arena, &q->link_local, o->link_local_ip.v[i]);
	}
	return 0;
}

int run_network_check(const struct network_request *q, struct err *e)
{
	for (size_t i = 0; i < q->aliases.n; i++)
		if (check_alias(q->aliases.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < q->link_local.n; i++)
		if (check_link_local("--link-local-ip", q->link_local.v[i], e) < 0)
			return -1;
	if ((q->ip && check_address("--ip", q->ip, 4, e) < 0) || (q->ip6 && check_address("--ip6", q->ip6, 16, e) < 0) ||
		(q->mac && check_mac("--mac-address", q->mac, e) < 0))
		return -1;
	return q->interface ? check_device(q->interface, e) : 0;
}

static bool is_plain(const struct network_request *q)
{
	return !q->aliases.n && !q->link_local.n && !q->ip && !q->ip6 && !q->mac && !q->interface && !q->priority;
}

int run_request_networks(const struct run_options *o, struct run_request *r, struct err *e)
{
	for (size_t i = 0; i < o->network.n; i++)
		if (*o->network.v[i] && one_network(r, o->network.v[i], e) < 0)
			return -1;
	if (short_options(o, r, e) < 0)
		return -1;
	struct host_config *h = &r->host;
	if (!h->networks.n)
		return 0;
	h->network_mode = h->networks.v[0].network;
	for (size_t i = 0; i < h->networks.n; i++) {
		const char *name = h->networks.v[i].network;
		bool shared = str_eq(name, "host") || str_eq(name, "none") || strchr(name, ':');
		if (shared && h->networks.n > 1)
			return err_set(e, ERR_USAGE, "--network %.60s and --network %.60s exclude each other", h->networks.v[0].network,
				h->networks.v[i ? i : 1].network);
		if (shared && !is_plain(&h->networks.v[i]))
			return err_set(e, ERR_USAGE, "--network %.60s: addresses, aliases and the like need a network of hull's", name);
	}
	if (h->networks.n == 1 && is_plain(&h->networks.v[0]))
		h->networks.n = 0;
	return 0;
}

/* "80", "80-90": 1 to 65535. */
static bool parse_range(const char *s, size_t n, uint32_t *first, uint32_t *last)
{
	char text[16], *end;
	if (!n || n >= sizeof text || *s < '0' || *s > '9')
		return false;
	memcpy(text, s, n);
	text[n] = 0;
	unsigned long a = strtoul(text, &end, 10), b = a;
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		b = strtoul(end + 1, &end, 10);
	*first = (uint32_t)a;
	*last = (uint32_t)b;
	return !*end && a <= 65535 && b <= 65535 && a <= b;
}

static int bad_port(const struct run_request *r, const char *text, const char *why, struct err *e)
{
	return err_set(e, ERR_USAGE, "invalid %s \"%.100s\": %s: it is [[IP:]HOST-PORT:]PORT[/tcp|udp|sctp], as in 8080:80",
		r->port_option ? r->port_option : "-p", text, why);
}

static int fill_port(struct run_request *r, const char *text, const char *ip, size_t ip_len, const char *host, size_t host_len, const char *port,
	size_t port_len, const char *proto, struct err *e)
{
	struct port_request q = {.protocol = arena_dup(&r->arena, proto), .count = 1};
	uint32_t first, last, host_first = 0, host_last = 0;
	if (ip_len) {
		struct addr a;
		bool bracket = ip[0] == '[' && ip[ip_len - 1] == ']';
		q.host_ip = arena_ndup(&r->arena, ip + bracket, ip_len - 2 * bracket);
		if (!addr_parse(q.host_ip, &a))
			return bad_port(r, text, "what stands first is no address", e);
	}
	if (!parse_range(port, port_len, &first, &last) || !first)
		return bad_port(r, text, "the container's port is from 1 to 65535, a range goes upwards", e);
	if (host_len && !parse_range(host, host_len, &host_first, &host_last))
		return bad_port(r, text, "the host's port is from 1 to 65535, a range goes upwards", e);
	q.port = first;
	q.count = last - first + 1;
	q.host_port = host_first;
	if (host_first && host_last - host_first + 1 != q.count) {
		if (q.count != 1)
			return bad_port(r, text, "the two ranges have different lengths", e);
		q.host_last = host_last;
	}
	if (host_len && host_first == 0 && host_last)
		return bad_port(r, text, "the host's port is from 1 to 65535", e);
	*arena_push(&r->arena, &r->host.ports) = q;
	return 0;
}

/* docker's long form: published=8080,target=80,protocol=tcp,host_ip=… */
static int long_port(struct run_request *r, const char *text, struct err *e)
{
	own(strv) struct strv parts = {};
	const char *published = "", *target = "", *proto = "tcp", *ip = "";
	strv_split(&parts, text, ',');
	for (size_t i = 0; i < parts.n; i++) {
		const char *v;
		if ((v = str_after(parts.v[i], "published=")))
			published = v;
		else if ((v = str_after(parts.v[i], "target=")))
			target = v;
		else if ((v = str_after(parts.v[i], "protocol=")))
			proto = v;
		else if ((v = str_after(parts.v[i], "host_ip=")))
			ip = v;
		else if (!str_after(parts.v[i], "mode="))
			return bad_port(r, text, "target, published, protocol, host_ip and mode are the keys", e);
	}
	if (!port_protocol_of(proto))
		return bad_port(r, text, "the protocol is tcp, udp or sctp", e);
	return fill_port(r, text, ip, strlen(ip), published, strlen(published), target, strlen(target), proto, e);
}

int run_request_port(struct run_request *r, const char *text, struct err *e)
{
	own(mem) char *copy = mem_dup(text);
	char *slash = strchr(copy, '/');
	const char *proto = "tcp";
	if (strchr(text, '=') && strchr(text, 't'))
		return long_port(r, text, e);
	if (slash) {
		*slash = 0;
		proto = str_lower(slash + 1);
		if (!port_protocol_of(proto))
			return bad_port(r, text, "the protocol is tcp, udp or sctp", e);
	}
	/* From behind: an IPv6 address has colons too, in brackets or not. */
	const char *port = strrchr(copy, ':'), *host, *ip = copy;
	if (!port)
		return fill_port(r, text, "", 0, "", 0, copy, strlen(copy), proto, e);
	host = memrchr(copy, ':', (size_t)(port - copy));
	size_t ip_len = host ? (size_t)(host - copy) : 0;
	host = host ? host + 1 : copy;
	if (ip_len && *ip != '[' && memchr(ip, ':', ip_len))
		return bad_port(r, text, "an IPv6 address stands in brackets", e);
	return fill_port(r, text, ip, ip_len, host, (size_t)(port - host), port + 1, strlen(port + 1), proto, e);
}

int run_request_ports(const struct run_options *o, struct run_request *r, struct err *e)
{
	for (size_t i = 0; i < o->publish.n; i++)
		if (run_request_port(r, o->publish.v[i], e) < 0)
			return -1;
	r->host.publish_all = o->publish_all;
	for (size_t i = 0; i < r->host.ports.n; i++) {
		const struct port_request *q = &r->host.ports.v[i];
		for (uint32_t k = 0; k < q->count; k++) {
			char text[24];
			snprintf(text, sizeof text, "%u/%s", q->port + k, q->protocol);
			if (q->count <= 1024 && !strv_has(&r->config.exposed_ports, text))
				arena_strv_add(&r->arena, &r->config.exposed_ports, text);
		}
	}
	return 0;
}
