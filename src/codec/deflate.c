/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deflate: blocks by libisal (levels 1 to 3) or zlib (4 to 9, and all where libisal is missing).
 */
#include "codec/encoder.h"

#include "base/dynlib.h"
#include "base/mem.h"

#ifdef HAVE_ISAL
#include <isa-l.h>
#endif
#include <zlib.h>

struct deflater {
	bool by_isal;
	z_stream z;
#ifdef HAVE_ISAL
	struct isal_zstream isal;
	uint8_t *level_buf;
#endif
};

static struct {
	DYNLIB_FN(deflateInit2_);
	DYNLIB_FN(deflateReset);
	DYNLIB_FN(deflateEnd);
	DYNLIB_FN(deflate);
	DYNLIB_FN(crc32_z);
} z;
static const struct dynlib_symbol z_symbols[] = {
	DYNLIB_SYMBOL(z, deflateInit2_),
	DYNLIB_SYMBOL(z, deflateReset),
	DYNLIB_SYMBOL(z, deflateEnd),
	DYNLIB_SYMBOL(z, deflate),
	DYNLIB_SYMBOL(z, crc32_z),
};
static struct dynlib z_lib = {"libz.so.1", "zlib1g", z_symbols, countof(z_symbols)};

static int z_start(struct deflater *d, int level, struct err *e)
{
	if (dynlib_open(&z_lib, e) < 0)
		return -1;
	/* -15: the largest window, no wrapper */
	if (z.deflateInit2_(&d->z, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, (int)sizeof d->z) != Z_OK)
		return err_set(e, ERR_LIMIT, "zlib does not start");
	return 0;
}

static size_t z_block(struct deflater *d, const void *in, size_t n, bool last, void *out)
{
	z.deflateReset(&d->z);
	d->z.next_in = (Bytef *)(uintptr_t)in;
	d->z.avail_in = (uInt)n;
	d->z.next_out = out;
	d->z.avail_out = DEFLATE_ROOM;
	int r = z.deflate(&d->z, last ? Z_FINISH : Z_FULL_FLUSH);
	return r == (last ? Z_STREAM_END : Z_OK) && d->z.avail_in == 0 && d->z.avail_out ? DEFLATE_ROOM - d->z.avail_out : 0;
}

#ifdef HAVE_ISAL
static struct {
	DYNLIB_FN(isal_deflate_init);
	DYNLIB_FN(isal_deflate);
	DYNLIB_FN(crc32_gzip_refl);
} isal;
static const struct dynlib_symbol isal_symbols[] = {
	DYNLIB_SYMBOL(isal, isal_deflate_init),
	DYNLIB_SYMBOL(isal, isal_deflate),
	DYNLIB_SYMBOL(isal, crc32_gzip_refl),
};
static struct dynlib isal_lib = {"libisal.so.2", "libisal2", isal_symbols, countof(isal_symbols)};

static const uint32_t isal_room[] = {ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT, ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT};

static int isal_start(struct deflater *d, int level)
{
	struct err ignored = {};
	if ((size_t)level >= countof(isal_room) || dynlib_open(&isal_lib, &ignored) < 0)
		return -1;
	d->by_isal = true;
	d->level_buf = mem_grow(NULL, isal_room[level]);
	d->isal.level = (uint32_t)level;
	return 0;
}

static size_t isal_block(struct deflater *d, const void *in, size_t n, bool last, void *out)
{
	struct isal_zstream *s = &d->isal;
	uint32_t level = s->level;
	isal.isal_deflate_init(s);
	s->level = level;
	s->level_buf = d->level_buf;
	s->level_buf_size = isal_room[level];
	s->flush = FULL_FLUSH;
	s->end_of_stream = last;
	s->next_in = (uint8_t *)(uintptr_t)in;
	s->avail_in = (uint32_t)n;
	s->next_out = out;
	s->avail_out = DEFLATE_ROOM;
	int r = isal.isal_deflate(s);
	return r == COMP_OK && s->avail_in == 0 && s->avail_out ? DEFLATE_ROOM - s->avail_out : 0;
}
#endif

int deflate_open(int level, struct deflater **ret, struct err *e)
{
	struct deflater *d = mem_alloc(sizeof *d);
	int r = -1;
#ifdef HAVE_ISAL
	r = isal_start(d, level);
#endif
	if (r < 0 && z_start(d, level, e) < 0) {
		mem_drop(&d);
		return err_wrap(e, "gzip");
	}
	*ret = d;
	return 0;
}

void deflate_drop(struct deflater **d)
{
	if (!*d)
		return;
	if (!(*d)->by_isal)
		z.deflateEnd(&(*d)->z);
#ifdef HAVE_ISAL
	mem_drop(&(*d)->level_buf);
#endif
	mem_drop(d);
}

size_t deflate_block(struct deflater *d, const void *in, size_t n, bool last, void *out)
{
#ifdef HAVE_ISAL
	if (d->by_isal)
		return isal_block(d, in, n, last, out);
#endif
	return z_block(d, in, n, last, out);
}

uint32_t deflate_crc(struct deflater *d, uint32_t crc, const void *p, size_t n)
{
#ifdef HAVE_ISAL
	if (d->by_isal)
		return isal.crc32_gzip_refl(crc, (unsigned char *)(uintptr_t)p, n);
#endif
	return (uint32_t)z.crc32_z(crc, p, n);
}
