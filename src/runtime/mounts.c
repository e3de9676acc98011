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
#include "runtime/annotations.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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

/* The file systems that take a label for all their files; proc, sysfs and the like have labels of their own. */
static bool takes_context(const char *type)
{
	static const char *const own_labels[] = {"proc", "sysfs", "mqueue", "cgroup", "cgroup2", "none"};
	for (size_t i = 0; i < countof(own_labels); i++)
		if (str_eq(own_labels[i], type))
			return false;
	return true;
}

static bool is_device(const char *path)
{
	struct stat st;
	return *path == '/' && stat(path, &st) == 0 && S_ISBLK(st.st_mode);
}

static int new_filesystem(const struct setup *s, const struct spec_mount *m, const struct mount_words *w, struct err *e)
{
	struct mount_option options[36];
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
	const char *label = s->spec->linux_->mount_label, *kind = annotation_get(s->spec, ANNOTATION_MOUNT_CONTEXT);
	if (!str_is_empty(label) && takes_context(type))
		options[kept++] = (struct mount_option){kind ? kind : "context", label};
	/* A disk that is to be read only may be one that cannot be written to. */
	if (w->set & MOUNT_ATTR_RDONLY && !str_is_empty(m->source) && is_device(m->source))
		options[kept++] = (struct mount_option){"ro", NULL};
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

static char *source_path(const struct container_create *c, const char *source)
{
	return *source == '/' || !c->bundle ? mem_dup(source) : path_join(c->bundle, source);
}

int mounts_clone_source(const struct container_create *c, const char *source, int ready, const struct mount_words *w, struct err *e)
{
	own(mem) char *path = source_path(c, source);
	bool all = w->rbind || !w->bind;
	own(fd) int m = ready > 0 ? fcntl(ready, F_DUPFD_CLOEXEC, 3)
		: w->src_nofollow ? mount_clone_link(AT_FDCWD, path, all, e) : mount_clone(AT_FDCWD, path, all, e);
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

static int make_new(struct setup *s, const struct spec_mount *m, struct mount_words *w, const char *destination, struct err *e)
{
	/* Places for other mounts, and devices, are made in it before it is read only (mounts_finish), and labels written. */
	bool tmpfs = str_eq(m->type, "tmpfs"), queues = str_eq(m->type, "mqueue");
	bool later = (tmpfs || queues || str_eq(destination, "/dev")) && w->set & MOUNT_ATTR_RDONLY;
	if (later)
		w->set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	own(fd) int fs = new_filesystem(s, m, w, e);
	const char *host = fs < 0 && (e->sys == EPERM || e->sys == EBUSY) ? host_instead(s, m) : NULL;
	if (host) {
		w->rbind = true;
		w->rset |= w->set;
		return mounts_clone_source(s->create, host, 0, w, e);
	}
	if (fs < 0 || (w->tmpcopyup && tmpfs && mounts_copy_up(s, destination, fs, e) < 0))
		return -1;
	/* The file system is as old as the IPC namespace and takes no label as an option any more. The host's keeps its own. */
	if (queues && namespaces_own(s->ns) & CLONE_NEWIPC && labels_set_root(fs, s->spec->linux_->mount_label, e) < 0)
		return -1;
	if (later) {
		s->read_only.v = mem_grow(s->read_only.v, (s->read_only.n + 1) * sizeof *s->read_only.v);
		int fd = s->read_only.v[s->read_only.n++] = fcntl(fs, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return err_sys(e, "mount");
	}
	return take_fd(fs);
}

int mounts_finish(struct setup *s, struct err *e)
{
	for (size_t i = 0; i < s->read_only.n; i++) {
		if (mount_set(s->read_only.v[i], false, MOUNT_ATTR_RDONLY, 0, 0, e) < 0)
			return err_wrap(e, "read-only");
		fd_drop(&s->read_only.v[i]);
	}
	mem_drop(&s->read_only.v);
	s->read_only.n = 0;
	return 0;
}

static bool is_cgroup(const struct spec_mount *m)
{
	return str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2");
}

/* `remount`: what is mounted there already gets other flags, and without `bind` its file system other options. */
static int remount(struct setup *s, const char *destination, const struct mount_words *w, struct err *e)
{
	struct statx st = {};
	struct mount_option options[33];
	char text[4096];
	own(fd) int at = rootfs_find(s, destination);
	if (at < 0 || statx(at, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) < 0)
		return err_sys(e, "remount");
	if (!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return err_set(e, ERR_USAGE, "remount: nothing is mounted there");
	size_t n = split_data(&w->data, options, 32, text, sizeof text);
	if (n < w->data.n)
		return err_set(e, ERR_USAGE, "too many options");
	bool bind = w->bind || w->rbind;
	if (!bind && (w->set | w->clear) & MOUNT_ATTR_RDONLY)
		options[n++] = (struct mount_option){w->set & MOUNT_ATTR_RDONLY ? "ro" : "rw", NULL};
	if (!bind && n && mount_reconfigure(at, options, n, e) < 0)
		return -1;
	if ((w->rset || w->rclear) && mount_set(at, true, w->rset, w->rclear, 0, e) < 0)
		return -1;
	if (mount_set(at, false, w->set, w->clear, 0, e) < 0)
		return -1;
	return w->propagation ? mount_set(at, w->propagation & MS_REC, 0, 0, w->propagation, e) : 0;
}

/* crun's copy-symlink: a source that is a symlink is not mounted but made again. 0: it is none. */
static int copy_symlink(struct setup *s, const char *source, const char *destination, struct err *e)
{
	char target[PATH_MAX], there[PATH_MAX];
	own(mem) char *path = source_path(s->create, source);
	ssize_t n = readlink(path, target, sizeof target - 1);
	if (n < 0)
		return 0;
	if (rootfs_check_destination(destination, NULL, -1, e) < 0)
		return -1;
	target[n] = 0;
	const char *name = path_base(destination);
	own(mem) char *dir = mem_ndup(destination, (size_t)(name - destination));
	own(fd) int parent = rootfs_target(s, dir, PLACE_DIR, e);
	if (parent < 0)
		return -1;
	if (symlinkat(target, parent, name) == 0)
		return 1;
	if (errno != EEXIST)
		return err_sys(e, "copy-symlink");
	ssize_t len = readlinkat(parent, name, there, sizeof there - 1);
	if (len != n || memcmp(there, target, (size_t)n) != 0)
		return err_set(e, ERR_EXISTS, "copy-symlink: something else is there");
	return 1;
}

static int attach(struct setup *s, const struct spec_mount *m, const struct mount_words *w, int fs, const char *destination, struct err *e)
{
	struct stat st, there;
	if (fstat(fs, &st) < 0)
		return err_sys(e, "source");
	/* Who asks for proc must get it where he sees it, not where a link of the image leads. */
	bool kernel = str_eq(m->type, "proc") || str_eq(m->type, "sysfs");
	own(fd) int at = rootfs_target(s, destination, (S_ISDIR(st.st_mode) ? PLACE_DIR : 0) | (kernel || w->dest_nofollow ? PLACE_NOFOLLOW : 0), e);
	if (at < 0)
		return -1;
	if (fstat(at, &there) < 0)
		return err_sys(e, "%s", destination);
	if (kernel && !S_ISDIR(there.st_mode))
		return err_set(e, ERR_DENIED, "%s: %s must be mounted on an ordinary directory", destination, m->type);
	if (mount_attach(fs, at, e) == 0)
		return 0;
	if (S_ISDIR(there.st_mode) == S_ISDIR(st.st_mode))
		return -1;
	return err_set(e, ERR_USAGE, "%s is a %s, and what is to be mounted there is not", destination, S_ISDIR(there.st_mode) ? "directory" : "file");
}

static int mount_one(struct setup *s, const struct spec_mount *m, struct mount_words *w, const char *destination, struct err *e)
{
	if (w->remount)
		return remount(s, destination, w, e);
	if (is_cgroup(m)) {
		own(fd) int at = rootfs_check_destination(destination, m->type, -1, e) < 0 ? -1 : rootfs_target(s, destination, PLACE_DIR, e);
		return at < 0 ? -1 : mounts_make_cgroup(s, m, at, e);
	}
	bool bind = w->bind || w->rbind || str_eq(m->type, "bind");
	if (bind && str_is_empty(m->source))
		return err_set(e, ERR_USAGE, "a bind mount needs a source");
	if (bind && w->copy_symlink) {
		int made = copy_symlink(s, m->source, destination, e);
		if (made)
			return made < 0 ? -1 : 0;
	}
	int mapped = s->mapped ? s->mapped[m - s->spec->mounts.v] : -1;
	own(fd) int fs = mapped >= 0 ? fcntl(mapped, F_DUPFD_CLOEXEC, 3)
		: bind ? mounts_clone_source(s->create, m->source, m->ready, w, e) : make_new(s, m, w, destination, e);
	if (fs < 0 || rootfs_check_destination(destination, bind ? NULL : m->type, fs, e) < 0 || attach(s, m, w, fs, destination, e) < 0)
		return -1;
	if (!bind && (w->rset || w->rclear) && mount_set(fs, true, w->rset, w->rclear, 0, e) < 0)
		return -1;
	return !bind && w->propagation ? mount_set(fs, w->propagation & MS_REC, 0, 0, w->propagation, e) : 0;
}

static int make_one(struct setup *s, const struct spec_mount *m, struct err *e)
{
	struct mount_words w __attribute__((cleanup(mount_words_drop))) = {};
	/* A relative one begins at the root, too. */
	own(mem) char *whole = mem_printf("/%s", m->destination);
	own(mem) char *destination = path_clean(whole);
	if (mount_parse_words(&m->options, &w, e) < 0)
		return -1;
	return mount_one(s, m, &w, destination, e);
}

int mounts_make(struct setup *s, struct err *e)
{
	for (size_t i = 0; i < s->spec->mounts.n; i++)
		if (make_one(s, &s->spec->mounts.v[i], e) < 0)
			return err_wrap(e, "mount %s", s->spec->mounts.v[i].destination);
	return 0;
}
