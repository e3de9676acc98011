/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volumes: docker's /volumes. There is one driver, local.
 */
#include "api/call.h"
#include "engine/volume.h"

static int list(struct call *c, struct err *e)
{
	struct strv filters;
	if (call_filters(c, &filters, e) < 0)
		return -1;
	struct json *all = volume_list(c->g, &filters, e);
	if (!all)
		return -1;
	struct json *j = json_new_object();
	json_set(j, "Volumes", all);
	json_set(j, "Warnings", NULL);
	return call_reply(c, 200, j, e);
}

static int inspect(struct call *c, struct err *e)
{
	struct json *j = volume_inspect(c->g, c->args[0], e);
	return j ? call_reply(c, 200, j, e) : e->kind == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "get %.200s: no such volume", c->args[0]) : -1;
}

struct body {
	char *name, *driver;
	struct map options, labels;
	struct json *cluster;
};
#define S struct body
static const struct jfield fields[] = {
	JF(S, "Name", name, JT_STR), JF(S, "Driver", driver, JT_STR), JF(S, "DriverOpts", options, JT_MAP), JF(S, "Labels", labels, JT_MAP),
	JF(S, "ClusterVolumeSpec", cluster, JT_JSON),
};
#undef S
static const struct jtable table = JTABLE(struct body, fields);

static int create(struct call *c, struct err *e)
{
	own(json) struct json *body = NULL;
	own(mem) char *name = NULL;
	struct body b = {};
	if (call_json(c, false, &body, e) < 0 || jmap_parse(&table, body, JMAP_NOCASE, c->arena, &b, "", e) < 0)
		return -1;
	if (b.cluster)
		return err_set(e, ERR_USAGE, "ClusterVolumeSpec: hull has no swarm");
	if (!str_is_empty(b.driver) && !str_eq(b.driver, "local"))
		return err_set(e, ERR_NOT_FOUND, "error looking up volume plugin %.60s: plugin \"%.60s\" not found: hull has the driver local only",
			b.driver, b.driver);
	if (volume_create(c->g, b.name ? b.name : "", &b.labels, &b.options, &name, e) < 0)
		return -1;
	struct json *j = volume_inspect(c->g, name, e);
	return j ? call_reply(c, 201, j, e) : -1;
}

static int remove(struct call *c, struct err *e)
{
	if (volume_remove(c->g, c->args[0], call_bool(c, "force", false), e) < 0)
		return e->kind == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "get %.200s: no such volume", c->args[0]) : -1;
	return conn_reply_empty(c->conn, 204, e);
}

static int prune(struct call *c, struct err *e)
{
	struct strv filters;
	own(strv) struct strv names = {}, kept = {};
	uint64_t bytes = 0;
	bool all = c->version < 42; /* older clients know of no difference between named ones and others */
	if (call_filters(c, &filters, e) < 0 || volume_prune_scope(&filters, &all, &kept, e) < 0 ||
		volume_prune(c->g, all, &kept, &names, &bytes, e) < 0)
		return -1;
	struct json *j = json_new_object();
	json_set(j, "VolumesDeleted", names.n ? json_new_strv(&names) : NULL);
	json_set(j, "SpaceReclaimed", json_new_u64(bytes));
	return call_reply(c, 200, j, e);
}

const struct route volumes_routes[] = {
	{"GET", "/volumes", list},
	{"GET", "/volumes/{}", inspect},
	{"POST", "/volumes/create", create},
	{"POST", "/volumes/prune", prune},
	{"DELETE", "/volumes/{}", remove},
	{NULL, NULL, NULL},
};
