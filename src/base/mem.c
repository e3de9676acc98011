/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t pad; /* keeps data[] aligned to 16 */
	size_t pad2;
	char data[];
};

/* docker's status for what failed before the command was there. */
enum { NO_MEMORY_STATUS = 125 };
/* The first block is small: hundreds of records that are read into an arena each are small too. */
enum { FIRST_BLOCK = 1024 - (int)sizeof(struct arena_block) - 32, BLOCK = 4096 - (int)sizeof(struct arena_block) - 32, ALIGN = 16 };

static void *checked(void *p)
{
	if (p)
		return p;
	static const char text[] = "hull: out of memory\n";
	(void)!write(2, text, sizeof text - 1);
	_exit(NO_MEMORY_STATUS);
}

void *mem_alloc(size_t n)
{
	return checked(calloc(1, n ? n : 1));
}

void *mem_grow(void *p, size_t n)
{
	return checked(realloc(p, n ? n : 1));
}

char *mem_dup(const char *s)
{
	return s ? checked(strdup(s)) : NULL;
}

char *mem_ndup(const char *s, size_t n)
{
	return checked(strndup(s, n));
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s = NULL;
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return checked(n < 0 ? NULL : s);
}

void mem_drop(void *p)
{
	int saved = errno;
	void *old;
	memcpy(&old, p, sizeof old);
	free(old);
	old = NULL;
	memcpy(p, &old, sizeof old);
	errno = saved;
}

void *arena_alloc(struct arena *a, size_t n)
{
	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!a->blocks || a->blocks->size - a->used < n) {
		size_t usual = a->blocks ? BLOCK : FIRST_BLOCK, size = n > usual ? n : usual;
		struct arena_block *b = mem_alloc(sizeof *b + size);
		b->size = size;
		b->next = a->blocks;
		a->blocks = b;
		a->used = 0;
	}
	void *p = a->blocks->data + a->used;
	a->used += n;
	return p;
}

char *arena_ndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);
	memcpy(p, s, n);
	return p;
}

char *arena_dup(struct arena *a, const char *s)
{
	return s ? arena_ndup(a, s, strlen(s)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *p = arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
	vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}

void arena_drop(struct arena *a)
{
	int saved = errno;
	while (a->blocks) {
		struct arena_block *b = a->blocks;
		a->blocks = b->next;
		free(b);
	}
	a->used = 0;
	errno = saved;
}

/* The array doubles when n reaches a power of two, so no capacity is kept beside it. */
void *arena_push_(struct arena *a, struct list *l, size_t each)
{
	if (l->n == 0 || (l->n >= 4 && (l->n & (l->n - 1)) == 0)) {
		size_t room = l->n ? l->n * 2 : 4;
		void *v = arena_alloc(a, room * each);
		if (l->n)
			memcpy(v, l->v, l->n * each);
		l->v = v;
	}
	return (char *)l->v + each * l->n++;
}
