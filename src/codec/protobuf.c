/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/protobuf.h"

#include "base/mem.h"

#include <string.h>

static void put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_char(b, (char)(v | 0x80));
	buf_char(b, (char)v);
}

static void put_tag(struct buf *b, unsigned field, enum protobuf_wire wire)
{
	put_varint(b, (uint64_t)field << 3 | wire);
}

void protobuf_put_u64(struct buf *b, unsigned field, uint64_t v)
{
	put_tag(b, field, PROTOBUF_VARINT);
	put_varint(b, v);
}

void protobuf_put_i64(struct buf *b, unsigned field, int64_t v)
{
	protobuf_put_u64(b, field, (uint64_t)v);
}

void protobuf_put_bool(struct buf *b, unsigned field, bool v)
{
	protobuf_put_u64(b, field, v);
}

void protobuf_put_bytes(struct buf *b, unsigned field, const void *p, size_t n)
{
	put_tag(b, field, PROTOBUF_LEN);
	put_varint(b, n);
	buf_add(b, p, n);
}

void protobuf_put_str(struct buf *b, unsigned field, const char *s)
{
	if (s)
		protobuf_put_bytes(b, field, s, strlen(s));
}

static int get_varint(struct protobuf *p, uint64_t *ret, struct err *e)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (p->at == p->end)
			return err_set(e, ERR_CORRUPT, "protobuf: a number without an end");
		unsigned char c = *p->at++;
		/* The tenth byte has the one bit that is left. */
		if (shift == 63 && c > 1)
			break;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*ret = v;
			return 0;
		}
	}
	return err_set(e, ERR_CORRUPT, "protobuf: a number of more than 64 bits");
}

static int get_fixed(struct protobuf *p, size_t n, uint64_t *ret, struct err *e)
{
	uint64_t v = 0;
	if ((size_t)(p->end - p->at) < n)
		return err_set(e, ERR_CORRUPT, "protobuf: a number without an end");
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p->at[i] << 8 * i;
	p->at += n;
	*ret = v;
	return 0;
}

static int get_bytes(struct protobuf *p, struct protobuf_field *f, struct err *e)
{
	uint64_t n;
	if (get_varint(p, &n, e) < 0)
		return -1;
	if (n > (uint64_t)(p->end - p->at))
		return err_set(e, ERR_CORRUPT, "protobuf: field %u is longer than its message", f->number);
	f->data = p->at;
	f->len = (size_t)n;
	p->at += n;
	return 0;
}

int protobuf_next(struct protobuf *p, struct protobuf_field *ret, struct err *e)
{
	struct protobuf_field f = {};
	uint64_t tag;
	if (p->at == p->end)
		return 0;
	if (get_varint(p, &tag, e) < 0)
		return -1;
	/* 29 bits, as the format has it */
	if (tag >> 3 == 0 || tag >> 32)
		return err_set(e, ERR_CORRUPT, "protobuf: no field has the number %llu", (unsigned long long)(tag >> 3));
	f.number = (unsigned)(tag >> 3);
	f.wire = (enum protobuf_wire)(tag & 7);
	int r = -1;
	switch (f.wire) {
	case PROTOBUF_VARINT: r = get_varint(p, &f.value, e); break;
	case PROTOBUF_I64: r = get_fixed(p, 8, &f.value, e); break;
	case PROTOBUF_I32: r = get_fixed(p, 4, &f.value, e); break;
	case PROTOBUF_LEN: r = get_bytes(p, &f, e); break;
	default: err_set(e, ERR_CORRUPT, "protobuf: field %u has the unknown wire type %u", f.number, (unsigned)(tag & 7));
	}
	if (r < 0)
		return -1;
	*ret = f;
	return 1;
}

char *protobuf_dup_str(const struct protobuf_field *f, struct err *e)
{
	if (f->wire == PROTOBUF_LEN && !memchr(f->data, 0, f->len))
		return mem_ndup((const char *)f->data, f->len);
	err_set(e, ERR_CORRUPT, "protobuf: field %u is no text", f->number);
	return NULL;
}
