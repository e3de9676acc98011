/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inflate: gzip (RFC 1952) by libisal, which is about twice as fast, or zlib where it is missing. Both
 * check each member's header, CRC and length; another member may follow at once, nothing else may.
 */
#include "codec/decoder.h"

#include "base/mem.h"
#include "base/dynlib.h"

#include <limits.h>
#include <string.h>
#ifdef HAVE_ISAL
#include <isa-l.h>
#endif
#include <zlib.h>

struct gunzip {
	struct stream stream;
	struct feed feed;
	bool between; /* a member has ended */
	z_stream z;
#ifdef HAVE_ISAL
	struct inflate_state isal;
#endif
};

/* What one step of a library did; bytes are counted by what it left over. */
enum step { STEP_GOING, STEP_MEMBER_ENDED, STEP_FAILED };
typedef enum step (*step_fn)(struct gunzip *g, unsigned char **out, size_t *room, const char **why);

static void gunzip_close(struct stream *s)
{
	struct gunzip *g = (struct gunzip *)s;
	feed_drop(&g->feed);
	mem_drop(&g);
}

/* Runs `step` until it gives bytes, and walks from member to member. */
static ssize_t decode(struct gunzip *g, step_fn step, void *p, size_t n, struct err *e)
{
	struct feed *f = &g->feed;
	unsigned char *out = p;
	size_t room = n < INT_MAX ? n : INT_MAX;
	n = room;
	while (room == n) {
		int more = feed_fill(f, e);
		if (more < 0)
			return -1;
		if (g->between && !more)
			return 0;
		if (g->between && f->data[f->at] != 0x1f)
			return err_set(e, ERR_CORRUPT, "gzip: something else follows the compressed data");
		size_t had = f->end - f->at;
		const char *why = NULL;
		enum step did = step(g, &out, &room, &why);
		if (did == STEP_FAILED)
			return err_set(e, ERR_CORRUPT, "gzip: %s", why);
		g->between = did == STEP_MEMBER_ENDED;
		if (!more && room == n && !g->between)
			return err_set(e, ERR_CORRUPT, "gzip: unexpected end");
		if (had && had == f->end - f->at && room == n && !g->between)
			return err_set(e, ERR_CORRUPT, "gzip: invalid data");
	}
	return (ssize_t)(n - room);
}

#ifdef HAVE_ISAL
static struct {
	DYNLIB_FN(isal_inflate_init);
	DYNLIB_FN(isal_inflate_reset);
	DYNLIB_FN(isal_inflate);
} isal;
static const struct dynlib_symbol isal_symbols[] = {
	DYNLIB_SYMBOL(isal, isal_inflate_init),
	DYNLIB_SYMBOL(isal, isal_inflate_reset),
	DYNLIB_SYMBOL(isal, isal_inflate),
};
static struct dynlib isal_lib = {"libisal.so.2", "libisal2", isal_symbols, countof(isal_symbols)};

static enum step isal_step(struct gunzip *g, unsigned char **out, size_t *room, const char **why)
{
	struct inflate_state *s = &g->isal;
	struct feed *f = &g->feed;
	if (g->between) {
		isal.isal_inflate_reset(s);
		s->crc_flag = ISAL_GZIP;
	}
	s->next_in = f->data + f->at;
	s->avail_in = (uint32_t)(f->end - f->at);
	s->next_out = *out;
	s->avail_out = (uint32_t)*room;
	int r = isal.isal_inflate(s);
	f->at = f->end - s->avail_in;
	*out = s->next_out;
	*room = s->avail_out;
	if (r < 0) {
		*why = r == ISAL_INCORRECT_CHECKSUM     ? "wrong checksum"
			: r == ISAL_INVALID_WRAPPER     ? "invalid header"
			: r == ISAL_UNSUPPORTED_METHOD  ? "unknown method"
							: "invalid data";
		return STEP_FAILED;
	}
	return s->block_state == ISAL_BLOCK_FINISH ? STEP_MEMBER_ENDED : STEP_GOING;
}

static ssize_t isal_read(struct stream *s, void *p, size_t n, struct err *e)
{
	return decode((struct gunzip *)s, isal_step, p, n, e);
}

static int isal_start(struct gunzip *g, struct err *e)
{
	if (dynlib_open(&isal_lib, e) < 0)
		return -1;
	isal.isal_inflate_init(&g->isal);
	g->isal.crc_flag = ISAL_GZIP;
	g->stream = (struct stream){.read = isal_read, .close = gunzip_close};
	return 0;
}
#else
static int isal_start(struct gunzip *g, struct err *e)
{
	(void)g;
	return err_set(e, ERR_UNSUPPORTED, "built without libisal");
}
#endif

static struct {
	DYNLIB_FN(inflateInit2_);
	DYNLIB_FN(inflateReset);
	DYNLIB_FN(inflateEnd);
	DYNLIB_FN(inflate);
} z;
static const struct dynlib_symbol z_symbols[] = {
	DYNLIB_SYMBOL(z, inflateInit2_),
	DYNLIB_SYMBOL(z, inflateReset),
	DYNLIB_SYMBOL(z, inflateEnd),
	DYNLIB_SYMBOL(z, inflate),
};
static struct dynlib z_lib = {"libz.so.1", "zlib1g", z_symbols, countof(z_symbols)};

static enum step z_step(struct gunzip *g, unsigned char **out, size_t *room, const char **why)
{
	struct feed *f = &g->feed;
	if (g->between)
		z.inflateReset(&g->z);
	g->z.next_in = f->data + f->at;
	g->z.avail_in = (uInt)(f->end - f->at);
	g->z.next_out = *out;
	g->z.avail_out = (uInt)*room;
	int r = z.inflate(&g->z, Z_NO_FLUSH);
	f->at = f->end - g->z.avail_in;
	*out = g->z.next_out;
	*room = g->z.avail_out;
	if (r == Z_STREAM_END)
		return STEP_MEMBER_ENDED;
	if (r == Z_OK || r == Z_BUF_ERROR)
		return STEP_GOING;
	const char *msg = g->z.msg ? g->z.msg : "invalid data";
	*why = strstr(msg, "header")    ? "invalid header"
		: strstr(msg, "check")  ? "wrong checksum"
		: strstr(msg, "method") ? "unknown method"
					: "invalid data";
	return STEP_FAILED;
}

static ssize_t z_read(struct stream *s, void *p, size_t n, struct err *e)
{
	return decode((struct gunzip *)s, z_step, p, n, e);
}

static void z_close(struct stream *s)
{
	z.inflateEnd(&((struct gunzip *)s)->z);
	gunzip_close(s);
}

static int z_start(struct gunzip *g, struct err *e)
{
	if (dynlib_open(&z_lib, e) < 0)
		return -1;
	/* 15 + 16: the largest window, gzip's wrapper */
	if (z.inflateInit2_(&g->z, 15 + 16, ZLIB_VERSION, (int)sizeof g->z) != Z_OK)
		return err_set(e, ERR_LIMIT, "zlib does not start");
	g->stream = (struct stream){.read = z_read, .close = z_close};
	return 0;
}

int inflate_open(struct feed *f, enum inflate_with with, struct stream **ret, struct err *e)
{
	own(mem) struct gunzip *g = mem_alloc(sizeof *g);
	struct err without = {};
	int r = with == INFLATE_ZLIB ? -1 : isal_start(g, with == INFLATE_ANY ? &without : e);
	if (r < 0 && with != INFLATE_ISAL)
		r = z_start(g, e);
	if (r < 0)
		return err_wrap(e, "gzip");
	g->feed = *f;
	*f = (struct feed){};
	*ret = &take(g)->stream;
	return 0;
}
