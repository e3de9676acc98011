/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containers: containers as objects: what there is of them, and how they change their name or go. How they are made is container_create.c.
 */
#include "api/call.h"
#include "engine/container.h"
#include "engine/disk.h"
#include "engine/list.h"
#include "engine/prune.h"
#include "engine/restart.h"
#include "engine/update.h"

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

static struct opt_i64 number(int64_t v)
{
	return (struct opt_i64){v != 0, v};
}

static const char *word(const char *s)
{
	return str_is_empty(s) ? NULL : s;
}

/* docker's Resources and RestartPolicy: what is 0 or empty stays. */
static int update(struct call *c, struct err *e)
{
	own(json) struct json *body = NULL;
	struct host_config h = {};
	if (call_json(c, false, &body, e) < 0 || jmap_parse(&host_config_table, body, JMAP_NOCASE, c->arena, &h, "", e) < 0)
		return -1;
	struct update_request r = {.memory = number(h.memory), .reservation = number(h.memory_reservation), .swap = number(h.memory_swap),
		.pids = h.pids_limit, .nano_cpus = number(h.nano_cpus), .shares = number(h.cpu_shares), .period = number(h.cpu_period),
		.quota = number(h.cpu_quota), .rt_period = number(h.cpu_rt_period), .rt_runtime = number(h.cpu_rt_runtime),
		.blkio_weight = number((int64_t)h.blkio_weight), .cpuset_cpus = word(h.cpuset_cpus), .cpuset_mems = word(h.cpuset_mems)};
	if (!str_is_empty(h.restart.name)) {
		const struct restart_policy *p = &h.restart;
		if (restart_check(p, e) < 0)
			return -1;
		r.restart = p->maximum_retries ? arena_printf(c->arena, "%s:%lld", p->name, (long long)p->maximum_retries) : p->name;
	}
	if (container_update(c->g, c->args[0], &r, e) < 0)
		return -1;
	struct json *j = json_new_object();
	json_set(j, "Warnings", call_warnings(c));
	return call_reply(c, 200, j, e);
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
	{"POST", "/containers/{}/update", update},
	{"DELETE", "/containers/{}", delete},
	{NULL, NULL, NULL},
};
