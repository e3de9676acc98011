/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply: see apply.h.
 *
 * A name is taken apart as text first: what cannot be a name in a layer is refused, the rest is a parent and one
 * last component. The parent is resolved by openat2 inside of the tree (RESOLVE_IN_ROOT), so a symlink that the layer
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
#include "snap/apply.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "snap/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DIR_NAMES_MAX = 256 << 20 };

struct dir_time { char *path; int64_t mtime_ns; };
struct writer {
	const struct apply *a;
	struct entry_maker maker;
	char name[PATH_MAX], link[PATH_MAX]; /* clean: a/b/c, "" is the root */
	char parent[PATH_MAX];
	struct entry_place place;            /* of the entry; its dir is the fd of `parent`, -1: none */
	struct arena names;
	size_t names_size;
	struct { struct dir_time *v; size_t n, room; } dirs;
	bool root_said;
	struct snap_layer_info info;
};

static void writer_drop(struct writer *w)
{
	fd_drop(&w->place.dir);
	arena_drop(&w->names);
	free(w->dirs.v);
	free(w->maker.room);
}

/* What an error says of a hostile name. */
static const char *shown(const char *name, char out[100])
{
	size_t n = 0;
	for (; name[n] && n < 90; n++)
		out[n] = (unsigned char)name[n] < ' ' || name[n] == 0x7f ? '?' : name[n];
	snprintf(out + n, 100 - n, "%s", name[n] ? "..." : "");
	return out;
}

static int clean_name(const char *raw, char out[PATH_MAX], struct err *e)
{
	size_t n = 0;
	unsigned depth = 0;
	for (const char *p = raw; *p;) {
		size_t len = strcspn(p, "/");
		if (len == 2 && p[0] == '.' && p[1] == '.')
			return err_set(e, ERR_CORRUPT, "a name with \"..\" is refused");
		if (len > NAME_MAX)
			return err_set(e, ERR_CORRUPT, "a part of the name is longer than %d bytes", NAME_MAX);
		if (len && !(len == 1 && *p == '.')) {
			if (n + len + 2 > PATH_MAX)
				return err_set(e, ERR_CORRUPT, "the name is longer than %d bytes", PATH_MAX - 1);
			if (++depth > SNAP_MAX_DEPTH)
				return err_set(e, ERR_LIMIT, "more than %d directories deep", SNAP_MAX_DEPTH);
			if (n)
				out[n++] = '/';
			memcpy(out + n, p, len);
			n += len;
		}
		p += len;
		p += *p == '/';
	}
	out[n] = 0;
	return 0;
}

static size_t parent_length(const char *clean)
{
	const char *slash = strrchr(clean, '/');
	return slash ? (size_t)(slash - clean) : 0;
}

/* What stands in a directory of aufs's own, or is one: not for us. What lies below a whiteout cannot be. */
static int judge_parts(const char *clean, bool *ret_meta, struct err *e)
{
	*ret_meta = false;
	const char *last = path_base(clean);
	for (const char *p = clean; *p; p += strcspn(p, "/"), p += *p == '/') {
		if (!str_has_prefix(p, WHITEOUT_PREFIX))
			continue;
		if (str_has_prefix(p, WHITEOUT_META) && !(p == last && str_eq(p, WHITEOUT_OPAQUE)))
			*ret_meta = true;
		else if (p != last)
			return err_set(e, ERR_CORRUPT, "a whiteout cannot be a directory");
	}
	return 0;
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
		size_t len = parent_length(path);
		const char *name = len ? path + len + 1 : path;
		own(mem) char *above = mem_ndup(path, len);
		own(fd) int dir = path_open_in(w->a->tree, len ? above : ".", O_PATH | O_DIRECTORY, 0, &why);
		if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return 0;
		if (whiteout_is(&st) && w->a->form != WHITEOUT_PLAIN) {
			if (unlinkat(dir, name, 0) < 0 || mkdirat(dir, name, 0755) < 0)
				return err_sys(e, "its directory");
			return whiteout_make(dir, name, w->a->form, e) < 0 ? -1 : 1;
		}
		*end = next;
	}
	return 0;
}

static int open_parent(const struct writer *w, const char *parent, struct err *e)
{
	struct err why = {};
	const char *path = *parent ? parent : ".";
	int fd = path_mkdirs_in(w->a->tree, path, 0755, (uid_t)-1, (gid_t)-1, &why);
	int r = fd < 0 && why.sys == ENOTDIR ? uncover(w, parent, e) : 0;
	if (r < 0)
		return -1;
	if (r > 0)
		fd = path_mkdirs_in(w->a->tree, path, 0755, (uid_t)-1, (gid_t)-1, &why);
	errno = why.sys;
	return fd < 0 ? err_sys(e, "its directory") : fd;
}

static void forget_place(struct writer *w)
{
	fd_drop(&w->place.dir);
}

static int go_to_place(struct writer *w, struct err *e)
{
	size_t len = parent_length(w->name);
	w->place.name = len ? w->name + len + 1 : w->name;
	if (w->place.dir >= 0 && strncmp(w->parent, w->name, len) == 0 && !w->parent[len])
		return 0;
	forget_place(w);
	memcpy(w->parent, w->name, len);
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

static int remember_dir(struct writer *w, const struct tar_entry *t, struct err *e)
{
	w->names_size += strlen(w->name) + sizeof *w->dirs.v + 16;
	if (w->names_size > DIR_NAMES_MAX)
		return err_set(e, ERR_LIMIT, "too many directories");
	if (w->dirs.n == w->dirs.room) {
		w->dirs.room = w->dirs.room ? 2 * w->dirs.room : 256;
		w->dirs.v = mem_grow(w->dirs.v, w->dirs.room * sizeof *w->dirs.v);
	}
	w->dirs.v[w->dirs.n++] = (struct dir_time){arena_dup(&w->names, w->name), t->mtime_ns};
	return 0;
}

static int put_root(struct writer *w, const struct tar_entry *t, struct err *e)
{
	if (t->type != TAR_DIR)
		return err_set(e, ERR_CORRUPT, "the root of a layer must be a directory");
	w->root_said = true;
	forget_place(w);
	return entry_dress_dir(&w->maker, t, w->a->tree, e) < 0 ? -1 : remember_dir(w, t, e);
}

static int put_whiteout(struct writer *w, const char *mark, struct err *e)
{
	if (str_eq(mark, WHITEOUT_OPAQUE))
		return whiteout_make_opaque(w->place.dir, w->a->form, e);
	const char *gone = mark + strlen(WHITEOUT_PREFIX);
	if (!path_is_name(gone))
		return err_set(e, ERR_CORRUPT, "a whiteout of nothing");
	return whiteout_make(w->place.dir, gone, w->a->form, e);
}

static int put_link(struct writer *w, const struct tar_entry *t, struct err *e)
{
	bool meta = false;
	if (clean_name(t->link, w->link, e) < 0 || judge_parts(w->link, &meta, e) < 0)
		return err_wrap(e, "hard link");
	size_t len = parent_length(w->link);
	const char *name = len ? w->link + len + 1 : w->link;
	if (meta || !*name || str_has_prefix(name, WHITEOUT_PREFIX))
		return err_set(e, ERR_CORRUPT, "a hard link to what is not in this layer");
	bool same = strncmp(w->parent, w->link, len) == 0 && !w->parent[len];
	if (len)
		w->link[len] = 0;
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	own(fd) int dir = same ? -1 : (int)syscall(SYS_openat2, w->a->tree, len ? w->link : ".", &how, sizeof how);
	if (!same && dir < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return err_set(e, ERR_CORRUPT, "a hard link to what is not in this layer");
	if (!same && dir < 0)
		return err_sys(e, "hard link");
	return entry_link(&w->place, same ? w->place.dir : dir, name, e);
}

static int put_entry(struct writer *w, const struct tar_entry *given, struct err *e)
{
	struct tar_entry t = *given;
	bool meta = false;
	if (clean_name(t.name, w->name, e) < 0 || judge_parts(w->name, &meta, e) < 0)
		return -1;
	if (meta)
		return 0;
	/* Archives older than ustar mark a directory by its slash alone. */
	if (t.type == TAR_FILE && t.size == 0 && str_has_suffix(t.name, "/"))
		t.type = TAR_DIR;
	if (!*w->name)
		return put_root(w, &t, e);
	if (go_to_place(w, e) < 0)
		return -1;
	if (str_has_prefix(w->place.name, WHITEOUT_PREFIX))
		return put_whiteout(w, w->place.name, e);
	int was = t.type == TAR_HARDLINK ? put_link(w, &t, e) : entry_make(&w->maker, &t, &w->place, e);
	if (was < 0)
		return -1;
	if (was)
		forget_place(w);
	if (t.type == TAR_FILE)
		w->info.bytes += t.stored;
	return t.type == TAR_DIR ? remember_dir(w, &t, e) : 0;
}

static int set_dir_times(struct writer *w, struct err *e)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	struct timespec unsaid[2] = {{0, APPLY_ROOT_UNSAID}, {0, APPLY_ROOT_UNSAID}};
	for (size_t i = 0; i < w->dirs.n; i++) {
		const struct dir_time *d = &w->dirs.v[i];
		own(fd) int fd = (int)syscall(SYS_openat2, w->a->tree, *d->path ? d->path : ".", &how, sizeof how);
		if (fd < 0)
			continue;
		struct timespec times[2];
		entry_times(d->mtime_ns, times);
		if (futimens(fd, times) < 0)
			return err_sys(e, "set time");
	}
	if (!w->root_said && futimens(w->a->tree, unsaid) < 0)
		return err_sys(e, "set time");
	return 0;
}

static int put_all(struct writer *w, struct err *e)
{
	uint64_t max = w->a->max_entries ? w->a->max_entries : APPLY_MAX_ENTRIES;
	const struct tar_entry *t;
	int r;
	while ((r = tar_next(w->maker.tar, &t, e)) > 0) {
		char name[100];
		if (++w->info.files > max)
			return err_set(e, ERR_LIMIT, "more than %llu entries", (unsigned long long)max);
		if (put_entry(w, t, e) < 0)
			return err_wrap(e, "entry \"%s\"", shown(t->name, name));
	}
	return r < 0 ? -1 : set_dir_times(w, e);
}

int apply_tar(const struct apply *a, struct stream *plain, struct snap_layer_info *ret, struct err *e)
{
	struct writer w __attribute__((cleanup(writer_drop))) = {.a = a, .maker = {.apply = a}, .place = {.dir = -1}};
	w.maker.room = mem_alloc(ENTRY_ROOM);
	w.maker.tar = tar_reader_new(plain);
	mode_t before = umask(0);
	int r = put_all(&w, e);
	umask(before);
	tar_reader_drop(&w.maker.tar);
	if (r == 0)
		*ret = w.info;
	return r;
}
