/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erofs_sparse: a file with holes as chunks of one size: a hole, data where it stands in the tar, or data that must move
 * because a piece of it begins or ends inside of a chunk.
 */
#pragma once

#include "snap/erofs_tree.h"

struct erofs_sparse {
	const struct tar_span *v;
	size_t n, i;
	uint64_t size, stored;
	uint64_t data;     /* where the first stored byte is, in the layer's file */
	uint64_t before;   /* stored bytes of v[0] to v[i - 1] */
	uint64_t at;       /* of the next chunk, in the file */
	unsigned bits;     /* a chunk is EROFS_BLOCK << bits */
	bool dirty;
};
struct erofs_chunk {
	enum { CHUNK_HOLE, CHUNK_THERE, CHUNK_MOVED } kind;
	uint64_t at, length; /* in the file; the last one may be short */
	uint64_t from;       /* CHUNK_THERE: in the layer's file */
};
/* bits_of: from the map alone, so that few chunks move and the map stays small: 4 KB and a 64th of the data. */
unsigned erofs_sparse_bits(const struct tar_span *v, size_t n, uint64_t size, uint64_t stored) must_use;
struct erofs_sparse erofs_sparse_begin(const struct erofs_tree *t, const struct erofs_node *n) must_use;
bool erofs_sparse_next(struct erofs_sparse *s, struct erofs_chunk *ret);
/* The pieces of data in the chunk that next() gave last. */
struct erofs_pieces { size_t i; uint64_t before; };
struct erofs_pieces erofs_pieces_begin(const struct erofs_sparse *s) must_use;
bool erofs_pieces_next(const struct erofs_sparse *s, struct erofs_pieces *p, const struct erofs_chunk *c, struct tar_span *ret,
	uint64_t *ret_from); /* in the layer's file */
