/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toml: one pass over the text. `at` is where the next key goes: the table of the last header. A table that was defined by
 * its own header or as an inline table carries the mark DEFINED, an array of tables the mark ARRAY, until the end: they may
 * not be defined again, but may be walked through.
 */
#include "codec/toml.h"

#include "base/num.h"
#include "base/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20, DEPTH_MAX = 64, KEY_PARTS_MAX = 32 };

struct toml {
	const char *p, *end;
	size_t line;
	struct json *root, *at;
	struct strv defined; /* paths of tables that have a header, each with its index in arrays */
	struct err *e;
};

static int bad(struct toml *t, const char *why)
{
	return err_set(t->e, ERR_CORRUPT, "line %zu: %s", t->line, why);
}

static int peek(const struct toml *t)
{
	return t->p < t->end ? (unsigned char)*t->p : -1;
}

static bool take_char(struct toml *t, char c)
{
	if (peek(t) != (unsigned char)c)
		return false;
	t->p++;
	return true;
}

static void skip_blanks(struct toml *t)
{
	while (peek(t) == ' ' || peek(t) == '\t')
		t->p++;
}

static void skip_comment(struct toml *t)
{
	if (peek(t) == '#')
		while (peek(t) >= 0 && peek(t) != '\n')
			t->p++;
}

static bool take_newline(struct toml *t)
{
	if (peek(t) == '\r' && t->p + 1 < t->end && t->p[1] == '\n')
		t->p++;
	if (!take_char(t, '\n'))
		return false;
	t->line++;
	return true;
}

/* Blanks, comments and line breaks. */
static void skip_space(struct toml *t)
{
	do {
		skip_blanks(t);
		skip_comment(t);
	} while (take_newline(t));
}

static int end_of_line(struct toml *t)
{
	skip_blanks(t);
	skip_comment(t);
	return peek(t) < 0 || take_newline(t) ? 0 : bad(t, "something else follows on the line");
}

static void add_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80) {
		buf_char(b, (char)c);
	} else if (c < 0x800) {
		buf_char(b, (char)(0xc0 | c >> 6));
		buf_char(b, (char)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buf_char(b, (char)(0xe0 | c >> 12));
		buf_char(b, (char)(0x80 | (c >> 6 & 63)));
		buf_char(b, (char)(0x80 | (c & 63)));
	} else {
		buf_char(b, (char)(0xf0 | c >> 18));
		buf_char(b, (char)(0x80 | (c >> 12 & 63)));
		buf_char(b, (char)(0x80 | (c >> 6 & 63)));
		buf_char(b, (char)(0x80 | (c & 63)));
	}
}

static int escape(struct toml *t, struct buf *b)
{
	static const char from[] = "btnfre\"\\", to[] = "\b\t\n\f\r\033\"\\";
	int c = peek(t);
	const char *found = c > 0 ? strchr(from, c) : NULL;
	if (found && c != 'e') {
		t->p++;
		return buf_char(b, to[found - from]);
	}
	int digits = c == 'u' ? 4 : c == 'U' ? 8 : 0;
	if (!digits || t->end - t->p <= digits)
		return bad(t, "unknown escape");
	uint32_t code = 0;
	for (int i = 1; i <= digits; i++) {
		if (!isxdigit((unsigned char)t->p[i]))
			return bad(t, "unknown escape");
		code = code << 4 | (uint32_t)(isdigit((unsigned char)t->p[i]) ? t->p[i] - '0' : (t->p[i] | 32) - 'a' + 10);
	}
	if (!code || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return bad(t, "not a character");
	add_utf8(b, code);
	t->p += digits + 1;
	return 0;
}

/* A backslash at the end of a line takes the blanks that follow with it. */
static bool joins_lines(struct toml *t)
{
	const char *was = t->p;
	size_t line = t->line;
	skip_blanks(t);
	if (!take_newline(t)) {
		t->p = was;
		t->line = line;
		return false;
	}
	do
		skip_blanks(t);
	while (take_newline(t));
	return true;
}

static int string(struct toml *t, struct buf *b)
{
	char quote = *t->p;
	bool many = t->end - t->p >= 3 && t->p[1] == quote && t->p[2] == quote;
	t->p += many ? 3 : 1;
	if (many)
		(void)take_newline(t);
	for (;;) {
		int c = peek(t);
		if (c < 0 || (c == '\n' && !many))
			return bad(t, "the string has no end");
		if (c == quote && !many) {
			t->p++;
			return 0;
		}
		if (c == quote && t->end - t->p >= 3 && t->p[1] == quote && t->p[2] == quote) {
			/* one or two quotes may stand right before the end */
			while (t->end - t->p > 3 && t->p[3] == quote && b->len < TEXT_MAX) {
				buf_char(b, quote);
				t->p++;
			}
			t->p += 3;
			return 0;
		}
		t->p++;
		if (c == '\\' && quote == '"') {
			if (!(many && joins_lines(t)) && escape(t, b) < 0)
				return -1;
			continue;
		}
		if (c == 0 || (c < ' ' && c != '\t' && !(many && (c == '\n' || c == '\r'))) || c == 127)
			return bad(t, "a control character in a string");
		t->line += c == '\n';
		buf_char(b, (char)c);
	}
}

/* One part of a key. */
static int key_part(struct toml *t, struct buf *b)
{
	skip_blanks(t);
	if (peek(t) == '"' || peek(t) == '\'')
		return string(t, b);
	const char *from = t->p;
	while (peek(t) > 0 && (isalnum(peek(t)) || peek(t) == '_' || peek(t) == '-'))
		t->p++;
	if (t->p == from)
		return bad(t, "a key is missing");
	return buf_add(b, from, (size_t)(t->p - from));
}

static int key(struct toml *t, struct strv *parts)
{
	do {
		own(buf) struct buf b = BUF(65536);
		if (parts->n == KEY_PARTS_MAX)
			return bad(t, "a key of too many parts");
		if (key_part(t, &b) < 0)
			return -1;
		if (b.full)
			return bad(t, "a key is too long");
		strv_add(parts, buf_text(&b));
		skip_blanks(t);
	} while (take_char(t, '.'));
	return 0;
}

static int value(struct toml *t, unsigned depth, struct json **ret);

/* The table below `at` under that name, made when it is missing; of an array of tables its last. */
static struct json *descend(struct toml *t, struct json *at, const char *name)
{
	struct json *below = json_get(at, name);
	if (!below && !json_has(at, name)) {
		json_set(at, name, json_new_object());
		return json_get(at, name);
	}
	if (json_kind(below) == JSON_ARRAY && json_len(below))
		below = json_at(below, json_len(below) - 1);
	if (json_kind(below) == JSON_OBJECT)
		return below;
	(void)bad(t, "a key is used for a value and for a table");
	return NULL;
}

static int pair(struct toml *t, struct json *table, unsigned depth)
{
	own(strv) struct strv parts = {};
	own(json) struct json *v = NULL;
	if (key(t, &parts) < 0)
		return -1;
	if (!take_char(t, '='))
		return bad(t, "a = is missing");
	skip_blanks(t);
	if (value(t, depth + 1, &v) < 0)
		return -1;
	for (size_t i = 0; table && i + 1 < parts.n; i++)
		table = descend(t, table, parts.v[i]);
	if (!table)
		return -1;
	if (json_has(table, parts.v[parts.n - 1]))
		return bad(t, "a key is given twice");
	json_set(table, parts.v[parts.n - 1], take(v));
	return 0;
}

static int inline_table(struct toml *t, unsigned depth, struct json **ret)
{
	own(json) struct json *j = json_new_object();
	skip_blanks(t);
	if (!take_char(t, '}')) {
		do
			if (pair(t, j, depth) < 0)
				return -1;
		while (skip_blanks(t), take_char(t, ','));
		if (!take_char(t, '}'))
			return bad(t, "an inline table has no end");
	}
	*ret = take(j);
	return 0;
}

static int array(struct toml *t, unsigned depth, struct json **ret)
{
	own(json) struct json *j = json_new_array();
	for (;;) {
		struct json *one = NULL;
		skip_space(t);
		if (take_char(t, ']'))
			break;
		if (value(t, depth + 1, &one) < 0)
			return -1;
		json_add(j, one);
		skip_space(t);
		if (take_char(t, ']'))
			break;
		if (!take_char(t, ','))
			return bad(t, "an array has no end");
	}
	*ret = take(j);
	return 0;
}

static bool add_digits(const char *from, size_t n, char out[72])
{
	size_t used = 0;
	for (size_t i = 0; i < n; i++) {
		if (from[i] == '_' && i && i + 1 < n && isalnum((unsigned char)from[i - 1]) && isalnum((unsigned char)from[i + 1]))
			continue;
		if (from[i] == '_' || used >= 70)
			return false;
		out[used++] = from[i];
	}
	out[used] = 0;
	return used > 0;
}

static int number(struct toml *t, struct json **ret)
{
	char text[72], *end;
	const char *from = t->p;
	while (peek(t) > 0 && (isalnum(peek(t)) || strchr("+-._:", peek(t))))
		t->p++;
	if (!add_digits(from, (size_t)(t->p - from), text))
		return bad(t, "a value is missing");
	bool sign = *text == '+' || *text == '-';
	const char *digits = text + sign;
	int base = digits[0] == '0' && digits[1] == 'x' ? 16 : digits[0] == '0' && digits[1] == 'o' ? 8 : digits[0] == '0' && digits[1] == 'b' ? 2 : 10;
	bool whole = base != 10 || strspn(digits, "0123456789") == strlen(digits);
	if ((base != 10 && sign) || (base == 10 && whole && digits[0] == '0' && digits[1]) || !isdigit((unsigned char)digits[0]))
		return bad(t, "not a value that is known");
	if (whole) {
		struct err ignored = {};
		int64_t n = 0;
		unsigned long long u = base == 10 ? 0 : strtoull(digits + 2, &end, base);
		bool ok = base == 10 ? num_i64(*text == '+' ? text + 1 : text, INT64_MIN, INT64_MAX, &n, "number", &ignored) == 0
				     : isxdigit((unsigned char)digits[2]) && !*end && u <= INT64_MAX;
		if (!ok)
			return bad(t, "not a number");
		*ret = json_new_i64(base == 10 ? n : (int64_t)u);
		return 0;
	}
	if (strspn(digits, "0123456789.eE+-") != strlen(digits))
		return bad(t, "not a value that is known (dates are not)");
	double d = strtod(text, &end);
	if (*end || end[-1] == '.')
		return bad(t, "not a number");
	*ret = json_new_double(d);
	return 0;
}

static bool take_word(struct toml *t, const char *word)
{
	size_t n = strlen(word);
	if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n) != 0)
		return false;
	t->p += n;
	return true;
}

static int value(struct toml *t, unsigned depth, struct json **ret)
{
	int c = peek(t);
	if (depth > DEPTH_MAX)
		return bad(t, "too deep");
	if (c == '"' || c == '\'') {
		own(buf) struct buf b = BUF(TEXT_MAX);
		if (string(t, &b) < 0)
			return -1;
		*ret = json_new_str_n(buf_text(&b), b.len);
		return 0;
	}
	if (take_char(t, '['))
		return array(t, depth, ret);
	if (take_char(t, '{'))
		return inline_table(t, depth, ret);
	if (take_word(t, "true") || take_word(t, "false")) {
		*ret = json_new_bool(t->p[-2] == 'u');
		return 0;
	}
	return number(t, ret);
}

/* What names a table in `defined`: its path, with the places in the arrays on the way. */
static void add_path(struct buf *b, const struct json *at, const char *name)
{
	const struct json *j = json_get(at, name);
	buf_printf(b, "/%zu:%s", strlen(name), name);
	if (json_kind(j) == JSON_ARRAY)
		buf_printf(b, "#%zu", json_len(j));
}

static int header(struct toml *t)
{
	own(strv) struct strv parts = {};
	own(buf) struct buf path = {};
	bool many = take_char(t, '[');
	if (key(t, &parts) < 0)
		return -1;
	if (!take_char(t, ']') || (many && !take_char(t, ']')))
		return bad(t, "a table's name has no end");
	struct json *at = t->root;
	for (size_t i = 0; at && i + 1 < parts.n; i++) {
		add_path(&path, at, parts.v[i]);
		at = descend(t, at, parts.v[i]);
	}
	if (!at)
		return -1;
	const char *last = parts.v[parts.n - 1];
	if (many) {
		if (!json_has(at, last))
			json_set(at, last, json_new_array());
		struct json *list = json_get(at, last);
		if (json_kind(list) != JSON_ARRAY || (json_len(list) && json_kind(json_at(list, 0)) != JSON_OBJECT))
			return bad(t, "a key is used for a value and for tables");
		json_add(list, json_new_object());
		t->at = json_at(list, json_len(list) - 1);
		return end_of_line(t);
	}
	if (json_kind(json_get(at, last)) == JSON_ARRAY)
		return bad(t, "a key is used for a table and for an array");
	add_path(&path, at, last);
	if (strv_has(&t->defined, buf_text(&path)))
		return bad(t, "a table is given twice");
	strv_add(&t->defined, buf_text(&path));
	t->at = descend(t, at, last);
	return t->at ? end_of_line(t) : -1;
}

int toml_parse(const char *text, size_t len, struct json **ret, struct err *e)
{
	own(json) struct json *root = json_new_object();
	struct toml t = {.p = text, .end = text + len, .line = 1, .root = root, .at = root, .e = e};
	int r = 0;
	if (len > TEXT_MAX)
		return err_set(e, ERR_LIMIT, "more than %d bytes", TEXT_MAX);
	for (size_t i = 0, n; r == 0 && i < len; i += n) {
		n = str_utf8(text + i, len - i);
		if (!n)
			return err_set(e, ERR_CORRUPT, "not UTF-8");
	}
	for (skip_space(&t); r == 0 && peek(&t) >= 0; skip_space(&t))
		r = take_char(&t, '[') ? header(&t) : pair(&t, t.at, 0) < 0 ? -1 : end_of_line(&t);
	strv_drop(&t.defined);
	if (r == 0)
		*ret = take(root);
	return r;
}
