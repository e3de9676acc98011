/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn: one client's connection: requests come in, answers go out, one after another. Writing to a client that is gone is ERR_REMOTE with
 * e->sys EPIPE; whoever gets it ends, nobody is there to be told.
 */
#pragma once

#include "base/buf.h"
#include "codec/http.h"

struct conn {
	int fd;
	struct buf in;         /* came, and belongs to nobody yet */
	struct http_body body; /* what is still to come of the request's body */
	bool http10, is_head;  /* the request: the answer has no chunks, no body */
	bool expects;          /* the client waits for 100 Continue before it sends the body */
	bool begun, chunked;   /* the answer: its head is out */
	bool closes;           /* no further request after this one */
	bool lingers;          /* at its end the client may still be sending what nobody wants any more */
};
enum { CONN_JSON_MAX = 16 << 20 };
void conn_drop(struct conn *c);

/* Of this process, once: SIGTERM ends it between two requests, else behind the one that is under way. */
void conn_set_signals(void);
/* The next request. 1; 0: there is none, the client has gone or we are asked to end; -1: what came is no request (*ret_status: what to answer). */
int conn_next(struct conn *c, struct arena *a, struct http_request *ret, int *ret_status, struct err *e) must_use;

/* Up to n bytes of the body; 0 at its end. */
ssize_t conn_read(struct conn *c, void *p, size_t n, struct err *e) must_use;
int conn_read_json(struct conn *c, struct json **ret, struct err *e) must_use; /* an empty body: NULL */
/* The body as a file: the end of a socket that a child of ours fills; a body that is cut off ends with an error (ECONNRESET). The connection ends
 * with this request. */
int conn_body_pipe(struct conn *c, struct err *e) must_use;

/* A whole answer. headers: whole lines with their CRLF, or NULL. */
int conn_reply(struct conn *c, int status, const char *type, const char *headers, const void *p, size_t n, struct err *e) must_use;
int conn_reply_json(struct conn *c, int status, const struct json *j, struct err *e) must_use;
int conn_reply_empty(struct conn *c, int status, struct err *e) must_use;
int conn_reply_error(struct conn *c, int status, const char *text, struct err *e) must_use; /* {"message": text} */

/* An answer that grows: its head is out at once. */
int conn_begin(struct conn *c, int status, const char *type, const char *headers, struct err *e) must_use;
int conn_write(struct conn *c, const void *p, size_t n, struct err *e) must_use;
int conn_write_json(struct conn *c, const struct json *j, struct err *e) must_use; /* one line */
int conn_end(struct conn *c, struct err *e) must_use;

/* From here on the descriptor is a stream of bytes in both directions: 101 for who asked for an upgrade, else 200. What came behind the
 * request is in c->in. */
int conn_hijack(struct conn *c, const struct http_request *r, const char *type, struct err *e) must_use;

/* For an answer that may wait for ever and changes nothing: this process ends at once when the client goes, or with SIGTERM. */
void conn_ends_with_client(struct conn *c, bool on);
