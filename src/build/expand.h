/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expand: the variables of a Dockerfile's words, as BuildKit's shell lexer has them:
 *
 *   $v ${v} ${v:-w} ${v-w} ${v:+w} ${v+w} ${v:?m} ${v?m} ${v#p} ${v##p} ${v%p} ${v%%p} ${v/p/r} ${v//p/r}
 *
 * Words nest; in patterns * and ? match, and the escape takes that away. Single quotes suppress, double quotes do not;
 * both are taken off.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

struct expansion {
	/* The value of a variable, NULL: it has none. */
	const char *(*get)(void *arg, const char *name);
	void *arg;
	char escape;
	bool keep_unset;    /* $v of a variable that has no value stays as it is */
	bool keep_quotes;   /* quotes and escapes stay: here-documents */
	struct strv *unset; /* names that had no value are added, when not NULL */
};
/* One word: the whole text, blanks and all. ERR_USAGE tells what is wrong with it. */
int expand_word(const struct expansion *x, const char *text, struct buf *out, struct err *e) must_use;
/* Split at blanks that no quote protects, those in values too. */
int expand_words(const struct expansion *x, const char *text, struct strv *out, struct err *e) must_use;
/* Whether `pattern` (* ? and escapes) is the whole of s[0..n). */
bool expand_match(const char *pattern, char escape, const char *s, size_t n);
