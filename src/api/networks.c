/* SPDX-License-Identifier: Apache-2.0 */
/*
 * networks: docker's /networks. What is in somebody's way (a predefined network, one that is in use, a subnet that overlaps) is 403 there, and
 * 409 only a name that is taken.
 */
#include "api/call.h"
#include "api/endpoint.h"
#include "engine/network.h"

#include <string.h>

static int forbidden(struct call *c, struct err *e)
{
	return conn_reply_error(c->conn, 403, e->text, e);
}

static int list(struct call *c, struct err *e)
{
	struct strv filters;
	if (call_filters(c, &filters, e) < 0)
		return -1;
	own(json) struct json *all = network_list(c->g, &filters, e);
	if (!all)
		return -1;
	for (size_t i = 0; c->version >= 28 && i < json_len(all); i++)
		json_set(json_at(all, i), "Containers", json_new_object());
	return call_reply(c, 200, take(all), e);
}

/* verbose says more of a swarm's networks only; their scope is another than ours. */
static int inspect(struct call *c, struct err *e)
{
	const char *scope = call_query(c, "scope");
	if (scope && strcmp(scope, "local") != 0)
		return err_set(e, ERR_NOT_FOUND, "network %.200s not found", c->args[0]);
	struct json *j = network_inspect(c->g, c->args[0], e);
	return j ? call_reply(c, 200, j, e) : -1;
}

struct ipam_body {
	char *driver;
	struct map options;
	__typeof__(((struct network *)0)->ipam) config;
};
struct create_body {
	char *name, *driver, *scope;
	struct opt_bool ipv4;
	bool ipv6, internal, attachable, ingress, config_only;
	struct { char *network; } config_from;
	struct ipam_body ipam;
	struct map options, labels;
};
#define S struct ipam_body
static const struct jfield ipam_fields[] = {
	JF(S, "Driver", driver, JT_STR), JF(S, "Options", options, JT_MAP), JFS(S, "Config", config, JT_LIST, network_ipam_table),
};
#undef S
static const struct jtable ipam_table = JTABLE(struct ipam_body, ipam_fields);
static const struct jfield from_fields[] = {{"Network", JT_STR, 0, 0, NULL}};
static const struct jtable from_table = {from_fields, countof(from_fields), sizeof(char *)};
#define S struct create_body
static const struct jfield create_fields[] = {
	JF(S, "Name", name, JT_STR), JF(S, "Driver", driver, JT_STR), JF(S, "Scope", scope, JT_STR), JF(S, "EnableIPv4", ipv4, JT_OBOOL),
	JF(S, "EnableIPv6", ipv6, JT_BOOL), JF(S, "Internal", internal, JT_BOOL), JF(S, "Attachable", attachable, JT_BOOL),
	JF(S, "Ingress", ingress, JT_BOOL), JF(S, "ConfigOnly", config_only, JT_BOOL), JFS(S, "ConfigFrom", config_from, JT_STRUCT, from_table),
	JFS(S, "IPAM", ipam, JT_STRUCT, ipam_table), JF(S, "Options", options, JT_MAP), JF(S, "Labels", labels, JT_MAP),
};
#undef S
static const struct jtable create_table = JTABLE(struct create_body, create_fields);

static int check(const struct create_body *b, struct err *e)
{
	if (!str_is_empty(b->ipam.driver) && !str_eq(b->ipam.driver, "default"))
		return err_set(e, ERR_USAGE, "IPAM.Driver: \"%.60s\": only \"default\" is known", b->ipam.driver);
	if (b->ipam.options.n)
		return err_set(e, ERR_USAGE, "IPAM.Options: \"%.60s\": the driver \"default\" takes none", b->ipam.options.v[0].key);
	if (!str_is_empty(b->scope) && !str_eq(b->scope, "local"))
		return err_set(e, ERR_USAGE, "Scope: \"%.60s\": only \"local\" is known, hull has no swarm", b->scope);
	if (b->ingress || b->config_only || !str_is_empty(b->config_from.network))
		return err_set(e, ERR_USAGE, "%s: hull has no swarm", b->ingress ? "Ingress" : b->config_only ? "ConfigOnly" : "ConfigFrom");
	return 0;
}

static bool says_anything(const struct ipam *row)
{
	return !str_is_empty(row->subnet) || !str_is_empty(row->range) || !str_is_empty(row->gateway) || row->aux.n;
}

static int create(struct call *c, struct err *e)
{
	own(json) struct json *body = NULL;
	own(buf) struct buf warning = {};
	char none[] = "", bridge[] = "bridge";
	struct create_body b = {};
	if (call_json(c, false, &body, e) < 0 || jmap_parse(&create_table, body, JMAP_NOCASE, c->arena, &b, "", e) < 0 || check(&b, e) < 0)
		return -1;
	struct network w = {.name = b.name ? b.name : none, .driver = str_is_empty(b.driver) || str_eq(b.driver, "default") ? bridge : b.driver,
		.ipv4 = !b.ipv4.set || b.ipv4.v, .ipv6 = b.ipv6, .internal = b.internal, .attachable = b.attachable, .options = b.options,
		.labels = b.labels};
	for (size_t i = 0; i < b.ipam.config.n; i++)
		if (says_anything(&b.ipam.config.v[i]))
			*arena_push(c->arena, &w.ipam) = b.ipam.config.v[i];
	if (network_create(c->g, c->arena, &w, e) < 0)
		return e->kind == ERR_CONFLICT ? forbidden(c, e) : -1;
	struct json *j = json_new_object();
	json_set_str(j, "Id", w.id);
	for (size_t i = 0; i < c->warnings->n; i++)
		buf_printf(&warning, "%s%s", i ? "\n" : "", c->warnings->v[i]);
	json_set_str(j, "Warning", buf_text(&warning));
	return call_reply(c, 201, j, e);
}

static int remove(struct call *c, struct err *e)
{
	if (network_remove(c->g, c->args[0], e) < 0)
		return e->kind == ERR_CONFLICT ? forbidden(c, e) : -1;
	return conn_reply_empty(c->conn, 204, e);
}

struct join_body {
	char *container;
	struct json *endpoint;
	bool force;
};
#define S struct join_body
static const struct jfield join_fields[] = {
	JFF(S, "Container", container, JT_STR, JF_REQUIRED), JF(S, "EndpointConfig", endpoint, JT_JSON), JF(S, "Force", force, JT_BOOL),
};
#undef S
static const struct jtable join_table = JTABLE(struct join_body, join_fields);

static int join(struct call *c, struct err *e)
{
	own(json) struct json *body = NULL;
	struct join_body b = {};
	struct network_request q;
	if (call_json(c, false, &body, e) < 0 || jmap_parse(&join_table, body, JMAP_NOCASE, c->arena, &b, "", e) < 0 ||
		endpoint_read(b.endpoint, c->arena, &q, e) < 0)
		return -1;
	if (network_connect(c->g, c->args[0], b.container, &q, e) < 0)
		return e->kind == ERR_EXISTS || e->kind == ERR_CONFLICT ? forbidden(c, e) : -1;
	return conn_reply_empty(c->conn, 200, e);
}

static int leave(struct call *c, struct err *e)
{
	own(json) struct json *body = NULL;
	struct join_body b = {};
	if (call_json(c, false, &body, e) < 0 || jmap_parse(&join_table, body, JMAP_NOCASE, c->arena, &b, "", e) < 0)
		return -1;
	if (network_disconnect(c->g, c->args[0], b.container, b.force, e) < 0)
		return e->kind == ERR_CONFLICT ? forbidden(c, e) : -1;
	return conn_reply_empty(c->conn, 200, e);
}

static int prune(struct call *c, struct err *e)
{
	struct strv filters;
	own(strv) struct strv names = {};
	if (call_filters(c, &filters, e) < 0 || network_prune(c->g, &filters, &names, e) < 0)
		return -1;
	struct json *j = json_new_object();
	json_set(j, "NetworksDeleted", names.n ? json_new_strv(&names) : NULL);
	return call_reply(c, 200, j, e);
}

const struct route networks_routes[] = {
	{"GET", "/networks", list},
	{"GET", "/networks/{}", inspect},
	{"POST", "/networks/create", create},
	{"POST", "/networks/prune", prune},
	{"DELETE", "/networks/{}", remove},
	{"POST", "/networks/{}/connect", join},
	{"POST", "/networks/{}/disconnect", leave},
	{NULL, NULL, NULL},
};
