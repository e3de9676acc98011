/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify: whether a layer is what it was; see snap.h.
 *
 * A layer's file is the tar, which has a digest, and metadata, which the same tar always gives again: so the tar is read and hashed,
 * metadata is made of it anew, into a file without a name that has nothing else in it, and the two are compared byte for byte. What is
 * wrong behind a tar that is right is mended on the spot. A tree of files has lost its tar: it is held against the sum that was made of
 * it when it was laid out (sum.h).
 */
#include "snap/snap.h"

#include "base/fd.h"
#include "codec/digest.h"
#include "codec/stream.h"
#include "snap/erofs_write.h"
#include "snap/layers.h"
#include "snap/lower.h"
#include "snap/sum.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM = 64 << 10 };

/* Metadata of the tar in `file`, as it is to be, in its place in `made`. */
static int make_metadata(struct snap *s, const char *diff_id, int file, int made, struct erofs_head *ret, struct err *e)
{
	struct erofs_writer w __attribute__((cleanup(erofs_drop))) = {};
	struct erofs_head head;
	char found[DIGEST_TEXT];
	if (erofs_head_load(file, &head, e) < 0)
		return -1;
	own(stream) struct stream *range = stream_range(file, EROFS_TAR_AT, head.tar_bytes), *hash = NULL;
	if (stream_hash(range, diff_id, &hash, e) < 0)
		return -1;
	erofs_open(&w, made, s->layers);
	w.source = file;
	if (erofs_take_written(&w, hash, head.tar_bytes, e) < 0)
		return e->kind == ERR_SYSTEM ? -1 : err_set(e, ERR_CORRUPT, "its tar is damaged");
	stream_digest(hash, found, NULL);
	if (!head.made && strcmp(found, diff_id) != 0)
		return err_set(e, ERR_CORRUPT, "its tar is damaged: its digest is %s", found);
	w.head.made = head.made;
	if (head.made)
		w.head.info = head.info;
	if (erofs_end(&w, diff_id, e) < 0)
		return -1;
	*ret = w.head;
	return 0;
}

/* 1: equal up to the end of both. */
static int same_from(int a, int b, off_t at, off_t end, struct err *e)
{
	char x[2][ROOM];
	while (at < end) {
		size_t n = end - at < ROOM ? (size_t)(end - at) : ROOM;
		ssize_t r = pread(a, x[0], n, at), q = pread(b, x[1], n, at);
		if (r < 0 || q < 0)
			return err_sys(e, "read");
		if (r != q || r == 0 || memcmp(x[0], x[1], (size_t)r) != 0)
			return 0;
		at += r;
	}
	return 1;
}

static int mend(struct snap *s, const char *diff_id, int file, uint64_t tar_bytes, int made, off_t size, struct err *e)
{
	char tmp[LAYER_TMP_NAME];
	own(fd) int fd = layers_make_tmp(s, true, tmp, e);
	if (fd < 0)
		return -1;
	const struct { int from; off_t at, end; } parts[] = {{made, 0, EROFS_TAR_AT}, {file, EROFS_TAR_AT, (off_t)(EROFS_TAR_AT + tar_bytes)},
		{made, (off_t)(EROFS_TAR_AT + tar_bytes), size}};
	int r = 0;
	for (size_t i = 0; r == 0 && i < countof(parts); i++) {
		char x[ROOM];
		for (off_t at = parts[i].at; r == 0 && at < parts[i].end;) {
			ssize_t n = pread(parts[i].from, x, parts[i].end - at < ROOM ? (size_t)(parts[i].end - at) : ROOM, at);
			if (n <= 0 || fd_write_all(fd, x, (size_t)n) < 0)
				r = err_sys(e, "copy");
			at += n;
		}
	}
	if (r == 0 && fsync(fd) < 0)
		r = err_sys(e, "sync");
	if (r == 0)
		r = layers_replace(s, tmp, diff_id, e);
	layers_remove_tmp(s, tmp);
	return r;
}

static int verify_file(struct snap *s, const char *diff_id, bool repair, bool *ret_mended, struct err *e)
{
	struct erofs_head head;
	struct stat a, b;
	own(fd) int file = openat(s->layers, digest_hex(diff_id), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	own(fd) int made = openat(s->layers, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (file < 0 || made < 0)
		return err_sys(e, "open");
	if (make_metadata(s, diff_id, file, made, &head, e) < 0)
		return -1;
	if (fstat(file, &a) < 0 || fstat(made, &b) < 0)
		return err_sys(e, "look");
	int front = same_from(file, made, 0, EROFS_TAR_AT, e);
	int back = front < 0 ? -1 : same_from(file, made, (off_t)(EROFS_TAR_AT + head.tar_bytes), b.st_size, e);
	if (front < 0 || back < 0)
		return -1;
	if (front && back && a.st_size == b.st_size)
		return 0;
	if (!repair)
		return err_set(e, ERR_CORRUPT, "its EROFS metadata is damaged");
	*ret_mended = true;
	return mend(s, diff_id, file, head.tar_bytes, made, b.st_size, e);
}

int snap_verify(struct snap *s, const char *diff_id, bool repair, bool *ret_mended, struct err *e)
{
	struct snap_layer_info info;
	struct stat st;
	*ret_mended = false;
	if (layers_check_id(diff_id, e) < 0)
		return -1;
	if (!snap_has_layer(s, diff_id))
		return err_set(e, ERR_NOT_FOUND, "it is missing");
	if (lower_is_file(s->layers, diff_id))
		return verify_file(s, diff_id, repair, ret_mended, e);
	if (fstatat(s->layers, digest_hex(diff_id), &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode))
		return err_set(e, ERR_CORRUPT, "it is neither a file nor a directory");
	own(fd) int tree = lower_open_to_read(s->layers, diff_id, e);
	if (tree < 0 || snap_layer_info(s, diff_id, &info, e) < 0)
		return e->kind == ERR_SYSTEM && e->sys != ENOENT ? -1 : err_set(e, ERR_CORRUPT, "it is not complete");
	return sum_check(s->layers, diff_id, tree, e);
}
