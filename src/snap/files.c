/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files: see files.h.
 *
 * The parent of an entry is resolved by openat2 inside of the tree (RESOLVE_IN_ROOT), so a symlink that the layer
 * made leads where it would lead in a container, never out of the tree; everything that is made is made in that
 * directory's fd by its last component, never followed. A missing parent is made.
 *
 * Entries of one directory stand together in a tar, so the fd of the last parent is kept and most entries cost no
 * lookup. It is dropped when a directory or a symlink was replaced: then the same text may mean another directory.
 * (A kept fd can only be stale, not outside: nothing ever moves.)
 *
 * Times of directories are set at the end, as each file made in one changes them; until then they are remembered, in
 * bounded memory. They are looked up anew: a directory that is gone by then is no error.
 *
 * Limits: memory 256 MiB for the names of directories.
 */
#include "snap/files.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "snap/entry.h"
#include "snap/name.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DIR_NAMES_MAX = 256 << 20 };

struct dir_time { char *path; int64_t mtime_ns; };
struct writer {
	struct apply_target target;          /* first: the two are one */
	int tree;
	struct entry_maker maker;
	char parent[PATH_MAX];
	struct entry_place place;            /* of the entry; its dir is the fd of `parent`, -1: none */
	struct arena names;
	size_t names_size;
	struct { struct dir_time *v; size_t n, room; } dirs;
	bool root_said;
};

static void writer_drop(struct writer *w)
{
	fd_drop(&w->place.dir);
	arena_drop(&w->names);
	free(w->dirs.v);
	free(w->maker.room);
}

static struct writer *writer_of(struct apply_target *to)
{
	return (struct writer *)to;
}

/* A parent of which this layer said before that the older one is gone: the whiteout turns into a directory that shows
 * nothing of that. 1: there was one. */
static int uncover(const struct writer *w, const char *parent, struct err *e)
{
	own(mem) char *path = mem_dup(parent);
	for (char *end = path; *end;) {
		end += 1 + strcspn(end + 1, "/");
		char next = *end;
		*end = 0;
		struct err why = {};
		struct stat st;
		size_t len = name_parent(path);
		const char *name = len ? path + len + 1 : path;
		own(mem) char *above = mem_ndup(path, len);
		own(fd) int dir = path_open_in(w->tree, len ? above : ".", O_PATH | O_DIRECTORY, 0, &why);
		if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return 0;
		if (whiteout_is(&st) && w->maker.form != WHITEOUT_PLAIN) {
			if (unlinkat(dir, name, 0) < 0 || mkdirat(dir, name, 0755) < 0)
				return err_sys(e, "its directory");
			return whiteout_make(dir, name, w->maker.form, NULL, e) < 0 ? -1 : 1;
		}
		*end = next;
	}
	return 0;
}

static int open_parent(const struct writer *w, const char *parent, struct err *e)
{
	struct err why = {};
	const char *path = *parent ? parent : ".";
	int fd = path_mkdirs_in(w->tree, path, 0755, (uid_t)-1, (gid_t)-1, &why);
	int r = fd < 0 && why.sys == ENOTDIR ? uncover(w, parent, e) : 0;
	if (r < 0)
		return -1;
	if (r > 0)
		fd = path_mkdirs_in(w->tree, path, 0755, (uid_t)-1, (gid_t)-1, &why);
	errno = why.sys;
	return fd < 0 ? err_sys(e, "its directory") : fd;
}

static void forget_place(struct writer *w)
{
	fd_drop(&w->place.dir);
}

static int enter(struct apply_target *to, const struct tar_entry *t unused, const char *path, size_t len, struct err *e)
{
	struct writer *w = writer_of(to);
	if (w->place.dir >= 0 && strncmp(w->parent, path, len) == 0 && !w->parent[len])
		return 0;
	forget_place(w);
	memcpy(w->parent, path, len);
	w->parent[len] = 0;
	struct stat st;
	w->place.dir = open_parent(w, w->parent, e);
	if (w->place.dir < 0)
		return -1;
	if (fstat(w->place.dir, &st) < 0)
		return err_sys(e, "look at the directory");
	w->place.setgid = st.st_mode & S_ISGID;
	w->place.gid = w->place.setgid ? st.st_gid : 0;
	return 0;
}

static int remember_dir(struct writer *w, const char *path, int64_t mtime_ns, struct err *e)
{
	w->names_size += strlen(path) + sizeof *w->dirs.v + 16;
	if (w->names_size > DIR_NAMES_MAX)
		return err_set(e, ERR_LIMIT, "too many directories");
	if (w->dirs.n == w->dirs.room) {
		w->dirs.room = w->dirs.room ? 2 * w->dirs.room : 256;
		w->dirs.v = mem_grow(w->dirs.v, w->dirs.room * sizeof *w->dirs.v);
	}
	w->dirs.v[w->dirs.n++] = (struct dir_time){arena_dup(&w->names, path), mtime_ns};
	return 0;
}

static int put_root(struct apply_target *to, const struct tar_entry *t, struct err *e)
{
	struct writer *w = writer_of(to);
	w->root_said = true;
	forget_place(w);
	return entry_dress_dir(&w->maker, t, w->tree, e) < 0 ? -1 : remember_dir(w, "", t->mtime_ns, e);
}

static int put_gone(struct apply_target *to, const struct tar_entry *t, const char *name, struct err *e)
{
	struct writer *w = writer_of(to);
	struct timespec times[2];
	entry_times(t->mtime_ns, times);
	return whiteout_make(w->place.dir, name, w->maker.form, times, e);
}

static int put_opaque(struct apply_target *to, struct err *e)
{
	struct writer *w = writer_of(to);
	return whiteout_make_opaque(w->place.dir, w->maker.form, e);
}

static int put_link(struct apply_target *to, const char *name, const char *there, struct err *e)
{
	struct writer *w = writer_of(to);
	size_t len = name_parent(there);
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	own(mem) char *above = len ? mem_ndup(there, len) : NULL;
	bool same = strncmp(w->parent, there, len) == 0 && !w->parent[len];
	own(fd) int dir = same ? -1 : (int)syscall(SYS_openat2, w->tree, len ? above : ".", &how, sizeof how);
	if (!same && dir < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return apply_no_link(e);
	if (!same && dir < 0)
		return err_sys(e, "hard link");
	w->place.name = name;
	int was = entry_link(&w->place, same ? w->place.dir : dir, name_last(there), e);
	if (was > 0)
		forget_place(w);
	return was < 0 ? -1 : 0;
}

static int put_entry(struct apply_target *to, const struct tar_entry *t, const char *path, struct err *e)
{
	struct writer *w = writer_of(to);
	w->place.name = name_last(path);
	w->maker.tar = to->tar;
	int was = entry_make(&w->maker, t, &w->place, e);
	if (was > 0)
		forget_place(w);
	if (was < 0)
		return -1;
	return t->type == TAR_DIR ? remember_dir(w, path, t->mtime_ns, e) : 0;
}

static int set_dir_times(struct apply_target *to, struct err *e)
{
	struct writer *w = writer_of(to);
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	struct timespec unsaid[2] = {{0, APPLY_ROOT_UNSAID}, {0, APPLY_ROOT_UNSAID}};
	for (size_t i = 0; i < w->dirs.n; i++) {
		const struct dir_time *d = &w->dirs.v[i];
		own(fd) int fd = (int)syscall(SYS_openat2, w->tree, *d->path ? d->path : ".", &how, sizeof how);
		if (fd < 0)
			continue;
		struct timespec times[2];
		entry_times(d->mtime_ns, times);
		if (futimens(fd, times) < 0)
			return err_sys(e, "set time");
	}
	if (!w->root_said && futimens(w->tree, unsaid) < 0)
		return err_sys(e, "set time");
	return 0;
}

int files_unpack(const struct files *f, struct stream *plain, uint64_t max_entries, struct snap_layer_info *ret, struct err *e)
{
	static const struct apply_ops ops = {enter, put_root, put_entry, put_link, put_gone, put_opaque, NULL, set_dir_times};
	struct writer w __attribute__((cleanup(writer_drop))) = {.target = {.ops = &ops}, .tree = f->tree,
		.maker = {.form = f->form, .in_userns = f->in_userns}, .place = {.dir = -1}};
	w.maker.room = mem_alloc(ENTRY_ROOM);
	mode_t before = umask(0);
	int r = apply_tar(&w.target, plain, max_entries, ret, e);
	umask(before);
	return r;
}
