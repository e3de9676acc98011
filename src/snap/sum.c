/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sum: see sum.h.
 *
 * One descent, in the order of the names, each thing named by its last component in an open directory: for each a row of what stat knows, and behind
 * it what only the thing itself has. A file's data is taken in blocks, each with its place, and blocks of zeros are left out: so holes cost nothing,
 * and a file system that makes holes of zeros, or fills them, changes nothing.
 *
 * A block goes into the digest as four words of 64 bits that are made of it, for the digest itself takes longer for the data of a layer than all
 * else of this. It is chance that is looked for and not ill will, which could write another sum: each step can be undone, so that a block of
 * which one word is another one always has other words.
 */
#include "snap/sum.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "snap/links.h"
#include "snap/pack.h"
#include "snap/whiteout.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { ROOM = 256 << 10, BLOCK = 4096, LANES = 4, SUM_MAX = 2 * DIGEST_TEXT };

struct sum {
	struct digest *hash;
	char *room;
	struct links links;
};

static void sum_drop(struct sum *x)
{
	digest_drop(&x->hash);
	links_drop(&x->links);
	free(x->room);
}

static void add_text(struct sum *x, const char *text)
{
	digest_add(x->hash, text, strlen(text) + 1);
}

static void add_stat(struct sum *x, const struct stat *st)
{
	char row[160];
	snprintf(row, sizeof row, "%o %u %u %lld.%09ld %llu %u:%u", st->st_mode, st->st_uid, st->st_gid, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		S_ISREG(st->st_mode) ? (unsigned long long)st->st_size : 0ull, major(st->st_rdev), minor(st->st_rdev));
	add_text(x, row);
}

static int by_name(const void *a, const void *b)
{
	const struct tar_xattr *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static int add_xattrs(struct sum *x, int fd, struct err *e)
{
	own(arena) struct arena a = {};
	struct tar_entry t = {};
	if (pack_xattrs(fd, &a, &t, e) < 0)
		return -1;
	if (t.xattrs.n)
		qsort(t.xattrs.v, t.xattrs.n, sizeof *t.xattrs.v, by_name);
	for (size_t i = 0; i < t.xattrs.n; i++) {
		uint64_t n = t.xattrs.v[i].len;
		add_text(x, t.xattrs.v[i].name);
		digest_add(x->hash, &n, sizeof n);
		digest_add(x->hash, t.xattrs.v[i].value, t.xattrs.v[i].len);
	}
	return 0;
}

static void mix(uint64_t lanes[static LANES], const char *p)
{
	for (size_t i = 0; i < LANES; i++) {
		uint64_t word;
		memcpy(&word, p + i * sizeof word, sizeof word);
		word = (lanes[i] ^ word) * 0x9e3779b97f4a7c15;
		lanes[i] = word << 29 | word >> 35;
	}
}

static void add_block(struct sum *x, uint64_t place, const char *block, size_t len)
{
	uint64_t row[1 + LANES] = {place, 1, 2, 3, 4};
	char last[LANES * sizeof(uint64_t)] = {};
	size_t whole = len - len % sizeof last;
	for (size_t i = 0; i < whole; i += sizeof last)
		mix(row + 1, block + i);
	/* How long the last block is stands in the row of the file. */
	memcpy(last, block + whole, len - whole);
	mix(row + 1, last);
	digest_add(x->hash, row, sizeof row);
}

static void add_blocks(struct sum *x, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i += BLOCK) {
		const char *block = x->room + i;
		size_t len = n - i < BLOCK ? n - i : BLOCK;
		if (!*block && memcmp(block, block + 1, len - 1) == 0)
			continue;
		add_block(x, at + i, block, len);
	}
}

static int add_data(struct sum *x, int fd, uint64_t size, struct err *e)
{
	for (uint64_t at = 0; at < size;) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA), hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (data < 0 && errno == ENXIO)
			return 0;
		/* A file system that does not know holes has none. */
		uint64_t end = hole < 0 ? size : (uint64_t)hole;
		at = data < 0 ? at : (uint64_t)data / BLOCK * BLOCK;
		end = end > size - size % BLOCK ? size : (end + BLOCK - 1) / BLOCK * BLOCK;
		while (at < end) {
			size_t want = end - at < ROOM ? (size_t)(end - at) : ROOM, n = 0;
			for (ssize_t r; n < want && (r = pread(fd, x->room + n, want - n, (off_t)(at + n))) != 0; n += (size_t)r)
				if (r < 0)
					return err_sys(e, "read");
			add_blocks(x, at, n);
			if (n < want)
				return 0; /* it became shorter: another size than the row says */
			at += n;
		}
	}
	return 0;
}

static int add_below(struct sum *x, int dir, const char *path, unsigned depth, struct err *e);

static int add_open(struct sum *x, int fd, const struct stat *st, const char *path, unsigned depth, struct err *e)
{
	if (add_xattrs(x, fd, e) < 0)
		return -1;
	if (!S_ISDIR(st->st_mode))
		return add_data(x, fd, (uint64_t)st->st_size, e);
	if (depth > SNAP_MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "more than %d directories deep", SNAP_MAX_DEPTH);
	add_text(x, whiteout_is_opaque(fd) ? "opaque" : "");
	return add_below(x, fd, path, depth, e);
}

static int add_entry(struct sum *x, int dir, const char *name, const char *path, unsigned depth, struct err *e)
{
	struct stat st;
	char target[PATH_MAX] = "";
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "look");
	add_text(x, path);
	const char *first = !S_ISDIR(st.st_mode) && st.st_nlink > 1 ? links_meet(&x->links, &st, path) : NULL;
	if (first) {
		add_text(x, first);
		return 0;
	}
	add_stat(x, &st);
	if (S_ISLNK(st.st_mode)) {
		if (readlinkat(dir, name, target, sizeof target - 1) < 0)
			return err_sys(e, "read the symlink");
		add_text(x, target);
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0;
	own(fd) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "open") : add_open(x, fd, &st, path, depth + 1, e);
}

static int add_below(struct sum *x, int dir, const char *path, unsigned depth, struct err *e)
{
	own(strv) struct strv names = {};
	if (path_list(dir, ".", &names, e) < 0)
		return -1;
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		own(mem) char *below = *path ? path_join(path, names.v[i]) : mem_dup(names.v[i]);
		if (add_entry(x, dir, names.v[i], below, depth, e) < 0)
			return err_wrap(e, "%.64s", names.v[i]);
	}
	/* The end of a directory: what follows is another's. */
	add_text(x, "");
	return 0;
}

int sum_tree(int tree, char ret[static DIGEST_TEXT], struct err *e)
{
	struct sum x __attribute__((cleanup(sum_drop))) = {};
	struct stat st;
	if (digest_begin(NULL, &x.hash, e) < 0)
		return -1;
	if (fstat(tree, &st) < 0)
		return err_sys(e, "look");
	x.room = mem_alloc(ROOM);
	add_stat(&x, &st);
	if (add_open(&x, tree, &st, "", 0, e) < 0)
		return -1;
	digest_end(x.hash, ret);
	return 0;
}

int sum_save(int layer, const char *sum, struct err *e)
{
	return path_write(layer, "sum", sum, strlen(sum), 0600, 0, e);
}

int sum_check(int layers, const char *diff_id, int tree, struct err *e)
{
	own(buf) struct buf text = BUF(SUM_MAX);
	own(mem) char *path = mem_printf("%s/sum", digest_hex(diff_id));
	char found[DIGEST_TEXT];
	struct err why = {};
	if (path_read(layers, path, &text, &why) < 0)
		return why.sys == ENOENT ? 0 : (*e = why, -1);
	if (sum_tree(tree, found, e) < 0)
		return -1;
	return strcmp(found, buf_text(&text)) == 0 ? 0 : err_set(e, ERR_CORRUPT, "its files are not what they were");
}
