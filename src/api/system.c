/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system: what concerns no container, image, network or volume: ping, version, info, events, disk, logins; and the parts of docker that
 * hull has not (swarm, plugins), which say so in the words that clients look for.
 */
#include "api/call.h"
#include "engine/disk.h"
#include "engine/events.h"
#include "engine/list.h"
#include "engine/login.h"

#include "base/num.h"

#include <stdio.h>
#include <string.h>

static int ping(struct call *c, struct err *e)
{
	char headers[256];
	snprintf(headers, sizeof headers, "Api-Version: 1.%d\r\nBuilder-Version: 1\r\nDocker-Experimental: false\r\nOstype: linux\r\n"
		"Server: Docker/%s (linux)\r\nSwarm: inactive\r\nCache-Control: no-cache, no-store, must-revalidate\r\nPragma: no-cache\r\n",
		API_NEWEST, HULL_VERSION);
	return conn_reply(c->conn, 200, "text/plain; charset=utf-8", headers, "OK", 2, e);
}

static int version(struct call *c, struct err *e)
{
	struct json *j = engine_version(c->g, e);
	return j ? call_reply(c, 200, j, e) : -1;
}

static int info(struct call *c, struct err *e)
{
	struct json *j = engine_info(c->g, e);
	return j ? call_reply(c, 200, j, e) : -1;
}

static int put_event(void *arg, const char *line, const struct json *event unused, struct err *e)
{
	struct call *c = arg;
	own(buf) struct buf out = {};
	buf_printf(&out, "%s\n", line);
	return buf_check(&out, e) < 0 ? -1 : conn_write(c->conn, out.data, out.len, e);
}

static int events(struct call *c, struct err *e)
{
	struct strv filters;
	struct events_query q = {.event = put_event, .arg = c, .filters = &filters};
	if (call_filters(c, &filters, e) < 0 || call_time(c, "since", &q.since_ns, e) < 0 || call_time(c, "until", &q.until_ns, e) < 0)
		return -1;
	q.has_since = call_query(c, "since") != NULL;
	q.has_until = call_query(c, "until") != NULL;
	q.follow = !q.has_until || q.until_ns > num_now_ns();
	if (conn_begin(c->conn, 200, "application/json", NULL, e) < 0)
		return -1;
	conn_ends_with_client(c->conn, true);
	int r = events_read(c->g, &q, e);
	conn_ends_with_client(c->conn, false);
	return r < 0 ? -1 : conn_end(c->conn, e);
}

static struct json *or_empty(struct json *usage, const char *key)
{
	struct json *list = json_get(usage, key);
	return list ? json_ref(list) : json_new_array();
}

/* docker has one number for all layers. */
static int disk(struct call *c, struct err *e)
{
	own(json) struct json *usage = disk_usage(c->g, e);
	if (!usage)
		return -1;
	struct json *j = json_new_object();
	for (size_t i = 0; i < json_len(json_get(usage, "Totals")); i++) {
		const struct json *t = json_at(json_get(usage, "Totals"), i);
		const char *type = json_get_str(t, "Type");
		if (type && strcmp(type, disk_words[DISK_IMAGES]) == 0)
			json_set(j, "LayersSize", json_new_u64(json_u64(json_get(t, "Bytes"))));
	}
	json_set(j, "Images", or_empty(usage, "Images"));
	json_set(j, "Containers", or_empty(usage, "Containers"));
	json_set(j, "BuildCache", or_empty(usage, "BuildCache"));
	struct json *volumes = json_new_array();
	for (size_t i = 0; i < json_len(json_get(usage, "Volumes")); i++) {
		struct json *v = json_at(json_get(usage, "Volumes"), i), *row = json_new_object(), *data = json_new_object();
		json_set(data, "Size", json_new_i64(json_i64(json_get(v, "Size"))));
		json_set(data, "RefCount", json_new_i64(json_i64(json_get(v, "Links"))));
		json_set_str(row, "Name", json_get_str(v, "Name"));
		json_set_str(row, "Driver", "local");
		json_set_str(row, "Scope", "local");
		json_set(row, "UsageData", data);
		json_add(volumes, row);
	}
	json_set(j, "Volumes", volumes);
	return call_reply(c, 200, j, e);
}

/* It is the client who keeps it, and sends it along with what needs it. */
static int auth(struct call *c, struct err *e)
{
	own(json) struct json *body = NULL;
	own(mem) char *server = NULL;
	if (call_json(c, false, &body, e) < 0)
		return -1;
	const char *address = json_get_str(body, "serveraddress"), *user = json_get_str(body, "username"), *password = json_get_str(body, "password");
	if (login_server(address ? address : "", &server, e) < 0)
		return -1;
	if (str_is_empty(user) || !password)
		return err_set(e, ERR_USAGE, "username and password are needed");
	if (login_try(c->g, server, user, password, e) < 0) {
		if (e->kind == ERR_DENIED)
			return conn_reply_error(c->conn, 401, e->text, e);
		return -1;
	}
	struct json *j = json_new_object();
	json_set_str(j, "Status", "Login Succeeded");
	json_set_str(j, "IdentityToken", "");
	return call_reply(c, 200, j, e);
}

static int no_swarm(struct call *c, struct err *e)
{
	return conn_reply_error(c->conn, 503, "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to "
		"swarm and try again.", e);
}

static int no_plugins(struct call *c, struct err *e)
{
	return call_reply(c, 200, json_new_array(), e);
}

const struct route system_routes[] = {
	{"GET", "/_ping", ping},
	{"GET", "/version", version},
	{"GET", "/info", info},
	{"GET", "/events", events},
	{"GET", "/system/df", disk},
	{"POST", "/auth", auth},
	{"GET", "/plugins", no_plugins},
	{"GET", "/swarm", no_swarm},
	{"GET", "/nodes", no_swarm},
	{"GET", "/services", no_swarm},
	{"GET", "/tasks", no_swarm},
	{"GET", "/secrets", no_swarm},
	{"GET", "/configs", no_swarm},
	{NULL, NULL, NULL},
};
