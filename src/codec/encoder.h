/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encoder: what compress.c and the compressors share.
 *
 * deflate_block: plain bytes as a piece of a deflate stream (RFC 1951) that ends on a byte and refers to nothing before it; the last
 * one ends the stream. A deflater belongs to one thread.
 */
#pragma once

#include "codec/compress.h"

struct compressor {
	int (*add)(struct compressor *c, const void *p, size_t n, struct err *e);
	int (*end)(struct compressor *c, struct err *e);
	void (*drop)(struct compressor *c);
	compress_put_fn put;
	void *arg;
};

enum { DEFLATE_BLOCK = 1 << 20, DEFLATE_ROOM = DEFLATE_BLOCK + DEFLATE_BLOCK / 8 + 4096 };
struct deflater;
int deflate_open(int level, struct deflater **ret, struct err *e) must_use;
void deflate_drop(struct deflater **d);
/* out has DEFLATE_ROOM bytes; returns how many were written, 0: the library failed. */
size_t deflate_block(struct deflater *d, const void *in, size_t n, bool last, void *out);
uint32_t deflate_crc(struct deflater *d, uint32_t crc, const void *p, size_t n);

int zstd_write_open(int level, unsigned threads, struct compressor **ret, struct err *e) must_use;
