/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer: see transfer.h.
 *
 * Each thing is opened as O_PATH first, so that it is known what it is before anything is done with it: the open of a device or a FIFO
 * that somebody has put in a file's place would have effects. Then it is opened again through /proc/self/fd. What is made is made O_EXCL;
 * owner, mode and time are set on its fd.
 */
#include "snap/transfer.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "snap/apply.h"
#include "snap/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { NOBODY = 65534, READ_ROOM = 64 << 10 };

void transfer_drop(struct transfer *t)
{
	links_drop(&t->links);
	mem_drop(&t->path);
}

static uint32_t inside(uint32_t id, const struct snap_idmap *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (id >= rows[i].outside && id - rows[i].outside < rows[i].count)
			return rows[i].inside + (id - rows[i].outside);
	return n ? NOBODY : id;
}

int transfer_owner(const struct transfer *t, uint32_t *uid, uint32_t *gid, struct err *e)
{
	uint32_t u = t->keep_owner ? inside(*uid, t->from.uids, t->from.nuids) : 0, g = t->keep_owner ? inside(*gid, t->from.gids, t->from.ngids) : 0;
	*uid = copy_shift(u, t->to.uids, t->to.nuids);
	*gid = copy_shift(g, t->to.gids, t->to.ngids);
	return *uid == UINT32_MAX || *gid == UINT32_MAX ? err_set(e, ERR_UNSUPPORTED, "owner %u:%u is outside of the container's id map", u, g) : 0;
}

/* Setuid for one user is not setuid for another. */
static mode_t mode_of(const struct transfer *t, const struct stat *st)
{
	mode_t mode = st->st_mode & 07777;
	uint32_t uid = inside(st->st_uid, t->from.uids, t->from.nuids), gid = inside(st->st_gid, t->from.gids, t->from.ngids);
	if (t->keep_owner || S_ISDIR(mode))
		return mode;
	if (t->to_host || uid)
		mode &= ~(mode_t)S_ISUID;
	if (t->to_host || gid)
		mode &= ~(mode_t)S_ISGID;
	return mode;
}

static int copy_xattrs(const struct transfer *t, int from, int to, struct err *e)
{
	char names[XATTR_LIST_MAX];
	ssize_t n = flistxattr(from, names, sizeof names);
	if (n <= 0)
		return n == 0 || errno == EOPNOTSUPP ? 0 : err_sys(e, "list xattrs");
	own(mem) char *value = mem_alloc(XATTR_SIZE_MAX);
	for (const char *x = names; x < names + n; x += strlen(x) + 1) {
		if (!apply_takes_xattr(x) || (t->to_host && !t->keep_owner && str_has_prefix(x, "security.")))
			continue;
		ssize_t len = fgetxattr(from, x, value, XATTR_SIZE_MAX);
		if (len < 0 && errno == ENODATA)
			continue;
		if (len < 0 || (fsetxattr(to, x, value, (size_t)len, 0) < 0 && errno != EOPNOTSUPP && errno != EPERM))
			return err_sys(e, "copy %.64s", x);
	}
	return 0;
}

/* Owner, xattrs, mode, time: each undoes some of what comes after it. from -1: it has no xattrs. */
static int dress(const struct transfer *t, const struct stat *st, int from, int to, struct err *e)
{
	uint32_t uid = st->st_uid, gid = st->st_gid;
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	if (transfer_owner(t, &uid, &gid, e) < 0)
		return -1;
	if (fchown(to, uid, gid) < 0)
		return err_sys(e, "set owner %u:%u", uid, gid);
	if (copy_xattrs(t, from, to, e) < 0)
		return -1;
	return fchmod(to, mode_of(t, st)) < 0 || futimens(to, times) < 0 ? err_sys(e, "set mode and time") : 0;
}

/* What was opened as O_PATH, to be read. */
static int reopen(int item, int flags)
{
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", item);
	return open(path, flags | O_CLOEXEC | O_NOCTTY);
}

/* Files of the kernel's have no size. */
static int copy_unsized(int from, int to, uint64_t *bytes, struct err *e)
{
	own(mem) char *room = mem_grow(NULL, READ_ROOM);
	for (ssize_t n; (n = read(from, room, READ_ROOM)) != 0; *bytes += (uint64_t)n)
		if (n < 0 || fd_write_all(to, room, (size_t)n) < 0)
			return err_sys(e, n < 0 ? "read" : "write");
	return 0;
}

bool transfer_is_mounted(int to, const char *name)
{
	struct statx st;
	return statx(to, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st) == 0 && st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* Makes room for something that is no directory. 1: it is a mount point: it can be written to, and not be replaced. (Not in this mount
 * namespace: the kernel would replace what is below and take the mount away.) */
static int clear(int to, const char *name, struct err *e)
{
	struct stat st;
	if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "look at what is there");
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_CONFLICT, "a directory is there, and it is not replaced by something else");
	if (transfer_is_mounted(to, name))
		return S_ISREG(st.st_mode) ? 1 : err_set(e, ERR_CONFLICT, "something is mounted there that is no file");
	return unlinkat(to, name, 0) == 0 || errno == ENOENT ? 0 : err_sys(e, "replace what is there");
}

static int make_file(int to, const char *name, bool *ret_new, struct err *e)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	*ret_new = true;
	int fd = openat(to, name, flags, 0600);
	if (fd < 0 && errno == EEXIST) {
		int there = clear(to, name, e);
		if (there < 0)
			return -1;
		*ret_new = !there;
		fd = there ? openat(to, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : openat(to, name, flags, 0600);
	}
	return fd < 0 ? err_sys(e, "create") : fd;
}

static int put_file(struct transfer *t, const struct stat *st, int item, int to, const char *name, struct err *e)
{
	bool is_new;
	own(fd) int in = reopen(item, O_RDONLY);
	if (in < 0)
		return err_sys(e, "open");
	own(fd) int out = make_file(to, name, &is_new, e);
	if (out < 0)
		return -1;
	t->bytes += (uint64_t)st->st_size;
	int r = st->st_size ? copy_data(in, out, st, e) : copy_unsized(in, out, &t->bytes, e);
	/* What is mounted there keeps its owner and mode. */
	if (r == 0 && is_new)
		r = dress(t, st, in, out, e);
	if (close(take_fd(out)) < 0 && r == 0)
		r = err_sys(e, "write");
	if (r < 0 && is_new)
		(void)!unlinkat(to, name, 0);
	return r;
}

static int create_other(const struct stat *st, const char *target, int to, const char *name)
{
	if (S_ISLNK(st->st_mode))
		return symlinkat(target, to, name);
	return mknodat(to, name, (st->st_mode & S_IFMT) | 0600, S_ISFIFO(st->st_mode) ? 0 : st->st_rdev);
}

static int put_other(struct transfer *t, const struct stat *st, int item, int to, const char *name, struct err *e)
{
	bool device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
	char target[PATH_MAX] = "";
	uint32_t uid = st->st_uid, gid = st->st_gid;
	if (S_ISSOCK(st->st_mode))
		return 0;
	if (device && (t->no_devices || (t->to_host && !t->keep_owner)))
		return t->devices++, 0;
	if (transfer_owner(t, &uid, &gid, e) < 0)
		return -1;
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(item, "", target, sizeof target - 1);
		if (n < 0)
			return err_sys(e, "read the symlink");
		target[n] = 0;
	}
	int r = create_other(st, target, to, name);
	if (r < 0 && errno == EEXIST) {
		int there = clear(to, name, e);
		if (there)
			return there < 0 ? -1 : err_set(e, ERR_CONFLICT, "something is mounted there");
		r = create_other(st, target, to, name);
	}
	if (r < 0 && device && errno == EPERM)
		return t->devices++, 0;
	if (r < 0)
		return err_sys(e, "create");
	/* It may be another's by now: what is not of this kind is left alone. */
	struct stat made;
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	own(fd) int fd = openat(to, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &made) < 0 || (made.st_mode & S_IFMT) != (st->st_mode & S_IFMT) || made.st_rdev != (device ? st->st_rdev : 0))
		return err_set(e, ERR_CONFLICT, "it was replaced while it was made");
	char self[40];
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return err_sys(e, "set owner %u:%u", uid, gid);
	if (S_ISLNK(st->st_mode))
		return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT ? err_sys(e, "set time") : 0;
	return chmod(self, mode_of(t, st)) < 0 || utimensat(AT_FDCWD, self, times, 0) < 0 ? err_sys(e, "set mode and time") : 0;
}

/* 1: made as one more link to what was copied before. */
static int try_link(struct transfer *t, const struct stat *st, int to, const char *name, struct err *e)
{
	own(mem) char *path = mem_printf("%s/%s", t->path, name);
	const char *first = links_meet(&t->links, st, path);
	struct err gone;
	if (!first)
		return 0;
	own(mem) char *above = mem_ndup(first, (size_t)(strrchr(first, '/') - first));
	own(fd) int dir = path_open_in(t->top, *above ? above : ".", O_PATH | O_DIRECTORY, 0, &gone);
	if (dir < 0)
		return 0;
	if (linkat(dir, path_base(first), to, name, 0) == 0)
		return 1;
	if (errno == EEXIST) {
		int there = clear(to, name, e);
		if (there)
			return there < 0 ? -1 : 0;
		if (linkat(dir, path_base(first), to, name, 0) == 0)
			return 1;
	}
	/* The destination has no hard links, or it is another file system's. */
	return errno == EPERM || errno == EXDEV || errno == ENOENT || errno == EMLINK || errno == EOPNOTSUPP ? 0 : err_sys(e, "hard link");
}

bool transfer_is_kernels(int dir)
{
	static const long kinds[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,
		SECURITYFS_MAGIC, BPF_FS_MAGIC, 0x19800202 /* mqueue */};
	struct statfs fs;
	if (fstatfs(dir, &fs) < 0)
		return false;
	for (size_t i = 0; i < countof(kinds); i++)
		if ((unsigned long)fs.f_type == (unsigned long)kinds[i])
			return true;
	return false;
}

static int remember(struct transfer *t, int made)
{
	struct stat st;
	if (fstat(made, &st) < 0)
		return -1;
	t->made_dev = st.st_dev;
	t->made_ino = st.st_ino;
	return 0;
}

static int put_below(struct transfer *t, int in, dev_t dev, int to, unsigned depth, struct err *e);

static int put_dir(struct transfer *t, const struct stat *st, dev_t above, int item, int to, const char *name, unsigned depth, struct err *e)
{
	if (depth >= SNAP_MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "more than %d directories deep", SNAP_MAX_DEPTH);
	/* A directory that is copied to somewhere below itself would never end. */
	if (depth && st->st_dev == t->made_dev && st->st_ino == t->made_ino)
		return 0;
	bool is_new = mkdirat(to, name, 0700) == 0;
	if (!is_new && errno != EEXIST)
		return err_sys(e, "make the directory");
	own(fd) int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0 && (errno == ENOTDIR || errno == ELOOP))
		return err_set(e, ERR_CONFLICT, "something is there that is no directory, and it is not replaced by one");
	own(fd) int in = out < 0 ? -1 : reopen(item, O_RDONLY | O_DIRECTORY);
	if (in < 0 || (depth == 0 && remember(t, out) < 0))
		return err_sys(e, "open");
	if (above == st->st_dev || depth == 0 || !transfer_is_kernels(in)) {
		char *before = t->path;
		t->path = mem_printf("%s/%s", before, name);
		int r = put_below(t, in, st->st_dev, out, depth + 1, e);
		mem_drop(&t->path);
		t->path = before;
		if (r < 0)
			return -1;
	}
	return is_new ? dress(t, st, in, out, e) : 0;
}

static bool is_gone(void)
{
	return errno == ENOENT || errno == ESTALE;
}

static int put(struct transfer *t, int item, dev_t above, int to, const char *name, unsigned depth, struct err *e)
{
	struct stat st;
	if (fstat(item, &st) < 0)
		return err_sys(e, "look");
	if (S_ISDIR(st.st_mode))
		return put_dir(t, &st, above, item, to, name, depth, e);
	if (st.st_nlink > 1 && !S_ISSOCK(st.st_mode)) {
		int r = try_link(t, &st, to, name, e);
		if (r)
			return r < 0 ? -1 : 0;
	}
	return S_ISREG(st.st_mode) ? put_file(t, &st, item, to, name, e) : put_other(t, &st, item, to, name, e);
}

static int put_below(struct transfer *t, int in, dev_t dev, int to, unsigned depth, struct err *e)
{
	int fd = openat(in, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_drop(&fd);
		return err_sys(e, "read directory");
	}
	for (struct dirent *ent; r == 0 && (errno = 0, ent = readdir(d));) {
		const char *name = ent->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		own(fd) int item = openat(in, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (item < 0 && is_gone())
			continue;
		r = item < 0 ? err_sys(e, "open") : put(t, item, dev, to, name, depth, e);
		if (r < 0)
			err_wrap_(e, "%.64s", name);
	}
	if (r == 0 && errno)
		r = err_sys(e, "read directory");
	closedir(d);
	return r;
}

static void begin(struct transfer *t, int top)
{
	links_drop(&t->links);
	mem_drop(&t->path);
	t->path = mem_dup("");
	t->top = top;
}

int transfer_item(struct transfer *t, int item, int to, const char *name, struct err *e)
{
	begin(t, to);
	return put(t, item, 0, to, name, 0, e);
}

int transfer_contents(struct transfer *t, int from, int to, struct err *e)
{
	struct stat st;
	own(fd) int in = reopen(from, O_RDONLY | O_DIRECTORY);
	begin(t, to);
	return in < 0 || fstat(in, &st) < 0 || remember(t, to) < 0 ? err_sys(e, "open") : put_below(t, in, st.st_dev, to, 1, e);
}
