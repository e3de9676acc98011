/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest: from the stream of a blob to a layer, see snap.h.
 *
 * A blob is read once:
 *
 *   fd -> meter -> hash -> decompress -> meter -> hash -> files.c, or erofs_write.c
 *          size    blob's                 bound   diff_id
 *
 * into a tmp-* (layers.h). When everything agrees it is synced: a file of its own by one fsync, a tree of files by one
 * syncfs for all of them; then it gets its final name.
 *
 * Bounds: a blob's plain tar is at most PLAIN_FLOOR + PLAIN_RATIO times its declared size (real layers stay below 10
 * times, gzip can do 1000, zstd more), PLAIN_UNKNOWN when that is not declared; entries are apply.h's.
 */
#include "snap/snap.h"

#include "base/fd.h"
#include "codec/digest.h"
#include "codec/stream.h"
#include "snap/erofs_write.h"
#include "snap/layers.h"
#include "snap/partial_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint64_t PLAIN_FLOOR = 4ull << 30, PLAIN_RATIO = 256, PLAIN_UNKNOWN = 64ull << 30;
enum { PROGRESS_STEP = 1 << 20 };

/* A stream that counts, stops at a maximum and reports on the way. */
struct meter {
	struct stream stream;
	struct stream *below;
	uint64_t bytes, max, said;
	bool ended;
	enum err_kind kind; /* of what is too long, and its text */
	const char *text;
	void (*progress)(void *arg, uint64_t bytes);
	void *arg;
};

static ssize_t meter_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct meter *m = (struct meter *)s;
	ssize_t r = stream_read(m->below, p, n, e);
	if (r <= 0) {
		m->ended |= r == 0;
		return r;
	}
	m->bytes += (uint64_t)r;
	if (m->bytes > m->max)
		return err_set(e, m->kind, "%s (%llu bytes)", m->text, (unsigned long long)m->max);
	if (m->progress && m->bytes - m->said >= PROGRESS_STEP)
		m->progress(m->arg, m->said = m->bytes);
	return r;
}

static void meter_close(struct stream *s)
{
	(void)s;
}

struct ingest {
	struct snap *s;
	const struct snap_ingest *in;
	struct stream *file, *blob_hash, *unzip, *plain_hash;
	struct meter blob, plain;
	char diff_id[DIGEST_TEXT];
};

static void ingest_drop(struct ingest *g)
{
	stream_drop(&g->plain_hash);
	stream_drop(&g->unzip);
	stream_drop(&g->blob_hash);
	stream_drop(&g->file);
}

static uint64_t plain_max(const struct snap_ingest *in)
{
	if (in->max_bytes)
		return in->max_bytes;
	uint64_t size;
	if (in->blob_size == UINT64_MAX || __builtin_mul_overflow(in->blob_size, PLAIN_RATIO, &size) || size > UINT64_MAX - PLAIN_FLOOR)
		return PLAIN_UNKNOWN;
	return PLAIN_FLOOR + size;
}

static int open_streams(struct ingest *g, struct err *e)
{
	const struct snap_ingest *in = g->in;
	g->file = in->length != UINT64_MAX ? stream_range(in->fd, in->offset, in->length)
		: in->partial > 0 ? partial_stream(in->partial, in->partial_bytes, in->fd) : stream_fd(in->fd, UINT64_MAX);
	g->blob = (struct meter){.stream = {meter_read, meter_close}, .below = g->file, .max = in->blob_size,
		.kind = ERR_CORRUPT, .text = "the blob is longer than declared"};
	struct stream *below = &g->blob.stream;
	if (in->blob_digest) {
		if (stream_hash(below, in->blob_digest, &g->blob_hash, e) < 0)
			return -1;
		below = g->blob_hash;
	}
	enum compression found;
	if (stream_decompress(below, &g->unzip, &found, e) < 0)
		return -1;
	g->plain = (struct meter){.stream = {meter_read, meter_close}, .below = g->unzip, .max = plain_max(in),
		.kind = ERR_LIMIT, .text = "the unpacked layer is larger than allowed", .progress = in->progress, .arg = in->arg};
	return stream_hash(&g->plain.stream, in->diff_id ? in->diff_id : "sha256", &g->plain_hash, e);
}

static int drain(struct stream *s, struct err *e)
{
	char room[65536];
	ssize_t n;
	while ((n = stream_read(s, room, sizeof room, e)) > 0)
		;
	return (int)n;
}

static int check_digests(struct ingest *g, struct err *e)
{
	const struct snap_ingest *in = g->in;
	uint64_t n;
	/* What lies behind the end of the compressed data is part of the blob. */
	if (drain(in->blob_digest ? g->blob_hash : &g->blob.stream, e) < 0)
		return -1;
	if (in->blob_size != UINT64_MAX && g->blob.bytes != in->blob_size)
		return err_set(e, ERR_CORRUPT, "the blob is cut off: %llu of %llu bytes",
			(unsigned long long)g->blob.bytes, (unsigned long long)in->blob_size);
	if (in->blob_digest) {
		char found[DIGEST_TEXT];
		stream_digest(g->blob_hash, found, &n);
		if (strcmp(found, in->blob_digest) != 0)
			return err_set(e, ERR_CORRUPT, "the blob's digest is %s, not %s", found, in->blob_digest);
	}
	stream_digest(g->plain_hash, g->diff_id, &n);
	if (in->diff_id && strcmp(g->diff_id, in->diff_id) != 0)
		return err_set(e, ERR_CORRUPT, "the unpacked layer's digest is %s, not %s", g->diff_id, in->diff_id);
	return 0;
}

/* A stream that ended before its time fails somewhere in the middle: say the cause. */
static int explain(struct ingest *g, struct err *e)
{
	const struct snap_ingest *in = g->in;
	if (g->blob.ended && in->blob_size != UINT64_MAX && g->blob.bytes < in->blob_size)
		return err_set(e, ERR_CORRUPT, "the blob is cut off: %llu of %llu bytes",
			(unsigned long long)g->blob.bytes, (unsigned long long)in->blob_size);
	return -1;
}

static int unpack_files(struct ingest *g, int tmp, struct snap_layer_info *ret, struct err *e)
{
	if (layers_fill(g->s, tmp, g->plain_hash, g->in->max_entries, ret, e) < 0 || check_digests(g, e) < 0)
		return explain(g, e);
	return syncfs(tmp) < 0 ? err_sys(e, "sync") : 0;
}

static int unpack_erofs(struct ingest *g, int tmp, struct snap_layer_info *ret, struct err *e)
{
	struct erofs_writer w __attribute__((cleanup(erofs_drop))) = {};
	erofs_open(&w, tmp, g->s->layers);
	if (erofs_take(&w, g->plain_hash, g->in->max_entries, e) < 0 || check_digests(g, e) < 0)
		return explain(g, e);
	if (erofs_end(&w, g->diff_id, e) < 0)
		return -1;
	*ret = w.head.info;
	return fsync(tmp) < 0 ? err_sys(e, "sync") : 0;
}

static int ingest(struct ingest *g, struct snap_layer_info *ret, struct err *e)
{
	if (open_streams(g, e) < 0)
		return explain(g, e);
	const char *diff_id = g->in->diff_id;
	if (diff_id && snap_has_layer(g->s, diff_id)) {
		if (drain(g->plain_hash, e) < 0 || check_digests(g, e) < 0)
			return explain(g, e);
		return snap_layer_info(g->s, diff_id, ret, e);
	}
	char tmp[LAYER_TMP_NAME];
	bool file = str_eq(snap_storage(g->s), "erofs");
	own(fd) int fd = layers_make_tmp(g->s, file, tmp, e);
	if (fd < 0)
		return -1;
	if ((file ? unpack_erofs(g, fd, ret, e) : unpack_files(g, fd, ret, e)) == 0 && layers_commit(g->s, tmp, g->diff_id, e) == 0)
		return 0;
	layers_remove_tmp(g->s, tmp);
	return -1;
}

/* A blob that only ended too soon is gone on with; any other failure may be the fault of what is kept, or of a full disk. */
static void empty_partial(const struct ingest *g)
{
	const struct snap_ingest *in = g->in;
	bool cut_off = g->blob.ended && in->blob_size != UINT64_MAX && g->blob.bytes < in->blob_size;
	if (in->partial > 0 && !cut_off)
		(void)!ftruncate(in->partial, 0);
}

int snap_ingest(struct snap *s, const struct snap_ingest *in, char ret_diff_id[136], struct snap_layer_info *ret, struct err *e)
{
	struct ingest g __attribute__((cleanup(ingest_drop))) = {.s = s, .in = in};
	const char *name = in->diff_id ? in->diff_id : in->blob_digest;
	struct snap_layer_info info = {};
	if ((in->diff_id && layers_check_id(in->diff_id, e) < 0) || (in->blob_digest && layers_check_id(in->blob_digest, e) < 0) || layers_sweep(s, e) < 0)
		return -1;
	if (ingest(&g, &info, e) < 0) {
		empty_partial(&g);
		return name ? err_wrap(e, "layer %.19s", name) : err_wrap(e, "layer");
	}
	if (in->progress)
		in->progress(in->arg, g.plain.bytes);
	memcpy(ret_diff_id, g.diff_id, sizeof g.diff_id);
	*ret = info;
	return 0;
}

