/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protobuf: messages in protocol buffers' wire format (protobuf.dev/programming-guides/encoding): a sequence of fields, each a
 * number, a wire type and a value. What a field means is the caller's: there are no descriptors here.
 *
 * Reading trusts nothing: lengths are held against what is there, numbers against 64 bits. Groups, which nobody writes any more,
 * are ERR_CORRUPT.
 */
#pragma once

#include "base/buf.h"

/* Writing: one field each, at the end of b. A field that has its default is the caller's to leave out. */
void protobuf_put_u64(struct buf *b, unsigned field, uint64_t v);
void protobuf_put_i64(struct buf *b, unsigned field, int64_t v); /* int32, int64 and enums: a negative number takes ten bytes */
void protobuf_put_bool(struct buf *b, unsigned field, bool v);
void protobuf_put_bytes(struct buf *b, unsigned field, const void *p, size_t n); /* a message inside is its bytes */
void protobuf_put_str(struct buf *b, unsigned field, const char *s); /* NULL: no field */

enum protobuf_wire { PROTOBUF_VARINT = 0, PROTOBUF_I64 = 1, PROTOBUF_LEN = 2, PROTOBUF_I32 = 5 };

struct protobuf { const unsigned char *at, *end; };
#define PROTOBUF(p, n) {(const unsigned char *)(p), (const unsigned char *)(p) + (n)}
struct protobuf_field {
	unsigned number;
	enum protobuf_wire wire;
	uint64_t value;              /* of a number */
	const unsigned char *data;   /* PROTOBUF_LEN: inside of what is read */
	size_t len;
};
/* 1: *ret is the next field, 0: the end, -1: ERR_CORRUPT. */
int protobuf_next(struct protobuf *p, struct protobuf_field *ret, struct err *e) must_use;
/* A field's text as a string of its own (malloc): ERR_CORRUPT when it is of another wire type or has a NUL in it. */
char *protobuf_dup_str(const struct protobuf_field *f, struct err *e) must_use;
