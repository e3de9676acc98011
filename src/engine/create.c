/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create: from a request and an image to a container on the disk, ready to be started any number of times.
 *
 *  1. the image is found; what the request left open comes from its config (env, command, user ...), from the settings
 *     and from docker's defaults; the whole is checked
 *  2. the container's directory is made and locked; its name is taken
 *  3. its mounts are worked out: binds, volumes (made when missing), tmpfs, volumes of other containers
 *  4. the writable layer is prepared
 *  5. state.json and config.json are written
 *
 * A failure on the way removes the directory and the name again; a kill leaves a directory without
 * config.json, which whoever meets it next removes.
 *
 * From 1 to 5 the layers and volumes the record will name must stay: layers.lock and volumes.lock are held, shared with other
 * creates, against whoever removes what no record names.
 */
#include "engine/container.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/events.h"
#include "engine/image.h"
#include "engine/mounts.h"
#include "engine/secret.h"
#include "engine/name.h"
#include "engine/pod.h"
#include "engine/request.h"
#include "engine/spec.h"
#include "engine/userns.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void merge_env(struct arena *a, const struct strv *image, struct strv *env)
{
	own(strv) struct strv all = {};
	for (size_t i = 0; i < image->n; i++)
		strv_env_set(&all, image->v[i]);
	for (size_t i = 0; i < env->n; i++)
		strv_env_set(&all, env->v[i]);
	*env = (struct strv){};
	/* A name without a value takes the image's variable away. */
	for (size_t i = 0; i < all.n; i++)
		if (strchr(all.v[i], '='))
			arena_strv_add(a, env, all.v[i]);
}

static void copy_strv(struct arena *a, const struct strv *from, struct strv *to)
{
	*to = (struct strv){};
	for (size_t i = 0; i < from->n; i++)
		arena_strv_add(a, to, from->v[i]);
}

static char *first(struct arena *a, char *mine, const char *other)
{
	return !str_is_empty(mine) ? mine : arena_dup(a, other ? other : "");
}

/* What was not said is the image's, piece by piece. */
static void merge_health(struct arena *a, const struct healthcheck *h, struct container_config *c)
{
	if (!h)
		return;
	if (!c->health) {
		c->health = arena_alloc(a, sizeof *c->health);
		*c->health = (struct container_health){};
	}
	struct container_health *own = c->health;
	if (!own->test.n)
		copy_strv(a, &h->test, &own->test);
	const struct { int64_t *at, from; } times[] = {{&own->interval, h->interval}, {&own->timeout, h->timeout}, {&own->start_period, h->start_period},
		{&own->start_interval, h->start_interval}, {&own->retries, h->retries}};
	for (size_t i = 0; i < countof(times); i++)
		if (!*times[i].at)
			*times[i].at = times[i].from;
}

/* Each is looked for among those before it, and an image is a stranger's. */
static int check_counts(const struct image_run_config *image, const struct container_config *c, struct err *e)
{
	enum { MOST = 32768, PORTS = 65536 };
	const struct { const char *what; size_t n, most; } counts[] = {{"environment variables", image->env.n + c->env.n, MOST},
		{"labels", image->labels.n + c->labels.n, MOST}, {"volumes", image->volumes.n + c->volumes.n, MOST},
		{"exposed ports", image->exposed_ports.n + c->exposed_ports.n, PORTS}};
	for (size_t i = 0; i < countof(counts); i++)
		if (counts[i].n > counts[i].most)
			return err_set(e, ERR_USAGE, "image and container have more than %zu %s together", counts[i].most, counts[i].what);
	return 0;
}

/* docker's rules: an entrypoint in the request drops the image's command; a command alone keeps the image's entrypoint. */
static void merge_config(struct arena *a, const struct image_run_config *image, struct container_config *c)
{
	if (!c->entrypoint.v) {
		if (!c->cmd.n)
			copy_strv(a, &image->cmd, &c->cmd);
		copy_strv(a, &image->entrypoint, &c->entrypoint);
	} else if (c->entrypoint.n == 1 && !*c->entrypoint.v[0]) {
		c->entrypoint = (struct strv){};
	}
	merge_env(a, &image->env, &c->env);
	if (c->user && str_has_prefix(c->user, "::")) {
		const char *user = image->user ? image->user : "";
		c->user = arena_printf(a, "%.*s%s", (int)strcspn(user, ":"), user, c->user + 1);
	}
	c->user = first(a, c->user, image->user);
	c->working_dir = first(a, c->working_dir, image->working_dir);
	c->stop_signal = first(a, c->stop_signal, image->stop_signal);
	if (!c->stop_timeout.set)
		c->stop_timeout = image->stop_timeout;
	for (size_t i = 0; i < image->labels.n; i++)
		if (!map_get(&c->labels, image->labels.v[i].key))
			map_set(a, &c->labels, image->labels.v[i].key, image->labels.v[i].value);
	for (size_t i = 0; i < image->exposed_ports.n; i++)
		if (!strv_has(&c->exposed_ports, image->exposed_ports.v[i]))
			arena_strv_add(a, &c->exposed_ports, image->exposed_ports.v[i]);
	for (size_t i = 0; i < image->volumes.n; i++)
		if (!strv_has(&c->volumes, image->volumes.v[i]))
			arena_strv_add(a, &c->volumes, image->volumes.v[i]);
	if (!c->shell.n)
		copy_strv(a, &image->shell, &c->shell);
	merge_health(a, image->healthcheck, c);
}

static int set_command(struct arena *a, struct container_record *r, struct err *e)
{
	struct strv all = {};
	for (size_t i = 0; i < r->config.entrypoint.n; i++)
		arena_strv_add(a, &all, r->config.entrypoint.v[i]);
	for (size_t i = 0; i < r->config.cmd.n; i++)
		arena_strv_add(a, &all, r->config.cmd.v[i]);
	if (!all.n)
		return err_set(e, ERR_USAGE, "no command specified: the image has none, so say one behind its name");
	if (!*all.v[0])
		return err_set(e, ERR_USAGE, "the command is an empty word: say the program to run");
	r->path = all.v[0];
	for (size_t i = 1; i < all.n; i++)
		arena_strv_add(a, &r->args, all.v[i]);
	return 0;
}

struct locks {
	int layers, userns;
	struct mounts_plan mounts;
	struct container_entry pod;
};

static void locks_drop(struct locks *l)
{
	fd_drop(&l->layers);
	mounts_plan_drop(&l->mounts);
	fd_drop(&l->userns);
	container_entry_drop(&l->pod);
}

static int take_name(struct engine *g, const struct create_request *q, struct container_entry *c, struct err *e)
{
	if (q->name) {
		const char *name = *q->name == '/' ? q->name + 1 : q->name;
		if (!container_name_is_valid(name))
			return err_set(e, ERR_USAGE,
				"invalid container name \"%.80s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, at least two", name);
		if (containers_take_name(&g->containers, name, c->id, e) < 0)
			return -1;
		c->record.name = arena_printf(&c->arena, "/%s", name);
		return 0;
	}
	for (unsigned attempt = 0;; attempt++) {
		own(mem) char *name = name_random(attempt);
		if (containers_take_name(&g->containers, name, c->id, e) == 0) {
			c->record.name = arena_printf(&c->arena, "/%s", name);
			return 0;
		}
		if (e->kind != ERR_CONFLICT || attempt == 100)
			return -1;
	}
}

static int find_layers(struct engine *g, const struct create_request *q, struct image *image,
	struct container_entry *c, struct err *e)
{
	if (engine_need_store(g, e) < 0 || image_find(g, q->config->image, image, e) < 0)
		return -1;
	c->record.image = image->record.id;
	c->record.platform = image->config.os;
	for (size_t i = 0; i < image->config.rootfs.diff_ids.n; i++)
		arena_strv_add(&c->arena, &c->record.layers, image->config.rootfs.diff_ids.v[i]);
	return 0;
}

static int check_rootfs(struct engine *g, struct container_entry *c, struct err *e)
{
	struct host_config *h = &c->record.host;
	struct stat st;
	own(mem) char *whole = realpath(h->rootfs, NULL);
	if (!whole || stat(whole, &st) < 0)
		return err_sys(e, "--rootfs %s", h->rootfs);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "--rootfs %s: not a directory", h->rootfs);
	if (str_has_prefix(g->root_path, whole) && (whole[1] == 0 || strchr("/", g->root_path[strlen(whole)])))
		return err_set(e, ERR_USAGE, "--rootfs %s: it holds hull's own directory %s", h->rootfs, g->root_path);
	h->rootfs = arena_dup(&c->arena, whole);
	return 0;
}

/* All that needs nothing on the disk. */
static int complete(struct engine *g, const struct create_request *q, const struct image *image, struct container_entry *c,
	struct locks *l, struct err *e)
{
	struct container_record *r = &c->record;
	char now[NUM_TEXT];
	const struct settings *settings = engine_settings(g, e);
	if (!settings)
		return -1;
	r->id = c->id;
	r->created = arena_dup(&c->arena, num_format_time(num_now_ns(), now));
	r->host = *q->host;
	r->config = *q->config;
	if (!r->platform)
		r->platform = (char *)(uintptr_t) "linux";
	if (r->host.rootfs && check_rootfs(g, c, e) < 0)
		return -1;
	if (!str_is_empty(r->host.pod)) {
		if (q->uid_map || q->gid_map)
			return err_set(e, ERR_USAGE, "--uidmap and --gidmap: the container has the ids of its pod");
		if (pod_join(g, c, &l->pod, e) < 0)
			return -1;
	} else if (userns_choose(g, c, q->uid_map, q->gid_map, &l->userns, e) < 0) {
		return -1;
	}
	if (check_counts(&image->config.config, &r->config, e) < 0)
		return -1;
	merge_config(&c->arena, &image->config.config, &r->config);
	const char *profile;
	if (set_command(&c->arena, r, e) < 0 || request_complete(g, c, settings, e) < 0 || request_check(r, e) < 0 ||
		spec_choose_apparmor(g, &r->host, &profile, e) < 0)
		return -1;
	r->apparmor = arena_dup(&c->arena, profile ? profile : "");
	return 0;
}

static int prepare_layer(struct engine *g, struct container_entry *c, struct err *e)
{
	struct container_record *r = &c->record;
	if (r->host.rootfs)
		return 0;
	if (engine_need_snap(g, e) < 0)
		return -1;
	own(userns_maps) struct userns_maps maps = {};
	if (userns_parse(&c->record, &maps, e) < 0)
		return -1;
	struct snap_mount m = {.layers = &r->layers, .dir = c->dir, .is_volatile = r->host.auto_remove, .uids = maps.uids,
		.nuids = maps.nuids, .gids = maps.gids, .ngids = maps.ngids};
	if (snap_prepare(&g->snap, &m, e) < 0)
		return -1;
	r->driver = arena_dup(&c->arena, snap_driver(&g->snap));
	return 0;
}

static int build(struct engine *g, const struct create_request *q, struct container_entry *c, struct locks *l, struct err *e)
{
	if (take_name(g, q, c, e) < 0 || secret_resolve(g, c, e) < 0 || mounts_resolve(g, c, &l->mounts, e) < 0 || prepare_layer(g, c, e) < 0)
		return -1;
	/* The state makes lists fast; what is started right away gets it then. One sync for a container that is to last. */
	if (!q->starts && container_save_first_state(c, e) < 0)
		return -1;
	return container_save_record(c, !c->record.host.auto_remove, e) < 0 ? -1 : mounts_create(g, c, &l->mounts, e);
}

int container_new(struct engine *g, const struct create_request *q, char ret_id[65], struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	own(image) struct image image = {};
	own(locks) struct locks l = {.layers = -1, .userns = -1, .mounts = {.lock = -1}, .pod = {.dir = -1, .lock = -1}};
	num_random_id(c.id);
	if (!q->host->rootfs) {
		l.layers = path_lock(g->root, "layers.lock", false, true, e);
		if (l.layers < 0 || find_layers(g, q, &image, &c, e) < 0)
			return -1;
	}
	if (complete(g, q, &image, &c, &l, e) < 0 || containers_make(&g->containers, c.id, &c.dir, &c.lock, e) < 0)
		return -1;
	if (build(g, q, &c, &l, e) < 0) {
		struct err ignored = {};
		fd_drop(&l.mounts.lock);
		mounts_forget(g, &c);
		if (c.record.name)
			containers_free_name(&g->containers, c.record.name + 1, c.id);
		(void)!containers_remove(&g->containers, c.id, &ignored);
		return -1;
	}
	event_container(g, &c, "create");
	memcpy(ret_id, c.id, sizeof c.id);
	return 0;
}
