/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256: FIPS 180-4 for short texts, by nettle, which is linked statically. libcrypto hashes long ones faster, but it costs 5 to 10 ms of
 * relocations to open: more than all else that a build does whose steps are all known. digest_of() alone calls this.
 */
#pragma once

#include <stddef.h>

void sha256_short(const void *p, size_t n, unsigned char ret[static 32]);
