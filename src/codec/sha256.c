/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/sha256.h"

#include <nettle/sha2.h>

void sha256_short(const void *p, size_t n, unsigned char ret[static 32])
{
	struct sha256_ctx c;
	sha256_init(&c);
	sha256_update(&c, n, p);
	sha256_digest(&c, SHA256_DIGEST_SIZE, ret);
}
