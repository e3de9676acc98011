/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay: see overlay.h.
 *
 * Since Linux 6.13 fsconfig(2) takes each layer as a file descriptor: two system calls more than layers. Before, layers
 * are named in one string of at most a page, and each must be reachable in the caller's mount namespace. So a child
 * with its own mount namespace, but with our table of files, opens them again in there and names them as what they are
 * in /proc/self/fd, by numbers relative to that directory ("lowerdir=12:11:10": 500 layers fit), mounts (nobody else
 * sees that), clones the mount and ends: the clone's fd is in our table too, and nothing is left in any namespace
 * whatever happens to us.
 *
 * Options: index, metacopy and redirect_dir are off, whatever the kernel's defaults are: an upper directory must make
 * sense to whoever reads it alone (a commit), and be mountable again after a move of the store. userxattr implies that.
 */
#include "snap/overlay.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/path.h"
#include "sys/mount.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The kernel's own words wait in the fs context: "e overlay: ...". */
static int refused(int fs, struct err *e)
{
	int saved = errno;
	char text[256];
	ssize_t n = read(fs, text, sizeof text - 1);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n > 0 ? n : 0] = 0;
	char *reason = n > 2 && text[1] == ' ' ? text + 2 : text;
	errno = saved;
	return n > 0 ? err_sys(e, "mount overlay: %s", reason) : err_sys(e, "mount overlay");
}

static int set_text(int fs, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0);
}

static int set_fd(int fs, const char *key, int fd)
{
	return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_FD, key, NULL, fd);
}

static const struct mount_option *options_of(const struct overlay *o)
{
	static const struct mount_option plain[] = {{"index", "off"}, {"metacopy", "off"}, {"redirect_dir", "off"}, {}};
	static const struct mount_option user[] = {{"userxattr", NULL}, {}};
	return o->user_xattrs ? user : plain;
}

/* EINVAL: overlay knows lowerdir+, but not by fd. EOPNOTSUPP: before 6.5 it understands one string only. */
static bool is_old(int code)
{
	return code == EINVAL || code == EOPNOTSUPP;
}

int overlay_mount(struct overlay *o, struct err *e)
{
	own(fd) int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	if (fs < 0)
		return err_sys(e, "mount overlay");
	for (size_t i = 0; i < o->n; i++)
		if (set_fd(fs, "lowerdir+", o->lowers[i]) < 0)
			return is_old(errno) ? overlay_mount_by_name(o, e) : refused(fs, e);
	if (o->upper >= 0 && (set_fd(fs, "upperdir", o->upper) < 0 || set_fd(fs, "workdir", o->work) < 0))
		return refused(fs, e);
	for (const struct mount_option *p = options_of(o); p->key; p++)
		if (set_text(fs, p->key, p->value) < 0)
			return refused(fs, e);
	if (set_text(fs, "source", "overlay") < 0 || (o->is_volatile && set_text(fs, "volatile", NULL) < 0) ||
		syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return refused(fs, e);
	int m = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, o->read_only ? MOUNT_ATTR_RDONLY : 0);
	return m < 0 ? err_sys(e, "mount overlay") : m;
}

/* fds[]: the layers, then upper and work, as the child sees them. */
static int name_options(const struct overlay *o, const int *fds, struct buf *out, struct err *e)
{
	buf_str(out, "lowerdir=");
	for (size_t i = 0; i < o->n; i++)
		buf_printf(out, "%s%d", i ? ":" : "", fds[i]);
	if (o->upper >= 0)
		buf_printf(out, ",upperdir=%d,workdir=%d", fds[o->n], fds[o->n + 1]);
	for (const struct mount_option *p = options_of(o); p->key; p++)
		buf_printf(out, ",%s%s%s", p->key, p->value ? "=" : "", p->value ? p->value : "");
	if (o->is_volatile)
		buf_str(out, ",volatile");
	return buf_check(out, e);
}

/* The same directory in this mount namespace: by its path, and only when it is the same. The path of what lies in another
 * namespace begins at the top of all mounts, in a chroot too. */
static int open_again(int top, int fd, struct err *e)
{
	char link[40], path[PATH_MAX];
	struct stat a, b;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = 0;
	own(fd) int again = n < 0 ? -1 : openat(top, path[1] ? path + 1 : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (again < 0 || fstat(fd, &a) < 0 || fstat(again, &b) < 0)
		return err_sys(e, "mount overlay: find %s again", path);
	if (a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return err_set(e, ERR_UNSUPPORTED, "mount overlay: %s is another directory by now", path);
	return take_fd(again);
}

/* Runs in the child. Mounts that are attached here, one over the other, make what lies on them ours; the rest is opened again, before: they
 * hide what is below them. */
static int gather(const struct overlay *o, int top, int *fds, size_t *n, struct err *e)
{
	own(fd) int at = o->nmounts ? open_again(top, o->attach_at, e) : -1;
	if (o->nmounts && at < 0)
		return err_wrap(e, "mount overlay");
	size_t all = o->n + (o->upper >= 0 ? 2 : 0);
	for (; *n < all; ++*n) {
		bool ours = *n < o->n && o->detached && o->detached[*n];
		int fd = *n < o->n ? o->lowers[*n] : *n == o->n ? o->upper : o->work;
		fds[*n] = ours ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : open_again(top, fd, e);
		if (fds[*n] < 0)
			return ours ? err_sys(e, "mount overlay") : -1;
	}
	for (size_t i = 0; i < o->nmounts; i++)
		if (mount_attach(o->mounts[i], at, e) < 0)
			return err_wrap(e, "mount overlay");
	return 0;
}

static int mount_in_child(const struct overlay *o, const int *fds, struct err *e)
{
	own(buf) struct buf options = BUF(sysconf(_SC_PAGESIZE) - 1);
	if (name_options(o, fds, &options, e) < 0)
		return err_wrap(e, "mount overlay");
	if (chdir("/proc/self/fd") < 0)
		return err_sys(e, "mount overlay: /proc");
	/* Any directory does to mount on: this namespace is gone in a moment. */
	if (mount("overlay", "/proc", "overlay", o->read_only ? MS_RDONLY : 0, buf_text(&options)) < 0)
		return err_sys(e, "mount overlay");
	return mount_clone(AT_FDCWD, "/proc", false, e);
}

struct answer { int fd; struct err e; };

static void child(const struct overlay *o, int report)
{
	struct answer a = {.fd = -1};
	int *fds = mem_alloc((o->n + 2) * sizeof *fds);
	size_t n = 0;
	int top = mount_top(&a.e);
	if (top < 0 || mount_set(top, true, 0, 0, MS_PRIVATE, &a.e) < 0)
		(void)err_wrap(&a.e, "mount overlay: private mounts");
	else if (gather(o, top, fds, &n, &a.e) == 0)
		a.fd = mount_in_child(o, fds, &a.e);
	/* The table of files is the parent's as well. */
	fd_drop(&top);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	(void)!fd_write_all(report, &a, sizeof a);
	_exit(0);
}

int overlay_mount_by_name(struct overlay *o, struct err *e)
{
	o->attached = true;
	int report[2];
	if (fd_pipe(report, e) < 0)
		return -1;
	const struct proc_clone how = {.flags = CLONE_NEWNS | CLONE_FILES, .cgroup = -1};
	pid_t pid = proc_clone(&how);
	if (pid == 0)
		child(o, report[1]);
	int saved = errno, status;
	struct answer a = {.fd = -1};
	/* Our own end is the child's as well: it is closed when the child is gone, so that a dead child is no wait. */
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	close(report[1]);
	ssize_t n = pid < 0 ? 0 : fd_read_full(report[0], &a, sizeof a);
	close(report[0]);
	errno = saved;
	if (pid < 0)
		return err_sys(e, "mount overlay: mount namespace");
	if (n != sizeof a)
		return err_set(e, ERR_BUG, "mount overlay: the child ended without an answer");
	if (a.fd < 0)
		*e = a.e;
	return a.fd;
}

static int write_map(pid_t pid, const char *file, const struct snap_idmap *v, size_t n, struct err *e)
{
	char path[40];
	own(buf) struct buf b = BUF(4096);
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%u %u %u\n", v[i].inside, v[i].outside, v[i].count);
	if (buf_check(&b, e) < 0)
		return err_wrap(e, "id map");
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	return path_put(AT_FDCWD, path, buf_text(&b), e);
}

int overlay_userns(const struct snap_mount *m, struct err *e)
{
	const struct proc_clone how = {.flags = CLONE_NEWUSER, .cgroup = -1};
	pid_t parent = getpid(), pid = proc_clone(&how);
	if (pid == 0) {
		/* Lives until its namespace is open, never longer than we do. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent)
			pause();
		_exit(0);
	}
	if (pid < 0)
		return err_sys(e, "user namespace%s", errno == EPERM ? " (there are none in a chroot)" : "");
	char path[40];
	int fd = -1;
	snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
	if (write_map(pid, "uid_map", m->uids, m->nuids, e) == 0 && write_map(pid, "gid_map", m->gids, m->ngids, e) == 0 &&
		(fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		(void)err_sys(e, "user namespace");
	kill(pid, SIGKILL);
	int status;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return fd;
}
