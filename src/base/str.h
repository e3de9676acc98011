/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str: strings and lists of strings.
 *
 * struct strv owns its strings (strv_drop frees them) unless it was filled inside an arena. v is
 * NULL-terminated whenever it is not NULL, so it serves as argv or envp.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

struct strv {
	char **v;
	size_t n;
};

void strv_drop(struct strv *l);
void strv_add(struct strv *l, const char *s);           /* copies */
void strv_add_take(struct strv *l, char *s);            /* takes */
void strv_add_n(struct strv *l, const char *s, size_t n);
void strv_split(struct strv *l, const char *s, char sep); /* "" gives nothing, "a,,b" gives an empty one */
bool strv_has(const struct strv *l, const char *s);
void strv_sort(struct strv *l);
/* Environment lists: NAME=value. Set replaces a line of the same name. */
const char *strv_env_get(const struct strv *l, const char *name);
void strv_env_set(struct strv *l, const char *line);
void arena_strv_add(struct arena *a, struct strv *l, const char *s);

static inline bool str_eq(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}
static inline bool str_has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}
static inline bool str_is_empty(const char *s)
{
	return !s || !*s;
}
/* Bytes of the well-formed UTF-8 character (Unicode's table 3-7) that begins s; 0 when the n bytes begin with none. */
size_t str_utf8(const char *s, size_t n);
bool str_has_suffix(const char *s, const char *suffix);
/* If s begins with prefix: what follows it, else NULL. */
const char *str_after(const char *s, const char *prefix);
char *str_trim(char *s); /* in place, returns the first non-blank */
char *str_lower(char *s);
/* Blanks out, in place, what a terminal would obey: C0 (line breaks too), DEL, and C1 as UTF-8 spells it. */
void str_harmless(char *s);
/* Shell-style pattern (* ? [..] and \), as Go's path.Match. */
bool str_match(const char *pattern, const char *s);
/* The key nearest to `word` by edit distance, NULL when none is near: for "did you mean". */
const char *str_nearest(const char *word, const char *const *keys, size_t n);
