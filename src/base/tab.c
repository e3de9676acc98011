/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tab.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum { GAP = 3, NARROWEST = 10 };

struct cell { char *text; size_t width; };
struct row { struct cell *v; size_t n; };
struct tab {
	struct row *rows; /* the last one is still open */
	size_t n, room;
};

static struct row *open_row(struct tab *t)
{
	if (t->n == t->room) {
		t->room = t->room ? t->room * 2 : 16;
		t->rows = mem_grow(t->rows, t->room * sizeof *t->rows);
	}
	t->rows[t->n] = (struct row){};
	return &t->rows[t->n++];
}

struct tab *tab_new(void)
{
	struct tab *t = mem_alloc(sizeof *t);
	open_row(t);
	return t;
}

void tab_drop(struct tab **t)
{
	struct tab *old = *t;
	*t = NULL;
	if (!old)
		return;
	for (size_t i = 0; i < old->n; i++) {
		for (size_t k = 0; k < old->rows[i].n; k++)
			free(old->rows[i].v[k].text);
		free(old->rows[i].v);
	}
	free(old->rows);
	free(old);
}

static size_t width_of(const char *s)
{
	size_t width = 0;
	for (; *s; s++)
		width += ((unsigned char)*s & 0xc0) != 0x80;
	return width;
}

static void add(struct tab *t, const char *text, size_t n)
{
	struct row *r = &t->rows[t->n - 1];
	if ((r->n & (r->n - 1)) == 0)
		r->v = mem_grow(r->v, (r->n ? r->n * 2 : 1) * sizeof *r->v);
	char *copy = mem_ndup(text, n);
	str_harmless(copy);
	r->v[r->n++] = (struct cell){copy, width_of(copy)};
}

void tab_cell(struct tab *t, const char *text)
{
	add(t, text ? text : "", text ? strlen(text) : 0);
}

void tab_line(struct tab *t)
{
	open_row(t);
}

void tab_split(struct tab *t, const char *line)
{
	for (;; line++) {
		size_t n = strcspn(line, "\t");
		add(t, line, n);
		line += n;
		if (!*line)
			return;
	}
}

void tab_format(const struct tab *t, struct buf *out)
{
	size_t columns = 0;
	for (size_t i = 0; i < t->n; i++)
		columns = t->rows[i].n > columns ? t->rows[i].n : columns;
	own(mem) size_t *widths = mem_alloc(columns * sizeof *widths);
	for (size_t k = 0; k < columns; k++)
		widths[k] = NARROWEST - GAP;
	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < t->rows[i].n; k++)
			if (t->rows[i].v[k].width > widths[k])
				widths[k] = t->rows[i].v[k].width;
	for (size_t i = 0; i + 1 < t->n || (i < t->n && t->rows[i].n); i++) {
		const struct row *r = &t->rows[i];
		for (size_t k = 0; k < r->n; k++) {
			buf_str(out, r->v[k].text);
			if (k + 1 < r->n)
				buf_printf(out, "%*s", (int)(widths[k] - r->v[k].width + GAP), "");
		}
		buf_char(out, '\n');
	}
}
