/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream: a pull reader of bytes, stacked: file -> (hash) -> decompress -> (hash) -> tar.
 * gzip, zstd, xz and none are told apart by their first bytes, never by a media type alone. The
 * libraries are opened on first use (libisal, else zlib; libzstd; liblzma). Memory is bounded:
 * a zstd window or an xz dictionary over 128 MiB is ERR_LIMIT.
 */
#pragma once

#include "base/err.h"

#include <sys/types.h>

struct stream {
	/* Reads 1..n bytes into p; 0 at the end; -1 with *e set. */
	ssize_t (*read)(struct stream *s, void *p, size_t n, struct err *e);
	void (*close)(struct stream *s); /* frees s; does not close what lies below unless it owns it */
};
ssize_t stream_read(struct stream *s, void *p, size_t n, struct err *e) must_use;
/* Exactly n bytes or ERR_CORRUPT "unexpected end". */
int stream_read_full(struct stream *s, void *p, size_t n, struct err *e) must_use;
int stream_skip(struct stream *s, uint64_t n, struct err *e) must_use;
void stream_drop(struct stream **s);

/* An fd, from its current position; at most `limit` bytes (UINT64_MAX: no limit). Does not own fd. */
struct stream *stream_fd(int fd, uint64_t limit) must_use;
/* A byte range of a file by pread, so that several can share one fd. */
struct stream *stream_range(int fd, uint64_t offset, uint64_t length) must_use;
struct stream *stream_memory(const void *p, size_t n) must_use; /* borrows p */

enum compression { COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_ZSTD, COMPRESS_XZ };
/* Looks at the first bytes of `below`, returns a stream of the plain bytes. Concatenated gzip members
 * and zstd frames (skippable ones too) are one stream. Does not own below. */
int stream_decompress(struct stream *below, struct stream **ret, enum compression *ret_found, struct err *e) must_use;
/* Counts and hashes what passes through (sha256 or the algorithm of `like`); stream_digest() asks for
 * the digest text of what was read so far. */
int stream_hash(struct stream *below, const char *like, struct stream **ret, struct err *e) must_use;
void stream_digest(struct stream *hash, char ret_text[static 136], uint64_t *ret_bytes);
