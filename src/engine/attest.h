/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attest: what is attested of an image, as BuildKit attaches it: a manifest in the image's index, for the platform unknown/unknown, annotated with
 * the digest of the image's own manifest; its layers are in-toto statements about that digest. An image that is packed anew has another one, so
 * that its statements are made anew, too.
 */
#pragma once

#include "engine/engine.h"
#include "image/types.h"

#define ATTEST_REFERENCE "vnd.docker.reference.digest"
#define ATTEST_TYPE      "vnd.docker.reference.type"
#define ATTEST_MANIFEST  "attestation-manifest"

struct attest_blob { char digest[136]; const char *text; size_t len; };
struct attest_statement { const char *predicate_type; struct attest_blob blob; };
struct attest {
	struct { struct attest_statement *v; size_t n; } statements;
	struct attest_blob config, manifest;
};
/* One more statement; make() when all are there. Texts live in the arena. */
int attest_add(struct arena *a, struct attest *t, const char *predicate_type, const struct json *statement, struct err *e) must_use;
int attest_make(struct arena *a, struct attest *t, struct err *e) must_use;
/* 1: all of it is in the store. 0: not. */
int attest_load(struct store *s, struct arena *a, const char *digest, struct attest *ret, struct err *e) must_use;
/* The same about another manifest. */
int attest_move(struct arena *a, const struct attest *from, const char *old, const char *new, struct attest *ret, struct err *e) must_use;
bool attest_is(const struct descriptor *d); /* in an index */
