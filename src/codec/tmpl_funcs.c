/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpl_funcs: the functions of text/template, and those docker adds, as one table.
 *
 * The table's argument letters are checked before a function runs, so it takes its strings and integers as they
 * are. Integers and floating-point numbers compare with each other: JSON does not tell which one Go had.
 */
#include "codec/tmpl_tree.h"

#include <ctype.h>
#include <stdio.h>

static int no(struct call *c, const char *fmt, ...) printf_like(2, 3);
static int no(struct call *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->e->text, sizeof c->e->text, fmt, ap);
	va_end(ap);
	c->e->kind = ERR_USAGE;
	return -1;
}

static int give(struct call *c, struct json *j)
{
	*c->ret = tmpl_keep(c->run, j);
	return 0;
}

static int give_buf(struct call *c, struct buf *b)
{
	int r = b->full ? no(c, "more than %zu bytes", b->max ? b->max : (size_t)BUF_MAX) : give(c, json_new_str_n(buf_text(b), b->len));
	buf_drop(b);
	return r;
}

static const char *str_of(const struct call *c, size_t i)
{
	return json_str(c->args[i].j);
}

static enum json_kind kind_of(struct val v)
{
	return v.missing ? JSON_NULL : json_kind(v.j);
}

static bool is_number(enum json_kind k)
{
	return k == JSON_INT || k == JSON_DOUBLE;
}

/* -1, 0, 1 of two values that have an order */
static int order(const struct json *a, const struct json *b)
{
	if (json_kind(a) == JSON_STRING) {
		int r = strcmp(json_str(a), json_str(b));
		return (r > 0) - (r < 0);
	}
	if (json_kind(a) == JSON_INT && json_kind(b) == JSON_INT) {
		int64_t x = json_i64(a), y = json_i64(b);
		uint64_t u = json_u64(a), v = json_u64(b);
		return x < 0 || y < 0 ? (x > y) - (x < y) : (u > v) - (u < v);
	}
	double x = json_double(a), y = json_double(b);
	return (x > y) - (x < y);
}

static int equal(struct call *c, struct val a, struct val b, bool *ret)
{
	enum json_kind k = kind_of(a), l = kind_of(b);
	if (k == JSON_NULL || l == JSON_NULL)
		*ret = k == l;
	else if (k == JSON_ARRAY || k == JSON_OBJECT || l == JSON_ARRAY || l == JSON_OBJECT)
		return no(c, "non-comparable type %s", tmpl_type(k == JSON_ARRAY || k == JSON_OBJECT ? a : b));
	else if (k == JSON_BOOL && l == JSON_BOOL)
		*ret = json_truth(a.j) == json_truth(b.j);
	else if ((is_number(k) && is_number(l)) || (k == JSON_STRING && l == JSON_STRING))
		*ret = order(a.j, b.j) == 0;
	else
		return no(c, "incompatible types for comparison");
	return 0;
}

static int run_eq(struct call *c)
{
	bool same = false;
	if (c->n < 2)
		return no(c, "missing argument for comparison");
	for (size_t i = 1; i < c->n && !same; i++)
		if (equal(c, c->args[0], c->args[i], &same) < 0)
			return -1;
	return give(c, json_new_bool(same));
}

static int run_ne(struct call *c)
{
	bool same = false;
	return equal(c, c->args[0], c->args[1], &same) < 0 ? -1 : give(c, json_new_bool(!same));
}

static int compare(struct call *c, bool less, bool same, bool more)
{
	enum json_kind k = kind_of(c->args[0]), l = kind_of(c->args[1]);
	if ((!is_number(k) && k != JSON_STRING) || (!is_number(l) && l != JSON_STRING))
		return no(c, "invalid type for comparison");
	if (is_number(k) != is_number(l))
		return no(c, "incompatible types for comparison");
	int r = order(c->args[0].j, c->args[1].j);
	return give(c, json_new_bool(r < 0 ? less : r > 0 ? more : same));
}

static int run_lt(struct call *c)
{
	return compare(c, true, false, false);
}

static int run_le(struct call *c)
{
	return compare(c, true, true, false);
}

static int run_gt(struct call *c)
{
	return compare(c, false, false, true);
}

static int run_ge(struct call *c)
{
	return compare(c, false, true, true);
}

static int run_not(struct call *c)
{
	return give(c, json_new_bool(!tmpl_truth(c->args[0])));
}

static int run_len(struct call *c)
{
	enum json_kind k = kind_of(c->args[0]);
	if (k == JSON_STRING)
		return give(c, json_new_u64(strlen(str_of(c, 0))));
	/* A null is what is left of an empty list or map. */
	if (k == JSON_ARRAY || k == JSON_OBJECT || k == JSON_NULL)
		return give(c, json_new_u64(json_len(c->args[0].j)));
	return no(c, "len of type %s", tmpl_type(c->args[0]));
}

/* What Go's map gives for a key that it lacks: the zero value of its elements, known by those that are there. */
static struct val zero_of(struct call *c, const struct json *map)
{
	struct json_iter it = {};
	switch (json_next(map, &it) ? json_kind(it.value) : JSON_STRING) {
	case JSON_STRING: return tmpl_keep(c->run, json_new_str(""));
	case JSON_BOOL: return tmpl_keep(c->run, json_new_bool(false));
	case JSON_INT:
	case JSON_DOUBLE: return tmpl_keep(c->run, json_new_i64(0));
	case JSON_ARRAY: {
		struct val v = tmpl_keep(c->run, json_new_array());
		v.nil = true;
		return v;
	}
	default: return (struct val){.missing = true};
	}
}

static int position(struct call *c, size_t i, size_t end, size_t *ret)
{
	if (kind_of(c->args[i]) != JSON_INT)
		return no(c, "cannot index slice/array with type %s", tmpl_type(c->args[i]));
	int64_t at = json_i64(c->args[i].j);
	if (at < 0 || (uint64_t)at >= end)
		return no(c, "index out of range: %lld", (long long)at);
	*ret = (size_t)at;
	return 0;
}

static int run_index(struct call *c)
{
	struct val v = c->args[0];
	for (size_t i = 1; i < c->n; i++) {
		enum json_kind k = kind_of(v), key = kind_of(c->args[i]);
		size_t at;
		if (k == JSON_NULL && key != JSON_STRING)
			return v.missing || !v.nil ? no(c, "index of untyped nil") : no(c, "index out of range: %lld", (long long)json_i64(c->args[i].j));
		if (k == JSON_OBJECT && key != JSON_STRING)
			return no(c, "value has type %s; should be string", tmpl_type(c->args[i]));
		if (k == JSON_OBJECT || k == JSON_NULL) {
			v = json_has(v.j, str_of(c, i)) ? (struct val){.j = json_get(v.j, str_of(c, i))} : zero_of(c, v.j);
			continue;
		}
		if (k != JSON_ARRAY && k != JSON_STRING)
			return no(c, "can't index item of type %s", tmpl_type(v));
		if (position(c, i, k == JSON_STRING ? strlen(json_str(v.j)) : json_len(v.j), &at) < 0)
			return -1;
		if (k == JSON_STRING)
			v = tmpl_keep(c->run, json_new_u64((unsigned char)json_str(v.j)[at]));
		else
			v = (struct val){.j = json_at(v.j, at)};
	}
	*c->ret = v;
	return 0;
}

static int run_slice(struct call *c)
{
	enum json_kind k = kind_of(c->args[0]);
	if (k != JSON_STRING && k != JSON_ARRAY)
		return no(c, "can't slice item of type %s", tmpl_type(c->args[0]));
	if (c->n > 4)
		return no(c, "too many slice indexes: %zu", c->n - 1);
	if (c->n == 4 && k == JSON_STRING)
		return no(c, "cannot 3-index slice a string");
	size_t len = k == JSON_STRING ? strlen(str_of(c, 0)) : json_len(c->args[0].j), at[3] = {0, len, len};
	for (size_t i = 1; i < c->n; i++)
		if (position(c, i, len + 1, &at[i - 1]) < 0)
			return -1;
	if (at[0] > at[1] || at[1] > at[2])
		return no(c, "invalid slice index: %zu > %zu", at[0] > at[1] ? at[0] : at[1], at[0] > at[1] ? at[1] : at[2]);
	if (k == JSON_STRING)
		return give(c, json_new_str_n(str_of(c, 0) + at[0], at[1] - at[0]));
	struct json *list = json_new_array();
	for (size_t i = at[0]; i < at[1]; i++)
		json_add(list, json_ref(json_at(c->args[0].j, i)));
	return give(c, list);
}

static int run_print(struct call *c)
{
	struct buf b = {};
	tmpl_sprint(&(struct print){tmpl_has_structs(c->run), &b}, c->args, c->n, false);
	return give_buf(c, &b);
}

static int run_println(struct call *c)
{
	struct buf b = {};
	tmpl_sprint(&(struct print){tmpl_has_structs(c->run), &b}, c->args, c->n, true);
	return give_buf(c, &b);
}

static int run_printf(struct call *c)
{
	struct buf b = {};
	tmpl_sprintf(&(struct print){tmpl_has_structs(c->run), &b}, str_of(c, 0), c->args + 1, c->n - 1);
	return give_buf(c, &b);
}

static void escape_html(unsigned char s, struct buf *b)
{
	static const struct { char c; const char *text; } rows[] = {{'"', "&#34;"}, {'\'', "&#39;"}, {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}};
	for (size_t i = 0; i < countof(rows); i++)
		if ((unsigned char)rows[i].c == s) {
			buf_str(b, rows[i].text);
			return;
		}
	buf_char(b, (char)s);
}

static void escape_js(unsigned char s, struct buf *b)
{
	if (strchr("\\'\"", s))
		buf_printf(b, "\\%c", s);
	else if (s < 0x20 || s == 0x7f || strchr("<>&=", s))
		buf_printf(b, "\\u%04X", s);
	else
		buf_char(b, (char)s);
}

static void escape_url(unsigned char s, struct buf *b)
{
	if (isalnum(s) || strchr("-_.~", s))
		buf_char(b, (char)s);
	else if (s == ' ')
		buf_char(b, '+');
	else
		buf_printf(b, "%%%02X", s);
}

static int escape(struct call *c, void (*one)(unsigned char s, struct buf *b))
{
	own(buf) struct buf text = {};
	struct buf b = {};
	tmpl_sprint(&(struct print){tmpl_has_structs(c->run), &text}, c->args, c->n, false);
	for (size_t i = 0; i < text.len; i++)
		one((unsigned char)text.data[i], &b);
	return give_buf(c, &b);
}

static int run_html(struct call *c)
{
	return escape(c, escape_html);
}

static int run_js(struct call *c)
{
	return escape(c, escape_js);
}

static int run_urlquery(struct call *c)
{
	return escape(c, escape_url);
}

static int run_call(struct call *c)
{
	return kind_of(c->args[0]) == JSON_NULL ? no(c, "call of nil") : no(c, "non-function of type %s", tmpl_type(c->args[0]));
}

static int run_json(struct call *c)
{
	struct buf b = {};
	if (c->args[0].nil || c->args[0].missing)
		buf_str(&b, "null");
	else
		json_format(c->args[0].j, 0, &b);
	return give_buf(c, &b);
}

static int run_split(struct call *c)
{
	const char *s = str_of(c, 0), *sep = str_of(c, 1), *end;
	struct json *list = json_new_array();
	while (*sep && (end = strstr(s, sep))) {
		json_add(list, json_new_str_n(s, (size_t)(end - s)));
		s = end + strlen(sep);
	}
	/* An empty separator splits after each character. */
	while (!*sep && *s) {
		size_t n = 1;
		while (((unsigned char)s[n] & 0xc0) == 0x80)
			n++;
		json_add(list, json_new_str_n(s, n));
		s += n;
	}
	if (*sep)
		json_add(list, json_new_str(s));
	return give(c, list);
}

static int run_join(struct call *c)
{
	enum json_kind k = kind_of(c->args[0]);
	struct buf b = {};
	const struct print p = {tmpl_has_structs(c->run), &b};
	if (k != JSON_ARRAY && k != JSON_OBJECT && k != JSON_NULL)
		return no(c, "expected slice, got %s", tmpl_type(c->args[0]));
	for (size_t i = 0; k == JSON_ARRAY && i < json_len(c->args[0].j); i++) {
		if (i)
			buf_str(&b, str_of(c, 1));
		tmpl_sprint(&p, &(struct val){.j = json_at(c->args[0].j, i)}, 1, false);
	}
	own(strv) struct strv values = {};
	struct json_iter it = {};
	while (json_next(c->args[0].j, &it)) {
		tmpl_sprint(&p, &(struct val){.j = it.value}, 1, false);
		strv_add(&values, buf_text(&b));
		buf_reset(&b);
	}
	strv_sort(&values);
	for (size_t i = 0; i < values.n; i++)
		buf_printf(&b, "%s%s", i ? str_of(c, 1) : "", values.v[i]);
	return give_buf(c, &b);
}

static int map_letters(struct call *c, int (*one)(int), bool words)
{
	struct buf b = {};
	bool inside = false;
	for (const char *s = str_of(c, 0); *s; s++) {
		unsigned char u = (unsigned char)*s;
		buf_char(&b, u < 0x80 && !(words && inside) ? (char)one(u) : *s);
		inside = u >= 0x80 || isalnum(u) || u == '_';
	}
	return give_buf(c, &b);
}

static int run_title(struct call *c)
{
	return map_letters(c, toupper, true);
}

static int run_lower(struct call *c)
{
	return map_letters(c, tolower, false);
}

static int run_upper(struct call *c)
{
	return map_letters(c, toupper, false);
}

enum { WIDEST = 1000000 };

static int run_pad(struct call *c)
{
	const char *s = str_of(c, 0);
	int64_t before = json_i64(c->args[1].j), after = json_i64(c->args[2].j);
	if (before < 0 || after < 0 || before > WIDEST || after > WIDEST)
		return no(c, "the number of blanks must be from 0 to %d", WIDEST);
	struct buf b = {};
	if (*s)
		buf_printf(&b, "%*s%s%*s", (int)before, "", s, (int)after, "");
	return give_buf(c, &b);
}

/* The first n bytes, and never a part of a character. */
static int run_truncate(struct call *c)
{
	const char *s = str_of(c, 0);
	int64_t n = json_i64(c->args[1].j);
	if (n < 0)
		return no(c, "the length must not be negative");
	size_t len = strlen(s);
	if ((uint64_t)n < len) {
		len = (size_t)n;
		while (len && ((unsigned char)s[len] & 0xc0) == 0x80)
			len--;
	}
	return give(c, json_new_str_n(s, len));
}

static const struct tmpl_func functions[] = {
	{"and", "*", NULL, false}, {"or", "*", NULL, false}, {"not", "a", run_not, false},
	{"eq", "a*", run_eq, false}, {"ne", "aa", run_ne, false}, {"lt", "aa", run_lt, false}, {"le", "aa", run_le, false},
	{"gt", "aa", run_gt, false}, {"ge", "aa", run_ge, false},
	{"len", "a", run_len, false}, {"index", "a*", run_index, false}, {"slice", "a*", run_slice, false},
	{"print", "*", run_print, false}, {"printf", "s*", run_printf, false}, {"println", "*", run_println, false},
	{"html", "*", run_html, false}, {"js", "*", run_js, false}, {"urlquery", "*", run_urlquery, false}, {"call", "a*", run_call, false},
	{"json", "a", run_json, true}, {"split", "ss", run_split, true}, {"join", "as", run_join, true}, {"title", "s", run_title, true},
	{"lower", "s", run_lower, true}, {"upper", "s", run_upper, true}, {"pad", "sii", run_pad, true}, {"truncate", "si", run_truncate, true},
};

const struct tmpl_func *tmpl_func_find(const char *name)
{
	for (size_t i = 0; i < countof(functions); i++)
		if (strcmp(functions[i].name, name) == 0)
			return &functions[i];
	return NULL;
}

bool tmpl_func_is_lazy(const struct tmpl_func *f)
{
	return !f->run;
}
