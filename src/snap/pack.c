/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack: see pack.h.
 *
 * One descent, each thing named by its last component in an open directory and never followed. A directory's whiteouts come
 * right behind it, before its names: so an opaque mark is about what is below and not about them.
 */
#include "snap/pack.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "snap/apply.h"
#include "snap/links.h"
#include "snap/whiteout.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { ROOM = 256 << 10, NOBODY = 65534 };

struct pack {
	int64_t until; /* the latest time there is */
	const struct pack_ids *ids; /* or NULL: as they are, of a tree that nobody changes */
	bool (*takes)(void *arg, const char *path); /* or NULL: all */
	void *arg;
	struct tar_writer *tar;
	char *room;
	struct links links;
};

static void pack_drop(struct pack *p)
{
	links_drop(&p->links);
	free(p->room);
}

int64_t pack_time(const struct stat *st)
{
	int64_t ns;
	if (__builtin_mul_overflow((int64_t)st->st_mtim.tv_sec, 1000000000, &ns) || __builtin_add_overflow(ns, st->st_mtim.tv_nsec, &ns))
		return st->st_mtim.tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

static int64_t time_of(const struct pack *p, const struct stat *st)
{
	int64_t ns = pack_time(st);
	return ns > p->until ? p->until : ns;
}

int pack_xattrs(int fd, struct arena *a, struct tar_entry *t, struct err *e)
{
	/* Most files have none, and the length alone says so. */
	ssize_t n = flistxattr(fd, NULL, 0);
	char *names = n > 0 ? arena_alloc(a, (size_t)n) : NULL;
	if (n > 0)
		n = flistxattr(fd, names, (size_t)n);
	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : err_sys(e, "list xattrs");
	for (const char *x = names; x < names + n; x += strlen(x) + 1) {
		if (!apply_takes_xattr(x))
			continue;
		ssize_t len = fgetxattr(fd, x, NULL, 0);
		char *value = arena_alloc(a, len > 0 ? (size_t)len : 1);
		if (len < 0 || (len = fgetxattr(fd, x, value, (size_t)len)) < 0)
			return err_sys(e, "read %.64s", x);
		*arena_push(a, &t->xattrs) = (struct tar_xattr){arena_dup(a, x), value, (size_t)len};
	}
	return 0;
}

/* Where the data is, when there are holes. */
static int read_spans(int fd, struct arena *a, struct tar_entry *t, struct err *e)
{
	t->stored = t->size;
	if (t->size < 4096 || lseek(fd, 0, SEEK_HOLE) >= (off_t)t->size)
		return 0;
	t->sparse = true;
	t->stored = 0;
	for (off_t at = 0, end; at < (off_t)t->size; at = end) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO)
			break;
		end = at < 0 ? -1 : lseek(fd, at, SEEK_HOLE);
		if (end < 0)
			return err_sys(e, "find data");
		*arena_push(a, &t->spans) = (struct tar_span){(uint64_t)at, (uint64_t)(end - at)};
		t->stored += (uint64_t)(end - at);
	}
	return 0;
}

static int put_range(struct pack *p, int fd, uint64_t at, uint64_t length, struct err *e)
{
	while (length > 0) {
		ssize_t n = pread(fd, p->room, length < ROOM ? (size_t)length : ROOM, (off_t)at);
		if (n == 0 && p->ids) {
			n = length < ROOM ? (ssize_t)length : ROOM;
			memset(p->room, 0, (size_t)n);
		}
		if (n <= 0)
			return n < 0 ? err_sys(e, "read") : err_set(e, ERR_CONFLICT, "the file became shorter while it was read");
		if (tar_write_data(p->tar, p->room, (size_t)n, e) < 0)
			return -1;
		at += (uint64_t)n;
		length -= (uint64_t)n;
	}
	return 0;
}

/* Of a container that runs: the file, or what it was when we looked. */
static bool is_gone(const struct pack *p)
{
	return p->ids && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR || errno == EINVAL || errno == ENXIO || errno == ESTALE);
}

static uint32_t inside(uint32_t id, const struct snap_idmap *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (id >= rows[i].outside && id - rows[i].outside < rows[i].count)
			return rows[i].inside + (id - rows[i].outside);
	return n ? NOBODY : id;
}

static int put_open_file(struct pack *p, int fd, struct tar_entry *t, struct err *e)
{
	own(arena) struct arena a = {};
	if (pack_xattrs(fd, &a, t, e) < 0 || read_spans(fd, &a, t, e) < 0 || tar_write_entry(p->tar, t, e) < 0)
		return -1;
	if (!t->sparse)
		return put_range(p, fd, 0, t->size, e);
	for (size_t i = 0; i < t->spans.n; i++)
		if (put_range(p, fd, t->spans.v[i].offset, t->spans.v[i].length, e) < 0)
			return -1;
	return 0;
}

static int put_file(struct pack *p, int dir, const char *name, struct tar_entry *t, struct err *e)
{
	own(fd) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return is_gone(p) ? 0 : err_sys(e, "open");
	return put_open_file(p, fd, t, e);
}

int pack_file(int fd, struct tar_entry *t, struct tar_writer *tar, struct err *e)
{
	static const struct pack_ids as_they_are;
	struct pack p __attribute__((cleanup(pack_drop))) = {.until = INT64_MAX, .ids = &as_they_are, .tar = tar, .room = mem_grow(NULL, ROOM)};
	return put_open_file(&p, fd, t, e);
}

static int put_mark(struct pack *p, const char *path, const char *mark, int64_t mtime_ns, struct err *e)
{
	const char *name = path_base(path);
	own(mem) char *whole = mem_printf("%.*s%s", (int)(name - path), path, mark);
	char none[] = "";
	struct tar_entry t = {.type = TAR_FILE, .name = whole, .link = none, .mode = 0644, .mtime_ns = mtime_ns};
	return tar_write_entry(p->tar, &t, e);
}

static int put_below(struct pack *p, int dir, const char *path, unsigned depth, struct err *e);

static int put_dir(struct pack *p, int dir, const char *name, struct tar_entry *t, unsigned depth, struct err *e)
{
	own(arena) struct arena a = {};
	own(fd) int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return is_gone(p) ? 0 : err_sys(e, "open");
	if (depth > SNAP_MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "more than %d directories deep", SNAP_MAX_DEPTH);
	if (pack_xattrs(fd, &a, t, e) < 0 || tar_write_entry(p->tar, t, e) < 0)
		return -1;
	own(mem) char *below = mem_printf("%s/x", t->name);
	if (whiteout_is_opaque(fd) && !path_exists(fd, WHITEOUT_OPAQUE) && put_mark(p, below, WHITEOUT_OPAQUE, t->mtime_ns, e) < 0)
		return -1;
	return put_below(p, fd, t->name, depth, e);
}

static int put_entry(struct pack *p, int dir, const char *name, char *path, unsigned depth, struct err *e)
{
	struct stat st;
	char none[] = "", target[PATH_MAX] = "";
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return is_gone(p) ? 0 : err_sys(e, "look");
	if (p->ids) {
		st.st_uid = inside(st.st_uid, p->ids->uids, p->ids->nuids);
		st.st_gid = inside(st.st_gid, p->ids->gids, p->ids->ngids);
	}
	if (S_ISSOCK(st.st_mode))
		return 0;
	if (whiteout_is(&st)) {
		own(mem) char *mark = mem_printf(WHITEOUT_PREFIX "%s", name);
		return put_mark(p, path, mark, time_of(p, &st), e);
	}
	struct tar_entry t = {.name = path, .link = none, .mode = st.st_mode & 07777, .uid = st.st_uid, .gid = st.st_gid, .mtime_ns = time_of(p, &st)};
	const char *first = !S_ISDIR(st.st_mode) && st.st_nlink > 1 ? links_meet(&p->links, &st, path) : NULL;
	if (first) {
		t.type = TAR_HARDLINK;
		t.link = (char *)(uintptr_t)first;
		return tar_write_entry(p->tar, &t, e);
	}
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		t.type = TAR_DIR;
		return put_dir(p, dir, name, &t, depth + 1, e);
	case S_IFREG:
		t.type = TAR_FILE;
		t.size = (uint64_t)st.st_size;
		return put_file(p, dir, name, &t, e);
	case S_IFLNK:
		t.type = TAR_SYMLINK;
		t.link = target;
		if (readlinkat(dir, name, target, sizeof target - 1) < 0)
			return is_gone(p) ? 0 : err_sys(e, "read the symlink");
		break;
	case S_IFIFO: t.type = TAR_FIFO; break;
	default:
		t.type = S_ISBLK(st.st_mode) ? TAR_BLOCK : TAR_CHAR;
		t.dev_major = major(st.st_rdev);
		t.dev_minor = minor(st.st_rdev);
	}
	return tar_write_entry(p->tar, &t, e);
}

static int put_below(struct pack *p, int dir, const char *path, unsigned depth, struct err *e)
{
	own(strv) struct strv names = {};
	if (path_list(dir, ".", &names, e) < 0)
		return -1;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *below = *path ? path_join(path, names.v[i]) : mem_dup(names.v[i]);
		if (p->takes && !p->takes(p->arg, below))
			continue;
		if (put_entry(p, dir, names.v[i], below, depth, e) < 0)
			return err_wrap(e, "%.64s", names.v[i]);
	}
	return 0;
}

int pack_tree_some(int tree, bool said, int64_t until, bool (*takes)(void *arg, const char *path), void *arg, struct tar_writer *tar, struct err *e)
{
	struct pack p __attribute__((cleanup(pack_drop))) = {.until = until, .takes = takes, .arg = arg, .tar = tar, .room = mem_grow(NULL, ROOM)};
	own(arena) struct arena a = {};
	struct stat st;
	char none[] = "", root[] = ".";
	if (fstat(tree, &st) < 0)
		return err_sys(e, "look");
	struct tar_entry t = {.type = TAR_DIR, .name = root, .link = none, .mode = st.st_mode & 07777, .uid = st.st_uid, .gid = st.st_gid,
		.mtime_ns = time_of(&p, &st)};
	if (said && (pack_xattrs(tree, &a, &t, e) < 0 || tar_write_entry(tar, &t, e) < 0))
		return -1;
	if (whiteout_is_opaque(tree) && !path_exists(tree, WHITEOUT_OPAQUE) && put_mark(&p, "x", WHITEOUT_OPAQUE, t.mtime_ns, e) < 0)
		return -1;
	return put_below(&p, tree, "", 0, e);
}

int pack_tree_until(int tree, bool said, int64_t until, struct tar_writer *tar, struct err *e)
{
	return pack_tree_some(tree, said, until, NULL, NULL, tar, e) < 0 ? -1 : tar_write_end(tar, e);
}

int pack_tree(int tree, bool said, struct tar_writer *tar, struct err *e)
{
	return pack_tree_until(tree, said, INT64_MAX, tar, e);
}

int pack_root(int tree, const struct pack_ids *ids, struct tar_writer *tar, struct err *e)
{
	struct pack p __attribute__((cleanup(pack_drop))) = {.until = INT64_MAX, .ids = ids, .tar = tar, .room = mem_grow(NULL, ROOM)};
	return put_below(&p, tree, "", 0, e) < 0 ? -1 : tar_write_end(tar, e);
}
