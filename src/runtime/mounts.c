/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts: the mounts of config.json, in order. Each is made detached (a new file system, or a clone of its source), gets
 * its flags while nobody can see it, and is attached to its place by fd (rootfs_target).
 *
 * The cgroup mount comes later than the others: its view begins at our own group, and the parent puts us there while we
 * are mounting. On v1 it is a small tmpfs with each hierarchy's directory of ours bound into it.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/cgroupfs.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* "mode=755,size=64k" words to key and value pairs; text is cut up in place. */
static size_t split_data(const struct strv *data, struct mount_option *ret, size_t room, char *text, size_t size)
{
	size_t n = 0;
	char *at = text;
	for (size_t i = 0; i < data->n && n < room; i++) {
		size_t len = strlen(data->v[i]) + 1;
		if ((size_t)(text + size - at) < len)
			break;
		memcpy(at, data->v[i], len);
		char *eq = strchr(at, '=');
		if (eq)
			*eq = 0;
		ret[n++] = (struct mount_option){at, eq ? eq + 1 : NULL};
		at += len;
	}
	return n;
}

static int new_filesystem(const struct spec_mount *m, const struct mount_words *w, struct err *e)
{
	struct mount_option options[32];
	char text[4096];
	const char *type = str_is_empty(m->type) ? "none" : m->type;
	size_t n = split_data(&w->data, options, countof(options), text, sizeof text);
	/* newinstance is what every devpts is nowadays; the kernel does not know the word any more. */
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (strcmp(options[i].key, "newinstance") != 0)
			options[kept++] = options[i];
	return mount_new(type, options, kept, w->set, e);
}

/* In a user namespace the kernel may refuse a new sysfs (its network namespace is another's) or mqueue: the host's is bound. */
static bool may_bind_instead(const struct spec_mount *m)
{
	return str_eq(m->type, "sysfs") || str_eq(m->type, "mqueue") || str_eq(m->type, "proc");
}

static int clone_source(struct setup *s, const char *source, const struct mount_words *w, struct err *e)
{
	own(mem) char *whole = *source == '/' || !s->create->bundle ? mem_dup(source) : path_join(s->create->bundle, source);
	own(fd) int m = mount_clone(AT_FDCWD, whole, w->rbind || !w->bind, e);
	if (m < 0)
		return -1;
	/* rro of the whole tree, then the flags of the mount itself. */
	if ((w->rset || w->rclear) && mount_set(m, true, w->rset, w->rclear, 0, e) < 0)
		return -1;
	if (mount_set(m, false, w->set, w->clear, 0, e) < 0)
		return -1;
	unsigned p = w->propagation ? w->propagation : MS_PRIVATE | MS_REC;
	return mount_set(m, p & MS_REC, 0, 0, p, e) < 0 ? -1 : take_fd(m);
}

/* The specification's tmpcopyup: what the image has at that place is copied into the new tmpfs. */
static int copy_up(int from, int to, int depth, struct err *e);

static int copy_entry(int from, int to, const char *name, int depth, struct err *e)
{
	struct stat st;
	char link[4096];
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "%s", name);
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(from, name, link, sizeof link - 1);
		link[n > 0 ? n : 0] = 0;
		if (n < 0 || symlinkat(link, to, name) < 0)
			return err_sys(e, "%s", name);
	} else if (S_ISDIR(st.st_mode)) {
		if (mkdirat(to, name, 0700) < 0)
			return err_sys(e, "%s", name);
		own(fd) int f = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		own(fd) int t = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (f < 0 || t < 0 || copy_up(f, t, depth + 1, e) < 0)
			return -1;
	} else if (S_ISREG(st.st_mode)) {
		own(fd) int f = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		own(fd) int t = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		ssize_t n = f < 0 || t < 0 ? -1 : 1;
		while (n > 0)
			n = copy_file_range(f, NULL, t, NULL, 1 << 30, 0);
		if (n < 0 && errno == EXDEV) {
			char block[65536];
			while ((n = read(f, block, sizeof block)) > 0)
				if (fd_write_all(t, block, (size_t)n) < 0)
					return err_sys(e, "%s", name);
		}
		if (n < 0)
			return err_sys(e, "%s", name);
	} else if (mknodat(to, name, st.st_mode, st.st_rdev) < 0) {
		return err_sys(e, "%s", name);
	}
	if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "%s", name);
	if (!S_ISLNK(st.st_mode) && fchmodat(to, name, st.st_mode & 07777, 0) < 0)
		return err_sys(e, "%s", name);
	return 0;
}

static int copy_up(int from, int to, int depth, struct err *e)
{
	if (depth > 64)
		return err_set(e, ERR_LIMIT, "tmpcopyup: the tree is too deep");
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
			if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && copy_entry(from, to, name, depth, e) < 0)
				return -1;
			at += len;
		}
	}
}

static bool is_file_source(const char *source)
{
	struct stat st;
	return stat(source, &st) == 0 && !S_ISDIR(st.st_mode);
}

static int fill_tmpfs(struct setup *s, const struct spec_mount *m, int fs, struct err *e)
{
	struct err missing = {};
	own(fd) int from = path_open_in(s->root, m->destination, O_RDONLY | O_DIRECTORY, 0, &missing);
	struct stat st;
	if (from < 0 || fstat(from, &st) < 0)
		return 0;
	if (fchown(fs, st.st_uid, st.st_gid) < 0 || fchmod(fs, st.st_mode & 07777) < 0)
		return err_sys(e, "tmpcopyup");
	return copy_up(from, fs, 0, e);
}

static int make_one(struct setup *s, const struct spec_mount *m, struct err *e)
{
	struct mount_words w __attribute__((cleanup(mount_words_drop))) = {};
	if (mount_parse_words(&m->options, &w, e) < 0)
		return -1;
	bool bind = w.bind || w.rbind || str_eq(m->type, "bind");
	bool is_dir = !(bind && m->source && is_file_source(m->source));
	own(fd) int fs = -1;
	if (bind && str_is_empty(m->source))
		return err_set(e, ERR_USAGE, "a bind mount needs a source");
	if (bind) {
		fs = clone_source(s, m->source, &w, e);
	} else {
		fs = new_filesystem(m, &w, e);
		if (fs < 0 && may_bind_instead(m) && (e->sys == EPERM || e->sys == EBUSY)) {
			const char *host = str_eq(m->type, "sysfs") ? "/sys" : str_eq(m->type, "proc") ? "/proc" : "/dev/mqueue";
			w.rbind = true;
			fs = clone_source(s, host, &w, e);
		}
	}
	if (fs < 0)
		return -1;
	if (w.tmpcopyup && str_eq(m->type, "tmpfs") && fill_tmpfs(s, m, fs, e) < 0)
		return -1;
	own(fd) int at = rootfs_target(s, m->destination, is_dir, e);
	if (at < 0 || mount_attach(fs, at, e) < 0)
		return -1;
	if (!bind && (w.rset || w.rclear) && mount_set(fs, true, w.rset, w.rclear, 0, e) < 0)
		return -1;
	if (!bind && w.propagation && mount_set(fs, w.propagation & MS_REC, 0, 0, w.propagation, e) < 0)
		return -1;
	if (str_eq(m->type, "proc") && s->proc < 0)
		s->proc = take_fd(fs);
	return 0;
}

static bool is_cgroup(const struct spec_mount *m)
{
	return str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2");
}

int mounts_make(struct setup *s, struct err *e)
{
	for (size_t i = 0; i < s->spec->mounts.n; i++) {
		const struct spec_mount *m = &s->spec->mounts.v[i];
		if (!is_cgroup(m) && make_one(s, m, e) < 0)
			return err_wrap(e, "mount %s", m->destination);
	}
	return 0;
}

/* Our directory in one hierarchy, as a read-only or writable clone. */
static int clone_group(struct setup *s, int row, const struct mount_words *w, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	own(fd) int dir = openat(fs->row[row].fd, s->cgroup->path + 1, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "cgroup %s", s->cgroup->path);
	/* The fd was opened in the host's mount namespace: the clone is made of what the same path is in ours. */
	own(mem) char *path = fs->unified ? mem_printf("/sys/fs/cgroup%s", s->cgroup->path)
					  : mem_printf("/sys/fs/cgroup/%s%s", cgroupfs_name((enum cgroupfs_row)row), s->cgroup->path);
	own(fd) int m = mount_clone(AT_FDCWD, path, false, e);
	if (m < 0 || mount_set(m, false, w->set, w->clear, MS_PRIVATE, e) < 0)
		return -1;
	return take_fd(m);
}

static int make_v1(struct setup *s, int at, const struct mount_words *w, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	const struct mount_option o[] = {{"mode", "755"}, {"size", "64k"}};
	own(fd) int top = mount_new("tmpfs", o, countof(o), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, e);
	if (top < 0 || mount_attach(top, at, e) < 0)
		return -1;
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		const char *name = cgroupfs_name((enum cgroupfs_row)i);
		if (fs->row[i].fd < 0)
			continue;
		if (fs->row[i].same_as != i) {
			if (symlinkat(cgroupfs_name((enum cgroupfs_row)fs->row[i].same_as), top, name) < 0)
				return err_sys(e, "cgroup %s", name);
			continue;
		}
		if (mkdirat(top, name, 0755) < 0)
			return err_sys(e, "cgroup %s", name);
		own(fd) int sub = clone_group(s, i, w, e);
		own(fd) int place = sub < 0 ? -1 : openat(top, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (place < 0 || mount_attach(sub, place, e) < 0)
			return err_wrap(e, "cgroup %s", name);
	}
	return mount_set(top, false, w->set & MOUNT_ATTR_RDONLY, 0, 0, e);
}

int mounts_make_cgroup(struct setup *s, struct err *e)
{
	if (s->late_cgroupns && unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(e, "new cgroup namespace");
	for (size_t i = 0; i < s->spec->mounts.n; i++) {
		const struct spec_mount *m = &s->spec->mounts.v[i];
		struct mount_words w __attribute__((cleanup(mount_words_drop))) = {};
		/* Without groups of our own there is nothing to show. */
		if (!is_cgroup(m) || !s->cgroup->made)
			continue;
		if (mount_parse_words(&m->options, &w, e) < 0)
			return -1;
		own(fd) int at = rootfs_target(s, m->destination, true, e);
		if (at < 0)
			return err_wrap(e, "mount %s", m->destination);
		if (!cgroupfs_get()->unified) {
			if (make_v1(s, at, &w, e) < 0)
				return err_wrap(e, "mount %s", m->destination);
			continue;
		}
		own(fd) int fs = clone_group(s, CGROUPFS_V2, &w, e);
		if (fs < 0 || mount_attach(fs, at, e) < 0)
			return err_wrap(e, "mount %s", m->destination);
	}
	return 0;
}
