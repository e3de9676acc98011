/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry: see entry.h.
 *
 * The cheapest way to make a file is openat, write, futimens, close, so everything else is left out where it would
 * change nothing: the mode is given to the call that creates (the umask is 0), the owner is known (ours, and the group
 * of a setgid directory). What is set later goes in this order, as each undoes some of what comes after it: data
 * (a write takes capabilities and setuid away), owner (so does a chown), xattrs, mode, time.
 *
 * Creation is O_EXCL: nothing that is there is ever written to, followed or truncated. What is in the way is removed
 * (other links to it keep their content) and the call repeated once; nobody else writes to the tree.
 */
#include "snap/entry.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "snap/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SPECIAL_BITS = S_ISUID | S_ISGID | S_ISVTX };

static int owner_failed(const struct entry_maker *m, const struct tar_entry *t, struct err *e)
{
	if (errno == EINVAL && m->in_userns)
		return err_set(e, ERR_UNSUPPORTED, "owner %u:%u is outside of your ids: give yourself a larger range in "
			"/etc/subuid and /etc/subgid (65536 ids suffice for most images)", t->uid, t->gid);
	return err_sys(e, "set owner %u:%u", t->uid, t->gid);
}

static bool needs_owner(const struct tar_entry *t, const struct entry_place *p)
{
	return t->uid != 0 || t->gid != p->gid;
}

static int set_xattrs(const struct tar_entry *t, int fd, struct err *e)
{
	for (size_t i = 0; i < t->xattrs.n; i++) {
		const struct tar_xattr *x = &t->xattrs.v[i];
		if (!apply_takes_xattr(x->name))
			continue;
		if (fsetxattr(fd, x->name, x->value, x->len, 0) < 0 && errno != EOPNOTSUPP)
			return err_sys(e, "set %.64s", x->name);
	}
	return 0;
}

void entry_times(int64_t mtime_ns, struct timespec ret[2])
{
	int64_t s = mtime_ns / 1000000000, ns = mtime_ns % 1000000000;
	ret[0] = ret[1] = (struct timespec){ns < 0 ? s - 1 : s, ns < 0 ? ns + 1000000000 : ns};
}

/* Clears the way for something that is no directory. 1: what was there might have been on the way to others. */
static int clear(const struct entry_place *p, struct err *e)
{
	struct stat st;
	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "look at what is there");
	if (path_remove_tree(p->dir, p->name, e) < 0)
		return -1;
	return S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode);
}

static int put_spans(const struct entry_maker *m, const struct tar_entry *t, int fd, struct err *e)
{
	for (size_t i = 0; i < t->spans.n; i++) {
		const struct tar_span *s = &t->spans.v[i];
		uint64_t end = s->offset + s->length;
		for (uint64_t at = s->offset; at < end;) {
			size_t want = end - at < ENTRY_ROOM ? (size_t)(end - at) : ENTRY_ROOM;
			ssize_t n = tar_data(m->tar, m->room, want, e);
			if (n <= 0)
				return n < 0 ? -1 : err_set(e, ERR_CORRUPT, "the sparse file's data ends early");
			if (lseek(fd, (off_t)at, SEEK_SET) < 0 || fd_write_all(fd, m->room, (size_t)n) < 0)
				return err_sys(e, "write");
			at += (uint64_t)n;
		}
	}
	return ftruncate(fd, (off_t)t->size) < 0 ? err_sys(e, "set the size %llu", (unsigned long long)t->size) : 0;
}

int entry_data(const struct entry_maker *m, const struct tar_entry *t, int fd, struct err *e)
{
	if (t->sparse)
		return put_spans(m, t, fd, e);
	uint64_t left = t->size;
	const void *piece;
	ssize_t n = 0;
	while (left && (n = tar_piece(m->tar, &piece, e)) > 0) {
		if (fd_write_all(fd, piece, (size_t)n) < 0)
			return err_sys(e, "write");
		left -= (uint64_t)n;
	}
	return left == 0 ? 0 : n < 0 ? -1 : err_set(e, ERR_CORRUPT, "the file's data ends early");
}

static int make_file(const struct entry_maker *m, const struct tar_entry *t, const struct entry_place *p, struct err *e)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, was = 0;
	own(fd) int fd = openat(p->dir, p->name, flags, t->mode & 0777);
	if (fd < 0 && errno == EEXIST && (was = clear(p, e)) >= 0)
		fd = openat(p->dir, p->name, flags, t->mode & 0777);
	if (was < 0)
		return -1;
	if (fd < 0)
		return err_sys(e, "create");
	if (entry_data(m, t, fd, e) < 0)
		return -1;
	if (needs_owner(t, p) && fchown(fd, t->uid, t->gid) < 0)
		return owner_failed(m, t, e);
	if (t->xattrs.n && set_xattrs(t, fd, e) < 0)
		return -1;
	if (t->mode & SPECIAL_BITS && fchmod(fd, t->mode & 07777) < 0)
		return err_sys(e, "set mode");
	struct timespec times[2];
	entry_times(t->mtime_ns, times);
	if (futimens(fd, times) < 0)
		return err_sys(e, "set time");
	if (close(take_fd(fd)) < 0)
		return err_sys(e, "write");
	return was;
}

int entry_dress_dir(const struct entry_maker *m, const struct tar_entry *t, int fd, struct err *e)
{
	if (fchown(fd, t->uid, t->gid) < 0)
		return owner_failed(m, t, e);
	if (t->xattrs.n && set_xattrs(t, fd, e) < 0)
		return -1;
	return fchmod(fd, t->mode & 07777) < 0 ? err_sys(e, "set mode") : 0;
}

static int dress_dir_at(const struct entry_maker *m, const struct tar_entry *t, const struct entry_place *p, struct err *e)
{
	own(fd) int fd = openat(p->dir, p->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "open") : entry_dress_dir(m, t, fd, e);
}

static int make_dir(const struct entry_maker *m, const struct tar_entry *t, const struct entry_place *p, struct err *e)
{
	bool bare = !needs_owner(t, p) && !t->xattrs.n && !p->setgid && !(t->mode & (S_ISUID | S_ISGID));
	if (mkdirat(p->dir, p->name, t->mode & 01777) == 0)
		return bare ? 0 : dress_dir_at(m, t, p, e);
	if (errno != EEXIST)
		return err_sys(e, "make the directory");
	struct stat st;
	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "look at what is there");
	if (!S_ISDIR(st.st_mode)) {
		if (clear(p, e) < 0)
			return -1;
		if (mkdirat(p->dir, p->name, t->mode & 01777) < 0)
			return err_sys(e, "make the directory");
		/* The whiteout said that the older directory of this name is gone: nothing of it may show. */
		if (m->form != WHITEOUT_PLAIN && whiteout_is(&st) && whiteout_make(p->dir, p->name, m->form, NULL, e) < 0)
			return -1;
	}
	return dress_dir_at(m, t, p, e) < 0 ? -1 : 1;
}

static int create_other(const struct tar_entry *t, const struct entry_place *p, mode_t type, dev_t dev)
{
	if (t->type == TAR_SYMLINK)
		return symlinkat(t->link, p->dir, p->name);
	return mknodat(p->dir, p->name, type | (t->mode & 07777), dev);
}

static int make_other(const struct entry_maker *m, const struct tar_entry *t, const struct entry_place *p, struct err *e)
{
	mode_t type = t->type == TAR_FIFO ? S_IFIFO : t->type == TAR_BLOCK ? S_IFBLK : S_IFCHR;
	dev_t dev = 0;
	if (t->type == TAR_CHAR || t->type == TAR_BLOCK) {
		if (m->in_userns)
			return 0;
		dev = makedev(t->dev_major, t->dev_minor);
	}
	int was = 0, r = create_other(t, p, type, dev);
	if (r < 0 && errno == EEXIST) {
		was = clear(p, e);
		if (was < 0)
			return -1;
		r = create_other(t, p, type, dev);
	}
	if (r < 0)
		return err_sys(e, "create");
	if (needs_owner(t, p) && fchownat(p->dir, p->name, t->uid, t->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return owner_failed(m, t, e);
	if (t->type != TAR_SYMLINK && t->mode & SPECIAL_BITS && fchmodat(p->dir, p->name, t->mode & 07777, 0) < 0)
		return err_sys(e, "set mode");
	struct timespec times[2];
	entry_times(t->mtime_ns, times);
	if (utimensat(p->dir, p->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "set time");
	return was;
}

int entry_make(const struct entry_maker *m, const struct tar_entry *t, const struct entry_place *p, struct err *e)
{
	if (t->type == TAR_FILE)
		return make_file(m, t, p, e);
	return t->type == TAR_DIR ? make_dir(m, t, p, e) : make_other(m, t, p, e);
}

int entry_link(const struct entry_place *p, int dir, const char *name, struct err *e)
{
	struct stat target, st;
	bool here = fstatat(dir, name, &target, AT_SYMLINK_NOFOLLOW) == 0;
	if (!here && errno != ENOENT)
		return err_sys(e, "hard link");
	if (!here || whiteout_is(&target))
		return apply_no_link(e);
	if (S_ISDIR(target.st_mode))
		return err_set(e, ERR_CORRUPT, "a hard link to a directory");
	if (linkat(dir, name, p->dir, p->name, 0) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(e, "hard link");
	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == target.st_ino && st.st_dev == target.st_dev)
		return 0;
	int was = clear(p, e);
	if (was < 0)
		return -1;
	return linkat(dir, name, p->dir, p->name, 0) < 0 ? err_sys(e, "hard link") : was;
}
