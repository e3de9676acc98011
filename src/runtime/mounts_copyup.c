/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts_copyup: the specification's tmpcopyup: what the image has at the place of a new tmpfs is copied into it, while the tmpfs is
 * attached nowhere: owners, modes, times, extended attributes, symlinks as symlinks, hard links as one file.
 *
 * The image's side may change under us (a root that two containers share), so every file is looked at again when it is open.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { DEPTH = 64, PATH_ROOM = 4096, XATTR_ROOM = 65536 };

/* A file that has more names than one, and the first that was copied. */
struct linked {
	dev_t dev;
	ino_t ino;
	char path[];
};

struct copy {
	struct setup *s;
	int top;              /* the tmpfs's root */
	char path[PATH_ROOM]; /* of the directory that is copied into, below it: "" or "a/b/" */
	void *links;          /* tsearch(3)'s */
};

static void copy_drop(struct copy *c)
{
	tdestroy(c->links, free);
}

static int compare(const void *a, const void *b)
{
	const struct linked *x = a, *y = b;
	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino == y->ino ? 0 : x->ino < y->ino ? -1 : 1;
}

/* 1: the name is one more of a file that is there already. */
static int link_again(struct copy *c, int to, const char *name, const struct stat *st, struct err *e)
{
	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return 0;
	size_t n = strlen(c->path) + strlen(name) + 1;
	struct linked *l = mem_alloc(sizeof *l + n);
	*l = (struct linked){.dev = st->st_dev, .ino = st->st_ino};
	snprintf(l->path, n, "%s%s", c->path, name);
	void *slot = tsearch(l, &c->links, compare);
	if (!slot) {
		free(l);
		return err_set(e, ERR_LIMIT, "tmpcopyup: out of memory");
	}
	struct linked *first = *(struct linked **)slot;
	if (first == l)
		return 0;
	free(l);
	if (linkat(c->top, first->path, to, name, 0) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_sys(e, "%s", name); /* a device that could not be made */
}

/* Labels are the mount's own business; what a tmpfs does not hold is left out, and said. */
static int copy_xattrs(struct copy *c, int from, int to, struct err *e)
{
	own(mem) char *names = mem_alloc(XATTR_ROOM);
	own(mem) char *value = mem_alloc(XATTR_ROOM);
	ssize_t n = flistxattr(from, names, XATTR_ROOM);
	for (const char *at = names; n > 0 && at < names + n; at += strlen(at) + 1) {
		ssize_t len = fgetxattr(from, at, value, XATTR_ROOM);
		if (len < 0 || str_eq(at, "security.selinux"))
			continue;
		if (fsetxattr(to, at, value, (size_t)len, 0) == 0)
			continue;
		if (errno != EOPNOTSUPP && errno != EPERM)
			return err_sys(e, "attribute %.100s", at);
		setup_warn(c->s, "tmpcopyup: the tmpfs does not hold the attribute %.60s of a file", at);
	}
	return 0;
}

static int finish(int to, const char *name, const struct stat *st, struct err *e)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "owner of %s", name);
	if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return err_sys(e, "mode of %s", name);
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? err_sys(e, "times of %s", name) : 0;
}

/* O_NONBLOCK: what was a file a moment ago may be a fifo now. */
static int open_again(int from, const char *name, int flags, const struct stat *st, struct err *e)
{
	struct stat now;
	own(fd) int fd = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
	if (fd < 0 || fstat(fd, &now) < 0)
		return err_sys(e, "%s", name);
	if (now.st_dev != st->st_dev || now.st_ino != st->st_ino)
		return err_set(e, ERR_CONFLICT, "tmpcopyup: %s was replaced meanwhile", name);
	return take_fd(fd);
}

static int copy_file(struct copy *c, int from, int to, const char *name, const struct stat *st, struct err *e)
{
	own(fd) int f = open_again(from, name, 0, st, e);
	own(fd) int t = f < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	char block[65536];
	if (f < 0)
		return -1;
	ssize_t n = t < 0 ? -1 : 1;
	while (t >= 0 && (n = read(f, block, sizeof block)) > 0)
		if (fd_write_all(t, block, (size_t)n) < 0)
			return err_sys(e, "%s", name);
	if (n < 0)
		return err_sys(e, "%s", name);
	if (finish(to, name, st, e) < 0)
		return -1;
	return copy_xattrs(c, f, t, e);
}

static int copy_tree(struct copy *c, int from, int to, int depth, struct err *e);

static int copy_dir(struct copy *c, int from, int to, const char *name, const struct stat *st, int depth, struct err *e)
{
	size_t before = strlen(c->path);
	if (depth >= DEPTH || before + strlen(name) + 2 > sizeof c->path)
		return err_set(e, ERR_LIMIT, "tmpcopyup: the tree is too deep");
	if (mkdirat(to, name, 0700) < 0)
		return err_sys(e, "%s", name);
	own(fd) int f = open_again(from, name, O_DIRECTORY, st, e);
	own(fd) int t = f < 0 ? -1 : openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (f >= 0 && t < 0)
		return err_sys(e, "%s", name);
	snprintf(c->path + before, sizeof c->path - before, "%s/", name);
	if (f < 0 || copy_tree(c, f, t, depth + 1, e) < 0)
		return -1;
	c->path[before] = 0;
	return finish(to, name, st, e) < 0 ? -1 : copy_xattrs(c, f, t, e);
}

static int copy_link(int from, int to, const char *name, const struct stat *st, struct err *e)
{
	char target[PATH_ROOM];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);
	target[n > 0 ? n : 0] = 0;
	return n < 0 || symlinkat(target, to, name) < 0 ? err_sys(e, "%s", name) : finish(to, name, st, e);
}

/* A user namespace makes no devices: those of the image are left out, and said. */
static int copy_node(struct copy *c, int to, const char *name, const struct stat *st, struct err *e)
{
	if (mknodat(to, name, st->st_mode, st->st_rdev) == 0)
		return finish(to, name, st, e);
	if (errno != EPERM)
		return err_sys(e, "%s", name);
	setup_warn(c->s, "tmpcopyup: the device %.100s could not be made", name);
	return 0;
}

static int copy_entry(struct copy *c, int from, int to, const char *name, int depth, struct err *e)
{
	struct stat st;
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", name);
	int again = link_again(c, to, name, &st, e);
	if (again)
		return again < 0 ? -1 : 0;
	if (S_ISDIR(st.st_mode))
		return copy_dir(c, from, to, name, &st, depth, e);
	if (S_ISREG(st.st_mode))
		return copy_file(c, from, to, name, &st, e);
	return S_ISLNK(st.st_mode) ? copy_link(from, to, name, &st, e) : copy_node(c, to, name, &st, e);
}

static int copy_tree(struct copy *c, int from, int to, int depth, struct err *e)
{
	char block[8192];
	for (;;) {
		long n = syscall(SYS_getdents64, from, block, sizeof block);
		if (n <= 0)
			return n < 0 ? err_sys(e, "tmpcopyup") : 0;
		for (long at = 0; at < n;) {
			/* struct linux_dirent64: reclen at 16, name at 19 */
			unsigned short len;
			memcpy(&len, block + at + 16, sizeof len);
			const char *name = block + at + 19;
			if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && copy_entry(c, from, to, name, depth, e) < 0)
				return -1;
			at += len;
		}
	}
}

int mounts_copy_up(struct setup *s, const char *path, int mount, struct err *e)
{
	struct err missing = {};
	struct stat st;
	own(fd) int from = path_open_in(s->root, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK, 0, &missing);
	if (from < 0 || fstat(from, &st) < 0)
		return 0;
	/* A mount's own fd is a place only. */
	struct copy c __attribute__((cleanup(copy_drop))) = {.s = s};
	own(fd) int top = c.top = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_sys(e, "tmpcopyup");
	if (copy_tree(&c, from, top, 0, e) < 0 || finish(top, ".", &st, e) < 0)
		return err_wrap(e, "tmpcopyup");
	return copy_xattrs(&c, from, top, e);
}
