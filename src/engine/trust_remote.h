/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust_remote: signatures in a registry.
 */
#pragma once

#include "engine/trust.h"

/* Appends those that there are of the digest: under cosign's tag, and among its referrers. None is no error. */
int trust_fetch(struct pull *p, const char *digest, struct arena *a, struct signed_payloads *ret, struct err *e) must_use;
/* The same for GPG: each payload is a message. */
int trust_lookaside(struct engine *g, const struct ref *ref, const char *digest, struct arena *a, struct signed_payloads *ret, struct err *e) must_use;
