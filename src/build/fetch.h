/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch: what a URL has, for ADD and for a context. What was fetched once is remembered by its digest and by how the server names it (ETag,
 * Last-Modified), not by its bytes: a server that says it is still the same spares both.
 *
 *   <root>/build/http/<sha256 of the URL>    {"url","etag","modified","digest","name"}
 */
#pragma once

#include "build/stage.h"
#include "codec/digest.h"

struct fetched {
	char digest[DIGEST_TEXT + 8]; /* sha256 of the bytes; of a repository the commit */
	char name[256];           /* of the file, by the server or the URL; "" */
	int64_t mtime_ns;         /* Last-Modified; 0: not said */
	int fd;                   /* the bytes, in a file that has no name; of a repository its tree; -1: not fetched, since it is known */
	struct work work;         /* what a tree lies in */
};
void fetched_drop(struct fetched *f);

bool fetch_is_url(const char *text); /* of http or https */
enum fetch_mode {
	FETCH_ASK,  /* is it still what is known? 1: not, or nobody knows: it has to be fetched */
	FETCH_NEWS, /* the bytes, unless they are known to be the same */
	FETCH_DATA, /* the bytes in any case */
};
/* checksum: "sha256:…" or sha512, or NULL: others bytes are ERR_CORRUPT, and what is known to have it is not asked for. */
int fetch_url(struct build *b, const char *url, const char *checksum, enum fetch_mode mode, struct fetched *ret, struct err *e) must_use;
