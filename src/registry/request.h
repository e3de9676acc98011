/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: one exchange that is not a get of a body: HEAD, POST, PATCH, PUT, DELETE. It waits for tokens, follows redirects,
 * comes back when the registry is busy or the connection breaks; then over() has the answer. A body that must not be sent
 * twice unasked (`once`) is the exception: whoever sends it is told, and asks what has arrived.
 */
#pragma once

#include "registry/session.h"

struct request {
	/* set by who asks */
	const char *method;
	char *path;                  /* reply_url(); taken */
	const char *accept, *type;   /* borrowed until over() */
	char *content_range;         /* taken; or NULL */
	int fd;                      /* the body: `length` bytes from `at` on; borrowed */
	uint64_t at, length;
	bool once;
	void (*sent)(void *arg, size_t n); /* or NULL */
	void (*retries)(void *arg, const struct err *why); /* or NULL: it will try again */
	void (*over)(void *arg, struct request *r); /* may begin it anew */
	void *arg;
	/* the answer; why.kind: there is none, and why. Any status but 401, redirects and what is tried again */
	long status;
	char *location;              /* whole, allowed; or NULL */
	struct http_reply reply;
	struct buf text;
	struct err why;
	bool unsure;                 /* `once`: it may have arrived, or a part of it; wake_ns: not before then */
	int64_t wake_ns;
	/* its own */
	struct session *s;
	enum { REQUEST_QUEUED, REQUEST_RUNNING, REQUEST_WAITING, REQUEST_SLEEPING, REQUEST_OVER } state;
	char *target;
	const char *scheme;
	unsigned redirects, tries, auth_tries, generation;
	struct http_transfer *call;
	int64_t last_ns;
};

/* Begins, at wake_ns when that is not 0. r lives until over() or request_end(). */
void request_begin(struct session *s, struct request *r);
void request_end(struct request *r); /* ends it without over(), frees what it holds */
void request_work(struct session *s, int64_t now);
/* What a status means that is an error: ERR_NOT_FOUND, ERR_DENIED, ERR_UNSUPPORTED (405), ERR_REMOTE. */
int request_refused(struct request *r, struct err *e) must_use;

/* The op "send" of transfer.h; takes fd. */
void request_send(struct session *s, const struct json *j, int fd);
