/* SPDX-License-Identifier: Apache-2.0 */
#include "build/work.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"

#include <stdio.h>
#include <sys/stat.h>

int work_make(struct work *w, int cache, struct err *e)
{
	char id[65];
	num_random_id(id);
	*w = (struct work){.cache = cache, .dir = -1, .lock = -1};
	snprintf(w->path, sizeof w->path, "running/%s", id);
	if (path_mkdirs(cache, w->path, 0700, e) < 0 || (w->dir = path_open_dir(cache, w->path, e)) < 0)
		return -1;
	/* Somebody's sweep may have had it, for the moment before the lock. */
	w->lock = path_lock(w->dir, "lock", true, true, e);
	if (w->lock >= 0 && !path_exists(cache, w->path))
		return err_set(e, ERR_CONFLICT, "another build removed %s", w->path);
	return w->lock < 0 ? -1 : 0;
}

int work_make_dir(struct work *w, const char *name, struct err *e)
{
	return mkdirat(w->dir, name, 0700) < 0 ? err_sys(e, "%s", name) : path_open_dir(w->dir, name, e);
}

void work_drop(struct work *w)
{
	struct err none = {};
	if (*w->path)
		(void)!path_remove_tree(w->cache, w->path, &none);
	fd_drop(&w->dir);
	fd_drop(&w->lock);
	*w->path = 0;
}
