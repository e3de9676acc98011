/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/protobuf.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) text, sizeof(text) - 1

static void expect(const struct buf *b, const char *bytes, size_t n)
{
	assert_int_equal(b->len, n);
	assert_memory_equal(b->data, bytes, n);
}

/* The examples of the format's own page, and the edges. */
static void writes(void **state)
{
	(void)state;
	own(buf) struct buf b = {};
	protobuf_put_u64(&b, 1, 150);
	expect(&b, BYTES("\x08\x96\x01"));
	buf_reset(&b);
	protobuf_put_str(&b, 2, "testing");
	protobuf_put_str(&b, 3, NULL);
	expect(&b, BYTES("\x12\x07testing"));
	buf_reset(&b);
	protobuf_put_i64(&b, 1, -2);
	expect(&b, BYTES("\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
	buf_reset(&b);
	protobuf_put_bool(&b, 16, true);
	expect(&b, BYTES("\x80\x01\x01"));
	buf_reset(&b);
	protobuf_put_bytes(&b, 536870911, "\0\1", 2);
	expect(&b, BYTES("\xfa\xff\xff\xff\x0f\x02\0\1"));
}

static void reads(void **state)
{
	(void)state;
	static const char text[] = "\x08\x96\x01" "\x12\x07testing" "\x1d\x04\x03\x02\x01" "\x21\x08\x07\x06\x05\x04\x03\x02\x01"
		"\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" "\x32\x00";
	struct protobuf p = PROTOBUF(text, sizeof text - 1);
	struct protobuf_field f;
	struct err e = {};
	assert_int_equal(protobuf_next(&p, &f, &e), 1);
	assert_true(f.number == 1 && f.wire == PROTOBUF_VARINT && f.value == 150);
	assert_null(protobuf_dup_str(&f, &e));
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_int_equal(protobuf_next(&p, &f, &e), 1);
	assert_true(f.number == 2 && f.wire == PROTOBUF_LEN);
	own(mem) char *word = protobuf_dup_str(&f, &e);
	assert_string_equal(word, "testing");
	assert_int_equal(protobuf_next(&p, &f, &e), 1);
	assert_true(f.number == 3 && f.wire == PROTOBUF_I32 && f.value == 0x01020304);
	assert_int_equal(protobuf_next(&p, &f, &e), 1);
	assert_true(f.number == 4 && f.wire == PROTOBUF_I64 && f.value == 0x0102030405060708);
	assert_int_equal(protobuf_next(&p, &f, &e), 1);
	assert_true(f.number == 5 && (int64_t)f.value == -1);
	assert_int_equal(protobuf_next(&p, &f, &e), 1);
	assert_true(f.number == 6 && f.len == 0);
	assert_int_equal(protobuf_next(&p, &f, &e), 0);
}

static void refuses(void **state)
{
	(void)state;
	static const struct { const char *bytes; size_t n; const char *why; } bad[] = {
		{BYTES("\x08"), "without an end"},
		{BYTES("\x80"), "without an end"},
		{BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "more than 64 bits"},
		{BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "more than 64 bits"},
		{BYTES("\x12\x08testing"), "longer than its message"},
		{BYTES("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"), "longer than its message"},
		{BYTES("\x12"), "without an end"},
		{BYTES("\x0d\x01\x02\x03"), "without an end"},
		{BYTES("\x09\x01\x02\x03\x04\x05\x06\x07"), "without an end"},
		{BYTES("\x0b"), "wire type 3"},
		{BYTES("\x0f"), "wire type 7"},
		{BYTES("\x00\x01"), "number 0"},
		{BYTES("\x80\x80\x80\x80\x10\x01"), "number 536870912"},
	};
	for (size_t i = 0; i < countof(bad); i++) {
		/* behind the last byte there is nothing that may be read: a sanitizer would see it */
		own(mem) char *copy = mem_alloc(bad[i].n);
		memcpy(copy, bad[i].bytes, bad[i].n);
		struct protobuf p = PROTOBUF(copy, bad[i].n);
		struct protobuf_field f;
		struct err e = {};
		assert_int_equal(protobuf_next(&p, &f, &e), -1);
		assert_int_equal(e.kind, ERR_CORRUPT);
		if (!strstr(e.text, bad[i].why))
			fail_msg("%zu: \"%s\" does not say %s", i, e.text, bad[i].why);
	}
	struct protobuf p = PROTOBUF("\x0a\x03" "a\0b", 5);
	struct protobuf_field f;
	struct err e = {};
	assert_int_equal(protobuf_next(&p, &f, &e), 1);
	assert_null(protobuf_dup_str(&f, &e));
}

/* Whatever is cut off or changed in a message: an end or an error, and never a byte behind it. */
static void survives(void **state)
{
	(void)state;
	own(buf) struct buf b = {};
	protobuf_put_u64(&b, 1, UINT64_MAX);
	protobuf_put_str(&b, 2, "some text");
	protobuf_put_bool(&b, 300, true);
	for (size_t n = 0; n <= b.len; n++)
		for (size_t at = 0; at < (n ? n : 1); at++)
			for (unsigned x = 0; x < 256; x += 5) {
				own(mem) unsigned char *copy = mem_alloc(n ? n : 1);
				memcpy(copy, b.data, n);
				copy[n ? at : 0] ^= (unsigned char)x;
				struct protobuf p = PROTOBUF(copy, n);
				struct protobuf_field f;
				struct err e = {};
				int r, fields = 0;
				while ((r = protobuf_next(&p, &f, &e)) == 1) {
					assert_true(f.wire != PROTOBUF_LEN || (f.data >= copy && f.data + f.len <= copy + n));
					assert_true(++fields < 32);
				}
				assert_true(r == 0 || e.kind == ERR_CORRUPT);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(writes), cmocka_unit_test(reads), cmocka_unit_test(refuses), cmocka_unit_test(survives)};
	return cmocka_run_group_tests_name("codec/protobuf", tests, NULL, NULL);
}
