/* SPDX-License-Identifier: Apache-2.0 */
#include "snap/erofs_sparse.h"

#include "snap/erofs_format.h"
#include "snap/erofs_head.h"

enum { MAP_LEAST = 1024, MAP_SHARE = 256 };

static uint64_t chunks_of(uint64_t size, unsigned bits)
{
	return ((size - 1) >> (EROFS_BLOCK_BITS + bits)) + 1;
}

unsigned erofs_sparse_bits(const struct tar_span *v, size_t n, uint64_t size, uint64_t stored)
{
	uint64_t most = n ? MAP_LEAST + stored / MAP_SHARE : 1, edges = 0;
	unsigned bits = 0, even = 0;
	while (bits < EROFS_CHUNK_BITS_MAX && chunks_of(size, bits) > most)
		bits++;
	/* As large as all pieces allow. */
	for (size_t i = 0; i < n; i++)
		edges |= v[i].offset | (v[i].offset + v[i].length == size ? 0 : v[i].offset + v[i].length);
	while (even < EROFS_CHUNK_BITS_MAX && !(edges & (((uint64_t)EROFS_BLOCK << (even + 1)) - 1)) && chunks_of(size, even) > 1)
		even++;
	return n && even > bits ? even : bits;
}

struct erofs_sparse erofs_sparse_begin(const struct erofs_tree *t, const struct erofs_node *n)
{
	const struct erofs_extra *x = &t->extras.v[n->extra];
	return (struct erofs_sparse){.v = x->spans, .n = x->nspans, .size = n->size, .stored = x->stored, .data = EROFS_TAR_AT + n->where,
		.bits = x->chunk_bits, .dirty = n->flags & EROFS_DIRTY};
}

bool erofs_sparse_next(struct erofs_sparse *s, struct erofs_chunk *ret)
{
	uint64_t whole = (uint64_t)EROFS_BLOCK << s->bits, left = s->size - s->at;
	if (!left)
		return false;
	*ret = (struct erofs_chunk){.at = s->at, .length = left < whole ? left : whole};
	uint64_t end = s->at += ret->length;
	while (s->i < s->n && s->v[s->i].offset + s->v[s->i].length <= ret->at)
		s->before += s->v[s->i++].length;
	const struct tar_span *p = &s->v[s->i];
	if (s->i == s->n || p->offset >= end)
		return true;
	ret->from = s->data + s->before + (ret->at - p->offset);
	bool filled = p->offset <= ret->at && p->offset + p->length >= end;
	/* Behind the last byte of all stands the tar's padding, behind any other something else. */
	bool clean = ret->length % EROFS_BLOCK == 0 || (s->i + 1 == s->n && !s->dirty);
	ret->kind = filled && clean && ret->from % EROFS_BLOCK == 0 ? CHUNK_THERE : CHUNK_MOVED;
	return true;
}

struct erofs_pieces erofs_pieces_begin(const struct erofs_sparse *s)
{
	return (struct erofs_pieces){s->i, s->before};
}

bool erofs_pieces_next(const struct erofs_sparse *s, struct erofs_pieces *p, const struct erofs_chunk *c, struct tar_span *ret,
	uint64_t *ret_from)
{
	if (p->i == s->n || s->v[p->i].offset >= c->at + c->length)
		return false;
	const struct tar_span *v = &s->v[p->i];
	uint64_t from = v->offset > c->at ? v->offset : c->at, end = v->offset + v->length;
	if (end > c->at + c->length)
		end = c->at + c->length;
	*ret = (struct tar_span){from, end - from};
	*ret_from = s->data + p->before + (from - v->offset);
	p->before += v->length;
	p->i++;
	return true;
}
