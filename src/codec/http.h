/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: the head of an HTTP/1.1 request and the framing of its body (RFC 9112), as a server reads them. Strict where being lenient lets two
 * readers see two requests in the same bytes: a body has one length, header lines are not folded, a name has no blank behind it, NUL and
 * bare CR are refused. Nothing here reads or writes a descriptor.
 */
#pragma once

#include "codec/jmap.h"

#include <sys/types.h>

enum { HTTP_HEAD_MAX = 64 << 10, HTTP_HEADERS_MAX = 100 };

struct http_request {
	char *method, *path; /* path: decoded, begins with '/', has no NUL; as it came, ".." and all */
	struct map query;    /* decoded, in their order; a name may come twice */
	struct map headers;  /* names in small letters */
	unsigned minor;      /* of HTTP/1.x */
	bool is_chunked;     /* the body is; else it has `length` bytes */
	uint64_t length;
	bool keep_alive;     /* the client would send another request */
};

/* Bytes up to and with the empty line that ends a head; 0: it is not all there yet. */
size_t http_head_end(const char *p, size_t n);
/* head: n bytes that end with the empty line. Everything lives in the arena. ERR_USAGE; ERR_UNSUPPORTED for a version or a coding that is not ours. */
int http_parse_request(const char *head, size_t n, struct arena *a, struct http_request *ret, struct err *e) must_use;
/* By its name in small letters; NULL: there is none. Of a query the last one. */
const char *http_header(const struct http_request *r, const char *name);
const char *http_query(const struct http_request *r, const char *name);
/* Is the word in this list of tokens ("keep-alive, Upgrade")? In any case. */
bool http_has_token(const char *list, const char *word);
const char *http_reason(int status); /* "Not Found" */

/* A body on its way in: what of it a reader may take next. */
struct http_body {
	enum { HTTP_BODY_DATA, HTTP_BODY_SIZE, HTTP_BODY_BREAK, HTTP_BODY_TRAILER, HTTP_BODY_END } at;
	bool is_chunked;
	uint64_t left;   /* of the data at hand */
	size_t line;     /* bytes of a size's or trailer's line so far */
	bool has_digit, in_extension, has_cr;
};
struct http_body http_body_of(const struct http_request *r);
/* p, n: bytes that came. Returns how many it took; of these *ret_n at *ret are the body's (0 is no end: see at). -1: ERR_USAGE. */
ssize_t http_body_feed(struct http_body *b, const char *p, size_t n, const char **ret, size_t *ret_n, struct err *e) must_use;
