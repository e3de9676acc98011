/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: requests over HTTP/1.1 and HTTP/2, many at once, in one thread. Redirects are not followed: who may see what is
 * decided above. Bodies come as they are on the wire (no content coding is asked for); headers are bounded (64 KiB).
 */
#pragma once

#include "base/str.h"

#include <poll.h>

struct http;
struct http_transfer;

struct http_reply {
	long status;    /* 0: none came */
	int64_t length; /* Content-Length; -1: not said */
	char *type, *location, *digest, *retry_after, *link, *range;
	char *upload_range; /* Range: what an upload has so far */
	char *chunk_min;    /* OCI-Chunk-Min-Length */
	char *subject;      /* OCI-Subject */
	char *etag, *modified, *disposition;
	struct strv challenges; /* WWW-Authenticate */
};

enum http_failure {
	HTTP_FINE,
	HTTP_STOPPED, /* by a callback */
	HTTP_TLS,     /* no TLS there, or a certificate that is not trusted */
	HTTP_CONNECT, /* nobody answers there */
	HTTP_DROPPED, /* broke in the middle */
	HTTP_TIMEOUT,
	HTTP_BAD,     /* what came is not HTTP, or too much of it */
};

enum { HTTP_PAUSE = -2 };
struct http_call {
	const char *url, *accept, *authorization; /* the latter two may be NULL */
	const char *user_password; /* "user:password" for basic authentication, or NULL */
	const char *form;          /* makes it a POST of application/x-www-form-urlencoded */
	const char *method;        /* NULL: GET, or POST with a form */
	const char *type, *content_range; /* headers of the body, or NULL */
	const char *if_none_match, *if_modified_since, *if_range; /* or NULL */
	int fd;                    /* the body of PUT, POST and PATCH: `length` bytes from `at` on, read by pread; not owned */
	uint64_t at, length;
	bool once;                 /* a body of which something was sent is never begun anew: HTTP_DROPPED */
	uint64_t from;             /* not 0: Range: bytes=from- */
	bool untrusted;            /* certificates are not checked */
	bool elsewhere;            /* an address of this machine is not connected to: HTTP_BAD. Where a proxy is set, that decides */
	unsigned connect_s;        /* 0: 30 */
	void *arg;
	/* The status and all headers are here; 0: go on, -1: stop. */
	int (*head)(void *arg, const struct http_reply *r);
	/* n bytes; 0: all taken, HTTP_PAUSE: give them again after http_resume(), -1: stop. */
	int (*body)(void *arg, const void *p, size_t n);
	/* NULL, or n bytes more of the body were handed over. */
	void (*sent)(void *arg, size_t n);
	/* The end of it; the transfer is gone after. May start others. */
	void (*done)(void *arg, const struct http_reply *r, enum http_failure failure, const char *why);
};

int http_new(struct http **ret, struct err *e) must_use;
struct certs;
/* What is trusted, and shown, at one host: borrowed. Others see and get nothing of it. */
void http_set_certs(struct http *h, const char *host, unsigned port, const struct certs *certs);
void http_drop(struct http **h); /* ends all transfers without done() */
struct http_transfer *http_start(struct http *h, const struct http_call *c) must_use; /* copies c's texts */
void http_resume(struct http_transfer *t);
void http_cancel(struct http_transfer *t); /* without done(); not from one of its callbacks */
/* Waits for transfers and for extra[], works, delivers what happened. */
int http_wait(struct http *h, struct pollfd *extra, size_t n, int timeout_ms, struct err *e) must_use;

void http_reply_drop(struct http_reply *r);
/* The URL `location` means, seen from `base`; NULL: it is none, or not of http or https. */
char *http_resolve(const char *base, const char *location) must_use;
struct http_place { char *scheme, *host; unsigned port; }; /* host without brackets */
void http_place_drop(struct http_place *p);
int http_place_of(const char *url, struct http_place *ret); /* -1: not a URL of http or https */
char *http_escape(const char *text) must_use; /* for a query or a form */
