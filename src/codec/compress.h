/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress: gzip and zstd the other way, pushed: plain bytes go in, compressed ones come out of put(). The same bytes give the same
 * result on every machine with the same libraries, however many threads there are.
 *
 * gzip: one member of blocks that do not know of each other (1 MiB of plain bytes each), so that threads make them side by side.
 * Levels 1 to 3 are libisal's, which are several times as fast as zlib's; 4 to 9 are zlib's. zstd: levels 1 to 19 of libzstd.
 */
#pragma once

#include "codec/stream.h"

enum { COMPRESS_THREADS_MAX = 8 };
struct compressor;
typedef int (*compress_put_fn)(void *arg, const void *p, size_t n, struct err *e);
/* "gzip" or "zstd"; anything else is ERR_USAGE. */
int compress_parse(const char *word, enum compression *ret, struct err *e) must_use;
/* level 0: the default (gzip 3, zstd 3). ERR_USAGE for one that there is not. */
int compress_check_level(enum compression c, int level, struct err *e) must_use;
int compress_open(enum compression c, int level, unsigned threads, compress_put_fn put, void *arg, struct compressor **ret, struct err *e) must_use;
int compress_add(struct compressor *c, const void *p, size_t n, struct err *e) must_use;
int compress_end(struct compressor *c, struct err *e) must_use;
void compress_drop(struct compressor **c); /* own(compress) */
