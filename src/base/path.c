/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path: see path.h.
 *
 * openat2 exists since Linux 5.6, the oldest kernel hull supports; where a seccomp filter of an outer
 * container hides it (ENOSYS, EPERM), hull says so instead of walking by hand: a walk in user space
 * can be raced.
 */
#include "base/path.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_in(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	/* EAGAIN: a rename or mount elsewhere raced with the lookup of a ".." */
	for (int i = 0;; i++) {
		int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN || i == 128)
			return fd;
	}
}

static int open_failed(const char *path, struct err *e)
{
	if (errno == ENOSYS)
		return err_set(e, ERR_UNSUPPORTED, "%s: openat2 is missing: hull needs Linux 5.6, and a container around it must allow it",
			path);
	return err_sys(e, "%s", path);
}

int path_open_in(int root, const char *path, int flags, mode_t mode, struct err *e)
{
	int fd = open_in(root, path, flags, mode);
	return fd < 0 ? open_failed(path, e) : fd;
}

int path_mkdirs_in(int root, const char *path, mode_t mode, uid_t uid, gid_t gid, struct err *e)
{
	int whole = open_in(root, path, O_PATH | O_DIRECTORY, 0);
	if (whole >= 0)
		return whole;
	if (errno != ENOENT)
		return open_failed(path, e);
	/* The longest prefix that exists, then one directory after the other below it. Each prefix is
	 * resolved from the root again, so a symlink in the middle works as the container would see it. */
	own(mem) char *part = mem_alloc(strlen(path) + 2);
	size_t n = 0;
	own(fd) int at = open_in(root, ".", O_PATH | O_DIRECTORY, 0);
	if (at < 0)
		return err_sys(e, "open root");
	for (const char *p = path; *p;) {
		while (*p == '/')
			p++;
		size_t len = strcspn(p, "/");
		if (!len)
			break;
		char *name = part + n + 1;
		part[n] = '/';
		memcpy(name, p, len);
		name[len] = 0;
		n += 1 + len;
		p += len;
		int next = open_in(root, part, O_PATH | O_DIRECTORY, 0);
		if (next < 0 && errno == ENOENT) {
			bool made = mkdirat(at, name, mode) == 0;
			if (!made && errno != EEXIST)
				return err_sys(e, "mkdir %s", path);
			/* Its own directory is what is given away, not what someone put in its place. */
			next = made ? openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
				    : open_in(root, part, O_PATH | O_DIRECTORY, 0);
			if (next >= 0 && made && (uid != (uid_t)-1 || gid != (gid_t)-1) &&
				fchownat(next, "", uid, gid, AT_EMPTY_PATH) < 0) {
				fd_drop(&next);
				return err_sys(e, "chown %s", path);
			}
		}
		if (next < 0)
			return err_sys(e, "%s", path);
		fd_drop(&at);
		at = next;
	}
	return take_fd(at);
}

int path_mkdirs(int dirfd, const char *path, mode_t mode, struct err *e)
{
	if (mkdirat(dirfd, path, mode) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT)
		return err_sys(e, "mkdir %s", path);
	own(mem) char *part = mem_dup(path);
	for (char *p = part + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		if (mkdirat(dirfd, part, mode) < 0 && errno != EEXIST)
			return err_sys(e, "mkdir %s", part);
		*p = '/';
	}
	if (mkdirat(dirfd, path, mode) < 0 && errno != EEXIST)
		return err_sys(e, "mkdir %s", path);
	return 0;
}

int path_open_dir(int dirfd, const char *path, struct err *e)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	return fd;
}

int path_read(int dirfd, const char *path, struct buf *out, struct err *e)
{
	/* A pipe in the place of a file of ours is not waited for; one that the user names is. */
	own(fd) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | (dirfd == AT_FDCWD ? 0 : O_NONBLOCK));
	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fd_read_to_end(fd, out) < 0)
		return err_sys(e, "read %s", path);
	return 0;
}

/* A rename over a file makes ext4 write the new one to the disk at once, as it should be for what must last. What need not
 * changes places with the old one, which costs nothing. */
static int replace(int dirfd, const char *tmp, const char *path, bool lasting)
{
	if (lasting || renameat2(dirfd, tmp, dirfd, path, RENAME_EXCHANGE) < 0)
		return renameat(dirfd, tmp, dirfd, path);
	if (unlinkat(dirfd, tmp, 0) == 0)
		return 0;
	/* It was no file. */
	int saved = errno;
	(void)!renameat2(dirfd, tmp, dirfd, path, RENAME_EXCHANGE);
	errno = saved;
	return -1;
}

int path_write(int dirfd, const char *path, const void *p, size_t n, mode_t mode, int flags, struct err *e)
{
	static unsigned count;
	own(mem) char *tmp = NULL;
	own(fd) int fd = -1;
	/* One of that name was left by a process that had our pid and was killed. */
	do {
		mem_drop(&tmp);
		tmp = mem_printf("%s.tmp-%d-%u", path, (int)getpid(), ++count);
		fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600 | mode);
	} while (fd < 0 && errno == EEXIST);
	if (fd < 0)
		return err_sys(e, "create %s", path);
	bool bad = fd_write_all(fd, p, n) < 0 || (flags & PATH_SYNC && fsync(fd) < 0);
	if (!bad && flags & PATH_NEW)
		bad = linkat(dirfd, tmp, dirfd, path, 0) < 0;
	else if (!bad)
		bad = replace(dirfd, tmp, path, flags & PATH_SYNC) < 0;
	int saved = errno;
	if (bad || flags & PATH_NEW)
		unlinkat(dirfd, tmp, 0);
	errno = saved;
	if (bad)
		return err_sys(e, "write %s", path);
	if (flags & PATH_SYNC) {
		own(mem) char *dir = mem_dup(path);
		char *slash = strrchr(dir, '/');
		if (slash)
			*slash = 0;
		own(fd) int d = openat(dirfd, slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (d < 0 || fsync(d) < 0)
			return err_sys(e, "sync %s", path);
	}
	return 0;
}

int path_put(int dirfd, const char *path, const char *text, struct err *e)
{
	own(fd) int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	size_t n = strlen(text);
	ssize_t w;
	do
		w = write(fd, text, n);
	while (w < 0 && errno == EINTR);
	if (w < 0)
		return err_sys(e, "write %s", path);
	return 0;
}

/* A tree may be deeper than a process has file descriptors: what lies REMOVE_DEPTH below the top is moved up to
 * the top, which is read again until nothing was. */
enum { REMOVE_DEPTH = 64, REMOVE_TRIES = 100 };
struct removal { int top; dev_t dev; bool moved; };

static int remove_below(struct removal *r, int dir, unsigned depth, struct err *e);

static int move_up(struct removal *r, int dir, const char *name, struct err *e)
{
	static unsigned count;
	char to[40];
	int result;
	do {
		snprintf(to, sizeof to, ".removed-%d-%u", (int)getpid(), count++);
		result = renameat(dir, name, r->top, to);
	} while (result < 0 && (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR));
	r->moved = true;
	return result < 0 ? err_sys(e, "remove %s", name) : 0;
}

static int remove_dir(struct removal *r, int dirfd, const char *name, unsigned depth, struct err *e)
{
	own(fd) int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "remove %s", name);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "remove %s", name);
	struct removal top = {.top = fd, .dev = st.st_dev};
	bool is_top = !r;
	if (is_top)
		r = &top;
	if (st.st_dev != r->dev)
		return err_set(e, ERR_CONFLICT, "remove %s: something is mounted there", name);
	if ((st.st_mode & 0700) != 0700)
		(void)!fchmod(fd, st.st_mode | 0700);
	if (depth == REMOVE_DEPTH)
		return move_up(r, dirfd, name, e);
	int result = 0;
	for (int i = 0; i < REMOVE_TRIES; i++) {
		do {
			if (is_top)
				r->moved = false;
			if (remove_below(r, fd, depth, e) < 0)
				return -1;
		} while (is_top && r->moved);
		/* Somebody who waited for its lock, or wrote to it, made one more file meanwhile. */
		result = unlinkat(dirfd, name, AT_REMOVEDIR);
		if (result == 0 || errno != ENOTEMPTY)
			break;
	}
	return result < 0 && errno != ENOENT ? err_sys(e, "remove %s", name) : 0;
}

static int remove_below(struct removal *r, int dir, unsigned depth, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_drop(&fd);
		return err_sys(e, "read directory");
	}
	int result = 0;
	for (struct dirent *ent; result == 0 && (ent = readdir(d));) {
		const char *name = ent->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (ent->d_type != DT_DIR && unlinkat(dir, name, 0) == 0)
			continue;
		if (ent->d_type != DT_DIR && errno != EISDIR)
			result = errno == ENOENT ? 0 : err_sys(e, "remove %s", name);
		else
			result = remove_dir(r, dir, name, depth + 1, e);
	}
	closedir(d);
	return result;
}

int path_remove_tree(int dirfd, const char *path, struct err *e)
{
	if (unlinkat(dirfd, path, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, "remove %s", path);
	return remove_dir(NULL, dirfd, path, 0, e);
}

bool path_exists(int dirfd, const char *path)
{
	static const int absent[] = {ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EACCES};
	struct stat st;
	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	for (size_t i = 0; i < countof(absent); i++)
		if (errno == absent[i])
			return false;
	return true;
}

int path_list(int dirfd, const char *path, struct strv *ret, struct err *e)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		err_sys_(e, "read %s", path);
		fd_drop(&fd);
		return -1;
	}
	for (struct dirent *ent; errno = 0, (ent = readdir(d));)
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			strv_add(ret, ent->d_name);
	int r = errno ? err_sys(e, "read %s", path) : 0;
	closedir(d);
	return r;
}

char *path_clean(const char *path)
{
	bool absolute = *path == '/';
	char *out = mem_alloc(strlen(path) + 3);
	size_t n = 0;
	if (absolute)
		out[n++] = '/';
	size_t root = n;
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");
		if (len == 2 && p[0] == '.' && p[1] == '.') {
			size_t last = n;
			while (last > root && out[last - 1] != '/')
				last--;
			bool is_up = n - last == 2 && out[last] == '.' && out[last + 1] == '.';
			if (n > root && !is_up) {
				n = last > root ? last - 1 : root;
			} else if (!absolute) {
				if (n > root)
					out[n++] = '/';
				memcpy(out + n, "..", 2);
				n += 2;
			}
		} else if (len && !(len == 1 && *p == '.')) {
			if (n > root)
				out[n++] = '/';
			memcpy(out + n, p, len);
			n += len;
		}
		p += len;
		while (*p == '/')
			p++;
	}
	if (n == 0)
		out[n++] = '.';
	out[n] = 0;
	return out;
}

char *path_join(const char *a, const char *b)
{
	if (*b == '/' || !*a)
		return mem_dup(b);
	return mem_printf("%s%s%s", a, str_has_suffix(a, "/") ? "" : "/", b);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

bool path_is_name(const char *s)
{
	return *s && strcmp(s, ".") != 0 && strcmp(s, "..") != 0 && !strchr(s, '/') && strlen(s) <= 255;
}

int path_lock(int dirfd, const char *name, bool exclusive, bool wait, struct err *e)
{
	own(fd) int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "lock %s", name);
	int op = (exclusive ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB);
	while (flock(fd, op) < 0) {
		if (errno == EWOULDBLOCK)
			return err_set(e, ERR_CONFLICT, "%s is locked by another command", name);
		if (errno != EINTR)
			return err_sys(e, "lock %s", name);
	}
	return take_fd(fd);
}
