/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session: one hull-registry: the registry and repository it was started for, the way to speak to it, and what runs. Shared
 * by main.c (the socket), fetch.c (the gets) and auth.c (tokens).
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"
#include "codec/json.h"
#include "registry/certs.h"
#include "registry/credentials.h"
#include "registry/http.h"

struct fetch;
struct request;
struct upload;

struct auth {
	enum { AUTH_NONE, AUTH_BASIC, AUTH_BEARER } kind;
	char *header;        /* AUTH_BEARER: "Bearer …" */
	unsigned generation; /* grows with each change: what a request was sent with */
	bool busy;           /* a token is being fetched: wait */
	struct err why;      /* kind ERR_NONE, or why the last attempt failed */
	char *realm, *service, *scope;
	struct http_transfer *call;
	struct buf body;
	unsigned tries;
	int64_t wake_ns, last_ns; /* when to try again, 0: not; when it last moved */
};

struct session {
	struct http *http;
	char *registry, *repository;
	char *host;          /* where it really is: host[:port] */
	char *bare_host;     /* without the port */
	unsigned port;
	struct certs certs;
	char *ns;            /* of a mirror: the registry it stands for; else NULL */
	char *scope;         /* what tokens are asked for: words of "repository:x:pull,push"; NULL: what the registry says */
	const char *scheme;
	bool scheme_known;   /* an answer came */
	bool plain_allowed;  /* HTTP and unknown certificates */
	struct strv insecure;
	unsigned retries, timeout_s;
	struct credentials credentials;
	struct auth auth;
	struct err broken;   /* why nothing can be fetched; kind ERR_NONE: it can */
	struct { struct fetch **v; size_t n; } fetches; /* in the order asked for */
	struct { struct request **v; size_t n; } requests;
	struct { struct upload **v; size_t n; } uploads;
	unsigned uploads_max; /* at once */
	int sock;
	struct strv outbox;  /* events that the socket had no room for */
};

/* An event for the client; one that may be dropped is, when the client does not read. Takes j. */
void session_tell(struct session *s, struct json *j, bool may_drop);
/* A text of the registry's for people: printable, one line, short. */
char *session_text(const char *text, char out[200]);
/* Milliseconds until now + the n-th wait: 0.3 s doubled each time, 10 s at most. */
int64_t session_back_off(unsigned tries);
