/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/network_docs.h"

#include <stdio.h>
#include <stdlib.h>

static const char *text(const char *s)
{
	return s ? s : "";
}

static void set_u32(struct json *j, const char *key, uint32_t v)
{
	json_set(j, key, json_new_i64(v));
}

static const struct network_request *asked(const struct host_config *h, const char *network)
{
	for (size_t i = 0; i < h->networks.n; i++)
		if (str_eq(h->networks.v[i].network, network))
			return &h->networks.v[i];
	return NULL;
}

static struct json *ipam_config(const struct network_request *q)
{
	if (!q || (str_is_empty(q->ip) && str_is_empty(q->ip6) && !q->link_local.n))
		return NULL;
	struct json *j = json_new_object();
	if (!str_is_empty(q->ip))
		json_set_str(j, "IPv4Address", q->ip);
	if (!str_is_empty(q->ip6))
		json_set_str(j, "IPv6Address", q->ip6);
	if (q->link_local.n)
		json_set(j, "LinkLocalIPs", json_new_strv(&q->link_local));
	return j;
}

static struct json *endpoint_json(const struct endpoint_state *s, const struct network_request *q)
{
	struct json *j = json_new_object();
	json_set(j, "IPAMConfig", ipam_config(q));
	json_set(j, "Links", NULL);
	json_set(j, "Aliases", q ? json_new_strv(&q->aliases) : NULL);
	json_set_str(j, "MacAddress", text(s->mac));
	json_set(j, "DriverOpts", NULL);
	json_set(j, "GwPriority", json_new_i64(q ? q->priority : 0));
	json_set_str(j, "NetworkID", text(s->network_id));
	json_set_str(j, "EndpointID", text(s->endpoint_id));
	json_set_str(j, "Gateway", text(s->gateway));
	json_set_str(j, "IPAddress", text(s->ip));
	set_u32(j, "IPPrefixLen", str_is_empty(s->ip) ? 0 : s->prefix);
	json_set_str(j, "IPv6Gateway", text(s->gateway6));
	json_set_str(j, "GlobalIPv6Address", text(s->ip6));
	set_u32(j, "GlobalIPv6PrefixLen", str_is_empty(s->ip6) ? 0 : s->prefix6);
	json_set(j, "DNSNames", str_eq(s->network, "bridge") ? NULL : json_new_strv(&s->names));
	return j;
}

static struct json *networks_json(const struct container_record *r, const struct container_state *s, bool running)
{
	struct json *j = json_new_object();
	const struct host_config *h = &r->host;
	const char *mode = text(h->network_mode);
	for (size_t i = 0; running && i < s->networks.n; i++)
		json_set(j, s->networks.v[i].network, endpoint_json(&s->networks.v[i], asked(h, s->networks.v[i].network)));
	if (running && s->networks.n)
		return j;
	const struct endpoint_state none = {};
	for (size_t i = 0; i < h->networks.n; i++)
		json_set(j, h->networks.v[i].network, endpoint_json(&none, &h->networks.v[i]));
	if (!h->networks.n && *mode && !strchr(mode, ':'))
		json_set(j, mode, endpoint_json(&none, NULL));
	return j;
}

static void add_binding(struct json *ports, const char *key, const char *ip, uint32_t port)
{
	struct json *row = json_new_object(), *list = json_get(ports, key);
	char number[16] = "";
	if (port)
		snprintf(number, sizeof number, "%u", port);
	if (!list) {
		list = json_new_array();
		json_set(ports, key, list);
	}
	json_set_str(row, "HostIp", text(ip));
	json_set_str(row, "HostPort", number);
	json_add(list, row);
}

static struct json *published_json(const struct container_record *r, const struct container_state *s)
{
	struct json *j = json_new_object();
	char key[24];
	for (size_t i = 0; i < s->published.n; i++)
		for (uint32_t k = 0; k < s->published.v[i].count; k++) {
			const struct port_state *p = &s->published.v[i];
			snprintf(key, sizeof key, "%u/%s", p->port + k, p->protocol);
			add_binding(j, key, p->host_ip, p->host_port + k);
		}
	for (size_t i = 0; i < r->config.exposed_ports.n; i++)
		if (!json_has(j, r->config.exposed_ports.v[i]))
			json_set(j, r->config.exposed_ports.v[i], NULL);
	return j;
}

struct json *network_docs_bindings(const struct host_config *h)
{
	struct json *j = json_new_object();
	char key[24];
	for (size_t i = 0; i < h->ports.n; i++)
		for (uint32_t k = 0; k < h->ports.v[i].count; k++) {
			const struct port_request *p = &h->ports.v[i];
			snprintf(key, sizeof key, "%u/%s", p->port + k, p->protocol);
			add_binding(j, key, p->host_ip, p->host_port ? p->host_port + k : 0);
		}
	return j;
}

struct json *network_docs_settings(const struct container_record *r, const struct container_state *s, bool running)
{
	static const char *const texts[] = {"LinkLocalIPv6Address", "SandboxID", "SandboxKey", "Bridge"};
	static const char *const copied[] = {"EndpointID", "Gateway", "GlobalIPv6Address", "IPAddress", "IPv6Gateway", "MacAddress", "IPPrefixLen",
		"GlobalIPv6PrefixLen"};
	struct json *j = json_new_object(), *networks = networks_json(r, s, running);
	char key[48];
	for (size_t i = 0; i < countof(texts); i++)
		json_set_str(j, texts[i], "");
	if (running && s->pid > 0) {
		snprintf(key, sizeof key, "/proc/%lld/ns/net", (long long)s->pid);
		json_set_str(j, "SandboxID", r->id);
		json_set_str(j, "SandboxKey", key);
	}
	json_set(j, "Ports", running ? published_json(r, s) : json_new_object());
	json_set(j, "HairpinMode", json_new_bool(false));
	json_set(j, "LinkLocalIPv6PrefixLen", json_new_i64(0));
	json_set(j, "SecondaryIPAddresses", NULL);
	json_set(j, "SecondaryIPv6Addresses", NULL);
	/* docker's old keys are those of the default network. */
	const struct endpoint_state none = {};
	const struct endpoint_state *first = running && s->networks.n && str_eq(s->networks.v[0].network, "bridge") ? &s->networks.v[0] : &none;
	own(json) struct json *old = endpoint_json(first, NULL);
	for (size_t i = 0; i < countof(copied); i++)
		json_set(j, copied[i], json_ref(json_get(old, copied[i])));
	json_set(j, "Networks", networks);
	return j;
}

static void add_port(struct json *list, const char *ip, uint32_t inside, uint32_t outside, const char *type)
{
	struct json *p = json_new_object();
	if (ip)
		json_set_str(p, "IP", ip);
	set_u32(p, "PrivatePort", inside);
	if (outside)
		set_u32(p, "PublicPort", outside);
	json_set_str(p, "Type", type);
	json_add(list, p);
}

static bool is_published(const struct container_state *s, uint32_t port, const char *type)
{
	for (size_t i = 0; i < s->published.n; i++)
		if (str_eq(s->published.v[i].protocol, type) && port - s->published.v[i].port < s->published.v[i].count)
			return true;
	return false;
}

struct json *network_docs_ports(const struct container_state *s, bool running)
{
	struct json *j = json_new_array();
	for (size_t i = 0; running && i < s->published.n; i++)
		for (uint32_t k = 0; k < s->published.v[i].count; k++)
			add_port(j, text(s->published.v[i].host_ip), s->published.v[i].port + k, s->published.v[i].host_port + k, s->published.v[i].protocol);
	for (size_t i = 0; i < s->ports.n; i++) {
		const char *slash = strchr(s->ports.v[i], '/'), *type = slash ? slash + 1 : "tcp";
		uint32_t port = (uint32_t)strtoul(s->ports.v[i], NULL, 10);
		if (!running || !is_published(s, port, type))
			add_port(j, NULL, port, 0, type);
	}
	return j;
}

struct json *network_docs_summary(const struct container_state *s)
{
	struct json *j = json_new_object(), *networks = json_new_object();
	for (size_t i = 0; i < s->networks.n; i++)
		json_set(networks, s->networks.v[i].network, endpoint_json(&s->networks.v[i], NULL));
	if (!s->networks.n && !str_is_empty(s->network_mode) && !strchr(s->network_mode, ':'))
		json_set(networks, s->network_mode, json_new_object());
	json_set(j, "Networks", networks);
	return j;
}
