/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expand: see expand.h. A recursive descent over the text: each level reads up to the character that ends it.
 */
#include "build/expand.h"

#include <ctype.h>

enum { DEPTH_MAX = 32, VALUE_MAX = 1 << 20, PATTERN_MAX = 4096 };

struct scan {
	const struct expansion *x;
	const char *at;
	unsigned depth;
	struct strv *words; /* NULL: no splitting */
	bool in_word;       /* there is a word, though it may be empty: "" */
	struct err *e;
};

bool expand_match(const char *pattern, char escape, const char *s, size_t n)
{
	const char *star = NULL;
	size_t at = 0, back = 0;
	while (at < n) {
		if (*pattern == '*') {
			star = ++pattern;
			back = at;
			continue;
		}
		const char *p = *pattern == escape && pattern[1] ? pattern + 1 : pattern;
		if (*p && (p == pattern && *p == '?' ? true : *p == s[at])) {
			pattern = p + 1;
			at++;
		} else if (star) {
			pattern = star;
			at = ++back;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == 0;
}

static void add_char(struct scan *s, struct buf *out, char c)
{
	s->in_word = true;
	buf_char(out, c);
}

static void end_word(struct scan *s, struct buf *out)
{
	if (s->in_word)
		strv_add(s->words, buf_text(out));
	s->in_word = false;
	buf_reset(out);
}

/* A value outside of quotes is split as the text is. */
static void add_value(struct scan *s, struct buf *out, const char *value, bool quoted)
{
	for (; *value; value++) {
		if (s->words && !quoted && s->depth == 1 && isspace((unsigned char)*value))
			end_word(s, out);
		else
			add_char(s, out, *value);
	}
}

static int until(struct scan *s, char stop, bool raw, struct buf *out);

static size_t name_length(const char *p)
{
	size_t n = 0;
	if (isalpha((unsigned char)*p) || *p == '_')
		while (isalnum((unsigned char)p[n]) || p[n] == '_')
			n++;
	else if (isdigit((unsigned char)*p))
		while (isdigit((unsigned char)p[n]))
			n++;
	else if (*p && strchr("@*#?-!$", *p))
		n = 1;
	return n;
}

static const char *get(struct scan *s, const char *name)
{
	const char *v = s->x->get(s->x->arg, name);
	if (!v && s->x->unset && !strv_has(s->x->unset, name))
		strv_add(s->x->unset, name);
	return v;
}

/* ${v#p} ${v##p} ${v%p} ${v%%p} */
static void trim(const char *value, const char *pattern, char escape, bool front, bool greedy, struct buf *out)
{
	size_t n = strlen(value);
	for (size_t i = 0; i <= n; i++) {
		size_t cut = greedy ? n - i : i;
		if (front && expand_match(pattern, escape, value, cut)) {
			buf_str(out, value + cut);
			return;
		}
		if (!front && expand_match(pattern, escape, value + n - cut, cut)) {
			buf_add(out, value, n - cut);
			return;
		}
	}
	buf_str(out, value);
}

/* The longest match at the first place. */
static void replace(const char *value, const char *pattern, char escape, const char *with, bool all, struct buf *out)
{
	size_t n = strlen(value);
	bool done = false;
	for (size_t i = 0; i < n;) {
		size_t len = done || !*pattern ? 0 : n - i;
		while (len && !expand_match(pattern, escape, value + i, len))
			len--;
		if (!len) {
			buf_char(out, value[i++]);
			continue;
		}
		buf_str(out, with);
		i += len;
		done = !all;
	}
}

static int check_pattern(struct scan *s, const char *value, const struct buf *pattern)
{
	if (pattern->len > PATTERN_MAX || strlen(value) > 4 * PATTERN_MAX)
		return err_set(s->e, ERR_LIMIT, "too long for a pattern");
	return 0;
}

static int patterns(struct scan *s, const char *name, char op, struct buf *out)
{
	own(buf) struct buf pattern = BUF(VALUE_MAX);
	own(buf) struct buf with = BUF(VALUE_MAX);
	bool twice = *s->at == op;
	if (twice)
		s->at++;
	if (until(s, op == '/' ? '/' : '}', true, &pattern) < 0 || (op == '/' && until(s, '}', false, &with) < 0))
		return -1;
	const char *value = get(s, name);
	if (!value)
		return 0;
	if (check_pattern(s, value, &pattern) < 0)
		return -1;
	own(buf) struct buf result = BUF(VALUE_MAX);
	if (op == '/')
		replace(value, buf_text(&pattern), s->x->escape, buf_text(&with), twice, &result);
	else
		trim(value, buf_text(&pattern), s->x->escape, op == '#', twice, &result);
	buf_str(out, buf_text(&result));
	return buf_check(&result, s->e);
}

/* Behind ${name and the operator. */
static int modified(struct scan *s, const char *name, char op, bool null_is_unset, struct buf *out)
{
	own(buf) struct buf word = BUF(VALUE_MAX);
	if (until(s, '}', false, &word) < 0)
		return -1;
	const char *v = op == '-' || op == '+' || op == '?' ? s->x->get(s->x->arg, name) : NULL;
	bool set = v && (*v || !null_is_unset);
	if (op == '-')
		buf_str(out, set ? v : buf_text(&word));
	else if (op == '+')
		buf_str(out, set ? buf_text(&word) : "");
	else if (set)
		buf_str(out, v);
	else
		return err_set(s->e, ERR_USAGE, "%.100s: %.300s", name, word.len ? buf_text(&word) : v ? "is empty" : "not set");
	return 0;
}

static int braces(struct scan *s, struct buf *out)
{
	size_t n = name_length(s->at);
	if (!*s->at)
		return err_set(s->e, ERR_USAGE, "syntax error: missing '}'");
	if (!n)
		return err_set(s->e, ERR_USAGE, "syntax error: bad substitution \"${%.20s\"", s->at);
	own(mem) char *name = mem_ndup(s->at, n);
	s->at += n;
	char op = *s->at ? *s->at++ : 0;
	if (op == '}') {
		const char *v = get(s, name);
		if (v)
			buf_str(out, v);
		else if (s->x->keep_unset)
			buf_printf(out, "${%s}", name);
		return 0;
	}
	if (op == '#' || op == '%' || op == '/')
		return patterns(s, name, op, out);
	bool null_is_unset = op == ':';
	if (null_is_unset)
		op = *s->at ? *s->at++ : 0;
	if (!op)
		return err_set(s->e, ERR_USAGE, "syntax error: missing '}'");
	if (op != '-' && op != '+' && op != '?')
		return err_set(s->e, ERR_USAGE, "unsupported modifier (%s%c) in substitution", null_is_unset ? ":" : "", op);
	return modified(s, name, op, null_is_unset, out);
}

static int dollar(struct scan *s, bool quoted, struct buf *out)
{
	own(buf) struct buf value = BUF(VALUE_MAX);
	if (*++s->at == '{') {
		s->at++;
		if (braces(s, &value) < 0)
			return -1;
		add_value(s, out, buf_text(&value), quoted);
		return buf_check(&value, s->e);
	}
	size_t n = name_length(s->at);
	if (!n) {
		add_char(s, out, '$');
		return 0;
	}
	own(mem) char *name = mem_ndup(s->at, n);
	s->at += n;
	const char *v = get(s, name);
	if (v)
		add_value(s, out, v, quoted);
	else if (s->x->keep_unset) {
		add_char(s, out, '$');
		add_value(s, out, name, true);
	}
	return 0;
}

static int single_quotes(struct scan *s, bool raw, struct buf *out)
{
	s->in_word = true;
	if (raw)
		buf_char(out, '\'');
	for (s->at++; *s->at && *s->at != '\''; s->at++)
		buf_char(out, *s->at);
	if (!*s->at)
		return err_set(s->e, ERR_USAGE, "unexpected end of statement while looking for matching single-quote");
	if (raw)
		buf_char(out, '\'');
	s->at++;
	return 0;
}

static int double_quotes(struct scan *s, bool raw, struct buf *out)
{
	s->in_word = true;
	if (raw)
		buf_char(out, '"');
	for (s->at++; *s->at && *s->at != '"';) {
		if (*s->at == '$') {
			if (dollar(s, true, out) < 0)
				return -1;
			continue;
		}
		if (*s->at == s->x->escape && s->at[1]) {
			char c = *++s->at;
			if (raw || (c != '"' && c != '$' && c != s->x->escape))
				buf_char(out, s->x->escape);
		}
		buf_char(out, *s->at++);
	}
	if (!*s->at)
		return err_set(s->e, ERR_USAGE, "unexpected end of statement while looking for matching double-quote");
	if (raw)
		buf_char(out, '"');
	s->at++;
	return 0;
}

/* Reads up to `stop` (0: the end) and past it. raw: escapes stay, for patterns and here-documents. */
static int until(struct scan *s, char stop, bool raw, struct buf *out)
{
	bool keep = raw || s->x->keep_quotes, quotes = !s->x->keep_quotes || s->depth > 0;
	if (++s->depth > DEPTH_MAX)
		return err_set(s->e, ERR_LIMIT, "substitutions are nested more than %d deep", DEPTH_MAX);
	while (*s->at && *s->at != stop) {
		int r = 0;
		char c = *s->at;
		if (c == '\'' && quotes)
			r = single_quotes(s, keep, out);
		else if (c == '"' && quotes)
			r = double_quotes(s, keep, out);
		else if (c == '$')
			r = dollar(s, false, out);
		else if (s->words && s->depth == 1 && isspace((unsigned char)c)) {
			end_word(s, out);
			s->at++;
		} else if (c == s->x->escape) {
			if (keep)
				add_char(s, out, c);
			if (*++s->at) {
				/* In a here-document only \$ and \\ are escapes. */
				if (s->x->keep_quotes && !raw && (*s->at == '$' || *s->at == c))
					out->data[--out->len] = 0;
				add_char(s, out, *s->at++);
			}
		} else {
			add_char(s, out, c);
			s->at++;
		}
		if (r < 0)
			return -1;
	}
	s->depth--;
	if (stop && *s->at != stop)
		return err_set(s->e, ERR_USAGE, "unexpected end of statement while looking for matching %c", stop);
	if (stop)
		s->at++;
	return buf_check(out, s->e);
}

int expand_word(const struct expansion *x, const char *text, struct buf *out, struct err *e)
{
	struct scan s = {.x = x, .at = text, .e = e};
	return until(&s, 0, false, out);
}

int expand_words(const struct expansion *x, const char *text, struct strv *out, struct err *e)
{
	own(buf) struct buf word = BUF(VALUE_MAX);
	struct scan s = {.x = x, .at = text, .words = out, .e = e};
	if (until(&s, 0, false, &word) < 0)
		return -1;
	end_word(&s, &word);
	return 0;
}
