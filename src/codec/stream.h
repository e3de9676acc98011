/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream: a pull reader of bytes, stacked: file -> (hash) -> decompress -> (hash) -> tar.
 * gzip, zstd, xz, bzip2 and none are told apart by their first bytes, never by a media type alone. The
 * libraries are opened on first use (libisal, else zlib; libzstd; liblzma; libbz2). Memory is bounded:
 * a zstd window or an xz dictionary over 128 MiB is ERR_LIMIT.
 *
 * A stream belongs to one thread at a time. Read with big buffers (STREAM_CHUNK): decoders write
 * straight into the reader's memory. After a failure every further read fails too.
 */
#pragma once

#include "base/buf.h"

#include <sys/types.h>

enum { STREAM_CHUNK = 256 << 10 };

struct stream {
	/* Reads 1..n bytes into p; 0 at the end; -1 with *e set. Called by stream_read() alone, with n > 0. */
	ssize_t (*read)(struct stream *s, void *p, size_t n, struct err *e);
	void (*close)(struct stream *s); /* frees s; not what lies below it, unless stream_own() says so */
	struct stream *owned;            /* set by stream_own() */
	bool broken;                     /* set by stream_read() */
	/* NULL, or passes over up to n bytes without reading them; returns how many. Called by stream_pass() alone. */
	uint64_t (*pass)(struct stream *s, uint64_t n);
};
ssize_t stream_read(struct stream *s, void *p, size_t n, struct err *e) must_use;
/* Exactly n bytes or ERR_CORRUPT "unexpected end". */
int stream_read_full(struct stream *s, void *p, size_t n, struct err *e) must_use;
int stream_skip(struct stream *s, uint64_t n, struct err *e) must_use; /* the same */
uint64_t stream_pass(struct stream *s, uint64_t n); /* what of n bytes can be left out without reading; 0: nothing */
void stream_drop(struct stream **s); /* own(stream) struct stream *s = NULL */
/* s drops `below` when it is dropped itself; returns s. A stack is then one value. */
struct stream *stream_own(struct stream *s, struct stream *below);

/* What is left of s: into a file, *ret_bytes (may be NULL) says how many; or into memory, at most out->max. */
int stream_to_fd(struct stream *s, int fd, uint64_t *ret_bytes, struct err *e) must_use;
int stream_to_buf(struct stream *s, struct buf *out, struct err *e) must_use;
int stream_to_end(struct stream *s, uint64_t *ret_bytes, struct err *e) must_use; /* into nothing: for hashes */

/* An fd, from its current position; it ends after `limit` bytes (UINT64_MAX: no limit). Does not own fd. */
struct stream *stream_fd(int fd, uint64_t limit) must_use;
struct stream *stream_fd_take(int fd, uint64_t limit) must_use; /* closes fd */
/* A byte range of a file by pread, so that several can share one fd. A file that ends earlier is ERR_CORRUPT. */
struct stream *stream_range(int fd, uint64_t offset, uint64_t length) must_use;
struct stream *stream_memory(const void *p, size_t n) must_use; /* borrows p */
/* More than max bytes of `below` is ERR_LIMIT `what: more than N bytes`. Borrows both. */
struct stream *stream_bound(struct stream *below, uint64_t max, const char *what) must_use;

enum compression { COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_ZSTD, COMPRESS_XZ, COMPRESS_BZIP2 };
/* Looks at the first bytes of `below`, returns a stream of the plain bytes. Concatenated gzip members
 * and zstd frames (skippable ones too) are one stream; anything else behind the end is ERR_CORRUPT. At
 * its end `below` has been read to its end. Does not own below. ret_found may be NULL. */
int stream_decompress(struct stream *below, struct stream **ret, enum compression *ret_found, struct err *e) must_use;
/* Counts and hashes what passes through (sha256 or the algorithm of `like`); stream_digest() asks for
 * the digest text of what was read so far. ret_bytes may be NULL. */
int stream_hash(struct stream *below, const char *like, struct stream **ret, struct err *e) must_use;
void stream_digest(struct stream *hash, char ret_text[static 136], uint64_t *ret_bytes);
