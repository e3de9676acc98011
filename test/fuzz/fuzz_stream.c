/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoders on anything: read in big pieces and in small ones, they give the same bytes and the same
 * answer. gzip goes through zlib too: what both take is the same.
 */
#include "codec/decoder.h"
#include "codec/stream.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

enum { MOST = 4 << 20 };

static int decode(const uint8_t *data, size_t size, bool zlib, size_t piece, struct buf *out)
{
	struct err e = {};
	own(stream) struct stream *in = stream_memory(data, size), *s = NULL;
	struct feed f = zlib ? feed_new(in) : (struct feed){};
	int r = zlib ? inflate_open(&f, INFLATE_ZLIB, &s, &e) : stream_decompress(in, &s, NULL, &e);
	ssize_t n = r;
	while (r == 0 && out->len < MOST && (n = stream_read(s, buf_room(out, piece), piece, &e)) > 0)
		out->len += (size_t)n;
	CHECK(n >= 0 || (*e.text && e.kind));
	return n < 0 ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(buf) struct buf big = {}, small = {};
	int r = decode(data, size, false, 65536, &big);
	bool same = decode(data, size, false, 100, &small) == r;
	if (big.len >= MOST || small.len >= MOST)
		return 0;
	CHECK(same);
	/* Where it fails, the last piece may be left out. */
	CHECK(r < 0 || (big.len == small.len && memcmp(buf_text(&big), buf_text(&small), big.len) == 0));
	if (r == 0 && size > 2 && data[0] == 0x1f && data[1] == 0x8b) {
		own(buf) struct buf other = {};
		if (decode(data, size, true, 65536, &other) < 0)
			return 0; /* zlib refuses reserved flags, libisal does not look at them */
		CHECK(big.len == other.len && memcmp(buf_text(&big), buf_text(&other), big.len) == 0);
	}
	return 0;
}
