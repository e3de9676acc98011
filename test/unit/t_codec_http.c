/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int drop(void **state unused)
{
	arena_drop(&arena);
	return 0;
}

/* *e is empty when the head was taken. */
static struct http_request parse(const char *head, struct err *e)
{
	struct http_request r = {};
	*e = (struct err){};
	assert_int_equal(http_head_end(head, strlen(head)), strlen(head));
	if (http_parse_request(head, strlen(head), &arena, &r, e) < 0)
		assert_int_not_equal(e->kind, ERR_NONE);
	return r;
}

static void takes_a_request(void **state unused)
{
	struct err e;
	struct http_request r = parse("POST /v1.41/images/a%2fb/tag?repo=x%26y&tag=1+2&repo=z&flag&=e HTTP/1.1\r\n"
		"Host: d\r\nX-A: \t b c \r\nContent-Length: 12\r\n\r\n", &e);
	assert_int_equal(e.kind, ERR_NONE);
	assert_string_equal(r.method, "POST");
	assert_string_equal(r.path, "/v1.41/images/a/b/tag");
	assert_string_equal(http_query(&r, "repo"), "z");
	assert_string_equal(r.query.v[0].value, "x&y");
	assert_string_equal(http_query(&r, "tag"), "1 2");
	assert_string_equal(http_query(&r, "flag"), "");
	assert_null(http_query(&r, "none"));
	assert_string_equal(http_header(&r, "x-a"), "b c");
	assert_true(r.keep_alive && !r.is_chunked && r.length == 12);
}

static void knows_what_keeps_a_connection(void **state unused)
{
	static const struct { const char *head; bool keeps; } rows[] = {
		{"GET / HTTP/1.1\r\n\r\n", true}, {"GET / HTTP/1.1\r\nConnection: a , CLOSE\r\n\r\n", false}, {"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true}, {"GET http://d HTTP/1.1\r\n\r\n", true}};
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e;
		struct http_request r = parse(rows[i].head, &e);
		assert_int_equal(e.kind, ERR_NONE);
		assert_string_equal(r.path, "/");
		assert_int_equal(r.keep_alive, rows[i].keeps);
	}
}

static void refuses_what_is_none(void **state unused)
{
	static const char *const heads[] = {"GET /\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "G@T / HTTP/1.1\r\n\r\n", "GET x HTTP/1.1\r\n\r\n",
		"GET / HTTP/2.0\r\n\r\n", "GET / http/1.1\r\n\r\n", "GET /%zz HTTP/1.1\r\n\r\n", "GET /%4 HTTP/1.1\r\n\r\n", "GET /%00 HTTP/1.1\r\n\r\n",
		"GET /?a=%00 HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nA : b\r\n\r\n", "GET / HTTP/1.1\r\n folded\r\n\r\n", "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\rC\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"};
	for (size_t i = 0; i < countof(heads); i++) {
		struct err e;
		parse(heads[i], &e);
		if (e.kind == ERR_NONE)
			fail_msg("taken: %s", heads[i]);
	}
}

static void reads_chunks_in_whatever_pieces(void **state unused)
{
	static const char body[] = "5;x=\"y\"\r\nhello\r\n0A \r\n, you over\r\n0\r\nTrailer: 1\r\n\r\nnext";
	for (size_t step = 1; step < sizeof body; step++) {
		struct http_body b = {.at = HTTP_BODY_SIZE, .is_chunked = true};
		char out[64];
		size_t n = 0, used = 0;
		while (b.at != HTTP_BODY_END) {
			struct err e = {};
			const char *piece;
			size_t len, left = strlen(body) - used;
			ssize_t took = http_body_feed(&b, body + used, left < step ? left : step, &piece, &len, &e);
			assert_true(took > 0);
			if (len)
				memcpy(out + n, piece, len);
			n += len;
			used += (size_t)took;
		}
		assert_int_equal(n, 15);
		assert_memory_equal(out, "hello, you over", 15);
		assert_string_equal(body + used, "next");
	}
}

static void refuses_chunks_that_lie(void **state unused)
{
	static const char *const bodies[] = {"\r\n", "x\r\n", "-1\r\n", "fffffffffffffffff\r\n", "1\r\nab\r\n", "1\r\na\r\r\n",
		"1\r0\r\n", "0\r\nA: b\rC: d\r\n\r\n"};
	for (size_t i = 0; i < countof(bodies); i++) {
		struct http_body b = {.at = HTTP_BODY_SIZE, .is_chunked = true};
		struct err e = {};
		size_t used = 0;
		ssize_t took = 1;
		while (took > 0 && used < strlen(bodies[i]) && b.at != HTTP_BODY_END) {
			const char *piece;
			size_t len;
			took = http_body_feed(&b, bodies[i] + used, strlen(bodies[i]) - used, &piece, &len, &e);
			used += took > 0 ? (size_t)took : 0;
		}
		if (took >= 0)
			fail_msg("taken: %s", bodies[i]);
		assert_int_equal(e.kind, ERR_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_request), cmocka_unit_test(knows_what_keeps_a_connection), cmocka_unit_test(refuses_what_is_none),
		cmocka_unit_test(reads_chunks_in_whatever_pieces), cmocka_unit_test(refuses_chunks_that_lie),
	};
	return cmocka_run_group_tests(tests, NULL, drop);
}
