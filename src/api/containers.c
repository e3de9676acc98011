/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containers: containers as objects: what there is of them, and how they change their name or go. How they are made is container_create.c.
 */
#include "api/call.h"
#include "engine/container.h"
#include "engine/disk.h"
#include "engine/list.h"
#include "engine/prune.h"

#include <limits.h>

static int list(struct call *c, struct err *e)
{
	struct strv filters;
	struct container_list_request r = {.all = call_bool(c, "all", false), .size = call_bool(c, "size", false), .filters = &filters};
	if (call_filters(c, &filters, e) < 0 || call_i64(c, "limit", INT64_MIN + 1, INT64_MAX, 0, &r.last, e) < 0)
		return -1;
	struct json *j = container_list(c->g, &r, e);
	return j ? call_reply(c, 200, j, e) : -1;
}

static int inspect(struct call *c, struct err *e)
{
	own(container_entry) struct container_entry entry = {.dir = -1, .lock = -1};
	if (container_get(c->g, c->args[0], 0, &entry, e) < 0)
		return -1;
	struct json *j = container_inspect(c->g, &entry, call_bool(c, "size", false), e);
	return j ? call_reply(c, 200, j, e) : -1;
}

static int rename_it(struct call *c, struct err *e)
{
	const char *name = call_query(c, "name");
	if (!name)
		return err_set(e, ERR_USAGE, "Neither old nor new names may be empty");
	return container_rename(c->g, c->args[0], name, e) < 0 ? -1 : conn_reply_empty(c->conn, 204, e);
}

static int delete(struct call *c, struct err *e)
{
	if (call_bool(c, "link", false))
		return err_set(e, ERR_USAGE, "link: hull makes no links between containers, so there is none to remove");
	return container_delete(c->g, c->args[0], call_bool(c, "force", false), call_bool(c, "v", false), e) < 0 ? -1 : conn_reply_empty(c->conn, 204, e);
}

static int prune(struct call *c, struct err *e)
{
	static const char *const folders[] = {"containers", "names"};
	own(strv) struct strv ids = {};
	struct strv filters;
	uint64_t before, freed;
	if (call_filters(c, &filters, e) < 0 || disk_bytes(c->g, folders, countof(folders), &before, e) < 0 ||
		prune_containers(c->g, &filters, &ids, e) < 0 || prune_freed(c->g, "container", folders, countof(folders), before, &freed, e) < 0)
		return -1;
	struct json *j = json_new_object(), *deleted = json_new_array();
	for (size_t i = 0; i < ids.n; i++)
		json_add(deleted, json_new_str(ids.v[i]));
	json_set(j, "ContainersDeleted", deleted);
	json_set(j, "SpaceReclaimed", json_new_u64(freed));
	return call_reply(c, 200, j, e);
}

const struct route container_routes[] = {
	{"GET", "/containers/json", list},
	{"POST", "/containers/prune", prune},
	{"GET", "/containers/{}/json", inspect},
	{"POST", "/containers/{}/rename", rename_it},
	{"DELETE", "/containers/{}", delete},
	{NULL, NULL, NULL},
};
