/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hide: one walk over the context beside the layer in the making. What is ignored gets a whiteout, unless a pattern takes something below
 * it back; then the walk goes on inside. A directory of the layer is made with its first whiteout, those above it before: what has
 * nothing to hide leaves no trace, and a layer that hides nothing is not mounted.
 */
#include "build/hide.h"

#include "base/fd.h"
#include "base/path.h"
#include "snap/whiteout.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { DEPTH_MAX = 256 };

struct level { const char *name; int from, to; struct level *above; };
struct hiding { const struct ignore *g; enum whiteout_form form; };

/* The directory of the layer; those above it are made first. */
static int make(struct level *l, struct err *e)
{
	struct stat st;
	if (l->to >= 0)
		return 0;
	if (make(l->above, e) < 0)
		return -1;
	if (fstat(l->from, &st) < 0 || mkdirat(l->above->to, l->name, 0700) < 0)
		return err_sys(e, "%.200s", l->name);
	if ((l->to = path_open_dir(l->above->to, l->name, e)) < 0)
		return -1;
	/* A plain user cannot give it to whom it belongs below. */
	(void)!fchown(l->to, st.st_uid, st.st_gid);
	return fchmod(l->to, st.st_mode & 07777) < 0 ? err_sys(e, "%.200s", l->name) : 0;
}

static bool is_dir(int dir, const char *name)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Is something in an ignored directory taken back? */
static bool keeps(const struct hiding *h, int dir, const char *name, const char *path, unsigned depth)
{
	struct err none = {};
	own(strv) struct strv names = {};
	if (depth >= DEPTH_MAX || !ignore_looks_below(h->g, path))
		return false;
	own(fd) int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || path_list(fd, ".", &names, &none) < 0)
		return false;
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *below = path_join(path, names.v[i]);
		if (!ignore_has(h->g, below) || keeps(h, fd, names.v[i], below, depth + 1))
			return true;
	}
	return false;
}

static int hide(const struct hiding *h, struct level *l, const char *path, unsigned depth, struct err *e)
{
	own(strv) struct strv names = {};
	if (depth >= DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "%.100s…: more than %d directories deep", path, DEPTH_MAX);
	if (path_list(l->from, ".", &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *below = *path ? path_join(path, names.v[i]) : mem_dup(names.v[i]);
		if (ignore_has(h->g, below) && !keeps(h, l->from, names.v[i], below, depth)) {
			if (make(l, e) < 0 || whiteout_make(l->to, names.v[i], h->form, NULL, e) < 0)
				return -1;
			continue;
		}
		if (!is_dir(l->from, names.v[i]))
			continue;
		own(fd) int from = openat(l->from, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (from < 0)
			return err_sys(e, "open %.200s", below);
		struct level next = {names.v[i], from, -1, l};
		int r = hide(h, &next, below, depth + 1, e);
		fd_drop(&next.to);
		if (r < 0)
			return -1;
	}
	return 0;
}

int hide_ignored(const struct ignore *g, int from, const char *path, int to, bool user_xattrs, bool *ret_hides, struct err *e)
{
	struct hiding h = {g, user_xattrs ? WHITEOUT_OVERLAY_USER : WHITEOUT_OVERLAY};
	struct level top = {"", from, to, NULL};
	own(strv) struct strv names = {};
	struct stat st;
	if (fstat(from, &st) < 0)
		return err_sys(e, "look at %.200s", path);
	(void)!fchown(to, st.st_uid, st.st_gid);
	if (fchmod(to, st.st_mode & 07777) < 0)
		return err_sys(e, "%.200s", path);
	if (hide(&h, &top, path, 0, e) < 0)
		return -1;
	if (path_list(to, ".", &names, e) < 0)
		return -1;
	*ret_hides = names.n > 0;
	return 0;
}
