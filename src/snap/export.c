/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export: see export.h.
 */
#include "snap/export.h"

#include "base/fd.h"
#include "base/mem.h"
#include "codec/digest.h"
#include "codec/stream.h"
#include "codec/tar.h"
#include "snap/erofs_head.h"
#include "snap/layers.h"
#include "snap/lower.h"
#include "snap/pack.h"
#include "snap/sum.h"

#include <fcntl.h>
#include <sys/stat.h>

typedef int (*put_fn)(void *arg, const void *p, size_t n, struct err *e);

static int from_file(struct snap *s, const char *diff_id, put_fn put, void *arg, bool *ret_exact, struct err *e)
{
	struct erofs_head head;
	own(fd) int file = openat(s->layers, digest_hex(diff_id), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0)
		return err_sys(e, "open");
	if (erofs_head_load(file, &head, e) < 0)
		return -1;
	own(stream) struct stream *in = stream_range(file, EROFS_TAR_AT, head.tar_bytes);
	own(mem) char *chunk = mem_grow(NULL, STREAM_CHUNK);
	for (ssize_t n; (n = stream_read(in, chunk, STREAM_CHUNK, e)) != 0;)
		if (n < 0 || put(arg, chunk, (size_t)n, e) < 0)
			return -1;
	*ret_exact = !head.made;
	return 0;
}

static int from_files(struct snap *s, const char *diff_id, put_fn put, void *arg, struct err *e)
{
	struct stat root;
	own(fd) int tree = lower_open_to_read(s->layers, diff_id, e);
	if (tree < 0)
		return -1;
	if (fstat(tree, &root) < 0)
		return err_sys(e, "look");
	/* What is damaged is not handed on. */
	if (sum_check(s->layers, diff_id, tree, e) < 0)
		return -1;
	struct tar_writer *tar = tar_writer_new(put, arg);
	int r = pack_tree(tree, lower_root_is_said(&root), tar, e);
	tar_writer_drop(&tar);
	return r;
}

int snap_export(struct snap *s, const char *diff_id, put_fn put, void *arg, bool *ret_exact, struct err *e)
{
	*ret_exact = false;
	if (layers_check_id(diff_id, e) < 0)
		return -1;
	int r = lower_is_file(s->layers, diff_id) ? from_file(s, diff_id, put, arg, ret_exact, e) : from_files(s, diff_id, put, arg, e);
	return r < 0 ? err_wrap(e, "layer %.19s", diff_id) : 0;
}

int snap_export_range(struct snap *s, const char *diff_id, int *ret_fd, uint64_t *ret_offset, uint64_t *ret_bytes, struct err *e)
{
	struct erofs_head head;
	if (layers_check_id(diff_id, e) < 0)
		return -1;
	if (!lower_is_file(s->layers, diff_id))
		return 0;
	own(fd) int file = openat(s->layers, digest_hex(diff_id), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0)
		return err_sys(e, "layer %.19s: open", diff_id);
	if (erofs_head_load(file, &head, e) < 0)
		return err_wrap(e, "layer %.19s", diff_id);
	if (head.made)
		return 0;
	*ret_fd = take_fd(file);
	*ret_offset = EROFS_TAR_AT;
	*ret_bytes = head.tar_bytes;
	return 1;
}
