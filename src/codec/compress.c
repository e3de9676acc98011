/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress: see compress.h.
 *
 * gzip: blocks are collected until there is one for each thread; then all are compressed, the first by ourselves, and written in their
 * order. The trailer's checksum is of the plain bytes, so it is taken as they come.
 */
#include "codec/compress.h"

#include "base/mem.h"
#include "base/str.h"
#include "codec/encoder.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

int compress_parse(const char *word, enum compression *ret, struct err *e)
{
	static const struct { const char *word; enum compression c; } rows[] = {{"gzip", COMPRESS_GZIP}, {"zstd", COMPRESS_ZSTD}};
	for (size_t i = 0; i < countof(rows); i++)
		if (str_eq(word, rows[i].word)) {
			*ret = rows[i].c;
			return 0;
		}
	return err_set(e, ERR_USAGE, "invalid compression \"%.40s\": gzip and zstd are known", word);
}

int compress_check_level(enum compression c, int level, struct err *e)
{
	int most = c == COMPRESS_ZSTD ? 19 : 9;
	if (level >= 0 && level <= most)
		return 0;
	return err_set(e, ERR_USAGE, "invalid compression level %d: %s has 1 to %d", level, c == COMPRESS_ZSTD ? "zstd" : "gzip", most);
}

struct block {
	struct deflater *deflater;
	unsigned char *in, *out;
	size_t n, made;
	bool last;
	pthread_t thread;
};
struct gzip {
	struct compressor c;
	unsigned threads, filled; /* blocks that are full */
	struct block v[COMPRESS_THREADS_MAX];
	uint32_t crc, length;
};

static void *work(void *arg)
{
	struct block *b = arg;
	b->made = deflate_block(b->deflater, b->in, b->n, b->last, b->out);
	return NULL;
}

/* Compresses v[0..n) and writes them. */
static int flush(struct gzip *g, unsigned n, struct err *e)
{
	bool started[COMPRESS_THREADS_MAX] = {};
	for (unsigned i = 1; i < n; i++)
		started[i] = pthread_create(&g->v[i].thread, NULL, work, &g->v[i]) == 0;
	for (unsigned i = 0; i < n; i++)
		if (!started[i])
			work(&g->v[i]);
	for (unsigned i = 1; i < n; i++)
		if (started[i])
			pthread_join(g->v[i].thread, NULL);
	for (unsigned i = 0; i < n; i++) {
		struct block *b = &g->v[i];
		if (!b->made)
			return err_set(e, ERR_BUG, "gzip: a block cannot be compressed");
		if (g->c.put(g->c.arg, b->out, b->made, e) < 0)
			return -1;
		b->n = 0;
		b->last = false;
	}
	g->filled = 0;
	return 0;
}

static int gzip_add(struct compressor *c, const void *p, size_t n, struct err *e)
{
	struct gzip *g = (struct gzip *)c;
	const unsigned char *from = p;
	g->crc = deflate_crc(g->v[0].deflater, g->crc, p, n);
	g->length += (uint32_t)n;
	while (n) {
		struct block *b = &g->v[g->filled];
		size_t room = DEFLATE_BLOCK - b->n, take = n < room ? n : room;
		memcpy(b->in + b->n, from, take);
		b->n += take;
		from += take;
		n -= take;
		if (b->n == DEFLATE_BLOCK && ++g->filled == g->threads && flush(g, g->filled, e) < 0)
			return -1;
	}
	return 0;
}

static int gzip_end(struct compressor *c, struct err *e)
{
	struct gzip *g = (struct gzip *)c;
	unsigned char tail[8];
	g->v[g->filled].last = true;
	if (flush(g, g->filled + 1, e) < 0)
		return -1;
	for (unsigned i = 0; i < 4; i++) {
		tail[i] = (unsigned char)(g->crc >> 8 * i);
		tail[4 + i] = (unsigned char)(g->length >> 8 * i);
	}
	return g->c.put(g->c.arg, tail, sizeof tail, e);
}

static void gzip_drop(struct compressor *c)
{
	struct gzip *g = (struct gzip *)c;
	for (unsigned i = 0; i < g->threads; i++) {
		deflate_drop(&g->v[i].deflater);
		free(g->v[i].in);
		free(g->v[i].out);
	}
	free(g);
}

static int gzip_open(int level, unsigned threads, struct compressor **ret, struct err *e)
{
	struct gzip *g = mem_alloc(sizeof *g);
	g->c = (struct compressor){.add = gzip_add, .end = gzip_end, .drop = gzip_drop};
	for (; g->threads < threads; g->threads++) {
		struct block *b = &g->v[g->threads];
		if (deflate_open(level, &b->deflater, e) < 0) {
			gzip_drop(&g->c);
			return -1;
		}
		b->in = mem_grow(NULL, DEFLATE_BLOCK);
		b->out = mem_grow(NULL, DEFLATE_ROOM);
	}
	*ret = &g->c;
	return 0;
}

int compress_open(enum compression c, int level, unsigned threads, compress_put_fn put, void *arg, struct compressor **ret, struct err *e)
{
	/* no name, no time, unknown system */
	static const unsigned char head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
	if (compress_check_level(c, level, e) < 0)
		return -1;
	level = level ? level : 3;
	threads = threads < 1 ? 1 : threads > COMPRESS_THREADS_MAX ? COMPRESS_THREADS_MAX : threads;
	if (c != COMPRESS_GZIP && c != COMPRESS_ZSTD)
		return err_set(e, ERR_BUG, "compress: nothing to be done");
	if ((c == COMPRESS_GZIP ? gzip_open(level, threads, ret, e) : zstd_write_open(level, threads, ret, e)) < 0)
		return -1;
	(*ret)->put = put;
	(*ret)->arg = arg;
	return c == COMPRESS_GZIP && put(arg, head, sizeof head, e) < 0 ? (compress_drop(ret), -1) : 0;
}

int compress_add(struct compressor *c, const void *p, size_t n, struct err *e)
{
	return c->add(c, p, n, e);
}

int compress_end(struct compressor *c, struct err *e)
{
	return c->end(c, e);
}

void compress_drop(struct compressor **c)
{
	if (*c)
		(*c)->drop(*c);
	*c = NULL;
}
