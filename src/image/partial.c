/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partial: see partial.h. A file is removed, or becomes a kept blob, only by who has its lock; so who got the lock of a file that has no
 * longer its name has nothing, and looks again.
 */
#include "image/partial.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "codec/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "images/partial"
#define KEPT   "images/compressed"

static void path_of(const char *digest, char out[DIGEST_TEXT + 24])
{
	snprintf(out, DIGEST_TEXT + 24, FOLDER "/%s", digest_hex(digest));
}

static int lock(int fd, bool wait)
{
	int r;
	do
		r = flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
	while (r < 0 && errno == EINTR);
	return r;
}

static bool has_name(int root, const char *path, int fd)
{
	struct stat a, b;
	return fstat(fd, &a) == 0 && fstatat(root, path, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int partial_open(int root, const char *digest, struct partial *ret, struct err *e)
{
	char path[DIGEST_TEXT + 24];
	struct stat st;
	path_of(digest, path);
	if (!path_exists(root, FOLDER) && path_mkdirs(root, FOLDER, 0700, e) < 0)
		return -1;
	for (;;) {
		own(fd) int fd = openat(root, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return err_sys(e, "%s", path);
		if (lock(fd, false) < 0)
			return errno == EWOULDBLOCK ? err_set(e, ERR_CONFLICT, "another command fetches it") : err_sys(e, "lock %s", path);
		if (!has_name(root, path, fd))
			continue;
		if (fstat(fd, &st) < 0)
			return err_sys(e, "%s", path);
		*ret = (struct partial){.fd = take_fd(fd), .bytes = (uint64_t)st.st_size};
		snprintf(ret->digest, sizeof ret->digest, "%s", digest);
		return 0;
	}
}

int partial_wait(int root, const char *digest, struct err *e)
{
	char path[DIGEST_TEXT + 24];
	path_of(digest, path);
	own(fd) int fd = openat(root, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", path);
	return lock(fd, true) < 0 ? err_sys(e, "lock %s", path) : 0;
}

/* By word, not by closing it alone: workers that were forked meanwhile have copies of it. */
static void unlock(struct partial *p)
{
	if (p->fd >= 0)
		(void)!flock(p->fd, LOCK_UN);
	fd_drop(&p->fd);
}

void partial_close(int root, struct partial *p)
{
	struct stat st;
	if (p->fd >= 0 && fstat(p->fd, &st) == 0 && st.st_size == 0)
		partial_remove(root, p);
	unlock(p);
}

void partial_remove(int root, struct partial *p)
{
	char path[DIGEST_TEXT + 24];
	path_of(p->digest, path);
	if (p->fd >= 0)
		unlinkat(root, path, 0);
	unlock(p);
}

static void kept_path(const char *diff_id, const char *digest, char out[2 * DIGEST_TEXT + 24])
{
	snprintf(out, 2 * DIGEST_TEXT + 24, KEPT "/%s/%s", digest_hex(diff_id), digest_hex(digest));
}

int partial_keep(int root, struct partial *p, const char *diff_id, struct err *e)
{
	char from[DIGEST_TEXT + 24], folder[2 * DIGEST_TEXT + 24], to[2 * DIGEST_TEXT + 24];
	path_of(p->digest, from);
	kept_path(diff_id, "", folder);
	kept_path(diff_id, p->digest, to);
	if (fsync(p->fd) < 0)
		return err_sys(e, "%s", from);
	if (path_mkdirs(root, folder, 0700, e) < 0)
		return -1;
	if (renameat(root, from, root, to) < 0)
		return err_sys(e, "%s", to);
	unlock(p);
	return 0;
}

struct old { char *name; int64_t ns; uint64_t bytes; };

static int newer_first(const void *a, const void *b)
{
	const struct old *x = a, *y = b;
	return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : 0;
}

static void remove_free(int root, const char *name)
{
	own(mem) char *path = mem_printf(FOLDER "/%s", name);
	own(fd) int fd = openat(root, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && lock(fd, false) == 0 && has_name(root, path, fd))
		unlinkat(root, path, 0);
}

void partial_sweep(int root, uint64_t bytes, int64_t age_ns)
{
	own(strv) struct strv names = {};
	struct err ignored = {};
	if (!path_exists(root, FOLDER) || path_list(root, FOLDER, &names, &ignored) < 0 || !names.n)
		return;
	own(mem) struct old *v = mem_alloc(names.n * sizeof *v);
	int64_t now = num_now_ns();
	uint64_t sum = 0;
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *path = mem_printf(FOLDER "/%s", names.v[i]);
		struct stat st = {};
		(void)!fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW);
		v[i] = (struct old){names.v[i], (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec, (uint64_t)st.st_blocks * 512};
	}
	qsort(v, names.n, sizeof *v, newer_first);
	for (size_t i = 0; i < names.n; i++) {
		sum += v[i].bytes;
		if (!v[i].bytes || sum > bytes || now - v[i].ns >= age_ns)
			remove_free(root, v[i].name);
	}
}

int compressed_open(int root, const char *diff_id, const char *digest, uint64_t size)
{
	char path[2 * DIGEST_TEXT + 24];
	struct stat st;
	kept_path(diff_id, digest, path);
	own(fd) int fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
		return -1;
	return take_fd(fd);
}

void compressed_remove(int root, const char *diff_id, const char *digest)
{
	char path[2 * DIGEST_TEXT + 24];
	kept_path(diff_id, digest, path);
	unlinkat(root, path, 0);
}

static char *digest_of_hex(const char *hex)
{
	return mem_printf("%s:%s", strlen(hex) == 128 ? "sha512" : "sha256", hex);
}

static int check_whole(int root, const char *path, const char *digest, struct err *e)
{
	own(fd) int fd = openat(root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	own(stream) struct stream *from = stream_fd(fd, UINT64_MAX);
	own(stream) struct stream *hash = NULL;
	char found[DIGEST_TEXT];
	if (fd < 0)
		return err_sys(e, "open");
	if (stream_hash(from, digest, &hash, e) < 0 || stream_to_end(hash, NULL, e) < 0)
		return -1;
	stream_digest(hash, found, NULL);
	return strcmp(found, digest) == 0 ? 0 : err_set(e, ERR_CORRUPT, "it is not what its name says");
}

int compressed_open_whole(int root, const char *diff_id, const char *digest, uint64_t size)
{
	own(fd) int fd = compressed_open(root, diff_id, digest, size);
	own(stream) struct stream *from = NULL, *hash = NULL;
	char found[DIGEST_TEXT];
	struct err ignored = {};
	if (fd < 0)
		return -1;
	from = stream_range(fd, 0, size);
	if (stream_hash(from, digest, &hash, &ignored) < 0 || stream_to_end(hash, NULL, &ignored) < 0)
		return -1;
	stream_digest(hash, found, NULL);
	if (strcmp(found, digest) == 0)
		return take_fd(fd);
	compressed_remove(root, diff_id, digest);
	return -1;
}

int compressed_check(int root, void (*bad)(void *arg, const char *diff_id, const char *digest, const struct err *why), void *arg, struct err *e)
{
	own(strv) struct strv layers = {};
	if (!path_exists(root, KEPT))
		return 0;
	if (path_list(root, KEPT, &layers, e) < 0)
		return -1;
	for (size_t i = 0; i < layers.n; i++) {
		own(strv) struct strv blobs = {};
		own(mem) char *folder = mem_printf(KEPT "/%s", layers.v[i]), *diff_id = digest_of_hex(layers.v[i]);
		if (path_list(root, folder, &blobs, e) < 0)
			return -1;
		for (size_t k = 0; k < blobs.n; k++) {
			own(mem) char *path = mem_printf("%s/%s", folder, blobs.v[k]), *digest = digest_of_hex(blobs.v[k]);
			struct err why = {};
			if (check_whole(root, path, digest, &why) < 0 && why.sys != ENOENT)
				bad(arg, diff_id, digest, &why);
		}
	}
	return 0;
}

void compressed_sweep(int root, bool (*has)(void *arg, const char *diff_id), void *arg)
{
	own(strv) struct strv names = {};
	struct err ignored = {};
	if (!path_exists(root, KEPT) || path_list(root, KEPT, &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *diff_id = digest_of_hex(names.v[i]), *path = mem_printf(KEPT "/%s", names.v[i]);
		if (!digest_is_valid(diff_id) || !has(arg, diff_id))
			(void)!path_remove_tree(root, path, &ignored);
	}
}
