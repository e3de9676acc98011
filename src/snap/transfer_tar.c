/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer_tar: the same from and to an archive.
 *
 * A name of an archive is taken apart as text (name.c): none of them can say "..". Its parent is resolved in the container's root below the
 * destination, so symlinks that are there, or that the archive itself brings, lead where they lead in the container.
 */
#include "snap/transfer.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "snap/copy.h"
#include "snap/entry.h"
#include "snap/name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int reopen(int item, int flags)
{
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", item);
	return open(path, flags | O_CLOEXEC | O_NOCTTY);
}

struct packing { struct transfer *t; struct tar_writer *tar; };

static int pack(struct packing *p, int item, dev_t above, char *name, unsigned depth, struct err *e);

static int pack_below(struct packing *p, int in, dev_t dev, const char *name, unsigned depth, struct err *e)
{
	own(strv) struct strv names = {};
	if (path_list(in, ".", &names, e) < 0)
		return -1;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *below = path_join(name, names.v[i]);
		own(fd) int item = openat(in, names.v[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (item < 0 && (errno == ENOENT || errno == ESTALE))
			continue;
		if (item < 0 ? err_sys(e, "open") : pack(p, item, dev, below, depth, e))
			return err_wrap(e, "%.64s", names.v[i]);
	}
	return 0;
}

static int pack_dir(struct packing *p, const struct stat *st, int item, dev_t above, struct tar_entry *t, unsigned depth, struct err *e)
{
	own(arena) struct arena a = {};
	own(fd) int in = reopen(item, O_RDONLY | O_DIRECTORY);
	if (in < 0)
		return err_sys(e, "open");
	if (depth >= SNAP_MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "more than %d directories deep", SNAP_MAX_DEPTH);
	if (pack_xattrs(in, &a, t, e) < 0 || tar_write_entry(p->tar, t, e) < 0)
		return -1;
	return depth && above != st->st_dev && transfer_is_kernels(in) ? 0 : pack_below(p, in, st->st_dev, t->name, depth + 1, e);
}

static int pack(struct packing *p, int item, dev_t above, char *name, unsigned depth, struct err *e)
{
	static const struct { mode_t kind; enum tar_type type; } types[] = {{S_IFDIR, TAR_DIR}, {S_IFREG, TAR_FILE}, {S_IFLNK, TAR_SYMLINK},
		{S_IFIFO, TAR_FIFO}, {S_IFCHR, TAR_CHAR}, {S_IFBLK, TAR_BLOCK}};
	struct stat st;
	char target[PATH_MAX] = "";
	if (fstat(item, &st) < 0)
		return err_sys(e, "look");
	struct tar_entry t = {.name = name, .link = target, .mode = st.st_mode & 07777, .uid = st.st_uid, .gid = st.st_gid, .mtime_ns = pack_time(&st)};
	size_t k = 0;
	while (k < countof(types) && types[k].kind != (st.st_mode & S_IFMT))
		k++;
	if (k == countof(types))
		return 0;
	if (transfer_owner(p->t, &t.uid, &t.gid, e) < 0)
		return -1;
	t.type = types[k].type;
	const char *first = t.type != TAR_DIR && st.st_nlink > 1 ? links_meet(&p->t->links, &st, name) : NULL;
	if (first) {
		t.type = TAR_HARDLINK;
		t.link = (char *)(uintptr_t)first;
	} else if (t.type == TAR_DIR) {
		return pack_dir(p, &st, item, above, &t, depth, e);
	} else if (t.type == TAR_FILE) {
		own(fd) int in = reopen(item, O_RDONLY);
		t.size = (uint64_t)st.st_size;
		p->t->bytes += t.size;
		return in < 0 ? err_sys(e, "open") : pack_file(in, &t, p->tar, e);
	} else if (t.type == TAR_SYMLINK) {
		ssize_t n = readlinkat(item, "", target, sizeof target - 1);
		if (n < 0)
			return err_sys(e, "read the symlink");
		target[n] = 0;
	} else if (t.type == TAR_CHAR || t.type == TAR_BLOCK) {
		t.dev_major = major(st.st_rdev);
		t.dev_minor = minor(st.st_rdev);
	}
	return tar_write_entry(p->tar, &t, e);
}

int transfer_pack(struct transfer *t, int item, const char *name, struct tar_writer *tar, struct err *e)
{
	struct packing p = {t, tar};
	own(mem) char *own_name = mem_dup(name);
	t->keep_owner = true;
	links_drop(&t->links);
	return pack(&p, item, 0, own_name, 0, e);
}

struct unpacking {
	struct transfer *t;
	int root;
	const char *below;
	struct entry_maker maker;
	char parent[PATH_MAX];
	struct entry_place place;
	struct { struct dir_time { char *path; int64_t mtime_ns; } *v; size_t n; } dirs;
	struct arena arena;
};

/* The directory that the entry is made in; one that is missing is made, as is usual for archives that do not list them. */
static int enter(struct unpacking *u, const char *path, size_t len, struct err *e)
{
	struct stat st;
	if (u->place.dir >= 0 && strncmp(u->parent, path, len) == 0 && !u->parent[len])
		return 0;
	fd_drop(&u->place.dir);
	memcpy(u->parent, path, len);
	u->parent[len] = 0;
	uint32_t uid = copy_shift(0, u->t->to.uids, u->t->to.nuids), gid = copy_shift(0, u->t->to.gids, u->t->to.ngids);
	own(mem) char *whole = *u->parent ? mem_printf("%s/%s", u->below, u->parent) : mem_dup(u->below);
	/* The destination itself is not made again when somebody has taken it away. */
	u->place.dir = *u->parent ? path_mkdirs_in(u->root, whole, 0755, uid, gid, e) : path_open_in(u->root, whole, O_PATH | O_DIRECTORY, 0, e);
	if (u->place.dir < 0)
		return -1;
	if (fstat(u->place.dir, &st) < 0)
		return err_sys(e, "look at the directory");
	u->place.setgid = st.st_mode & S_ISGID;
	/* No group that an entry can have: it is always set. */
	u->place.gid = UINT32_MAX;
	return 0;
}

static int check_kinds(const struct unpacking *u, const struct tar_entry *t, bool *ret_there, struct err *e)
{
	struct stat st;
	*ret_there = fstatat(u->place.dir, u->place.name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*ret_there || S_ISDIR(st.st_mode) == (t->type == TAR_DIR))
		return 0;
	if (u->t->replace && !transfer_is_mounted(u->place.dir, u->place.name)) {
		*ret_there = false;
		return path_remove_tree(u->place.dir, u->place.name, e);
	}
	return err_set(e, ERR_CONFLICT, S_ISDIR(st.st_mode) ? "a directory is there, and it is not replaced by something else"
		: "something is there that is no directory, and it is not replaced by one");
}

/* What is mounted there stays, with its owner and mode, and gets the data. */
static int put_mounted(const struct unpacking *u, const struct tar_entry *t, struct err *e)
{
	if (t->type != TAR_FILE)
		return err_set(e, ERR_CONFLICT, "something is mounted there");
	own(fd) int fd = openat(u->place.dir, u->place.name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "open") : entry_data(&u->maker, t, fd, e);
}

static int put_link(struct unpacking *u, const struct tar_entry *t, struct err *e)
{
	char link[PATH_MAX];
	if (name_clean(t->link, link, e) < 0)
		return err_wrap(e, "hard link");
	size_t len = name_parent(link);
	own(mem) char *whole = len ? mem_printf("%s/%.*s", u->below, (int)len, link) : mem_dup(u->below);
	own(fd) int dir = path_open_in(u->root, whole, O_PATH | O_DIRECTORY, 0, e);
	return dir < 0 ? -1 : entry_link(&u->place, dir, name_last(link), e);
}

/* The destination itself is there. */
static int put_root(const struct unpacking *u, struct tar_entry *t, struct err *e)
{
	if (!u->t->dress_root)
		return 0;
	own(fd) int dir = path_open_in(u->root, u->below, O_RDONLY | O_DIRECTORY, 0, e);
	return dir < 0 || transfer_owner(u->t, &t->uid, &t->gid, e) < 0 ? -1 : entry_dress_dir(&u->maker, t, dir, e);
}

static int put_entry(struct unpacking *u, const struct tar_entry *given, struct err *e)
{
	struct tar_entry t = *given;
	char name[PATH_MAX];
	bool there;
	if (name_clean(t.name, name, e) < 0)
		return -1;
	if (t.type == TAR_FILE && t.size == 0 && str_has_suffix(t.name, "/"))
		t.type = TAR_DIR;
	if (!*name)
		return t.type == TAR_DIR ? put_root(u, &t, e) : err_set(e, ERR_CORRUPT, "it has no name");
	if (enter(u, name, name_parent(name), e) < 0)
		return -1;
	u->place.name = name_last(name);
	if (check_kinds(u, &t, &there, e) < 0 || transfer_owner(u->t, &t.uid, &t.gid, e) < 0)
		return -1;
	if (there && t.type == TAR_DIR)
		return 0;
	bool mounted = there && transfer_is_mounted(u->place.dir, u->place.name);
	int was = mounted ? put_mounted(u, &t, e) : t.type == TAR_HARDLINK ? put_link(u, &t, e) : entry_make(&u->maker, &t, &u->place, e);
	if (was < 0)
		return -1;
	if (was > 0)
		fd_drop(&u->place.dir);
	u->t->bytes += t.type == TAR_FILE ? t.stored : 0;
	if (t.type == TAR_DIR)
		*arena_push(&u->arena, &u->dirs) = (struct dir_time){arena_dup(&u->arena, name), t.mtime_ns};
	return 0;
}

static void set_times(const struct unpacking *u)
{
	for (size_t i = 0; i < u->dirs.n; i++) {
		struct err gone;
		struct timespec times[2];
		own(mem) char *whole = mem_printf("%s/%s", u->below, u->dirs.v[i].path);
		own(fd) int fd = path_open_in(u->root, whole, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &gone);
		entry_times(u->dirs.v[i].mtime_ns, times);
		if (fd >= 0)
			(void)!futimens(fd, times);
	}
}

static int unpack(struct unpacking *u, struct err *e)
{
	const struct tar_entry *t;
	char shown[100];
	int r;
	while ((r = tar_next(u->maker.tar, &t, e)) > 0)
		if (put_entry(u, t, e) < 0)
			return err_wrap(e, "entry \"%s\"", name_shown(t->name, shown));
	set_times(u);
	return r;
}

int transfer_unpack(struct transfer *t, int in, int root, const char *below, struct err *e)
{
	own(stream) struct stream *raw = stream_fd(in, UINT64_MAX);
	own(stream) struct stream *plain = NULL;
	own(mem) char *room = mem_alloc(ENTRY_ROOM);
	struct unpacking u = {.t = t, .root = root, .below = below, .place = {.dir = -1}};
	if (stream_decompress(raw, &plain, NULL, e) < 0)
		return -1;
	t->keep_owner = true;
	t->from = (struct pack_ids){};
	u.maker = (struct entry_maker){.form = WHITEOUT_PLAIN, .in_userns = t->no_devices, .tar = tar_reader_new(plain), .room = room};
	mode_t before = umask(0);
	int r = unpack(&u, e);
	umask(before);
	tar_reader_drop(&u.maker.tar);
	fd_drop(&u.place.dir);
	arena_drop(&u.arena);
	return r;
}
