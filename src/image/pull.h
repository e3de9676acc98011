/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull: one image from a registry (distribution-spec 1.1, "Pull"). The network is in a process of its own, the
 * executable hull-registry (src/registry): this file starts it, talks to it over a socket pair and never sees TLS. It gets
 * the credentials of docker's config.json itself; as root it runs with nothing but the network left to it.
 *
 *   pull_open      starts hull-registry
 *   pull_resolve   tag or digest -> manifest of the platform -> config; both verified, bounded (manifest 4 MiB, config 4 MiB)
 *   pull_fetch     the blob of a layer as a stream: a pipe that hull-registry writes to, several at once. A connection
 *                  that drops is taken up where it broke (Range), at most `retries` times without progress; a stream that ends
 *                  early tells its reason by the next event of that layer
 *   pull_event     what happened meanwhile (bytes, retries, errors)
 *   pull_commit    when all layers are there: blobs, record, names into the store
 *
 * Digests of layers are checked by whoever reads the pipe (snap_ingest).
 */
#pragma once

#include "image/store.h"

#define PULL_NO_RETRY (~0u)
struct pull_options {
	const char *program;     /* path of hull-registry */
	const char *config_dir;  /* docker's: DOCKER_CONFIG or ~/.docker; may be missing */
	const char *platform;    /* "os/arch[/variant]", NULL: this machine's */
	const char *const *insecure; /* NULL-terminated: "host", "host:port" or "10.0.0.0/8" that may speak plain HTTP or untrusted TLS; or NULL */
	unsigned retries;        /* 0: the default, 5; PULL_NO_RETRY */
	unsigned timeout_s;      /* without a byte; 0: the default, 60 */
	const char *scope;       /* what tokens are asked for ("repository:x:pull,push"); NULL: what the registry says */
	const char *at_registry, *at_repository; /* where they are, when it is not where the reference says: a mirror; or NULL */
	const char *host;        /* where the registry is, when it is not where its name says; or NULL */
	const char *user, *password; /* instead of those of config_dir; or NULL */
	const char *token;       /* the same: an identity token; or NULL */
	const char *ns;          /* the registry that a mirror stands for; or NULL */
	unsigned uploads;        /* at once; 0: the default, 5 */
	struct store *store;     /* documents that are there are not fetched: of a tag whose image is there HEAD asks for the digest; or NULL */
};
struct pull {
	struct arena arena;
	struct ref ref;
	int sock;                /* to hull-registry; poll it for POLLIN: pull_event() has something */
	int pid;
	char index_digest[136];  /* what the reference resolved to: of the index when there was one */
	struct manifest manifest;
	struct image_config config;
	struct image_record record;
	char *manifest_text, *config_text, *index_text; /* index_text NULL: none */
	size_t manifest_len, config_len, index_len;
	struct pull_internal *internal;
};
int pull_open(struct pull *p, const char *reference, const struct pull_options *o, struct err *e) must_use;
void pull_drop(struct pull *p); /* ends hull-registry */
/* ERR_NOT_FOUND: no such repository, tag or platform (names what there is); ERR_DENIED: 401, 403; ERR_TIMEOUT; ERR_REMOTE;
 * ERR_CORRUPT: digest, garbage; ERR_LIMIT: 429 (says when to try again), too big. */
int pull_resolve(struct pull *p, struct err *e) must_use;
/* All tags of the repository (`pull -a`), before pull_resolve; then pull_select() takes one. */
int pull_tags(struct pull *p, struct strv *ret, struct err *e) must_use;
int pull_select(struct pull *p, const char *tag, struct err *e) must_use;
/* Begins layer i of manifest.layers; returns the read end of the pipe. At most four run at a time, in the order of these calls: who
 * begins more has to read the first ones. */
int pull_fetch(struct pull *p, size_t layer, struct err *e) must_use;
/* Without its first bytes, which are here; try: events of this one have it, 0 or 1. */
int pull_fetch_from(struct pull *p, size_t layer, uint64_t from, unsigned try, struct err *e) must_use;
struct pull_event {
	enum { PULL_BYTES, PULL_RETRY, PULL_DONE, PULL_FAILED } kind;
	size_t layer;
	unsigned try;     /* of pull_fetch_from() */
	uint64_t bytes;   /* of the blob so far */
	struct err why;   /* PULL_RETRY, PULL_FAILED */
};
/* 1: an event; 0: none now; -1: hull-registry is gone. Never blocks. */
int pull_event(struct pull *p, struct pull_event *ret, struct err *e) must_use;
/* A blob into a file, from its position on, and waits; no other may be under way. Its digest is for the caller to check. */
int pull_blob(struct pull *p, const char *digest, uint64_t size, int fd, struct err *e) must_use;
int pull_commit(struct pull *p, struct store *s, uint64_t size, struct err *e) must_use;
