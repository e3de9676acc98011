/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zstd_write: one frame of libzstd with its checksum; libzstd has threads of its own.
 */
#include "codec/encoder.h"

#include "base/dynlib.h"
#include "base/mem.h"

#include <stdlib.h>
#include <zstd.h>

enum { JOB_SIZE = 2 << 20, JOB_LEVEL_MAX = 9 };

static struct {
	DYNLIB_FN(ZSTD_createCCtx);
	DYNLIB_FN(ZSTD_freeCCtx);
	DYNLIB_FN(ZSTD_CCtx_setParameter);
	DYNLIB_FN(ZSTD_compressStream2);
	DYNLIB_FN(ZSTD_isError);
	DYNLIB_FN(ZSTD_getErrorName);
} zstd;
static const struct dynlib_symbol symbols[] = {
	DYNLIB_SYMBOL(zstd, ZSTD_createCCtx),
	DYNLIB_SYMBOL(zstd, ZSTD_freeCCtx),
	DYNLIB_SYMBOL(zstd, ZSTD_CCtx_setParameter),
	DYNLIB_SYMBOL(zstd, ZSTD_compressStream2),
	DYNLIB_SYMBOL(zstd, ZSTD_isError),
	DYNLIB_SYMBOL(zstd, ZSTD_getErrorName),
};
static struct dynlib lib = {"libzstd.so.1", "libzstd1", symbols, countof(symbols)};

struct writer {
	struct compressor c;
	ZSTD_CCtx *z;
	char out[STREAM_CHUNK];
};

static int step(struct writer *w, ZSTD_inBuffer *in, ZSTD_EndDirective how, struct err *e)
{
	for (;;) {
		ZSTD_outBuffer out = {w->out, sizeof w->out, 0};
		size_t left = zstd.ZSTD_compressStream2(w->z, &out, in, how);
		if (zstd.ZSTD_isError(left))
			return err_set(e, ERR_SYSTEM, "zstd: %s", zstd.ZSTD_getErrorName(left));
		if (out.pos && w->c.put(w->c.arg, w->out, out.pos, e) < 0)
			return -1;
		if (how == ZSTD_e_end ? left == 0 : in->pos == in->size)
			return 0;
	}
}

static int add(struct compressor *c, const void *p, size_t n, struct err *e)
{
	return step((struct writer *)c, &(ZSTD_inBuffer){p, n, 0}, ZSTD_e_continue, e);
}

static int end(struct compressor *c, struct err *e)
{
	return step((struct writer *)c, &(ZSTD_inBuffer){}, ZSTD_e_end, e);
}

static void drop(struct compressor *c)
{
	zstd.ZSTD_freeCCtx(((struct writer *)c)->z);
	free(c);
}

int zstd_write_open(int level, unsigned threads, struct compressor **ret, struct err *e)
{
	if (dynlib_open(&lib, e) < 0)
		return err_wrap(e, "zstd");
	ZSTD_CCtx *z = zstd.ZSTD_createCCtx();
	if (!z)
		return err_set(e, ERR_LIMIT, "zstd does not start");
	zstd.ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level);
	zstd.ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	/* One worker makes the same frame as several, none another one. A library without threads refuses, and does it alone. */
	zstd.ZSTD_CCtx_setParameter(z, ZSTD_c_nbWorkers, (int)threads);
	/* Its own choice is four windows a job, several of them for each thread. */
	if (level <= JOB_LEVEL_MAX)
		zstd.ZSTD_CCtx_setParameter(z, ZSTD_c_jobSize, JOB_SIZE);
	struct writer *w = mem_alloc(sizeof *w);
	w->c = (struct compressor){.add = add, .end = end, .drop = drop};
	w->z = z;
	*ret = &w->c;
	return 0;
}
