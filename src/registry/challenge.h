/* SPDX-License-Identifier: Apache-2.0 */
/*
 * challenge: a WWW-Authenticate header (RFC 9110, 11.6.1): `Bearer realm="…",service="…",scope="…"`, `Basic realm="…"`; several of
 * them in one header are told apart.
 */
#pragma once

#include "base/str.h"

struct challenge { enum { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER } kind; char *realm, *service, *scope, *error; };
void challenge_drop(struct challenge *c);
/* The best that the headers offer: Bearer before Basic. A Bearer without a realm is none. */
void challenge_parse(const struct strv *headers, struct challenge *ret);
