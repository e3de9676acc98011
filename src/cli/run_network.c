/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_network: --network, -p and what belongs to them: the grammar.
 */
#include "cli/run_request.h"

#include "base/num.h"
#include "engine/network_request.h"
#include "engine/port_request.h"

/* One KEY=VALUE of the long form. */
static int one_key(struct arena *a, struct network_request *q, const char *key, char *value, struct err *e)
{
	if (str_eq(key, "name")) {
		q->network = value;
	} else if (str_eq(key, "alias")) {
		arena_strv_add(a, &q->aliases, value);
	} else if (str_eq(key, "ip")) {
		q->ip = value;
	} else if (str_eq(key, "ip6")) {
		q->ip6 = value;
	} else if (str_eq(key, "mac-address") || str_eq(key, "mac")) {
		q->mac = value;
	} else if (str_eq(key, "interface-name") || str_eq(key, "interface_name")) {
		q->interface = value;
	} else if (str_eq(key, "link-local-ip")) {
		arena_strv_add(a, &q->link_local, value);
	} else if (str_eq(key, "gw-priority")) {
		return num_i64(value, INT32_MIN, INT32_MAX, &q->priority, "gw-priority", e);
	} else if (str_eq(key, "driver-opt") && str_has_prefix(value, "com.docker.network.endpoint.ifname=")) {
		q->interface = value + strlen("com.docker.network.endpoint.ifname=");
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
	if (str_is_empty(q->network))
		return err_set(e, ERR_USAGE, "invalid --network \"%.100s\": name= is missing", text);
	return network_request_check(q, e) < 0 ? err_wrap(e, "--network") : 0;
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
	q->ip = o->ip ? o->ip : q->ip;
	q->ip6 = o->ip6 ? o->ip6 : q->ip6;
	q->mac = o->mac_address ? o->mac_address : q->mac;
	for (size_t i = 0; i < o->network_alias.n; i++)
		arena_strv_add(&r->arena, &q->aliases, o->network_alias.v[i]);
	for (size_t i = 0; i < o->link_local_ip.n; i++)
		arena_strv_add(&r->arena, &q->link_local, o->link_local_ip.v[i]);
	return network_request_check(q, e);
}

int run_request_networks(const struct run_options *o, struct run_request *r, struct err *e)
{
	for (size_t i = 0; i < o->network.n; i++)
		if (*o->network.v[i] && one_network(r, o->network.v[i], e) < 0)
			return -1;
	return short_options(o, r, e) < 0 ? -1 : network_requests_choose(&r->host, e);
}

static int bad_port(const struct run_request *r, const char *text, const char *why, struct err *e)
{
	return err_set(e, ERR_USAGE, "invalid %s \"%.100s\": %s: it is [[IP:]HOST-PORT:]PORT[/tcp|udp|sctp], as in 8080:80",
		r->port_option ? r->port_option : "-p", text, why);
}

static int fill_port(struct run_request *r, const char *text, const char *ip, const char *host, const char *port, const char *proto, struct err *e)
{
	struct port_request q;
	struct err why = {};
	if (port_request_make(&r->arena, ip, host, port, proto, &q, &why) < 0)
		return bad_port(r, text, why.text, e);
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
	return fill_port(r, text, ip, published, target, proto, e);
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
	}
	/* From behind: an IPv6 address has colons too, in brackets or not. */
	char *port = strrchr(copy, ':'), *host;
	if (!port)
		return fill_port(r, text, "", "", copy, proto, e);
	*port++ = 0;
	host = strrchr(copy, ':');
	if (!host)
		return fill_port(r, text, "", copy, port, proto, e);
	*host++ = 0;
	if (*copy != '[' && strchr(copy, ':'))
		return bad_port(r, text, "an IPv6 address stands in brackets", e);
	return fill_port(r, text, copy, host, port, proto, e);
}

int run_request_ports(const struct run_options *o, struct run_request *r, struct err *e)
{
	for (size_t i = 0; i < o->publish.n; i++)
		if (run_request_port(r, o->publish.v[i], e) < 0)
			return -1;
	r->host.publish_all = o->publish_all;
	port_requests_expose(&r->arena, &r->host.ports, &r->config.exposed_ports);
	return 0;
}
