/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert: a layer in its other form; see snap.h.
 *
 * The new form is made complete, beside the old one, as a tmp-*; then the two change places in one rename, and the old one goes
 * with its new name. Killed at any point, one of the two has the layer's name, and the other is garbage that is swept.
 *
 * Files came from a tar that is not kept, so what they become has one that was made anew (erofs_head.h: `made`): the same files, but not
 * the layer's digest. The other way the tar is checked before anything is believed.
 */
#include "snap/snap.h"

#include "base/fd.h"
#include "codec/digest.h"
#include "codec/stream.h"
#include "codec/tar.h"
#include "snap/erofs_write.h"
#include "snap/info.h"
#include "snap/layers.h"
#include "snap/lower.h"
#include "snap/pack.h"
#include "snap/sum.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct sink { int fd; uint64_t bytes; };

static int put(void *arg, const void *p, size_t n, struct err *e)
{
	struct sink *s = arg;
	s->bytes += n;
	return fd_write_all(s->fd, p, n) < 0 ? err_sys(e, "write") : 0;
}

static int pack_into(int tree, bool said, int fd, uint64_t *ret_bytes, struct err *e)
{
	struct sink sink = {.fd = fd};
	if (lseek(fd, EROFS_TAR_AT, SEEK_SET) < 0)
		return err_sys(e, "write");
	struct tar_writer *tar = tar_writer_new(put, &sink);
	int r = pack_tree(tree, said, tar, e);
	tar_writer_drop(&tar);
	*ret_bytes = sink.bytes;
	return r;
}

static int to_erofs(struct snap *s, const char *diff_id, int fd, struct err *e)
{
	struct erofs_writer w __attribute__((cleanup(erofs_drop))) = {};
	struct snap_layer_info info;
	struct stat root;
	uint64_t bytes;
	own(fd) int tree = lower_open_to_read(s->layers, diff_id, e);
	if (tree < 0 || snap_layer_info(s, diff_id, &info, e) < 0)
		return -1;
	if (fstat(tree, &root) < 0)
		return err_sys(e, "look");
	/* What is damaged would have the look of what is whole. */
	if (sum_check(s->layers, diff_id, tree, e) < 0)
		return -1;
	erofs_open(&w, fd, s->layers);
	if (pack_into(tree, lower_root_is_said(&root), fd, &bytes, e) < 0 || erofs_take_written(&w, NULL, bytes, e) < 0)
		return -1;
	w.head.made = true;
	w.head.info = info;
	if (erofs_end(&w, diff_id, e) < 0)
		return -1;
	return fsync(fd) < 0 ? err_sys(e, "sync") : 0;
}

static int to_files(struct snap *s, const char *diff_id, int tmp, struct err *e)
{
	struct erofs_head head;
	struct snap_layer_info info;
	char found[DIGEST_TEXT];
	own(fd) int file = openat(s->layers, digest_hex(diff_id), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file < 0)
		return err_sys(e, "open");
	if (erofs_head_load(file, &head, e) < 0)
		return -1;
	own(stream) struct stream *range = stream_range(file, EROFS_TAR_AT, head.tar_bytes);
	own(stream) struct stream *hash = NULL;
	if (stream_hash(range, diff_id, &hash, e) < 0 || layers_fill(s, tmp, hash, 0, &info, e) < 0)
		return -1;
	stream_digest(hash, found, NULL);
	if (!head.made && strcmp(found, diff_id) != 0)
		return err_set(e, ERR_CORRUPT, "the layer's file is damaged: its tar is %s", found);
	/* What the store says of the layer stays what it was. */
	if (info_save(tmp, "layer.json", &head.info, e) < 0)
		return -1;
	return syncfs(tmp) < 0 ? err_sys(e, "sync") : 0;
}

int snap_convert(struct snap *s, const char *diff_id, enum snap_storage to, int (*may)(void *arg, struct err *e), void *arg, struct err *e)
{
	char tmp[LAYER_TMP_NAME];
	bool file = to == SNAP_EROFS;
	if (layers_check_id(diff_id, e) < 0 || layers_sweep(s, e) < 0)
		return -1;
	if (!snap_has_layer(s, diff_id) || lower_is_file(s->layers, diff_id) == file)
		return 0;
	own(fd) int fd = layers_make_tmp(s, file, tmp, e);
	if (fd < 0)
		return -1;
	int r = file ? to_erofs(s, diff_id, fd, e) : to_files(s, diff_id, fd, e);
	if (r == 0)
		r = may(arg, e);
	/* After the exchange tmp is the old one. */
	if (r == 0)
		r = layers_replace(s, tmp, diff_id, e);
	layers_remove_tmp(s, tmp);
	return r < 0 ? err_wrap(e, "layer %.19s", diff_id) : 1;
}
