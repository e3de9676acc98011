/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_records: the records of containers, pods, networks and volumes: each can be read, and what it names is there. Where a record refers to what
 * a kill may have left unmade and the next start makes (the volume of a container that never ran), that is no damage; what is half made was
 * removed by looking at it.
 *
 * Repaired is what takes nothing from anybody: a free name goes back to its container, a directory that is missing is made. The rest is told.
 */
#include "engine/check.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/container.h"
#include "engine/network.h"
#include "engine/volume.h"
#include "engine/volume_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

struct records {
	struct engine *g;
	struct arena *a;
	struct storage_report *report;
	bool repair;
	struct strv layers;
};

__attribute__((format(printf, 5, 6))) static struct storage_damage *note(struct records *r, const char *kind, const char *id, const char *name,
	const char *format, ...)
{
	struct storage_damage *d = arena_push(r->a, &r->report->damage);
	va_list args;
	*d = (struct storage_damage){.kind = kind, .id = arena_dup(r->a, id)};
	va_start(args, format);
	vsnprintf(d->why, sizeof d->why, format, args);
	va_end(args);
	if (!str_is_empty(name))
		arena_strv_add(r->a, &d->images, name);
	return d;
}

struct owner {
	struct containers *all;
	const char *kind;
	struct container_entry *c;
	const char *name;
};

/* read_state() made one up, which is kept from now on; where nothing runs, whose monitor will write the true one. */
static void check_state(struct records *r, const struct owner *o)
{
	const struct container_state *s = &o->c->state;
	struct err why = {};
	if (!str_eq(s->status, "exited") || str_is_empty(s->error) || !str_is_empty(s->started_at) || !str_is_empty(s->finished_at))
		return;
	struct storage_damage *d = note(r, o->kind, o->c->id, o->name, "%.200s", s->error);
	d->mended = r->repair && !path_exists(o->all->run, o->c->id) && container_save_state(o->c->dir, s, true, &why) == 0;
}

static void check_name(struct records *r, const struct owner *o)
{
	char id[65];
	struct err none = {};
	if (str_is_empty(o->name) || (containers_find(o->all, o->name, id, &none) == 0 && str_eq(id, o->c->id)))
		return;
	struct storage_damage *d = note(r, o->kind, o->c->id, o->name, "its name does not lead to it");
	d->mended = r->repair && containers_take_name(o->all, o->name, o->c->id, &none) == 0;
}

/* As the next start would; nobody takes it for half made meanwhile. */
static bool make_volume(struct records *r, const char *name)
{
	struct err why = {};
	own(fd) int lock = path_lock(r->g->root, "volumes.lock", true, true, &why);
	return lock >= 0 && volume_ensure(r->g, name, strlen(name) == ID_LEN && num_is_hex(name, ID_LEN), &why) == 0;
}

static void check_volumes(struct records *r, const struct owner *o)
{
	const struct container_record *record = &o->c->record;
	bool ran = !str_is_empty(o->c->state.started_at);
	for (size_t i = 0; ran && i < record->mounts.n; i++) {
		const struct mount_point *m = &record->mounts.v[i];
		own(mem) char *path = str_eq(m->type, "volume") && volume_name_is_valid(m->name) ? volume_path(r->g, m->name) : NULL;
		if (!path || path_exists(AT_FDCWD, path))
			continue;
		struct storage_damage *d = note(r, o->kind, o->c->id, o->name, "its volume %.100s is missing", m->name);
		d->mended = r->repair && make_volume(r, m->name);
	}
}

static void check_network(struct records *r, const struct owner *o, const char *name)
{
	struct network w;
	struct err why = {};
	if (!str_is_empty(name) && !str_eq(name, "default") && !network_is_builtin(name) && network_find(r->g, name, r->a, &w, &why) < 0)
		note(r, o->kind, o->c->id, o->name, "its %.200s", why.text);
}

/* One alone is the mode. */
static void check_networks(struct records *r, const struct owner *o)
{
	const struct host_config *h = &o->c->record.host;
	if (network_is_joined(h->network_mode) && !h->networks.n)
		check_network(r, o, h->network_mode);
	for (size_t i = 0; network_is_joined(h->network_mode) && i < h->networks.n; i++)
		check_network(r, o, h->networks.v[i].network);
}

/* Containers that it needs, and the pod it is in. */
static void check_peers(struct records *r, const struct owner *o)
{
	const struct host_config *h = &o->c->record.host;
	const char *const modes[] = {h->network_mode, h->ipc_mode, h->pid_mode, h->uts_mode};
	char id[65];
	struct err why = {};
	for (size_t i = 0; i < countof(modes); i++) {
		const char *peer = modes[i] ? str_after(modes[i], "container:") : NULL;
		if (peer && containers_find(&r->g->containers, peer, id, &why) < 0)
			note(r, o->kind, o->c->id, o->name, "it is in the namespaces of container %.64s, which is not there", peer);
	}
	for (size_t i = 0; i < h->requires.n; i++)
		if (containers_find(&r->g->containers, h->requires.v[i], id, &why) < 0)
			note(r, o->kind, o->c->id, o->name, "it requires container %.64s, which is not there", h->requires.v[i]);
	if (!str_is_empty(h->pod) && (engine_need_pods(r->g, &why) < 0 || containers_find(&r->g->pods, h->pod, id, &why) < 0))
		note(r, o->kind, o->c->id, o->name, "its pod %.64s is not there", h->pod);
}

static void check_layers(struct records *r, const struct owner *o)
{
	const struct strv *layers = &o->c->record.layers;
	for (size_t i = 0; i < layers->n; i++)
		if (!strv_has(&r->layers, layers->v[i]) && !snap_has_layer(&r->g->snap, layers->v[i])) /* it may have come since */
			note(r, o->kind, o->c->id, o->name, "its layer %.80s is missing", layers->v[i]);
}

static int check_owners(struct records *r, struct containers *all, const char *kind, size_t *ret_n, struct err *e)
{
	own(strv) struct strv ids = {};
	if (containers_ids(all, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		struct err why = {};
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		int loaded = containers_load(all, ids.v[i], 0, &c, &why);
		if (loaded < 0 && why.kind == ERR_NOT_FOUND)
			continue;
		++*ret_n;
		if (loaded < 0) {
			note(r, kind, ids.v[i], NULL, "%.280s", why.text);
			continue;
		}
		if (str_eq(c.state.status, "removing"))
			continue;
		struct owner o = {.all = all, .kind = kind, .c = &c, .name = c.record.name && *c.record.name == '/' ? c.record.name + 1 : c.record.name};
		check_state(r, &o);
		check_name(r, &o);
		check_volumes(r, &o);
		check_networks(r, &o);
		check_peers(r, &o);
		check_layers(r, &o);
	}
	return 0;
}

static int check_network_files(struct records *r, struct err *e)
{
	own(strv) struct strv names = {};
	if (engine_need_networks(r->g, e) < 0 || networks_names(&r->g->networks, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct network w;
		struct network_range range;
		struct err why = {};
		if (networks_find(&r->g->networks, names.v[i], r->a, &w, &why) < 0 && why.kind == ERR_NOT_FOUND)
			continue;
		r->report->networks++;
		if (why.kind)
			note(r, "network", names.v[i], NULL, "%.280s", why.text);
		else if (!str_eq(w.name, names.v[i]))
			note(r, "network", names.v[i], NULL, "its file says that it is %.100s", w.name);
		else if (w.ipam.n && !network_range(&w, 4, &range) && !network_range(&w, 16, &range))
			note(r, "network", names.v[i], NULL, "its subnet is not one");
	}
	return 0;
}

static int check_volume_dirs(struct records *r, struct err *e)
{
	own(strv) struct strv names = {};
	struct err none = {};
	if (path_list(r->g->root, "volumes", &names, &none) < 0)
		return none.sys == ENOENT ? 0 : (*e = none, -1);
	for (size_t i = 0; i < names.n; i++) {
		struct err why = {};
		own(mem) char *data = volume_name_is_valid(names.v[i]) ? volume_path(r->g, names.v[i]) : NULL;
		own(mem) char *record = mem_printf("volumes/%s/volume.json", names.v[i]);
		/* Without a record it is half made. */
		if (!data || !path_exists(r->g->root, record))
			continue;
		r->report->volumes++;
		struct volume v = {};
		own(fd) int dir = volume_open(r->g, names.v[i], &why);
		if ((dir < 0 || volume_load(dir, r->a, &v, &why) < 0) && why.sys != ENOENT)
			note(r, "volume", names.v[i], NULL, "%.280s", why.text);
		if (path_exists(AT_FDCWD, data))
			continue;
		struct storage_damage *d = note(r, "volume", names.v[i], NULL, "its files are missing");
		d->mended = r->repair && make_volume(r, names.v[i]);
	}
	return 0;
}

int records_check(struct engine *g, bool repair, struct arena *a, struct storage_report *ret, struct err *e)
{
	struct records r = {.g = g, .a = a, .report = ret, .repair = repair};
	int result = snap_list(&g->snap, &r.layers, e);
	if (result == 0)
		result = check_owners(&r, &g->containers, "container", &ret->containers, e);
	if (result == 0 && (result = engine_need_pods(g, e)) == 0)
		result = check_owners(&r, &g->pods, "pod", &ret->pods, e);
	if (result == 0)
		result = check_network_files(&r, e);
	if (result == 0)
		result = check_volume_dirs(&r, e);
	strv_drop(&r.layers);
	return result;
}
