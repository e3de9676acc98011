/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs: the root file system of a container, from a detached mount to the process's root.
 *
 * Until pivot_root the host's tree is still in sight: sources (device nodes, /dev/null for masks) are taken from it,
 * never from the image. Every place inside the image is found by rootfs_target(): resolved inside the root by
 * openat2, so that no symlink of the image leads out of it; then mounts are attached to that very fd. /proc, /sys and
 * /dev themselves must be real directories: an image that makes one of them a symlink is refused, and so is a
 * mount that would land on procfs.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

static bool is_plain_place(const char *path)
{
	static const char *const places[] = {"/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys/fs/cgroup"};
	for (size_t i = 0; i < countof(places); i++)
		if (strcmp(places[i], path) == 0)
			return true;
	return false;
}

static int check_place(int fd, const char *path, struct err *e)
{
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return err_sys(e, "%s", path);
	if (fs.f_type == PROC_SUPER_MAGIC)
		return err_set(e, ERR_DENIED, "%s: a mount inside /proc is not allowed", path);
	return 0;
}

static int make_file(struct setup *s, const char *path, struct err *e)
{
	own(mem) char *dir = mem_dup(path);
	char *slash = strrchr(dir, '/');
	if (slash)
		*slash = 0;
	own(fd) int at = path_mkdirs_in(s->root, slash && *dir ? dir : "/", 0755, (uid_t)-1, (gid_t)-1, e);
	if (at < 0)
		return -1;
	own(fd) int made = openat(at, path_base(path), O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0644);
	if (made < 0 && errno != EEXIST)
		return err_sys(e, "make %s", path);
	/* A dangling symlink is EEXIST: the lookup below fails on it as it should. */
	return path_open_in(s->root, path, O_PATH, 0, e);
}

int rootfs_target(struct setup *s, const char *path, bool is_dir, struct err *e)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	bool plain = is_plain_place(path);
	if (plain)
		how.resolve |= RESOLVE_NO_SYMLINKS;
	own(fd) int fd = (int)syscall(SYS_openat2, s->root, path, &how, sizeof how);
	if (fd < 0 && plain && errno == ELOOP)
		return err_set(e, ERR_DENIED, "%s is a symlink in the root file system: refused", path);
	if (fd < 0 && (errno == ENOENT || errno == EAGAIN))
		fd = is_dir ? path_mkdirs_in(s->root, path, 0755, (uid_t)-1, (gid_t)-1, e) : make_file(s, path, e);
	else if (fd < 0)
		return err_sys(e, "%s", path);
	if (fd < 0 || check_place(fd, path, e) < 0)
		return -1;
	return take_fd(fd);
}

static unsigned propagation_of(const char *word)
{
	static const struct { const char *name; unsigned flag; } rows[] = {{"shared", MS_SHARED}, {"rshared", MS_SHARED},
		{"slave", MS_SLAVE}, {"rslave", MS_SLAVE}, {"private", MS_PRIVATE}, {"rprivate", MS_PRIVATE},
		{"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE}};
	for (size_t i = 0; word && i < countof(rows); i++)
		if (strcmp(rows[i].name, word) == 0)
			return rows[i].flag;
	return MS_SLAVE;
}

int rootfs_attach(struct setup *s, struct err *e)
{
	own(fd) int host = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	unsigned propagation = propagation_of(s->spec->linux_->rootfs_propagation);
	/* What happens in the container's mounts must never reach the host, so shared is done to the container's root alone. */
	if (host < 0 || mount_set(host, true, 0, 0, propagation == MS_SHARED ? MS_SLAVE : propagation, e) < 0)
		return err_wrap(e, "mount propagation");
	if (s->create->rootfs >= 0) {
		s->root = fcntl(s->create->rootfs, F_DUPFD_CLOEXEC, 3);
	} else {
		own(mem) char *path = path_join(s->create->bundle ? s->create->bundle : "/", s->spec->root->path);
		s->root = mount_clone(AT_FDCWD, path, true, e);
	}
	if (s->root < 0)
		return err_wrap(e, "root file system");
	if (mount_attach(s->root, host, e) < 0)
		return err_wrap(e, "root file system");
	return mount_set(s->root, true, 0, 0, MS_PRIVATE, e);
}

static int bind_node(struct setup *s, const char *host, const char *path, struct err *e)
{
	own(fd) int node = mount_clone(AT_FDCWD, host, false, e);
	own(fd) int at = node < 0 ? -1 : rootfs_target(s, path, false, e);
	return at < 0 ? -1 : mount_attach(node, at, e);
}

/* Who may not make device nodes (a user namespace) binds the host's. */
static int make_node(struct setup *s, const struct spec_device *d, struct err *e)
{
	own(mem) char *dir = mem_dup(d->path);
	char *slash = strrchr(dir, '/');
	if (!slash || slash == dir || !path_is_name(slash + 1) || *d->path != '/')
		return err_set(e, ERR_USAGE, "device %s: not a usable path", d->path);
	*slash = 0;
	mode_t type = str_eq(d->type, "b") ? S_IFBLK : str_eq(d->type, "p") ? S_IFIFO : S_IFCHR;
	mode_t mode = d->mode.set ? (mode_t)d->mode.v & 07777 : 0666;
	dev_t dev = makedev((unsigned)d->major.v, (unsigned)d->minor.v);
	if (s->own_userns && type != S_IFIFO)
		return bind_node(s, d->path, d->path, e);
	own(fd) int at = path_mkdirs_in(s->root, dir, 0755, (uid_t)-1, (gid_t)-1, e);
	if (at < 0)
		return -1;
	if (mknodat(at, slash + 1, type | mode, dev) == 0) {
		if ((d->uid.set && d->uid.v) || (d->gid.set && d->gid.v))
			if (fchownat(at, slash + 1, (uid_t)d->uid.v, (gid_t)d->gid.v, AT_SYMLINK_NOFOLLOW) < 0)
				return err_sys(e, "owner of %s", d->path);
		return 0;
	}
	if (errno == EPERM)
		return bind_node(s, d->path, d->path, e);
	if (errno != EEXIST)
		return err_sys(e, "make device %s", d->path);
	struct stat st;
	if (fstatat(at, slash + 1, &st, AT_SYMLINK_NOFOLLOW) < 0 || (st.st_mode & S_IFMT) != type || st.st_rdev != dev)
		return err_set(e, ERR_EXISTS, "device %s: something else is there", d->path);
	return 0;
}

/* runtime-spec config-linux.md, "Default Devices" and "/dev symbolic links". */
int rootfs_devices(struct setup *s, struct err *e)
{
	static const struct { const char *path; int major, minor; } defaults[] = {{"/dev/null", 1, 3}, {"/dev/zero", 1, 5},
		{"/dev/full", 1, 7}, {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
	static const struct { const char *name, *target; } links[] = {{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"},
		{"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"}, {"core", "/proc/kcore"}};
	own(fd) int dev = rootfs_target(s, "/dev", true, e);
	if (dev < 0)
		return -1;
	mode_t before = umask(0);
	int r = 0;
	for (size_t i = 0; i < countof(defaults) && r == 0; i++) {
		struct spec_device d = {.path = (char *)(uintptr_t)defaults[i].path, .type = (char *)(uintptr_t) "c",
			.major = {true, defaults[i].major}, .minor = {true, defaults[i].minor}};
		r = make_node(s, &d, e);
	}
	for (size_t i = 0; i < s->spec->linux_->devices.n && r == 0; i++) {
		const struct spec_device *d = &s->spec->linux_->devices.v[i];
		bool is_default = false;
		for (size_t k = 0; k < countof(defaults); k++)
			is_default |= strcmp(d->path, defaults[k].path) == 0;
		if (!is_default)
			r = make_node(s, d, e);
	}
	for (size_t i = 0; i < countof(links) && r == 0; i++)
		if (symlinkat(links[i].target, dev, links[i].name) < 0 && errno != EEXIST && errno != EROFS)
			r = err_sys(e, "link /dev/%s", links[i].name);
	umask(before);
	return r;
}

int process_terminal(struct setup *s, struct err *e)
{
	s->master = path_open_in(s->root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0, e);
	if (s->master < 0)
		return err_wrap(e, "terminal");
	struct statfs fs;
	int unlock = 0;
	if (fstatfs(s->master, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
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
	own(fd) int slave = mount_clone(s->slave, "", false, e);
	own(fd) int at = slave < 0 ? -1 : rootfs_target(s, "/dev/console", false, e);
	return at < 0 || mount_attach(slave, at, e) < 0 ? err_wrap(e, "/dev/console") : 0;
}

/* An O_PATH fd of what is to be covered; -1 without error when there is no such thing here. */
static int open_covered(struct setup *s, const char *path, bool *ret_dir, struct err *e)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
	int fd = (int)syscall(SYS_openat2, s->root, path, &how, sizeof how);
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
		const struct mount_option o[] = {{"size", "0k"}};
		*empty = cover = mount_new("tmpfs", o, countof(o), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, e);
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
	if (copy < 0 || mount_set(copy, false, MOUNT_ATTR_RDONLY, 0, 0, e) < 0 || mount_attach(copy, at, e) < 0)
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

int rootfs_enter(struct setup *s, struct err *e)
{
	const char *cwd = s->process ? s->process->cwd : NULL;
	/* A working directory that is missing is made, as docker does. One that leads through /proc is judged after the pivot. */
	if (cwd && !str_has_prefix(cwd, "/proc")) {
		struct err ignored = {};
		own(fd) int made = path_mkdirs_in(s->root, cwd, 0755, (uid_t)-1, (gid_t)-1, &ignored);
	}
	if (s->spec->root && s->spec->root->readonly && mount_set(s->root, false, MOUNT_ATTR_RDONLY, 0, 0, e) < 0)
		return err_wrap(e, "read-only root");
	if (fchdir(s->root) < 0)
		return err_sys(e, "enter the root file system");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(e, "let go of the host's root");
	if (chdir("/") < 0)
		return err_sys(e, "enter the root file system");
	if (propagation_of(s->spec->linux_->rootfs_propagation) == MS_SHARED && s->spec->linux_->rootfs_propagation)
		return mount_set(s->root, true, 0, 0, MS_SHARED, e);
	return 0;
}
