/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statcache: a file of rows, {fixed part, path}, read whole; a table by open addressing finds one.
 */
#include "build/statcache.h"

#include "base/buf.h"
#include "base/num.h"
#include "base/path.h"

#include <stdlib.h>

enum { FILE_MAX = 1 << 30, ROWS_MAX = 4000000 };
static const char magic[8] = "hullst1\n";
#define RACE_NS 20000000 /* a clock tick of any kernel, twice */

struct fixed {
	uint64_t dev, ino, size;
	int64_t mtime, ctime;
	uint32_t mode, length; /* of the path, without its NUL */
	unsigned char digest[32];
};
struct row { struct fixed f; const char *path; };
struct statcache {
	int dir;
	char *name;
	struct buf text;
	struct arena arena;
	struct { struct row *v; size_t n, room; } rows;
	uint32_t *table; /* index + 1 */
	size_t slots;
	int64_t opened;
	bool changed;
};

static int64_t ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t hash(const char *s)
{
	uint64_t h = 1469598103934665603u;
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	return h ^ (h >> 29);
}

static uint32_t *slot(struct statcache *c, const char *path)
{
	size_t i = hash(path) & (c->slots - 1);
	while (c->table[i] && strcmp(c->rows.v[c->table[i] - 1].path, path) != 0)
		i = (i + 1) & (c->slots - 1);
	return &c->table[i];
}

static void rehash(struct statcache *c, size_t slots)
{
	free(c->table);
	c->slots = slots;
	c->table = mem_alloc(slots * sizeof *c->table);
	for (size_t i = 0; i < c->rows.n; i++)
		*slot(c, c->rows.v[i].path) = (uint32_t)i + 1;
}

static void add(struct statcache *c, const struct fixed *f, const char *path)
{
	if (2 * (c->rows.n + 1) > c->slots)
		rehash(c, c->slots ? 2 * c->slots : 1024);
	uint32_t *s = slot(c, path);
	if (*s) {
		c->rows.v[*s - 1].f = *f;
		return;
	}
	if (c->rows.n == c->rows.room) {
		c->rows.room = c->rows.room ? 2 * c->rows.room : 512;
		c->rows.v = mem_grow(c->rows.v, c->rows.room * sizeof *c->rows.v);
	}
	c->rows.v[c->rows.n++] = (struct row){*f, path};
	*s = (uint32_t)c->rows.n;
}

static void load(struct statcache *c)
{
	struct err none = {};
	c->text = BUF(FILE_MAX);
	if (!path_exists(c->dir, c->name) || path_read(c->dir, c->name, &c->text, &none) < 0 || c->text.len < sizeof magic ||
		memcmp(c->text.data, magic, sizeof magic) != 0)
		return;
	for (size_t at = sizeof magic; at + sizeof(struct fixed) < c->text.len && c->rows.n < ROWS_MAX;) {
		struct fixed f;
		memcpy(&f, c->text.data + at, sizeof f);
		at += sizeof f;
		if (f.length >= c->text.len - at || c->text.data[at + f.length] || memchr(c->text.data + at, 0, f.length))
			return;
		add(c, &f, c->text.data + at);
		at += f.length + 1;
	}
}

struct statcache *statcache_open(int dir, const char *name)
{
	struct statcache *c = mem_alloc(sizeof *c);
	*c = (struct statcache){.dir = dir, .name = mem_dup(name), .opened = num_now_ns()};
	load(c);
	return c;
}

void statcache_drop(struct statcache **c)
{
	if (!*c)
		return;
	buf_drop(&(*c)->text);
	arena_drop(&(*c)->arena);
	free((*c)->rows.v);
	free((*c)->table);
	mem_drop(&(*c)->name);
	mem_drop(c);
}

static void fill(struct fixed *f, const struct stat *st)
{
	*f = (struct fixed){.dev = st->st_dev, .ino = st->st_ino, .size = (uint64_t)st->st_size, .mtime = ns(st->st_mtim),
		.ctime = ns(st->st_ctim), .mode = st->st_mode};
}

const unsigned char *statcache_get(struct statcache *c, const char *path, const struct stat *st)
{
	struct fixed f;
	if (!c->slots)
		return NULL;
	uint32_t *s = slot(c, path);
	if (!*s)
		return NULL;
	const struct fixed *row = &c->rows.v[*s - 1].f;
	fill(&f, st);
	bool same = row->dev == f.dev && row->ino == f.ino && row->size == f.size && row->mtime == f.mtime && row->ctime == f.ctime && row->mode == f.mode;
	return same ? row->digest : NULL;
}

void statcache_put(struct statcache *c, const char *path, const struct stat *st, const unsigned char digest[32])
{
	struct fixed f;
	fill(&f, st);
	/* What changes after this look, in the same tick, has the same times. */
	if (f.ctime > c->opened - RACE_NS || f.mtime > c->opened - RACE_NS)
		return;
	f.length = (uint32_t)strlen(path);
	memcpy(f.digest, digest, sizeof f.digest);
	add(c, &f, arena_dup(&c->arena, path));
	c->changed = true;
}

int statcache_save(struct statcache *c, struct err *e)
{
	own(buf) struct buf b = BUF(FILE_MAX);
	if (!c->changed)
		return 0;
	buf_add(&b, magic, sizeof magic);
	for (size_t i = 0; i < c->rows.n; i++) {
		c->rows.v[i].f.length = (uint32_t)strlen(c->rows.v[i].path);
		buf_add(&b, &c->rows.v[i].f, sizeof c->rows.v[i].f);
		buf_add(&b, c->rows.v[i].path, c->rows.v[i].f.length + 1);
	}
	if (buf_check(&b, e) < 0 || path_write(c->dir, c->name, b.data, b.len, 0600, 0, e) < 0)
		return err_wrap(e, "remember the context");
	c->changed = false;
	return 0;
}
