/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust_remote: signatures in a registry.
 */
#pragma once

#include "engine/trust.h"

/* Appends those that there are of the digest: under cosign's tag, and among its referrers. None is no error. */
int trust_fetch(struct pull *p, const char *digest, struct arena *a, struct signed_payloads *ret, struct err *e) must_use;
/* A blob that is as long as is said and what its digest says; ret->max bounds it. */
int trust_blob(struct pull *p, const char *digest, uint64_t size, struct buf *ret, struct err *e) must_use;
/* Appends the statements, one a line, of cosign's bundles that are by the key and about the digest; *ret_found: how many bundles there are at all. */
int trust_bundles(struct pull *p, const char *digest, const struct buf *key, struct buf *ret, size_t *ret_found, struct err *e) must_use;
/* What trust_fetch() does, for GPG: each payload is a message. */
int trust_lookaside(struct engine *g, const struct ref *ref, const char *digest, struct arena *a, struct signed_payloads *ret, struct err *e) must_use;
