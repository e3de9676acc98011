/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decoder: what stream_decompress() and the decoders have between them. A decoder reads compressed
 * bytes out of its feed and writes plain ones straight into the caller's memory.
 */
#pragma once

#include "codec/stream.h"

/* Bytes of `below` that were read and not yet used: data[at..end). */
struct feed {
	struct stream *below;
	unsigned char *data; /* STREAM_CHUNK bytes */
	size_t at, end;
	bool ended;
};
struct feed feed_new(struct stream *below) must_use;
void feed_drop(struct feed *f);
/* Reads more when nothing is left: 1, or 0 at the end of below. */
int feed_fill(struct feed *f, struct err *e) must_use;
/* Tries to have n bytes at hand (n at most STREAM_CHUNK, nothing used yet). */
int feed_peek(struct feed *f, size_t n, struct err *e) must_use;

/* Each opens its library and returns a stream that took *f; on failure *f stays the caller's. */
enum inflate_with { INFLATE_ANY, INFLATE_ISAL, INFLATE_ZLIB };
int inflate_open(struct feed *f, enum inflate_with with, struct stream **ret, struct err *e) must_use;
int zstd_open(struct feed *f, struct stream **ret, struct err *e) must_use;
int xz_open(struct feed *f, struct stream **ret, struct err *e) must_use;
int bzip2_open(struct feed *f, struct stream **ret, struct err *e) must_use;

enum { DECODER_WINDOW_LOG = 27 }; /* 128 MiB */
