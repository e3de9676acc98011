/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest: content digests as the OCI image specification writes them ("sha256:<64 hex>",
 * "sha512:<128 hex>"; image-spec descriptor.md, "Digests"). libcrypto is opened on first use.
 */
#pragma once

#include "base/err.h"

enum { DIGEST_TEXT = 7 + 128 + 1 }; /* longest text with its NUL */

struct digest; /* a running hash */

/* Checks the grammar and that the algorithm is sha256 or sha512 with the right length. */
bool digest_is_valid(const char *text);
const char *digest_hex(const char *text); /* behind the colon; "" when there is none */

/* algorithm of `like` ("sha256" or a whole digest text); NULL is sha256. */
int digest_begin(const char *like, struct digest **ret, struct err *e) must_use;
void digest_add(struct digest *d, const void *p, size_t n);
/* The digest of what was added so far; more may be added after. "" (which equals no digest) should the library fail. */
void digest_end(struct digest *d, char ret[static DIGEST_TEXT]);
void digest_drop(struct digest **d);
int digest_of(const void *p, size_t n, char ret[static DIGEST_TEXT], struct err *e) must_use; /* sha256 */
