/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client sends to the API: heads and bodies, as many as there are. Whatever comes, a head is refused or has a method, a path that
 * begins with a slash and one length; a body gives no more bytes than came, and the same ones in whatever pieces it comes.
 */
#include "codec/http.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

/* Bytes used; -1: refused. */
static ssize_t read_body(struct http_body b, const char *p, size_t n, size_t step, struct buf *out)
{
	struct err e = {};
	size_t used = 0;
	while (used < n && b.at != HTTP_BODY_END) {
		const char *piece;
		size_t len, room = n - used < step ? n - used : step;
		ssize_t took = http_body_feed(&b, p + used, room, &piece, &len, &e);
		if (took < 0)
			return -1;
		CHECK(took > 0 && (size_t)took <= room && len <= (size_t)took);
		CHECK(len == 0 || (piece >= p + used && piece + len <= p + used + took));
		buf_add(out, piece, len);
		used += (size_t)took;
	}
	return (ssize_t)used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	for (size_t head; (head = http_head_end(p, size)) > 0;) {
		struct arena a = {};
		struct http_request r;
		struct err e = {};
		if (http_parse_request(p, head, &a, &r, &e) < 0) {
			CHECK(e.kind == ERR_USAGE || e.kind == ERR_UNSUPPORTED);
			arena_drop(&a);
			return 0;
		}
		CHECK(*r.method && r.path[0] == '/' && r.headers.n <= HTTP_HEADERS_MAX && !(r.is_chunked && r.length));
		p += head;
		size -= head;
		own(buf) struct buf whole = {};
		own(buf) struct buf parts = {};
		ssize_t used = read_body(http_body_of(&r), p, size, size ? size : 1, &whole);
		CHECK(read_body(http_body_of(&r), p, size, 1, &parts) == used);
		CHECK(used < 0 || (whole.len == parts.len && (whole.len == 0 || memcmp(whole.data, parts.data, whole.len) == 0)));
		arena_drop(&a);
		if (used < 0)
			return 0;
		p += used;
		size -= (size_t)used;
	}
	return 0;
}
