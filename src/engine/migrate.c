/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate: see migrate.h. A layer is converted beside the old one, while everything goes on; only for the moment in which the two
 * change places nobody may make a container, and those that have the layer must not run on its files nor be starting.
 */
#include "engine/migrate.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/container.h"

#include <stdio.h>
#include <stdlib.h>

struct guard {
	struct engine *g;
	const char *layer;
	bool files_go;   /* what is replaced may be in use */
	int lock;        /* of layers.lock */
	struct { struct container_entry **v; size_t n; } held;
	char user[300];  /* the container that is in the way */
};

static void guard_drop(struct guard *x)
{
	for (size_t i = 0; i < x->held.n; i++) {
		container_entry_drop(x->held.v[i]);
		free(x->held.v[i]);
	}
	free(x->held.v);
	fd_drop(&x->lock);
}

/* Holds the container when it has the layer. 1: it runs on it. */
static int hold(struct guard *x, const char *id, struct err *e)
{
	struct container_entry *c = mem_alloc(sizeof *c);
	struct err why = {};
	*c = (struct container_entry){.dir = -1, .lock = -1};
	x->held.v = mem_grow(x->held.v, (x->held.n + 1) * sizeof *x->held.v);
	x->held.v[x->held.n++] = c;
	if (containers_load(&x->g->containers, id, 0, c, &why) < 0)
		return why.kind == ERR_NOT_FOUND ? 0 : (*e = why, -1);
	if (!strv_has(&c->record.layers, x->layer))
		return 0;
	container_entry_drop(c);
	*c = (struct container_entry){.dir = -1, .lock = -1};
	if (containers_load(&x->g->containers, id, ENTRY_LOCK, c, &why) < 0)
		return why.kind == ERR_NOT_FOUND ? 0 : (*e = why, -1);
	const char *status = container_status(x->g, c);
	if (!str_eq(status, "running") && !str_eq(status, "paused") && !str_eq(status, "restarting"))
		return 0;
	snprintf(x->user, sizeof x->user, "%s", container_label(c));
	return 1;
}

static int hold_all(struct guard *x, struct err *e)
{
	own(strv) struct strv ids = {};
	if (containers_ids(&x->g->containers, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		int r = hold(x, ids.v[i], e);
		if (r)
			return r < 0 ? -1 : err_set(e, ERR_CONFLICT, "container %.200s runs on its files", x->user);
	}
	return 0;
}

int storage_in_use(struct engine *g, const char *layer, struct err *e)
{
	struct guard x __attribute__((cleanup(guard_drop))) = {.g = g, .layer = layer, .lock = -1};
	return snap_layer_is_files(&g->snap, layer) ? hold_all(&x, e) : 0;
}

static int may(void *arg, struct err *e)
{
	struct guard *x = arg;
	x->lock = path_lock(x->g->root, "layers.lock", true, true, e);
	if (x->lock < 0)
		return -1;
	if (!snap_has_layer(&x->g->snap, x->layer))
		return err_set(e, ERR_NOT_FOUND, "it was removed meanwhile");
	return x->files_go ? hold_all(x, e) : 0;
}

int storage_migrate(struct engine *g, const char *to, struct strv *ret_moved, struct strv *ret_left, struct err *e)
{
	own(strv) struct strv ids = {};
	if (engine_need_storage(g, e) < 0 || (to && snap_choose(&g->snap, to, true, e) < 0) || snap_list(&g->snap, &ids, e) < 0)
		return -1;
	enum snap_storage target = str_eq(snap_storage(&g->snap), "erofs") ? SNAP_EROFS : SNAP_FILES;
	for (size_t i = 0; i < ids.n; i++) {
		struct err why = {};
		struct guard x __attribute__((cleanup(guard_drop))) = {.g = g, .layer = ids.v[i], .files_go = target == SNAP_EROFS, .lock = -1};
		int r = snap_convert(&g->snap, ids.v[i], target, may, &x, &why);
		if (r > 0)
			strv_add(ret_moved, ids.v[i]);
		else if (r < 0 && why.kind == ERR_CONFLICT)
			strv_add(ret_left, why.text);
		else if (r < 0 && why.kind != ERR_NOT_FOUND)
			return *e = why, -1;
	}
	return 0;
}
