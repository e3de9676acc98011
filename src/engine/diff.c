/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff: read while it runs too: what is there at that moment.
 */
#include "engine/diff.h"

#include "engine/container.h"
#include "engine/userns.h"

#include <sys/stat.h>

struct telling { snap_change_fn *each; void *arg; };

/* Empty, and where something is mounted in every container. */
static bool is_ours(const char *path, const struct stat *st)
{
	static const char *const places[] = {"/dev", "/proc", "/sys", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"};
	for (size_t i = 0; i < countof(places); i++)
		if (strcmp(path, places[i]) == 0)
			return S_ISDIR(st->st_mode) || st->st_size == 0;
	return false;
}

static int pass_on(void *arg, enum snap_change what, const char *path, const struct stat *st, struct err *e)
{
	const struct telling *t = arg;
	return what == SNAP_ADDED && is_ours(path, st) ? 0 : t->each(t->arg, what, path, st, e);
}

int container_diff(struct engine *g, const char *text, snap_change_fn *each, void *arg, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct telling t = {each, arg};
	struct userns_maps maps = {};
	if (container_get(g, text, 0, &c, e) < 0)
		return -1;
	if (c.record.host.rootfs)
		return err_set(e, ERR_UNSUPPORTED, "container %.200s has a directory of the host as its root: there is nothing to compare it with",
			container_label(&c));
	if (engine_need_snap(g, e) < 0 || userns_parse(&c.record, &maps, e) < 0)
		return -1;
	struct snap_mount m = {.layers = &c.record.layers, .dir = c.dir, .uids = maps.uids, .nuids = maps.nuids, .gids = maps.gids, .ngids = maps.ngids};
	int r = snap_changes(&g->snap, &m, pass_on, &t, e);
	userns_maps_drop(&maps);
	return r < 0 ? err_wrap(e, "container %.200s", container_label(&c)) : 0;
}
