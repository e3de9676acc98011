/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar_sparse: the maps of sparse files, in the four forms that GNU tar has written: in the header and
 * blocks behind it (old GNU), as pax records (0.0), as one pax record (0.1), as text in front of the data
 * (1.0). All end in the same list, checked: spans ascend, do not overlap, lie inside the file, and add up
 * to exactly the data that is stored.
 */
#include "codec/tar_format.h"

#include <string.h>

int tar_sparse_add(struct tar_reader *r, uint64_t offset, uint64_t length, struct err *e)
{
	/* The file's end is written as an empty span. */
	if (!length)
		return 0;
	if (r->entry.spans.n == TAR_SPANS_MAX)
		return err_set(e, ERR_LIMIT, "a sparse file in more than %d pieces", TAR_SPANS_MAX);
	*arena_push(&r->arena, &r->entry.spans) = (struct tar_span){offset, length};
	return 0;
}

static int finish(struct tar_reader *r, uint64_t size, struct err *e)
{
	struct tar_entry *t = &r->entry;
	uint64_t at = 0, sum = 0;
	for (size_t i = 0; i < t->spans.n; i++) {
		const struct tar_span *s = &t->spans.v[i];
		if (s->offset < at || s->offset > size || s->length > size - s->offset)
			return err_set(e, ERR_CORRUPT, "a sparse file whose pieces overlap or lie outside");
		at = s->offset + s->length;
		sum += s->length;
	}
	if (sum != r->left)
		return err_set(e, ERR_CORRUPT, "a sparse file whose pieces do not add up");
	t->sparse = true;
	t->size = size;
	t->stored = r->left;
	return 0;
}

/* 1: the list goes on, 0: it ended here. */
static int add_gnu(struct tar_reader *r, const struct tar_gnu_span *spans, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int64_t offset = 0, length = 0;
		if (!spans[i].offset[0] || !spans[i].length[0])
			return 0;
		if (tar_number(spans[i].offset, 12, &offset, e) < 0 || tar_number(spans[i].length, 12, &length, e) < 0)
			return -1;
		if (offset < 0 || length < 0)
			return err_set(e, ERR_CORRUPT, "a sparse file with a negative piece");
		if (tar_sparse_add(r, (uint64_t)offset, (uint64_t)length, e) < 0)
			return -1;
	}
	return 1;
}

int tar_sparse_gnu(struct tar_reader *r, const struct tar_gnu_header *h, struct err *e)
{
	int64_t size = 0;
	if (tar_number(h->realsize, sizeof h->realsize, &size, e) < 0)
		return -1;
	if (size < 0)
		return err_set(e, ERR_CORRUPT, "a negative size");
	/* Pieces from pax records beside those of the header: no program writes both. */
	if (r->entry.spans.n || r->local.sparse_map || r->local.major.set)
		return err_set(e, ERR_CORRUPT, "a sparse file with two maps");
	int more = add_gnu(r, h->spans, countof(h->spans), e);
	for (bool extended = h->extended; more >= 0 && extended;) {
		int have = tar_want(r, TAR_UNIT, e);
		if (have <= 0)
			return have < 0 ? -1 : err_set(e, ERR_CORRUPT, "unexpected end");
		struct tar_gnu_extension x;
		memcpy(&x, r->data + r->at, sizeof x);
		tar_advance(r, TAR_UNIT);
		extended = x.extended;
		/* Some readers stop at an unused place, some read on. */
		if (!more)
			return err_set(e, ERR_CORRUPT, "a sparse file whose map goes on behind its end");
		more = add_gnu(r, x.spans, countof(x.spans), e);
	}
	return more < 0 ? -1 : finish(r, (uint64_t)size, e);
}

/* A decimal number up to a newline, out of the entry's data. */
static int read_number(struct tar_reader *r, uint64_t *ret, struct err *e)
{
	uint64_t v = 0;
	for (int digits = 0;; digits++) {
		int have = r->left ? tar_want(r, 1, e) : 0;
		if (have <= 0)
			return have < 0 ? -1 : err_set(e, ERR_CORRUPT, "a sparse file whose map does not end");
		unsigned char c = r->data[r->at];
		tar_advance(r, 1);
		r->left--;
		if (c == '\n' && digits)
			break;
		if (c < '0' || c > '9' || v > (INT64_MAX - 9) / 10)
			return err_set(e, ERR_CORRUPT, "a sparse file whose map is malformed");
		v = v * 10 + c - '0';
	}
	*ret = v;
	return 0;
}

/* 1.0: the number of pieces, then offset and length of each, filled up to a whole block. */
static int read_map(struct tar_reader *r, struct err *e)
{
	uint64_t n = 0, offset = 0, length = 0, before = r->left;
	if (read_number(r, &n, e) < 0)
		return -1;
	if (n > TAR_SPANS_MAX)
		return err_set(e, ERR_LIMIT, "a sparse file in more than %d pieces", TAR_SPANS_MAX);
	for (; n > 0; n--)
		if (read_number(r, &offset, e) < 0 || read_number(r, &length, e) < 0 ||
			tar_sparse_add(r, offset, length, e) < 0)
			return -1;
	uint64_t rest = -(before - r->left) & (TAR_UNIT - 1);
	if (rest > r->left)
		return err_set(e, ERR_CORRUPT, "a sparse file whose map does not end");
	for (; rest > 0; rest--, r->left--) {
		int have = tar_want(r, 1, e);
		if (have <= 0)
			return have < 0 ? -1 : err_set(e, ERR_CORRUPT, "unexpected end");
		tar_advance(r, 1);
	}
	return 0;
}

/* 0.1: "offset,length,offset,length". */
static int parse_map(struct tar_reader *r, char *s, struct err *e)
{
	uint64_t v[2];
	for (int i = 0;; i = !i) {
		int64_t n = 0;
		if (*s < '0' || *s > '9')
			return err_set(e, ERR_CORRUPT, "a sparse file whose map is malformed");
		for (; *s >= '0' && *s <= '9'; s++)
			if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *s - '0', &n))
				return err_set(e, ERR_CORRUPT, "a number is too large");
		v[i] = (uint64_t)n;
		if (i && tar_sparse_add(r, v[0], v[1], e) < 0)
			return -1;
		if (!*s && i)
			return 0;
		if (*s++ != ',')
			return err_set(e, ERR_CORRUPT, "a sparse file whose map is malformed");
	}
}

int tar_sparse_pax(struct tar_reader *r, struct err *e)
{
	const struct tar_pax *p = &r->local;
	bool numbered = p->major.set || p->minor.set;
	if (!numbered && !p->sparse_map && !p->sparse_blocks && !r->entry.spans.n)
		return 0;
	if (numbered && (p->major.v > 1 || p->minor.v > 1 - p->major.v))
		return err_set(e, ERR_UNSUPPORTED, "a sparse file of the unknown form %lld.%lld", (long long)p->major.v,
			(long long)p->minor.v);
	bool in_data = p->major.v == 1;
	if ((in_data ? 1 : 0) + !!p->sparse_map + !!r->entry.spans.n > 1)
		return err_set(e, ERR_CORRUPT, "a sparse file with two maps");
	if (in_data ? read_map(r, e) < 0 : p->sparse_map && parse_map(r, p->sparse_map, e) < 0)
		return -1;
	if (p->sparse_name)
		r->entry.name = p->sparse_name;
	const struct tar_number *size = p->sparse_realsize.set ? &p->sparse_realsize : &p->sparse_size;
	return finish(r, size->set ? (uint64_t)size->v : r->entry.size, e);
}
