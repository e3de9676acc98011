/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach_keys: finding the detach sequence in what is typed. A prefix of it is held back until the next key
 * tells whether it is the sequence.
 */
#pragma once

#include "base/base.h"

enum { ATTACH_KEYS_MAX = 16 };

struct attach_keys {
	const unsigned char *keys;
	size_t nkeys;
	unsigned char held[ATTACH_KEYS_MAX];
	size_t nheld;
};
/* Copies in[0..n) to out without the sequence; out has n + ATTACH_KEYS_MAX bytes. Returns the bytes in out;
 * *ret_detach when the sequence is complete (what follows it is dropped). */
size_t attach_keys_filter(struct attach_keys *k, const unsigned char *in, size_t n, unsigned char *out, bool *ret_detach);
