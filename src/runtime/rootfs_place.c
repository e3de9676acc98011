/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs_place: places in the container's root, where something is mounted or made: resolved inside the root by openat2, so that no
 * symlink of the image leads out of it, as an fd to which the mount is then attached.
 *
 * /proc, /sys and /dev themselves must be real directories: an image that makes one of them a symlink is refused. So is a mount
 * that would land on procfs, or where procfs belongs: who reads or writes /proc must find the kernel there (CVE-2019-16884).
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { PROC_ROOT_INODE = 1 }; /* the kernel's PROC_ROOT_INO */

static bool is_plain_place(const char *path)
{
	static const char *const places[] = {"/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys/fs/cgroup"};
	for (size_t i = 0; i < countof(places); i++)
		if (strcmp(places[i], path) == 0)
			return true;
	return false;
}

/* What lxcfs and its kind put their own files over. */
static bool is_harmless(const char *path)
{
	static const char *const places[] = {"/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo", "/proc/slabinfo",
		"/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled"};
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
	if (fs.f_type == PROC_SUPER_MAGIC && !is_harmless(path))
		return err_set(e, ERR_DENIED, "%s: a mount inside /proc is not allowed", path);
	return 0;
}

static int open_place(const struct setup *s, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | flags, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve};
	for (int i = 0;; i++) {
		/* EAGAIN: a rename or mount elsewhere raced with the lookup of a ".." */
		int fd = (int)syscall(SYS_openat2, s->root, path, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN || i == 128)
			return fd;
	}
}

static int make_entry(int at, const char *name, bool is_dir)
{
	if (is_dir)
		return mkdirat(at, name, 0755) < 0 && errno != EEXIST ? -1 : 0;
	own(fd) int made = openat(at, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0644);
	return made < 0 && errno != EEXIST ? -1 : 0;
}

/* Makes what is missing of a path, one name after the other, each looked up from the root again. A symlink that leads
 * nowhere is followed, inside the root, and its end is made: images have such links for resolv.conf. */
static int make_place(const struct setup *s, const char *path, bool is_dir, int depth, struct err *e)
{
	own(mem) char *part = mem_printf("%s%s", *path == '/' ? "" : "/", path);
	own(fd) int at = open_place(s, "/", 0, 0);
	if (at < 0 || depth > 40 || strlen(path) >= PATH_MAX) {
		errno = at < 0 ? errno : depth > 40 ? ELOOP : ENAMETOOLONG;
		return err_sys(e, "%.200s", path);
	}
	for (char *p = part, *end; p; p = end) {
		p += strspn(p, "/");
		if (!*p)
			break;
		end = strchr(p, '/');
		if (end)
			*end = 0;
		int next = open_place(s, part, 0, 0);
		if (next < 0 && errno == ENOENT) {
			char link[PATH_MAX];
			ssize_t n = readlinkat(at, p, link, sizeof link - 1);
			if (n > 0) {
				link[n] = 0;
				own(mem) char *whole = mem_printf("%.*s/%s/%s", link[0] == '/' ? 0 : (int)(p - part), part, link, end ? end + 1 : "");
				return make_place(s, whole, is_dir, depth + 1, e);
			}
			if (make_entry(at, p, end || is_dir) == 0)
				next = open_place(s, part, 0, 0);
		}
		if (next < 0)
			return err_sys(e, "make %.200s", part);
		fd_drop(&at);
		at = next;
		if (end)
			*end = '/';
	}
	return take_fd(at);
}

int rootfs_find(const struct setup *s, const char *path)
{
	return open_place(s, path, 0, 0);
}

int rootfs_target(struct setup *s, const char *path, enum rootfs_place place, struct err *e)
{
	bool plain = is_plain_place(path);
	own(fd) int fd = open_place(s, path, !plain && place & PLACE_NOFOLLOW ? O_NOFOLLOW : 0, plain ? RESOLVE_NO_SYMLINKS : 0);
	if (fd < 0 && plain && errno == ELOOP)
		return err_set(e, ERR_DENIED, "%s is a symlink in the root file system: refused", path);
	if (fd < 0 && errno == ENOENT)
		fd = make_place(s, path, place & PLACE_DIR, 0, e);
	else if (fd < 0)
		return err_sys(e, "%.200s", path);
	if (fd < 0 || check_place(fd, path, e) < 0)
		return -1;
	return take_fd(fd);
}

int rootfs_check_destination(const char *path, const char *type, int mount, struct err *e)
{
	struct statfs fs;
	struct stat st;
	if (str_eq(path, "/"))
		return err_set(e, ERR_USAGE, "the root itself cannot be mounted over");
	if (!str_eq(path, "/proc") && !str_has_prefix(path, "/proc/"))
		return 0;
	if (str_has_prefix(path, "/proc/"))
		return is_harmless(path) ? 0 : err_set(e, ERR_DENIED, "%s: a mount inside /proc is not allowed", path);
	if (str_eq(type, "proc"))
		return 0;
	/* A procfs that is bound, and the whole of it. */
	if (mount >= 0 && fstatfs(mount, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC && fstat(mount, &st) == 0 && st.st_ino == PROC_ROOT_INODE)
		return 0;
	return err_set(e, ERR_DENIED, "/proc: only a proc file system can be mounted there");
}
