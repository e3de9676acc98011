/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit: an image of a container. What the request says of how it is run goes before what the container says, as docker merges the two
 * (runconfig.Merge): lists of variables, labels, ports and volumes are put together, all else is taken whole. Then come the instructions.
 */
#include "api/images.h"

#include "build/changes.h"
#include "engine/image.h"
#include "sys/child.h"

#include <string.h>
#include <sys/mman.h>

enum { ID_ROOM = 136 };

struct committing {
	struct call *c;
	struct image_commit_request r;
	struct image_run_config config; /* the request's */
	struct strv changes;
	char *id;                       /* seen on both sides of a fork */
};

static void add_missing(struct arena *a, struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (!strv_has(to, from->v[i]))
			arena_strv_add(a, to, from->v[i]);
}

/* The list keeps its order; a variable that is in both is what the request says. */
static void merge_env(struct arena *a, struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const char *name = arena_ndup(a, from->v[i], strcspn(from->v[i], "="));
		if (!strv_env_get(to, name))
			arena_strv_add(a, to, from->v[i]);
	}
}

static void merge(struct arena *a, const struct image_run_config *ours, struct image_run_config *c)
{
	struct image_run_config m = *ours;
	const struct { char **to, *from; } texts[] = {{&m.user, c->user}, {&m.working_dir, c->working_dir}, {&m.stop_signal, c->stop_signal}};
	for (size_t i = 0; i < countof(texts); i++)
		if (str_is_empty(*texts[i].to))
			*texts[i].to = texts[i].from;
	add_missing(a, &m.exposed_ports, &c->exposed_ports);
	add_missing(a, &m.volumes, &c->volumes);
	merge_env(a, &m.env, &c->env);
	for (size_t i = 0; i < c->labels.n; i++)
		if (!map_get(&m.labels, c->labels.v[i].key))
			map_set(a, &m.labels, c->labels.v[i].key, c->labels.v[i].value);
	if (!m.entrypoint.n) {
		m.cmd = m.cmd.n ? m.cmd : c->cmd;
		m.entrypoint = c->entrypoint;
	}
	m.shell = m.shell.n ? m.shell : c->shell;
	m.on_build = m.on_build.n ? m.on_build : c->on_build;
	m.healthcheck = m.healthcheck ? m.healthcheck : c->healthcheck;
	m.stop_timeout = m.stop_timeout.set ? m.stop_timeout : c->stop_timeout;
	*c = m;
}

static int change(void *arg, struct arena *a, struct image_run_config *c, struct err *e)
{
	const struct committing *x = arg;
	merge(a, &x->config, c);
	return changes_apply(&x->changes, a, c, e);
}

static int work(void *arg, struct err *e)
{
	struct committing *x = arg;
	return image_commit(x->c->g, &x->r, x->id, e);
}

/* The body may be missing, or null. What is of a container alone is not the image's. */
static int read_config(struct call *c, struct image_run_config *ret, struct err *e)
{
	own(json) struct json *body = NULL;
	if (conn_read_json(c->conn, &body, e) < 0)
		return -1;
	if (json_kind(body) == JSON_NULL)
		return 0;
	if (json_kind(body) != JSON_OBJECT)
		return err_set(e, ERR_USAGE, "the body must be an object of JSON");
	if (jmap_parse(&image_run_config_table, body, JMAP_NOCASE, c->arena, ret, "", e) < 0)
		return e->kind = ERR_USAGE, -1;
	ret->hostname = ret->domainname = NULL;
	ret->attach_stdin = ret->attach_stdout = ret->attach_stderr = ret->tty = ret->open_stdin = ret->stdin_once = false;
	return 0;
}

static int commit(struct call *c, struct err *e)
{
	const char *name, *container = call_query(c, "container");
	struct image_run_config scratch = {};
	if (!container)
		return err_set(e, ERR_USAGE, "container: which one is missing");
	struct committing x = {.c = c, .r = {.container = container, .author = call_query(c, "author"), .message = call_query(c, "comment"),
		.pause = call_bool(c, "pause", true), .change = change}};
	for (size_t i = 0; i < c->request->query.n; i++)
		if (strcmp(c->request->query.v[i].key, "changes") == 0)
			arena_strv_add(c->arena, &x.changes, c->request->query.v[i].value);
	if (images_name(c, call_query(c, "repo"), call_query(c, "tag"), &name, e) < 0 || read_config(c, &x.config, e) < 0 ||
		changes_apply(&x.changes, c->arena, &scratch, e) < 0)
		return -1;
	x.r.name = name;
	x.r.arg = &x;
	x.id = mmap(NULL, ID_ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (x.id == MAP_FAILED)
		return err_sys(e, "memory");
	int r = child_do(work, &x, e);
	struct json *j = json_new_object();
	json_set_str(j, "Id", r < 0 ? "" : x.id);
	munmap(x.id, ID_ROOM);
	if (r == 0)
		return call_reply(c, 201, j, e);
	json_drop(&j);
	if (e->kind != ERR_NOT_FOUND)
		return -1;
	own(mem) char *text = mem_printf("No such container: %.200s", container);
	return conn_reply_error(c->conn, 404, text, e);
}

const struct route commit_routes[] = {
	{"POST", "/commit", commit},
	{NULL, NULL, NULL},
};
