/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>

void strv_drop(struct strv *l)
{
	int saved = errno;
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strv){};
	errno = saved;
}

void strv_add_take(struct strv *l, char *s)
{
	/* Room for the NULL too; doubles when n + 1 reaches a power of two. */
	if (l->n == 0 || ((l->n + 1) & l->n) == 0)
		l->v = mem_grow(l->v, (l->n ? (l->n + 1) * 2 : 2) * sizeof *l->v);
	l->v[l->n++] = s;
	l->v[l->n] = NULL;
}

void strv_add(struct strv *l, const char *s)
{
	strv_add_take(l, mem_dup(s));
}

void strv_add_n(struct strv *l, const char *s, size_t n)
{
	strv_add_take(l, mem_ndup(s, n));
}

void strv_split(struct strv *l, const char *s, char sep)
{
	while (s && *s) {
		const char *end = strchr(s, sep);
		if (!end) {
			strv_add(l, s);
			return;
		}
		strv_add_n(l, s, (size_t)(end - s));
		s = end + 1;
		if (!*s)
			strv_add(l, "");
	}
}

bool strv_has(const struct strv *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *l)
{
	if (l->n > 1)
		qsort(l->v, l->n, sizeof *l->v, compare);
}

static bool names(const char *line, const char *name, size_t n)
{
	return strncmp(line, name, n) == 0 && line[n] == '=';
}

const char *strv_env_get(const struct strv *l, const char *name)
{
	size_t n = strlen(name);
	for (size_t i = l->n; i-- > 0;)
		if (names(l->v[i], name, n))
			return l->v[i] + n + 1;
	return NULL;
}

void strv_env_set(struct strv *l, const char *line)
{
	size_t n = strcspn(line, "=");
	for (size_t i = 0; i < l->n; i++)
		if (names(l->v[i], line, n)) {
			free(l->v[i]);
			l->v[i] = mem_dup(line);
			return;
		}
	strv_add(l, line);
}

void arena_strv_add(struct arena *a, struct strv *l, const char *s)
{
	if (l->n == 0 || ((l->n + 1) & l->n) == 0) {
		char **v = arena_alloc(a, (l->n ? (l->n + 1) * 2 : 2) * sizeof *v);
		if (l->n)
			memcpy(v, l->v, l->n * sizeof *v);
		l->v = v;
	}
	l->v[l->n++] = arena_dup(a, s);
	l->v[l->n] = NULL;
}

size_t str_utf8(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	if (n && p[0] < 0x80)
		return 1;
	size_t len = !n || p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	if (!len || n < len)
		return 0;
	unsigned low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80, high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool str_has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);
	return n >= m && strcmp(s + n - m, suffix) == 0;
}

const char *str_after(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);
	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

char *str_trim(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	size_t n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = 0;
	return s;
}

void str_harmless(char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)s[0], next = (unsigned char)s[1];
		if (c < 0x20 || c == 0x7f)
			*s = ' ';
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			s[0] = s[1] = ' ';
	}
}

char *str_lower(char *s)
{
	for (char *p = s; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return s;
}

bool str_match(const char *pattern, const char *s)
{
	return fnmatch(pattern, s, FNM_PATHNAME) == 0;
}

enum { WORD = 64 };

/* Letters to change, add, drop or swap with their neighbour. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(b), rows[3][WORD + 1];
	if (n > WORD || strlen(a) > WORD)
		return SIZE_MAX;
	size_t *before = rows[0], *last = rows[1], *row = rows[2];
	for (size_t j = 0; j <= n; j++)
		last[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t change = last[j - 1] + (a[i - 1] != b[j - 1]);
			size_t step = (last[j] < row[j - 1] ? last[j] : row[j - 1]) + 1;
			row[j] = change < step ? change : step;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		size_t *free_row = before;
		before = last;
		last = row;
		row = free_row;
	}
	return last[n];
}

const char *str_nearest(const char *word, const char *const *keys, size_t n)
{
	const char *best = NULL;
	/* one letter in three, and one at least */
	size_t least = strlen(word) / 3 > 1 ? strlen(word) / 3 : 1;
	for (size_t i = 0; i < n; i++) {
		size_t d = keys[i] ? distance(word, keys[i]) : SIZE_MAX;
		if (d <= least && d < strlen(word)) {
			best = keys[i];
			least = d ? d - 1 : 0;
		}
	}
	return best;
}
