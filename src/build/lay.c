/* SPDX-License-Identifier: Apache-2.0 */
#include "build/lay.h"

#include "base/fd.h"
#include "base/path.h"
#include "snap/pack.h"
#include "snap/whiteout.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int sink(void *arg, const void *p, size_t n, struct err *e)
{
	struct lay *l = arg;
	return fd_write_all(l->out, p, n) < 0 ? err_sys(e, "write the layer") : 0;
}

void lay_open(struct lay *l, int out, int root, int64_t epoch)
{
	*l = (struct lay){.out = out, .root = root, .epoch = epoch, .room = mem_grow(NULL, LAY_ROOM)};
	l->tar = tar_writer_new(sink, l);
}

void lay_drop(struct lay *l)
{
	tar_writer_drop(&l->tar);
	names_drop(&l->dirs);
	mem_drop(&l->room);
}

/* What would say that something is gone, in any component. */
static bool is_whiteout(const char *path)
{
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (str_has_prefix(p, WHITEOUT_PREFIX))
			return true;
	}
	return false;
}

int lay_entry(struct lay *l, struct tar_entry *t, struct err *e)
{
	char none[] = "";
	if (is_whiteout(t->name))
		return err_set(e, ERR_USAGE, "%.200s: a layer cannot have names that begin with " WHITEOUT_PREFIX, t->name);
	if (!t->link)
		t->link = none;
	if (t->mtime_ns > l->epoch)
		t->mtime_ns = l->epoch;
	return tar_write_entry(l->tar, t, e) < 0 ? err_wrap(e, "%.200s", t->name) : 0;
}

/* The xattrs that the one below has and `t` does not: they stay. */
static int keep_xattrs(int below, struct arena *a, struct tar_entry *t, struct err *e)
{
	struct tar_entry old = {};
	if (pack_xattrs(below, a, &old, e) < 0)
		return err_wrap(e, "%.200s", t->name);
	for (size_t i = 0; i < old.xattrs.n; i++) {
		size_t k = 0;
		while (k < t->xattrs.n && strcmp(t->xattrs.v[k].name, old.xattrs.v[i].name) != 0)
			k++;
		if (k == t->xattrs.n)
			*arena_push(a, &t->xattrs) = old.xattrs.v[i];
	}
	return 0;
}

int lay_dir(struct lay *l, const char *path, const struct tar_entry *like, struct err *e)
{
	own(arena) struct arena a = {};
	struct stat st;
	char said[80] = "";
	if (like)
		snprintf(said, sizeof said, "%o %u:%u %lld", like->mode, like->uid, like->gid, (long long)like->mtime_ns);
	const char *before = *path ? names_get(&l->dirs, path) : "";
	if (!*path || (before && (!like || strcmp(before, said) == 0)))
		return 0;
	if (lay_parents(l, path, e) < 0)
		return -1;
	names_put(&l->dirs, path, said);
	struct tar_entry t = {.type = TAR_DIR, .mode = 0755, .uid = l->uid, .gid = l->gid, .mtime_ns = l->epoch};
	if (like) {
		t = *like;
		t.xattrs.v = NULL;
		t.xattrs.n = 0;
		for (size_t i = 0; i < like->xattrs.n; i++)
			*arena_push(&a, &t.xattrs) = like->xattrs.v[i];
	}
	t.name = arena_dup(&a, path);
	struct err none = {};
	own(fd) int fd = l->root < 0 ? -1 : path_open_in(l->root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &none);
	if (fd >= 0 && fstat(fd, &st) < 0)
		return err_sys(e, "look at %.200s", path);
	if (fd < 0 && !like && none.sys == ENOTDIR)
		return err_set(e, ERR_USAGE, "cannot copy to /%.200s: it is no directory", path);
	if (fd >= 0 && !like) {
		t.mode = st.st_mode & 07777;
		t.uid = st.st_uid;
		t.gid = st.st_gid;
		t.mtime_ns = pack_time(&st);
	}
	return fd >= 0 && keep_xattrs(fd, &a, &t, e) < 0 ? -1 : lay_entry(l, &t, e);
}

int lay_parents(struct lay *l, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return 0;
	own(mem) char *parent = mem_ndup(path, (size_t)(slash - path));
	return lay_dir(l, parent, NULL, e);
}

int lay_data(struct lay *l, int fd, uint64_t size, void (*heard)(void *arg, const void *p, size_t n), void *arg, struct err *e)
{
	while (size > 0) {
		ssize_t n = read(fd, l->room, size < LAY_ROOM ? (size_t)size : LAY_ROOM);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_sys(e, "read") : err_set(e, ERR_CONFLICT, "the file became shorter while it was read");
		if (heard)
			heard(arg, l->room, (size_t)n);
		if (tar_write_data(l->tar, l->room, (size_t)n, e) < 0)
			return -1;
		size -= (uint64_t)n;
	}
	return 0;
}

int lay_end(struct lay *l, struct err *e)
{
	return tar_write_end(l->tar, e);
}
