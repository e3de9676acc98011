/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two trees, entry by entry: kind, mode, owner, time, size, links, xattrs, content. A test that uses it sets `began`.
 */
#pragma once

#include "t_snap.h"

#include <sys/xattr.h>
#include <time.h>

/* Directories that nobody described and whiteouts have no time of the archive's: as files, that of now. */
static time_t began;
static unsigned compared;

static void differ(const char *path, const char *what, long long a, long long b)
{
	fail_msg("%s: %s: %lld as a file, %lld in EROFS", path, what, a, b);
}

#define SAME(what, x) do { if (a.x != b.x) differ(path, what, (long long)a.x, (long long)b.x); } while (0)

static void same_xattrs(const char *path, int fa, int fb)
{
	char names[2][65536], value[2][65536];
	ssize_t n[2] = {flistxattr(fa, names[0], sizeof names[0]), flistxattr(fb, names[1], sizeof names[1])};
	assert_true(n[0] >= 0 && n[1] >= 0);
	if (n[0] != n[1])
		differ(path, "bytes of names of xattrs", n[0], n[1]);
	for (char *x = names[0]; x < names[0] + n[0]; x += strlen(x) + 1) {
		ssize_t va = fgetxattr(fa, x, value[0], sizeof value[0]), vb = fgetxattr(fb, x, value[1], sizeof value[1]);
		if (va != vb || (va > 0 && memcmp(value[0], value[1], (size_t)va) != 0))
			differ(path, x, va, vb);
	}
}

static void same_range(const char *path, int fa, int fb, off_t at, off_t end)
{
	static char room[2][1 << 20];
	for (ssize_t na; at < end; at += na) {
		size_t want = end - at < (off_t)sizeof room[0] ? (size_t)(end - at) : sizeof room[0];
		na = pread(fa, room[0], want, at);
		ssize_t nb = pread(fb, room[1], want, at);
		if (na <= 0 || na != nb || memcmp(room[0], room[1], (size_t)na) != 0)
			differ(path, "content near", at, nb);
	}
}

/* All data of the one, with the block before and behind it, and both ends of each piece of data in the other. */
static void same_data(const char *path, int fa, int fb, off_t size)
{
	for (off_t at = 0, end; at < size && (at = lseek(fa, at, SEEK_DATA)) >= 0; at = end) {
		end = lseek(fa, at, SEEK_HOLE);
		same_range(path, fa, fb, at > 4096 ? at - 4096 : 0, end + 4096 < size ? end + 4096 : size);
	}
	for (off_t at = 0, end; at < size && (at = lseek(fb, at, SEEK_DATA)) >= 0; at = end) {
		end = lseek(fb, at, SEEK_HOLE);
		same_range(path, fa, fb, at, at + 4096 < end ? at + 4096 : end);
		same_range(path, fa, fb, end - at > 4096 ? end - 4096 : at, end);
	}
	same_range(path, fa, fb, size > 4096 ? size - 4096 : 0, size);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t list(int dir, const char *path, struct strv *ret)
{
	struct err e = {};
	if (path_list(dir, ".", ret, &e) < 0)
		fail_with(path, &e);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, by_text);
	return ret->n;
}

static void same_tree(const char *path, int da, int db);

static void same_entry(const char *path, int da, int db, const char *name)
{
	struct stat a, b;
	compared++;
	if (fstatat(da, name, &a, AT_SYMLINK_NOFOLLOW) < 0 || fstatat(db, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	SAME("mode", st_mode);
	SAME("uid", st_uid);
	SAME("gid", st_gid);
	SAME("links", st_nlink);
	if (S_ISCHR(a.st_mode) || S_ISBLK(a.st_mode))
		SAME("device", st_rdev);
	if (a.st_mtim.tv_sec < began && b.st_mtim.tv_sec < began) {
		SAME("seconds", st_mtim.tv_sec);
		SAME("nanoseconds", st_mtim.tv_nsec);
	}
	if (S_ISLNK(a.st_mode)) {
		char x[2][4097] = {"", ""};
		assert_true(readlinkat(da, name, x[0], 4096) > 0 && readlinkat(db, name, x[1], 4096) > 0);
		SAME("size", st_size);
		assert_string_equal(x[0], x[1]);
	}
	if (!S_ISREG(a.st_mode) && !S_ISDIR(a.st_mode))
		return;
	own(fd) int fa = openat(da, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	own(fd) int fb = openat(db, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fa < 0 || fb < 0)
		fail_msg("%s: %s", path, strerror(errno));
	same_xattrs(path, fa, fb);
	if (S_ISDIR(a.st_mode)) {
		same_tree(path, fa, fb);
		return;
	}
	SAME("size", st_size);
	same_data(path, fa, fb, a.st_size);
}

static void same_tree(const char *path, int da, int db)
{
	own(strv) struct strv a = {}, b = {};
	list(da, path, &a);
	list(db, path, &b);
	for (size_t i = 0; i < a.n || i < b.n; i++)
		if (i == a.n || i == b.n || strcmp(a.v[i], b.v[i]) != 0)
			fail_msg("%s: \"%s\" as a file, \"%s\" in EROFS", path, i < a.n ? a.v[i] : "", i < b.n ? b.v[i] : "");
	for (size_t i = 0; i < a.n; i++) {
		own(mem) char *below = mem_printf("%s/%s", path, a.v[i]);
		same_entry(below, da, db, a.v[i]);
	}
}
