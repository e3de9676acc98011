/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem: memory. Short-lived processes say so in one line and end with 125 when it runs out (mem_*); sizes that come from outside go
 * through struct buf with its maximum instead. A parsed document lives in one arena: arena_drop()
 * frees all of it, nothing in it is freed alone.
 */
#pragma once

#include "base/base.h"

void *mem_alloc(size_t n) must_use;             /* zeroed */
void *mem_grow(void *p, size_t n) must_use;     /* realloc, new bytes undefined */
char *mem_dup(const char *s) must_use;          /* NULL gives NULL */
char *mem_ndup(const char *s, size_t n) must_use;
char *mem_printf(const char *fmt, ...) must_use printf_like(1, 2);

/* own(mem) char *s: frees *p, whatever pointer type p points to. */
void mem_drop(void *p);

struct arena {
	struct arena_block *blocks;
	size_t used;
};
void *arena_alloc(struct arena *a, size_t n) must_use; /* zeroed, aligned for any type */
char *arena_dup(struct arena *a, const char *s) must_use;
char *arena_ndup(struct arena *a, const char *s, size_t n) must_use;
char *arena_printf(struct arena *a, const char *fmt, ...) must_use printf_like(2, 3);
void arena_drop(struct arena *a);

/* Grows the array {v, n} of elements of size `each` by one zeroed element in the arena and returns
 * that element. The layout of every list of structs in hull is {T *v; size_t n;}. */
struct list {
	void *v;
	size_t n;
};
void *arena_push_(struct arena *a, struct list *l, size_t each) must_use;
#define arena_push(a, l) \
	((__typeof__((l)->v))arena_push_((a), (struct list *)(void *)(l), sizeof *(l)->v))
