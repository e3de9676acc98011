/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bzip2: by libbz2, stream after stream; its sums are checked. Only old archives are packed so, and the library's interface has been the
 * same since 2000: what is used of it stands here, and building needs no header.
 */
#include "codec/decoder.h"

#include "base/dynlib.h"
#include "base/mem.h"

struct bz {
	char *next_in;
	unsigned avail_in, total_in[2];
	char *next_out;
	unsigned avail_out, total_out[2];
	void *state, *alloc, *free, *opaque;
};
enum { BZ_OK = 0, BZ_STREAM_END = 4 };
int BZ2_bzDecompressInit(struct bz *b, int verbosity, int small);
int BZ2_bzDecompress(struct bz *b);
int BZ2_bzDecompressEnd(struct bz *b);

static struct {
	DYNLIB_FN(BZ2_bzDecompressInit);
	DYNLIB_FN(BZ2_bzDecompress);
	DYNLIB_FN(BZ2_bzDecompressEnd);
} bz;
static const struct dynlib_symbol symbols[] = {
	DYNLIB_SYMBOL(bz, BZ2_bzDecompressInit),
	DYNLIB_SYMBOL(bz, BZ2_bzDecompress),
	DYNLIB_SYMBOL(bz, BZ2_bzDecompressEnd),
};
static struct dynlib lib = {"libbz2.so.1.0", "libbz2-1.0", symbols, countof(symbols)};

struct unbzip2 {
	struct stream stream;
	struct feed feed;
	struct bz b;
	bool open;
};

static void unbzip2_close(struct stream *s)
{
	struct unbzip2 *u = (struct unbzip2 *)s;
	if (u->open)
		bz.BZ2_bzDecompressEnd(&u->b);
	feed_drop(&u->feed);
	mem_drop(&u);
}

/* The decoder, at the head of a stream. */
static int begin(struct unbzip2 *u, struct err *e)
{
	u->b = (struct bz){};
	u->open = bz.BZ2_bzDecompressInit(&u->b, 0, 0) == BZ_OK;
	return u->open ? 0 : err_set(e, ERR_LIMIT, "bzip2: out of memory");
}

static ssize_t unbzip2_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct unbzip2 *u = (struct unbzip2 *)s;
	struct feed *f = &u->feed;
	unsigned room = n < 1 << 30 ? (unsigned)n : 1 << 30, left = room;
	while (left == room) {
		int more = feed_fill(f, e);
		if (more < 0)
			return -1;
		if (!more)
			return u->open ? err_set(e, ERR_CORRUPT, "bzip2: unexpected end") : 0;
		if (!u->open && begin(u, e) < 0)
			return -1;
		u->b.next_out = p;
		u->b.avail_out = room;
		u->b.next_in = (char *)f->data + f->at;
		u->b.avail_in = (unsigned)(f->end - f->at);
		int r = bz.BZ2_bzDecompress(&u->b);
		f->at = f->end - u->b.avail_in;
		left = u->b.avail_out;
		if (r != BZ_OK && r != BZ_STREAM_END)
			return err_set(e, ERR_CORRUPT, "bzip2: invalid data or wrong checksum");
		if (r == BZ_STREAM_END) {
			bz.BZ2_bzDecompressEnd(&u->b);
			u->open = false;
		}
	}
	return (ssize_t)(room - left);
}

int bzip2_open(struct feed *f, struct stream **ret, struct err *e)
{
	if (dynlib_open(&lib, e) < 0)
		return err_wrap(e, "bzip2");
	own(mem) struct unbzip2 *u = mem_alloc(sizeof *u);
	if (begin(u, e) < 0)
		return -1;
	u->stream = (struct stream){.read = unbzip2_read, .close = unbzip2_close};
	u->feed = *f;
	*f = (struct feed){};
	*ret = &take(u)->stream;
	return 0;
}
