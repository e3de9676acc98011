/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy: see copy.h.
 *
 * One descent with both directories open; everything is named by its last component in an open directory and never
 * followed. Data goes by reflink, else by copy_file_range piece by piece (a file with holes by its pieces of data). The
 * first copy of a file that has several links is remembered by its inode as a path below the target; that path is
 * resolved inside of the target again when the next link comes.
 *
 * A layer is laid over what older layers left: first what it says is gone goes (an opaque directory empties the older
 * one), then its own comes; a directory over a directory is merged, anything else replaces.
 */
#include "snap/copy.h"

#include "base/fd.h"
#include "base/path.h"
#include "snap/apply.h"
#include "snap/links.h"
#include "snap/whiteout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

struct copy {
	int to;                       /* the target's root */
	bool merge;
	const struct snap_mount *ids; /* NULL: owners as they are */
	char path[PATH_MAX];          /* of the directory at hand, below `to` */
	struct links links;
	struct snap_layer_info total;
};

static void copy_drop(struct copy *c)
{
	links_drop(&c->links);
}

uint32_t copy_shift(uint32_t id, const struct snap_idmap *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (id >= v[i].inside && id - v[i].inside < v[i].count)
			return v[i].outside + (id - v[i].inside);
	return n ? UINT32_MAX : id;
}

static int set_owner(const struct copy *c, const struct stat *st, int dir, const char *name, struct err *e)
{
	uint32_t uid = st->st_uid, gid = st->st_gid;
	if (c->ids) {
		uid = copy_shift(uid, c->ids->uids, c->ids->nuids);
		gid = copy_shift(gid, c->ids->gids, c->ids->ngids);
	}
	if (uid == UINT32_MAX || gid == UINT32_MAX)
		return err_set(e, ERR_UNSUPPORTED, "owner %u:%u is outside of the container's id map", st->st_uid, st->st_gid);
	if (fchownat(dir, name, uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "set owner %u:%u", uid, gid);
	return 0;
}

static int copy_xattrs(int from, int to, struct err *e)
{
	char names[65536];
	ssize_t n = flistxattr(from, names, sizeof names);
	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : err_sys(e, "list xattrs");
	own(mem) char *value = n ? mem_alloc(XATTR_SIZE_MAX) : NULL;
	for (const char *x = names; x < names + n; x += strlen(x) + 1) {
		if (!apply_takes_xattr(x))
			continue;
		ssize_t len = fgetxattr(from, x, value, XATTR_SIZE_MAX);
		if (len < 0 || (fsetxattr(to, x, value, (size_t)len, 0) < 0 && errno != EOPNOTSUPP))
			return err_sys(e, "copy %.64s", x);
	}
	return 0;
}

static int dress(const struct copy *c, const struct stat *st, int from, int to, struct err *e)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	if (set_owner(c, st, to, "", e) < 0 || copy_xattrs(from, to, e) < 0)
		return -1;
	if (fchmod(to, st->st_mode & 07777) < 0 || futimens(to, times) < 0)
		return err_sys(e, "set mode and time");
	return 0;
}

static bool cannot_share(void)
{
	return errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS || errno == ENOTTY || errno == EBADF || errno == EPERM;
}

/* Where blocks cannot be shared: between file systems of two kinds the kernel copies by sendfile(2) only, where at all. */
static int copy_by_hand(int from, int to, off_t at, off_t end)
{
	enum { ROOM = 256 << 10 };
	ssize_t sent = lseek(to, at, SEEK_SET) < 0 ? -1 : 1;
	while (sent > 0 && at < end)
		sent = sendfile(to, from, &at, (size_t)(end - at));
	if (sent >= 0 || !cannot_share())
		return sent < 0 ? -1 : 0;
	own(mem) char *room = mem_grow(NULL, ROOM);
	while (at < end) {
		ssize_t n = pread(from, room, end - at < ROOM ? (size_t)(end - at) : ROOM, at);
		if (n <= 0)
			return (int)n;
		for (ssize_t done = 0, w; done < n; done += w)
			if ((w = pwrite(to, room + done, (size_t)(n - done), at + done)) < 0)
				return -1;
		at += n;
	}
	return 0;
}

static int copy_piece(int from, int to, off_t at, off_t end)
{
	while (at < end) {
		loff_t in = at, out = at;
		ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - at), 0);
		if (n == 0)
			return 0;
		if (n < 0)
			return cannot_share() ? copy_by_hand(from, to, at, end) : -1;
		at += n;
	}
	return 0;
}

int copy_data(int from, int to, const struct stat *st, struct err *e)
{
	if (st->st_size == 0)
		return 0;
	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	if (!cannot_share())
		return err_sys(e, "share blocks");
	/* Not every file system counts blocks without holes (EROFS). */
	bool holes = st->st_size >= 4096 && lseek(from, 0, SEEK_HOLE) < st->st_size;
	for (off_t at = 0, end; at < st->st_size; at = end) {
		end = st->st_size;
		if (holes) {
			at = lseek(from, at, SEEK_DATA);
			if (at < 0 && errno == ENXIO)
				break;
			end = at < 0 ? -1 : lseek(from, at, SEEK_HOLE);
			if (end < 0)
				return err_sys(e, "find data");
		}
		if (copy_piece(from, to, at, end) < 0)
			return err_sys(e, "copy");
	}
	return holes && ftruncate(to, st->st_size) < 0 ? err_sys(e, "set size") : 0;
}

/* 1: made as another link to what is copied already. */
static int try_link(struct copy *c, const struct stat *st, int to, const char *name, struct err *e)
{
	if (strlen(c->path) + strlen(name) + 2 >= PATH_MAX)
		return 0;
	own(mem) char *path = mem_printf("%s/%s", c->path, name);
	const char *first = links_meet(&c->links, st, path);
	if (!first)
		return 0;
	own(mem) char *dir_path = mem_ndup(first, (size_t)(strrchr(first, '/') - first));
	own(fd) int dir = path_open_in(c->to, *dir_path ? dir_path : ".", O_PATH | O_DIRECTORY, 0, e);
	if (dir < 0)
		return -1;
	return linkat(dir, path_base(first), to, name, 0) < 0 ? err_sys(e, "hard link") : 1;
}

static int copy_file(struct copy *c, const struct stat *st, int from, int to, const char *name, struct err *e)
{
	if (st->st_nlink > 1) {
		int r = try_link(c, st, to, name, e);
		if (r)
			return r < 0 ? -1 : 0;
	}
	own(fd) int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	own(fd) int out = in < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return err_sys(e, "open");
	c->total.bytes += (uint64_t)st->st_size;
	return copy_data(in, out, st, e) < 0 ? -1 : dress(c, st, in, out, e);
}

static int copy_other(const struct copy *c, const struct stat *st, int from, int to, const char *name, struct err *e)
{
	bool is_device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
	if (S_ISLNK(st->st_mode)) {
		char target[PATH_MAX];
		ssize_t n = readlinkat(from, name, target, sizeof target - 1);
		target[n < 0 ? 0 : n] = 0;
		if (n < 0 || symlinkat(target, to, name) < 0)
			return err_sys(e, "symlink");
	} else if (mknodat(to, name, st->st_mode, is_device ? st->st_rdev : 0) < 0) {
		return is_device && errno == EPERM ? 0 : err_sys(e, "create");
	}
	if (set_owner(c, st, to, name, e) < 0)
		return -1;
	if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return err_sys(e, "set mode");
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? err_sys(e, "set time") : 0;
}

static int copy_below(struct copy *c, int from, int to, unsigned depth, struct err *e);

static int copy_dir(struct copy *c, const struct stat *st, int from, int to, const char *name, unsigned depth, struct err *e)
{
	own(fd) int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0)
		return err_sys(e, "open");
	if (depth >= SNAP_MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "more than %d directories deep", SNAP_MAX_DEPTH);
	if (c->merge && whiteout_is_opaque(in) && path_remove_tree(to, name, e) < 0)
		return -1;
	if (mkdirat(to, name, 0700) < 0 && !(errno == EEXIST && c->merge))
		return err_sys(e, "make the directory");
	own(fd) int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return err_sys(e, "open");
	size_t len = strlen(c->path);
	if (len + strlen(name) + 2 > PATH_MAX)
		return err_set(e, ERR_LIMIT, "the path is longer than %d bytes", PATH_MAX);
	c->path[len] = '/';
	strcpy(c->path + len + 1, name);
	int r = copy_below(c, in, out, depth + 1, e);
	c->path[len] = 0;
	return r < 0 ? -1 : dress(c, st, in, out, e);
}

/* Makes room for what the layer brings; a directory that meets a directory stays. */
static int clear_way(const struct stat *st, int to, const char *name, struct err *e)
{
	struct stat old;
	if (fstatat(to, name, &old, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "look at what is there");
	return S_ISDIR(old.st_mode) && S_ISDIR(st->st_mode) ? 0 : path_remove_tree(to, name, e);
}

static int copy_entry(struct copy *c, int from, int to, const char *name, unsigned depth, struct err *e)
{
	struct stat st;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "look");
	if (c->merge && whiteout_is(&st))
		return path_remove_tree(to, name, e);
	if (c->merge && clear_way(&st, to, name, e) < 0)
		return -1;
	c->total.files++;
	if (S_ISDIR(st.st_mode))
		return copy_dir(c, &st, from, to, name, depth, e);
	return S_ISREG(st.st_mode) ? copy_file(c, &st, from, to, name, e) : copy_other(c, &st, from, to, name, e);
}

static int each_name(struct copy *c, DIR *d, int to, unsigned depth, bool whiteouts, struct err *e)
{
	rewinddir(d);
	for (struct dirent *ent; errno = 0, (ent = readdir(d));) {
		const char *name = ent->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		const char *gone = c->merge ? str_after(name, WHITEOUT_PREFIX) : NULL;
		int r = 0;
		if (whiteouts && gone && strcmp(name, WHITEOUT_OPAQUE) != 0)
			r = path_remove_tree(to, gone, e);
		else if (!whiteouts && !gone)
			r = copy_entry(c, dirfd(d), to, name, depth, e);
		if (r < 0)
			return err_wrap(e, "%.64s", name);
	}
	return errno ? err_sys(e, "read directory") : 0;
}

static int copy_below(struct copy *c, int from, int to, unsigned depth, struct err *e)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_drop(&fd);
		return err_sys(e, "read directory");
	}
	int r = c->merge ? each_name(c, d, to, depth, true, e) : 0;
	if (r == 0)
		r = each_name(c, d, to, depth, false, e);
	closedir(d);
	return r;
}

static int copy_root(struct copy *c, int from, bool dress_it, struct err *e)
{
	struct stat st;
	own(fd) int in = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in < 0 || fstat(in, &st) < 0)
		return err_sys(e, "open");
	mode_t before = umask(0);
	int r = copy_below(c, in, c->to, 0, e);
	umask(before);
	return r < 0 || !dress_it ? r : dress(c, &st, in, c->to, e);
}

int copy_tree(int from, int to, struct err *e)
{
	struct copy c __attribute__((cleanup(copy_drop))) = {.to = to};
	return copy_root(&c, from, true, e);
}

static int empty(int dir, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_drop(&fd);
		return err_sys(e, "read directory");
	}
	for (struct dirent *ent; errno = 0, r == 0 && (ent = readdir(d));)
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			r = path_remove_tree(dir, ent->d_name, e);
	if (r == 0 && errno)
		r = err_sys(e, "read directory");
	closedir(d);
	return r;
}

int copy_layer(int from, int to, const struct snap_mount *m, struct snap_layer_info *total, struct err *e)
{
	struct copy c __attribute__((cleanup(copy_drop))) = {.to = to, .merge = true, .ids = m};
	struct stat st;
	if (fstat(from, &st) < 0)
		return err_sys(e, "look");
	bool said = st.st_mtim.tv_sec != 0 || st.st_mtim.tv_nsec != APPLY_ROOT_UNSAID;
	if (whiteout_is_opaque(from) && empty(to, e) < 0)
		return -1;
	if (copy_root(&c, from, said, e) < 0)
		return -1;
	total->bytes += c.total.bytes;
	total->files += c.total.files;
	return 0;
}

static int measure(int dir, const char *name, unsigned depth, struct snap_layer_info *sum, struct err *e)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_drop(&fd);
		return errno == ENOENT ? 0 : err_sys(e, "measure");
	}
	for (struct dirent *ent; r == 0 && (ent = readdir(d));) {
		struct stat st;
		if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0 ||
			fstatat(fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		sum->files++;
		if (S_ISREG(st.st_mode))
			sum->bytes += (uint64_t)st.st_size / (st.st_nlink ? st.st_nlink : 1);
		else if (S_ISDIR(st.st_mode) && depth < SNAP_MAX_DEPTH)
			r = measure(fd, ent->d_name, depth + 1, sum, e);
	}
	closedir(d);
	return r;
}

int copy_measure(int dir, struct snap_layer_info *ret, struct err *e)
{
	struct snap_layer_info sum = {};
	if (measure(dir, ".", 0, &sum, e) < 0)
		return -1;
	*ret = sum;
	return 0;
}
