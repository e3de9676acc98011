/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zstd: RFC 8878 by libzstd, frame after frame; skippable frames give nothing. The library checks the
 * content checksum where a frame has one.
 */
#include "codec/decoder.h"

#include "base/mem.h"
#include "base/dynlib.h"

#include <zstd.h>
#include <zstd_errors.h>

static struct {
	DYNLIB_FN(ZSTD_createDStream);
	DYNLIB_FN(ZSTD_freeDStream);
	DYNLIB_FN(ZSTD_DCtx_setParameter);
	DYNLIB_FN(ZSTD_decompressStream);
	DYNLIB_FN(ZSTD_isError);
	DYNLIB_FN(ZSTD_getErrorCode);
	DYNLIB_FN(ZSTD_getErrorName);
} zstd;
static const struct dynlib_symbol symbols[] = {
	DYNLIB_SYMBOL(zstd, ZSTD_createDStream),
	DYNLIB_SYMBOL(zstd, ZSTD_freeDStream),
	DYNLIB_SYMBOL(zstd, ZSTD_DCtx_setParameter),
	DYNLIB_SYMBOL(zstd, ZSTD_decompressStream),
	DYNLIB_SYMBOL(zstd, ZSTD_isError),
	DYNLIB_SYMBOL(zstd, ZSTD_getErrorCode),
	DYNLIB_SYMBOL(zstd, ZSTD_getErrorName),
};
static struct dynlib lib = {"libzstd.so.1", "libzstd1", symbols, countof(symbols)};

struct unzstd {
	struct stream stream;
	struct feed feed;
	ZSTD_DStream *z;
	bool inside; /* a frame has begun and not ended, or plain bytes are still held back */
};

static void unzstd_close(struct stream *s)
{
	struct unzstd *u = (struct unzstd *)s;
	zstd.ZSTD_freeDStream(u->z);
	feed_drop(&u->feed);
	mem_drop(&u);
}

static int fail(size_t r, struct err *e)
{
	if (zstd.ZSTD_getErrorCode(r) == ZSTD_error_frameParameter_windowTooLarge)
		return err_set(e, ERR_LIMIT, "zstd: a window larger than 128 MiB");
	if (zstd.ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation)
		return err_set(e, ERR_LIMIT, "zstd: out of memory");
	if (zstd.ZSTD_getErrorCode(r) == ZSTD_error_prefix_unknown)
		return err_set(e, ERR_CORRUPT, "zstd: something else follows the compressed data");
	return err_set(e, ERR_CORRUPT, "zstd: %s", zstd.ZSTD_getErrorName(r));
}

static ssize_t unzstd_read(struct stream *s, void *p, size_t n, struct err *e)
{
	struct unzstd *u = (struct unzstd *)s;
	struct feed *f = &u->feed;
	ZSTD_outBuffer out = {p, n, 0};
	while (!out.pos) {
		int more = feed_fill(f, e);
		if (more < 0)
			return -1;
		if (!more && !u->inside)
			return 0;
		ZSTD_inBuffer in = {f->data + f->at, f->end - f->at, 0};
		size_t r = zstd.ZSTD_decompressStream(u->z, &out, &in);
		if (zstd.ZSTD_isError(r))
			return fail(r, e);
		f->at += in.pos;
		u->inside = r != 0;
		if (!more && !out.pos && u->inside)
			return err_set(e, ERR_CORRUPT, "zstd: unexpected end");
	}
	return (ssize_t)out.pos;
}

int zstd_open(struct feed *f, struct stream **ret, struct err *e)
{
	if (dynlib_open(&lib, e) < 0)
		return err_wrap(e, "zstd");
	ZSTD_DStream *z = zstd.ZSTD_createDStream();
	if (!z || zstd.ZSTD_isError(zstd.ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, DECODER_WINDOW_LOG))) {
		zstd.ZSTD_freeDStream(z);
		return err_set(e, ERR_LIMIT, "zstd does not start");
	}
	struct unzstd *u = mem_alloc(sizeof *u);
	*u = (struct unzstd){{.read = unzstd_read, .close = unzstd_close}, *f, z, true};
	*f = (struct feed){};
	*ret = &u->stream;
	return 0;
}
