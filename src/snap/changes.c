/* SPDX-License-Identifier: Apache-2.0 */
/*
 * changes: the writable layer is walked, and beside it the layers below, mounted read-only: what is in both was changed, what is above alone
 * was added, a whiteout was deleted. What an opaque directory hides was deleted too, but what stands there again.
 */
#include "snap/changes.h"

#include "base/fd.h"
#include "base/path.h"
#include "snap/whiteout.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct walk {
	snap_change_fn *each;
	void *arg;
	struct buf path;
	int depth;
};

static int tell(struct walk *w, enum snap_change what, const struct stat *st, struct err *e)
{
	return w->each(w->arg, what, buf_text(&w->path), st, e);
}

static int open_dir(int at, const char *name)
{
	return at < 0 ? -1 : openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void back_to(struct walk *w, size_t len)
{
	w->path.len = len;
	w->path.data[len] = 0;
}

static int one(struct walk *w, int upper, int lower, const char *name, struct err *e);

/* What the opaque directory `upper` hides of `lower`. */
static int hidden(struct walk *w, int upper, int lower, struct err *e)
{
	own(strv) struct strv names = {};
	struct stat st;
	if (path_list(lower, ".", &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		size_t len = w->path.len;
		if (fstatat(upper, names.v[i], &st, AT_SYMLINK_NOFOLLOW) == 0 || fstatat(lower, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		buf_printf(&w->path, "/%s", names.v[i]);
		int r = tell(w, SNAP_DELETED, &st, e);
		back_to(w, len);
		if (r < 0)
			return -1;
	}
	return 0;
}

static int walk(struct walk *w, int upper, int lower, struct err *e)
{
	own(strv) struct strv names = {};
	if (++w->depth > SNAP_MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "%.100s…: more than %d directories deep", buf_text(&w->path), SNAP_MAX_DEPTH);
	if (path_list(upper, ".", &names, e) < 0)
		return err_wrap(e, "writable layer");
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		size_t len = w->path.len;
		buf_printf(&w->path, "/%s", names.v[i]);
		int r = one(w, upper, lower, names.v[i], e);
		back_to(w, len);
		if (r < 0)
			return -1;
	}
	w->depth--;
	return lower >= 0 && whiteout_is_opaque(upper) ? hidden(w, upper, lower, e) : 0;
}

static int one(struct walk *w, int upper, int lower, const char *name, struct err *e)
{
	struct stat st, below;
	if (fstatat(upper, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%.200s", buf_text(&w->path));
	bool was = lower >= 0 && fstatat(lower, name, &below, AT_SYMLINK_NOFOLLOW) == 0;
	if (whiteout_is(&st))
		return was ? tell(w, SNAP_DELETED, &st, e) : 0;
	if (tell(w, was ? SNAP_CHANGED : SNAP_ADDED, &st, e) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		return 0;
	own(fd) int dir = open_dir(upper, name);
	own(fd) int same = was ? open_dir(lower, name) : -1;
	return dir < 0 ? err_sys(e, "%.200s", buf_text(&w->path)) : walk(w, dir, same, e);
}

int snap_changes(struct snap *s, const struct snap_mount *m, snap_change_fn *each, void *arg, struct err *e)
{
	struct walk w = {.each = each, .arg = arg, .path = BUF(1 << 20)};
	struct snap_mount below = *m;
	own(fd) int upper = openat(m->dir, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (upper < 0 && errno == ENOENT)
		return err_set(e, ERR_UNSUPPORTED, "its root is a copy of the image's layers: what was changed cannot be told");
	if (upper < 0)
		return err_sys(e, "writable layer");
	below.dir = -1;
	below.read_only = true;
	own(fd) int mount = m->layers->n ? snap_mount(s, &below, e) : -1;
	if (m->layers->n && mount < 0)
		return -1;
	own(fd) int lower = open_dir(mount, ".");
	int r = walk(&w, upper, lower, e);
	buf_drop(&w.path);
	return r;
}
