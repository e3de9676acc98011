/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs: the root file system of a container, from a detached mount to the process's root.
 *
 * Until pivot_root the host's tree is still in sight: sources (device nodes, /dev/null for masks) are taken from it,
 * never from the image. Every place inside the image is found by rootfs_place.c.
 *
 * Propagation: that root is made private for it, alone; the rest of the host's mounts stay what they are until the end, so that a
 * bind with rshared is a peer of the host's mount. Before the host's tree is let go it is made private as a whole: else letting go
 * would unmount the host's own.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* With MS_REC for the whole tree. */
static unsigned propagation_of(const char *word)
{
	static const struct { const char *name; unsigned flag; } rows[] = {{"shared", MS_SHARED}, {"slave", MS_SLAVE},
		{"private", MS_PRIVATE}, {"unbindable", MS_UNBINDABLE}};
	bool all = word && *word == 'r';
	for (size_t i = 0; word && i < countof(rows); i++)
		if (strcmp(rows[i].name, word + all) == 0)
			return rows[i].flag | (all ? MS_REC : 0);
	return MS_PRIVATE;
}

int rootfs_attach(struct setup *s, struct err *e)
{
	if (s->shared)
		return rootfs_open_shared(s, e);
	s->host = mount_top(e);
	if (s->host < 0)
		return -1;
	if (mount_set(s->host, false, 0, 0, MS_PRIVATE, e) < 0)
		return err_wrap(e, "mount propagation");
	if (s->create->rootfs >= 0) {
		s->root = fcntl(s->create->rootfs, F_DUPFD_CLOEXEC, 3);
		if (s->root < 0)
			return err_sys(e, "duplicate");
	} else {
		own(mem) char *path = path_join(s->create->bundle ? s->create->bundle : "/", s->spec->root->path);
		s->root = mount_clone(AT_FDCWD, path, true, e);
		if (s->root < 0)
			return -1;
	}
	unsigned propagation = propagation_of(s->spec->linux_->rootfs_propagation);
	if (mount_attach(s->root, s->host, e) < 0 || mount_set(s->root, true, 0, 0, propagation & MS_SLAVE ? MS_SLAVE : MS_PRIVATE, e) < 0)
		return -1;
	return 0;
}

static mode_t node_type(const struct spec_device *d)
{
	return str_eq(d->type, "b") ? S_IFBLK : str_eq(d->type, "p") ? S_IFIFO : S_IFCHR;
}

/* The host's node of the same name, if it is that device. */
static int bind_node(struct setup *s, const struct spec_device *d, dev_t dev, struct err *e)
{
	struct stat st;
	if (s->shared)
		return err_set(e, ERR_UNSUPPORTED, "device %s: without the right to make nodes the host's is bound, which needs a mount namespace", d->path);
	own(fd) int host = open(d->path, O_PATH | O_CLOEXEC);
	if (host < 0 || fstat(host, &st) < 0)
		return err_sys(e, "device %s of the host", d->path);
	if ((st.st_mode & S_IFMT) != node_type(d) || st.st_rdev != dev)
		return err_set(e, ERR_UNSUPPORTED, "device %s: without the right to make nodes the host's is bound, and that is another device", d->path);
	own(fd) int node = mount_clone(host, "", false, e);
	own(fd) int at = node < 0 ? -1 : rootfs_target(s, d->path, PLACE_FILE, e);
	return at < 0 || mount_attach(node, at, e) < 0 ? err_wrap(e, "device %s", d->path) : 0;
}

static int make_node(int at, const char *name, const struct spec_device *d, dev_t dev, struct err *e)
{
	mode_t type = node_type(d);
	struct stat st;
	if (mknodat(at, name, type | (d->mode.set ? (mode_t)d->mode.v & 07777 : 0666), dev) == 0) {
		if ((d->uid.set && d->uid.v) || (d->gid.set && d->gid.v))
			if (fchownat(at, name, (uid_t)d->uid.v, (gid_t)d->gid.v, AT_SYMLINK_NOFOLLOW) < 0)
				return err_sys(e, "owner of %s", d->path);
		return 0;
	}
	if (errno != EEXIST)
		return err_sys(e, "make device %s", d->path);
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || (st.st_mode & S_IFMT) != type || (type != S_IFIFO && st.st_rdev != dev))
		return err_set(e, ERR_EXISTS, "device %s: something else is there", d->path);
	return 0;
}

/* dev: the directory /dev, where nearly all of them are. Who may not make nodes (a user namespace) binds the host's. */
static int add_device(struct setup *s, int dev, const struct spec_device *d, struct err *e)
{
	own(mem) char *path = path_clean(d->path);
	const char *name = path_base(path);
	if (*path != '/' || !path_is_name(name) || strcmp(path, d->path) != 0)
		return err_set(e, ERR_USAGE, "device %s: not a usable path", d->path);
	dev_t number = node_type(d) == S_IFIFO ? 0 : makedev((unsigned)d->major.v, (unsigned)d->minor.v);
	if (s->own_userns && node_type(d) != S_IFIFO)
		return bind_node(s, d, number, e);
	own(fd) int parent = -1;
	if (!str_has_prefix(path, "/dev/") || strchr(path + 5, '/')) {
		own(mem) char *dir = mem_ndup(path, (size_t)(name - path));
		parent = rootfs_target(s, dir, PLACE_DIR, e);
		if (parent < 0)
			return -1;
	}
	if (make_node(parent < 0 ? dev : parent, name, d, number, e) == 0)
		return 0;
	return e->sys == EPERM ? bind_node(s, d, number, e) : -1;
}

/* A /dev that is somebody's own directory or the host's is left as it is. */
static bool has_bound_dev(const struct spec *s)
{
	for (size_t i = 0; i < s->mounts.n; i++) {
		const struct spec_mount *m = &s->mounts.v[i];
		own(mem) char *whole = mem_printf("/%s", m->destination);
		own(mem) char *at = path_clean(whole);
		if (str_eq(at, "/dev") && (str_eq(m->type, "bind") || strv_has(&m->options, "bind") || strv_has(&m->options, "rbind")))
			return true;
	}
	return false;
}

#define NODE(name, ma, mi) {.path = (char *)(uintptr_t)(name), .type = (char *)(uintptr_t) "c", .major = {true, ma}, .minor = {true, mi}}

/* runtime-spec config-linux.md, "Default Devices" and "/dev symbolic links". */
int rootfs_devices(struct setup *s, struct err *e)
{
	static const struct spec_device defaults[] = {NODE("/dev/null", 1, 3), NODE("/dev/zero", 1, 5), NODE("/dev/full", 1, 7),
		NODE("/dev/random", 1, 8), NODE("/dev/urandom", 1, 9), NODE("/dev/tty", 5, 0)};
	static const struct { const char *name, *target; } links[] = {{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"},
		{"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"}, {"core", "/proc/kcore"}};
	/* Nothing can be made in the host's mounts by a user namespace, nor bound: /dev is what the root has. */
	if (has_bound_dev(s->spec) || (s->shared && s->own_userns && !s->spec->linux_->devices.n))
		return 0;
	own(fd) int dev = rootfs_target(s, "/dev", PLACE_DIR, e);
	if (dev < 0)
		return -1;
	mode_t before = umask(0);
	int r = 0;
	for (size_t i = 0; i < s->spec->linux_->devices.n && r == 0; i++)
		r = add_device(s, dev, &s->spec->linux_->devices.v[i], e);
	for (size_t i = 0; i < countof(defaults) && r == 0; i++) {
		bool is_given = false;
		for (size_t k = 0; k < s->spec->linux_->devices.n; k++)
			is_given |= strcmp(s->spec->linux_->devices.v[k].path, defaults[i].path) == 0;
		if (!is_given)
			r = add_device(s, dev, &defaults[i], e);
	}
	for (size_t i = 0; i < countof(links) && r == 0; i++) {
		/* A kernel may have none. */
		if (strcmp(links[i].name, "core") == 0 && access("/proc/kcore", F_OK) < 0)
			continue;
		if (symlinkat(links[i].target, dev, links[i].name) < 0 && errno != EEXIST && errno != EROFS)
			r = err_sys(e, "link /dev/%s", links[i].name);
	}
	umask(before);
	return r;
}

int process_terminal(struct setup *s, struct err *e)
{
	s->master = s->shared ? open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC) : path_open_in(s->root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0, e);
	if (s->master < 0)
		return s->shared ? err_sys(e, "terminal: /dev/ptmx") : err_wrap(e, "terminal");
	struct statfs fs;
	int unlock = 0;
	/* The host's /dev/ptmx may be a node of its /dev. */
	if (!s->shared && (fstatfs(s->master, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC))
		return err_set(e, ERR_DENIED, "terminal: /dev/pts in the root file system is not a devpts");
	if (ioctl(s->master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, "terminal: unlock");
	/* The slave by the master's fd: its name in /dev/pts might be another's by now. */
	s->slave = ioctl(s->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s->slave < 0)
		return err_sys(e, "terminal: open the slave");
	if (s->process->console) {
		struct winsize w = {.ws_row = (unsigned short)s->process->console->height, .ws_col = (unsigned short)s->process->console->width};
		ioctl(s->master, TIOCSWINSZ, &w);
	}
	if (fchown(s->slave, s->process->user.uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM)
		return err_sys(e, "terminal: owner");
	return 0;
}

int rootfs_console(struct setup *s, struct err *e)
{
	if (!s->process || !s->process->terminal)
		return 0;
	if (process_terminal(s, e) < 0)
		return -1;
	if (s->shared)
		return 0;
	own(fd) int slave = mount_clone(s->slave, "", false, e);
	own(fd) int at = slave < 0 ? -1 : rootfs_target(s, "/dev/console", PLACE_FILE, e);
	return at < 0 || mount_attach(slave, at, e) < 0 ? err_wrap(e, "/dev/console") : 0;
}

/* An O_PATH fd of what is to be covered; -1 without error when there is no such thing here. */
static int open_covered(struct setup *s, const char *path, bool *ret_dir, struct err *e)
{
	int fd = rootfs_find(s, path);
	struct stat st;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return -2;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "%s", path);
	*ret_dir = S_ISDIR(st.st_mode);
	return fd;
}

static int null_device(struct err *e)
{
	struct stat st;
	own(fd) int fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "/dev/null");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_set(e, ERR_DENIED, "the host's /dev/null is not the null device");
	return take_fd(fd);
}

static int mask(struct setup *s, const char *path, int null, int *empty, struct err *e)
{
	bool is_dir = false;
	own(fd) int at = open_covered(s, path, &is_dir, e);
	if (at < 0)
		return at == -2 ? 0 : -1;
	own(fd) int cover = -1;
	if (!is_dir) {
		cover = mount_clone(null, "", false, e);
	} else if (*empty < 0) {
		/* One empty file system for all masked directories: the first use makes it, the others clone it. */
		const char *label = s->spec->linux_->mount_label;
		const struct mount_option o[] = {{"size", "0k"}, {"context", label}};
		*empty = cover = mount_new("tmpfs", o, str_is_empty(label) ? 1 : 2,
			MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, e);
		*empty = cover < 0 ? -1 : fcntl(cover, F_DUPFD_CLOEXEC, 3);
	} else {
		cover = mount_clone(*empty, "", false, e);
	}
	return cover < 0 || mount_attach(cover, at, e) < 0 ? err_wrap(e, "mask %s", path) : 0;
}

static int make_read_only(struct setup *s, const char *path, struct err *e)
{
	bool is_dir = false;
	own(fd) int at = open_covered(s, path, &is_dir, e);
	if (at < 0)
		return at == -2 ? 0 : -1;
	own(fd) int copy = mount_clone(at, "", true, e);
	if (copy < 0 || mount_set(copy, true, MOUNT_ATTR_RDONLY, 0, 0, e) < 0 || mount_attach(copy, at, e) < 0)
		return err_wrap(e, "read-only %s", path);
	return 0;
}

int rootfs_mask(struct setup *s, struct err *e)
{
	const struct spec_linux *l = s->spec->linux_;
	own(fd) int null = l->masked_paths.n ? null_device(e) : -1;
	own(fd) int empty = -1;
	if (l->masked_paths.n && null < 0)
		return -1;
	for (size_t i = 0; i < l->masked_paths.n; i++)
		if (mask(s, l->masked_paths.v[i], null, &empty, e) < 0)
			return -1;
	for (size_t i = 0; i < l->readonly_paths.n; i++)
		if (make_read_only(s, l->readonly_paths.v[i], e) < 0)
			return -1;
	return 0;
}

static int pivot(struct setup *s, struct err *e)
{
	if (fchdir(s->host) < 0 || chroot(".") < 0 || fchdir(s->root) < 0)
		return err_sys(e, "enter");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, "pivot_root");
	if (mount_set(s->host, true, 0, 0, MS_PRIVATE, e) < 0)
		return err_wrap(e, "let go of the host's root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(e, "let go of the host's root");
	return chdir("/") < 0 ? err_sys(e, "enter") : 0;
}

int rootfs_enter(struct setup *s, struct err *e)
{
	const char *cwd = s->process->cwd;
	/* A working directory that is missing is made, as docker does. One that leads through /proc is judged after the pivot. */
	if (!str_eq(cwd, "/") && !str_has_prefix(cwd, "/proc")) {
		struct err ignored = {};
		own(fd) int made = path_mkdirs_in(s->root, cwd, 0755, (uid_t)-1, (gid_t)-1, &ignored);
	}
	if (s->spec->root->readonly && mount_set(s->root, false, MOUNT_ATTR_RDONLY, 0, 0, e) < 0)
		return err_wrap(e, "read-only");
	if (s->shared)
		return rootfs_chroot(s, e);
	if ((s->create->no_pivot ? rootfs_enter_moved(s, e) : pivot(s, e)) < 0)
		return -1;
	unsigned propagation = propagation_of(s->spec->linux_->rootfs_propagation);
	if (propagation & (MS_SHARED | MS_UNBINDABLE))
		return mount_set(s->root, propagation & MS_REC, 0, 0, propagation, e);
	return 0;
}
