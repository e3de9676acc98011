/* SPDX-License-Identifier: Apache-2.0 */
#include "build/names.h"

#include <stdlib.h>

static size_t hash(const char *s)
{
	uint64_t h = 1469598103934665603u;
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	return (size_t)(h ^ (h >> 29));
}

static struct names_row *slot(struct names_row *rows, size_t slots, const char *name)
{
	size_t i = hash(name) & (slots - 1);
	while (rows[i].key && strcmp(rows[i].key, name) != 0)
		i = (i + 1) & (slots - 1);
	return &rows[i];
}

void names_drop(struct names *s)
{
	mem_drop(&s->rows);
	arena_drop(&s->arena);
	s->n = s->slots = 0;
}

const char *names_get(const struct names *s, const char *name)
{
	return s->slots ? slot(s->rows, s->slots, name)->value : NULL;
}

static void grow(struct names *s)
{
	size_t slots = s->slots ? 2 * s->slots : 64;
	struct names_row *rows = mem_alloc(slots * sizeof *rows);
	for (size_t i = 0; i < s->slots; i++)
		if (s->rows[i].key)
			*slot(rows, slots, s->rows[i].key) = s->rows[i];
	mem_drop(&s->rows);
	s->rows = rows;
	s->slots = slots;
}

static void put(struct names *s, const char *name, const char *text, bool replace)
{
	if (2 * (s->n + 1) > s->slots)
		grow(s);
	struct names_row *p = slot(s->rows, s->slots, name);
	if (p->key && (!replace || strcmp(p->value, text) == 0))
		return;
	if (p->key) {
		p->value = arena_dup(&s->arena, text);
		return;
	}
	*p = (struct names_row){arena_dup(&s->arena, name), arena_dup(&s->arena, text)};
	s->n++;
}

void names_add(struct names *s, const char *name, const char *text)
{
	put(s, name, text, false);
}

void names_put(struct names *s, const char *name, const char *text)
{
	put(s, name, text, true);
}
