/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/base64.h"

#include <string.h>

static int value_of(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

int base64_decode(const char *text, struct buf *out, struct err *e)
{
	size_t n = strlen(text);
	for (size_t i = 0; i < n; i += 4) {
		uint32_t group = 0;
		size_t have = 0;
		while (have < 4 && i + have < n && value_of(text[i + have]) >= 0)
			group = group << 6 | (uint32_t)value_of(text[i + have++]);
		bool padded = i + 4 == n && have >= 2 && strcmp(text + i + have, &"=="[have - 2]) == 0;
		/* What the padding leaves over must be zero: two texts never stand for the same bytes. */
		if ((have < 4 && !padded) || (have == 2 && group & 0xf) || (have == 3 && group & 3))
			return err_set(e, ERR_CORRUPT, "not base64 at byte %zu", i);
		group <<= 6 * (4 - have);
		const char bytes[3] = {(char)(group >> 16), (char)(group >> 8), (char)group};
		buf_add(out, bytes, have - 1);
	}
	return buf_check(out, e);
}

void base64_encode(const void *p, size_t n, struct buf *out)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *b = p;
	for (size_t i = 0; i < n; i += 3) {
		unsigned left = n - i < 3 ? (unsigned)(n - i) : 3;
		unsigned bits = (unsigned)b[i] << 16 | (left > 1 ? (unsigned)b[i + 1] << 8 : 0) | (left > 2 ? b[i + 2] : 0);
		for (unsigned k = 0; k < 4; k++)
			buf_char(out, k <= left ? alphabet[bits >> (18 - 6 * k) & 63] : '=');
	}
}
