/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache: which layer a step gave, by the key of all that it depends on.
 *
 *   <root>/build/keys/<sha256>    a step that was done: its layer (none: it changed nothing) and what it was
 *   <root>/build/layers/<hex>     layers that the cache wants kept: layers_collect() leaves them; the time of the file is that of the last use
 *   <root>/build/running/<id>/       a step that runs now; its lock is held
 *   <root>/build/doing/<sha256>   the key of a step that is done now (share.h)
 *   <root>/build/stat/<sha256>    statcache of a context
 *   <root>/build/last/<sha256>    which key a step had at a place of a Dockerfile (explain.h)
 *   <root>/build/imported/<sha256>   which caches from elsewhere were taken in (remote_cache.h)
 *   <root>/build/http/<sha256>    what a URL had (fetch.h)
 *
 * A key is the digest of named parts. The parts are written behind the answer: who wonders why a step ran again can compare them.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <time.h>

struct engine;
struct cache {
	int dir;
	bool read, write;
	struct timespec began; /* of the build */
	struct strv used; /* "KEY LAYER" of the steps that this build found or did */
};
int cache_open(struct cache *c, struct engine *g, struct err *e) must_use;
void cache_drop(struct cache *c);

struct key { struct buf parts; };
void key_drop(struct key *k);
void key_add(struct key *k, const char *name, const char *value);      /* NULL is not "" */
void key_add_list(struct key *k, const char *name, const struct strv *l);
void key_end(const struct key *k, char ret[65]);

struct cached { char layer[136]; /* "": none */ char created[40]; };
/* 1: found, and its layer is here; 0: not. fresh: only what was begun since the build began. */
int cache_get(struct cache *c, struct engine *g, const char key[65], bool fresh, struct cached *ret, struct err *e) must_use;
/* step: its text, for lists. */
int cache_put(struct cache *c, const char key[65], const struct key *k, const char *layer, const char *step, struct err *e) must_use;
/* When the step of an entry began (ns since 1970). */
void cache_date(struct cache *c, const char key[65], int64_t ns);
