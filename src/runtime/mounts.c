/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts: the mounts of config.json, in order. Each is made detached (a new file system, or a clone of its source), gets
 * its flags while nobody can see it, and is attached to its place by fd (rootfs_target).
 *
 * Where the kernel refuses a new file system in a user namespace (sysfs of a network that is not ours, procfs of PIDs that are
 * not ours) the host's is bound instead, with its flags for the whole tree: below /sys lie the host's cgroups.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/idmap.h"
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

static int new_filesystem(const struct setup *s, const struct spec_mount *m, const struct mount_words *w, struct err *e)
{
	struct mount_option options[34];
	char text[4096];
	const char *type = str_is_empty(m->type) ? "none" : m->type;
	size_t n = split_data(&w->data, options, 32, text, sizeof text), kept = 0;
	if (n < w->data.n)
		return err_set(e, ERR_USAGE, "too many options");
	/* newinstance is what every devpts is nowadays; the kernel does not know the word any more. */
	for (size_t i = 0; i < n; i++)
		if (strcmp(options[i].key, "newinstance") != 0)
			options[kept++] = options[i];
	if (!str_is_empty(m->source))
		options[kept++] = (struct mount_option){"source", m->source};
	const char *label = s->spec->linux_->mount_label;
	if (!str_is_empty(label) && (str_eq(type, "tmpfs") || str_eq(type, "devpts")))
		options[kept++] = (struct mount_option){"context", label};
	int fs = mount_new(type, options, kept, w->set, e);
	if (fs >= 0 || e->sys != EINVAL || !s->own_userns || !str_eq(type, "devpts"))
		return fs;
	/* The group of terminals may not be mapped in a user namespace of few ids. */
	size_t without = 0;
	for (size_t i = 0; i < kept; i++)
		if (strcmp(options[i].key, "gid") != 0)
			options[without++] = options[i];
	return mount_new(type, options, without, w->set, e);
}

/* What is bound when the kernel refuses a new file system of that type; NULL: nothing. */
static const char *host_instead(const struct setup *s, const struct spec_mount *m)
{
	if (str_eq(m->type, "sysfs"))
		return "/sys";
	uint64_t own = namespaces_own(s->ns);
	if (str_eq(m->type, "mqueue") && !(own & CLONE_NEWIPC))
		return "/dev/mqueue";
	return str_eq(m->type, "proc") && !(own & CLONE_NEWPID) ? "/proc" : NULL;
}

static int clone_source(const struct container_create *c, const char *source, int ready, const struct mount_words *w, struct err *e)
{
	own(mem) char *whole = *source == '/' || !c->bundle ? mem_dup(source) : path_join(c->bundle, source);
	own(fd) int m = ready > 0 ? fcntl(ready, F_DUPFD_CLOEXEC, 3) : mount_clone(AT_FDCWD, whole, w->rbind || !w->bind, e);
	if (m < 0)
		return ready > 0 ? err_sys(e, "source") : -1;
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

static int fill_tmpfs(struct setup *s, const struct spec_mount *m, int fs, struct err *e)
{
	struct err missing = {};
	own(fd) int from = path_open_in(s->root, m->destination, O_RDONLY | O_DIRECTORY, 0, &missing);
	/* A mount's own fd is a place only. */
	own(fd) int to = openat(fs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	if (from < 0 || fstat(from, &st) < 0)
		return 0;
	if (to < 0 || fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0)
		return err_sys(e, "tmpcopyup");
	return copy_up(from, to, 0, e);
}

static int make_new(struct setup *s, const struct spec_mount *m, struct mount_words *w, struct err *e)
{
	/* What the image has there is copied while the new file system can be written to. */
	bool copy = w->tmpcopyup && str_eq(m->type, "tmpfs");
	uint64_t set = w->set;
	if (copy)
		w->set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	own(fd) int fs = new_filesystem(s, m, w, e);
	const char *host = fs < 0 && (e->sys == EPERM || e->sys == EBUSY) ? host_instead(s, m) : NULL;
	if (host) {
		w->rbind = true;
		w->rset |= w->set;
		return clone_source(s->create, host, 0, w, e);
	}
	if (fs < 0 || (copy && fill_tmpfs(s, m, fs, e) < 0) || (set != w->set && mount_set(fs, false, set, 0, 0, e) < 0))
		return -1;
	return take_fd(fs);
}

static bool is_cgroup(const struct spec_mount *m)
{
	return str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2");
}

static int make_one(struct setup *s, const struct spec_mount *m, struct err *e)
{
	struct mount_words w __attribute__((cleanup(mount_words_drop))) = {};
	own(mem) char *destination = *m->destination == '/' ? path_clean(m->destination) : mem_printf("/%s", m->destination);
	if (mount_parse_words(&m->options, &w, e) < 0)
		return -1;
	if (str_eq(destination, "/"))
		return err_set(e, ERR_USAGE, "the root itself cannot be mounted over");
	if (is_cgroup(m)) {
		own(fd) int at = rootfs_target(s, destination, true, e);
		return at < 0 ? -1 : mounts_make_cgroup(s, m, at, e);
	}
	bool bind = w.bind || w.rbind || str_eq(m->type, "bind");
	if (bind && str_is_empty(m->source))
		return err_set(e, ERR_USAGE, "a bind mount needs a source");
	int mapped = s->mapped ? s->mapped[m - s->spec->mounts.v] : -1;
	own(fd) int fs = mapped >= 0 ? fcntl(mapped, F_DUPFD_CLOEXEC, 3)
		: bind ? clone_source(s->create, m->source, m->ready, &w, e) : make_new(s, m, &w, e);
	if (fs < 0)
		return -1;
	struct stat st;
	if (fstat(fs, &st) < 0)
		return err_sys(e, "source");
	own(fd) int at = rootfs_target(s, destination, S_ISDIR(st.st_mode), e);
	if (at < 0)
		return -1;
	if (mount_attach(fs, at, e) < 0) {
		struct stat there;
		if (fstat(at, &there) < 0 || S_ISDIR(there.st_mode) == S_ISDIR(st.st_mode))
			return -1;
		return err_set(e, ERR_USAGE, "%s is a %s, and what is to be mounted there is not", destination,
			S_ISDIR(there.st_mode) ? "directory" : "file");
	}
	if (!bind && (w.rset || w.rclear) && mount_set(fs, true, w.rset, w.rclear, 0, e) < 0)
		return -1;
	return !bind && w.propagation ? mount_set(fs, w.propagation & MS_REC, 0, 0, w.propagation, e) : 0;
}

static bool is_mapped(const struct spec_mount *m)
{
	return m->uids.n || m->gids.n || strv_has(&m->options, "idmap") || strv_has(&m->options, "ridmap");
}

/* Without rows of its own a mount is mapped as the container is. */
static int open_mapped(const struct container_create *c, const struct spec_mount *m, struct err *e)
{
	struct mount_words w __attribute__((cleanup(mount_words_drop))) = {};
	const struct spec_linux *l = c->spec->linux_;
	if (mount_parse_words(&m->options, &w, e) < 0)
		return -1;
	if (!(w.bind || w.rbind || str_eq(m->type, "bind")) || str_is_empty(m->source))
		return err_set(e, ERR_USAGE, "only a bind mount can be id-mapped");
	own(fd) int userns = idmap_userns(m->uids.n ? &m->uids : &l->uids, m->gids.n ? &m->gids : &l->gids, e);
	own(fd) int fs = userns < 0 ? -1 : clone_source(c, m->source, m->ready, &w, e);
	if (fs < 0 || mount_idmap(fs, userns, w.ridmap, e) < 0)
		return -1;
	return take_fd(fs);
}

void mounts_close_mapped(const struct container_create *c, int **mapped)
{
	for (size_t i = 0; *mapped && i < c->spec->mounts.n; i++)
		fd_drop(&(*mapped)[i]);
	mem_drop(mapped);
}

int mounts_open_mapped(const struct container_create *c, int **ret, struct err *e)
{
	const __auto_type mounts = &c->spec->mounts;
	int *fds = NULL;
	for (size_t i = 0; i < mounts->n; i++) {
		if (!is_mapped(&mounts->v[i]))
			continue;
		if (!fds) {
			fds = mem_alloc(mounts->n * sizeof *fds);
			memset(fds, 0xff, mounts->n * sizeof *fds);
		}
		fds[i] = open_mapped(c, &mounts->v[i], e);
		if (fds[i] < 0) {
			mounts_close_mapped(c, &fds);
			return err_wrap(e, "mount %s", mounts->v[i].destination);
		}
	}
	*ret = fds;
	return 0;
}

int mounts_make(struct setup *s, struct err *e)
{
	for (size_t i = 0; i < s->spec->mounts.n; i++)
		if (make_one(s, &s->spec->mounts.v[i], e) < 0)
			return err_wrap(e, "mount %s", s->spec->mounts.v[i].destination);
	return 0;
}
