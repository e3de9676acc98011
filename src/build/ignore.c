/* SPDX-License-Identifier: Apache-2.0 */
#include "build/ignore.h"

#include "base/path.h"

#include <ctype.h>

enum { PATTERNS_MAX = 10000, STEPS_MAX = 100000 };

void ignore_drop(struct ignore *g)
{
	arena_drop(&g->arena);
	*g = (struct ignore){};
}

/* [..] at *p against c; moves behind it. -1: malformed. */
static int in_class(const char **p, char c)
{
	const char *s = *p + 1;
	bool not = *s == '^', hit = false;
	if (not)
		s++;
	for (bool first = true; *s && (first || *s != ']'); first = false) {
		if (*s == '\\' && s[1])
			s++;
		unsigned char low = (unsigned char)*s++, high = low;
		if (*s == '-' && s[1] && s[1] != ']') {
			s++;
			if (*s == '\\' && s[1])
				s++;
			high = (unsigned char)*s++;
		}
		hit |= (unsigned char)c >= low && (unsigned char)c <= high;
	}
	if (*s != ']')
		return -1;
	*p = s + 1;
	return c != '/' && hit != not;
}

/* Backtracking, bounded: what takes longer than any sane pattern does not match. */
static bool match(const char *p, const char *s, unsigned *steps)
{
	while (*p) {
		if (++*steps > STEPS_MAX)
			return false;
		if (p[0] == '*' && p[1] == '*') {
			while (*p == '*')
				p++;
			bool whole = *p == '/';
			if (whole)
				p++;
			if (!*p)
				return true;
			/* With a slash behind it: any number of whole directories. */
			for (const char *at = s;; at++) {
				if ((!whole || at == s || at[-1] == '/') && match(p, at, steps))
					return true;
				if (!*at || *steps > STEPS_MAX)
					return false;
			}
		}
		if (*p == '*') {
			for (p++;; s++) {
				if (match(p, s, steps))
					return true;
				if (!*s || *s == '/' || *steps > STEPS_MAX)
					return false;
			}
		}
		if (!*s)
			return false;
		if (*p == '[') {
			if (in_class(&p, *s) != 1)
				return false;
			s++;
			continue;
		}
		if (*p == '?') {
			if (*s == '/')
				return false;
			p++;
			s++;
			continue;
		}
		if (*p == '\\' && p[1])
			p++;
		if (*p++ != *s++)
			return false;
	}
	return !*s;
}

bool ignore_match(const char *pattern, const char *path)
{
	unsigned steps = 0;
	return match(pattern, path, &steps);
}

static bool is_well_formed(const char *p)
{
	while (*p) {
		if (*p == '[' && in_class(&p, 'x') < 0)
			return false;
		if (!*p)
			break;
		if (*p == '\\' && !p[1])
			return false;
		p += *p == '\\' ? 2 : *p != '[';
	}
	return true;
}

int ignore_add(struct ignore *g, const char *pattern, struct err *e)
{
	own(mem) char *copy = mem_dup(pattern);
	char *p = str_trim(copy);
	if (!*p)
		return 0;
	bool back = *p == '!';
	if (back)
		p = str_trim(p + 1);
	if (back && !*p)
		return err_set(e, ERR_USAGE, "illegal exclusion pattern: \"!\"");
	own(mem) char *clean = path_clean(p);
	const char *text = clean;
	while (*text == '/')
		text++;
	if (!is_well_formed(text))
		return err_set(e, ERR_USAGE, "malformed pattern \"%.100s\"", p);
	if (!*text || strcmp(text, ".") == 0)
		text = strcmp(p, ".") == 0 || strcmp(p, "/") == 0 ? "." : text;
	if (g->rows.n == PATTERNS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d patterns", PATTERNS_MAX);
	*arena_push(&g->arena, &g->rows) = (struct ignore_pattern){arena_dup(&g->arena, text), back, !strpbrk(text, "*?[\\")};
	g->takes_back |= back;
	return 0;
}

int ignore_read(struct ignore *g, const char *text, const char *name, struct err *e)
{
	own(strv) struct strv lines = {};
	if (str_has_prefix(text, "\xef\xbb\xbf"))
		text += 3;
	strv_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.n; i++)
		if (lines.v[i][0] != '#' && ignore_add(g, lines.v[i], e) < 0)
			return err_wrap(e, "%s:%zu", name, i + 1);
	return 0;
}

static bool matches_or_parent(const struct ignore_pattern *row, const char *path)
{
	if (row->literal) {
		size_t n = strlen(row->text);
		return strncmp(path, row->text, n) == 0 && (path[n] == 0 || path[n] == '/');
	}
	if (ignore_match(row->text, path))
		return true;
	own(mem) char *parent = mem_dup(path);
	for (char *slash; (slash = strrchr(parent, '/'));) {
		*slash = 0;
		if (ignore_match(row->text, parent))
			return true;
	}
	return false;
}

bool ignore_has(const struct ignore *g, const char *path)
{
	bool has = false;
	for (size_t i = 0; i < g->rows.n; i++)
		if (g->rows.v[i].back == has && matches_or_parent(&g->rows.v[i], path))
			has = !g->rows.v[i].back;
	return has;
}

bool ignore_looks_below(const struct ignore *g, const char *dir)
{
	size_t n = strlen(dir);
	for (size_t i = 0; i < g->rows.n; i++) {
		const struct ignore_pattern *row = &g->rows.v[i];
		if (!row->back)
			continue;
		if (!row->literal || (strncmp(row->text, dir, n) == 0 && row->text[n] == '/') || matches_or_parent(row, dir))
			return true;
	}
	return false;
}
