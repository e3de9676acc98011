/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xz: the .xz format by liblzma: streams one after another, padding between them, checks verified.
 */
#include "codec/decoder.h"

#include "base/mem.h"
#include "base/dynlib.h"

#include <lzma.h>

static struct {
	DYNLIB_FN(lzma_stream_decoder);
	DYNLIB_FN(lzma_code);
	DYNLIB_FN(lzma_end);
} xz;
static const struct dynlib_symbol symbols[] = {
	DYNLIB_SYMBOL(xz, lzma_stream_decoder),
	DYNLIB_SYMBOL(xz, lzma_code),
	DYNLIB_SYMBOL(xz, lzma_end),
};
static struct dynlib lib = {"liblzma.so.5", "liblzma5", symbols, countof(symbols)};

/* The dictionary and what the decoder needs beside it. */
enum { MEMORY = (1 << DECODER_WINDOW_LOG) + (1 << 20) };

struct unxz {
	struct stream stream;
	struct feed feed;
	lzma_stream x;
	bool ended;
};

static void unxz_close(struct stream *s)
{
	struct unxz *u = (struct unxz *)s;
	xz.lzma_end(&u->x);
	feed_drop(&u->feed);
	mem_drop(&u);
}

static int fail(lzma_ret r, struct err *e)
{
	static const struct {
		lzma_ret ret;
		enum err_kind kind;
		const char *text;
	} rows[] = {
		{LZMA_MEMLIMIT_ERROR, ERR_LIMIT, "a dictionary larger than 128 MiB"},
		{LZMA_MEM_ERROR, ERR_LIMIT, "out of memory"},
		{LZMA_FORMAT_ERROR, ERR_CORRUPT, "something else follows the compressed data"},
		{LZMA_OPTIONS_ERROR, ERR_UNSUPPORTED, "unknown options"},
		{LZMA_UNSUPPORTED_CHECK, ERR_UNSUPPORTED, "unknown kind of checksum"},
		{LZMA_BUF_ERROR, ERR_CORRUPT, "unexpected end"},
	};
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].ret == r)
			return err_set(e, rows[i].kind, "xz: %s", rows[i].text);
	return err_set(e, ERR_CORRUPT, "xz: invalid data or wrong checksum");
}

static ssize_t unxz_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct unxz *u = (struct unxz *)s;
	struct feed *f = &u->feed;
	u->x.next_out = p;
	u->x.avail_out = n;
	while (u->x.avail_out == n && !u->ended) {
		int more = feed_fill(f, e);
		if (more < 0)
			return -1;
		u->x.next_in = f->data + f->at;
		u->x.avail_in = f->end - f->at;
		lzma_ret r = xz.lzma_code(&u->x, more ? LZMA_RUN : LZMA_FINISH);
		f->at = f->end - u->x.avail_in;
		u->ended = r == LZMA_STREAM_END;
		if (r != LZMA_OK && !u->ended)
			return fail(r, e);
	}
	return (ssize_t)(n - u->x.avail_out);
}

int xz_open(struct feed *f, struct stream **ret, struct err *e)
{
	if (dynlib_open(&lib, e) < 0)
		return err_wrap(e, "xz");
	own(mem) struct unxz *u = mem_alloc(sizeof *u);
	u->x = (lzma_stream)LZMA_STREAM_INIT;
	lzma_ret r = xz.lzma_stream_decoder(&u->x, MEMORY, LZMA_CONCATENATED | LZMA_TELL_UNSUPPORTED_CHECK);
	if (r != LZMA_OK)
		return fail(r, e);
	u->stream = (struct stream){.read = unxz_read, .close = unxz_close};
	u->feed = *f;
	*f = (struct feed){};
	*ret = &take(u)->stream;
	return 0;
}
