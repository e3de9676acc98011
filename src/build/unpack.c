/* SPDX-License-Identifier: Apache-2.0 */
#include "build/unpack.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/tar.h"
#include "snap/name.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { ENTRIES_MAX = 2000000 };

/* Where the last component goes. */
static int parent_of(int dir, const char *clean, struct err *e)
{
	size_t n = name_parent(clean);
	own(mem) char *parent = n ? mem_ndup(clean, n) : mem_dup(".");
	return path_mkdirs_in(dir, parent, 0755, (uid_t)-1, (gid_t)-1, e);
}

/* The pieces of a sparse file, each to its place. */
static int put_pieces(struct tar_reader *r, const struct tar_entry *t, int fd, struct err *e)
{
	const char *p = NULL;
	ssize_t left = 0;
	if (t->size > INT64_MAX || ftruncate(fd, (off_t)t->size) < 0)
		return err_sys(e, "write");
	for (size_t i = 0; i < t->spans.n; i++) {
		struct tar_span s = t->spans.v[i];
		if (s.offset > t->size || s.length > t->size - s.offset)
			return err_set(e, ERR_CORRUPT, "a piece of the sparse file lies behind its end");
		while (s.length) {
			if (!left && (left = tar_piece(r, (const void **)&p, e)) <= 0)
				return left < 0 ? -1 : err_set(e, ERR_CORRUPT, "a piece of the sparse file is missing");
			size_t n = (uint64_t)left < s.length ? (size_t)left : (size_t)s.length;
			ssize_t put = pwrite(fd, p, n, (off_t)s.offset);
			if (put < 0)
				return err_sys(e, "write");
			p += put;
			left -= put;
			s.offset += (uint64_t)put;
			s.length -= (uint64_t)put;
		}
	}
	return 0;
}

static int make_file(struct tar_reader *r, const struct tar_entry *t, int at, const char *name, struct err *e)
{
	own(fd) int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	const void *p;
	ssize_t n;
	if (fd < 0)
		return err_sys(e, "make");
	if (t->sparse && put_pieces(r, t, fd, e) < 0)
		return -1;
	while ((n = tar_piece(r, &p, e)) > 0)
		if (fd_write_all(fd, p, (size_t)n) < 0)
			return err_sys(e, "write");
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = t->mtime_ns / 1000000000, .tv_nsec = t->mtime_ns % 1000000000}};
	if (n == 0 && (fchmod(fd, t->mode & 07777) < 0 || (times[1].tv_nsec >= 0 && futimens(fd, times) < 0)))
		return err_sys(e, "dress");
	return (int)n;
}

static int make_link(int dir, const struct tar_entry *t, int at, const char *name, struct err *e)
{
	char clean[PATH_MAX];
	if (name_clean(t->link, clean, e) < 0)
		return -1;
	own(fd) int from = parent_of(dir, clean, e);
	return from < 0 ? -1 : linkat(from, name_last(clean), at, name, 0) < 0 ? err_sys(e, "link") : 0;
}

static int put(struct tar_reader *r, const struct tar_entry *t, int dir, struct err *e)
{
	char clean[PATH_MAX];
	struct stat st;
	if (name_clean(t->name, clean, e) < 0)
		return -1;
	if (!*clean || t->type == TAR_CHAR || t->type == TAR_BLOCK || t->type == TAR_FIFO)
		return 0;
	own(fd) int at = parent_of(dir, clean, e);
	const char *name = name_last(clean);
	if (at < 0)
		return err_wrap(e, "%.200s", clean);
	bool is_dir = fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
	if (!(is_dir && t->type == TAR_DIR) && path_remove_tree(at, name, e) < 0)
		return err_wrap(e, "%.200s", clean);
	int result = 0;
	if (t->type == TAR_DIR)
		result = (!is_dir && mkdirat(at, name, 0755) < 0) || fchmodat(at, name, (t->mode & 07777) | 0700, 0) < 0 ? err_sys(e, "make") : 0;
	else if (t->type == TAR_SYMLINK)
		result = symlinkat(t->link, at, name) < 0 ? err_sys(e, "make") : 0;
	else if (t->type == TAR_HARDLINK)
		result = make_link(dir, t, at, name, e);
	else
		result = make_file(r, t, at, name, e);
	return result < 0 ? err_wrap(e, "%.200s", clean) : 0;
}

int unpack_tar(struct stream *below, int dir, struct err *e)
{
	own(stream) struct stream *plain = NULL;
	const struct tar_entry *t;
	if (stream_decompress(below, &plain, NULL, e) < 0)
		return -1;
	own(tar_reader) struct tar_reader *r = tar_reader_new(plain);
	int n;
	for (unsigned count = 0; (n = tar_next(r, &t, e)) == 1;) {
		if (++count > ENTRIES_MAX)
			return err_set(e, ERR_LIMIT, "more than %d entries", ENTRIES_MAX);
		if (put(r, t, dir, e) < 0)
			return -1;
	}
	return n;
}
