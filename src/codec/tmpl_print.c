/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpl_print: Go's package fmt over JSON values: %v and the printf verbs, lists as [a b], maps as map[a:b] with sorted
 * keys, structs as {a b}, and fmt's own remarks for what does not fit: %!d(string=x), %!s(MISSING), %!(EXTRA …).
 *
 * A verb over a list or map is a verb over each element, so format_value() recurses.
 */
#include "codec/tmpl_tree.h"

#include "base/num.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct directive {
	bool minus, plus, sharp, space, zero;
	int width, precision; /* -1: not given */
	char verb;
};
static const struct directive plain = {.width = -1, .precision = -1, .verb = 'v'};
enum { WIDEST = 1000000 };

void tmpl_keys(const struct json *object, struct strv *ret)
{
	struct json_iter it = {};
	while (json_next(object, &it))
		strv_add(ret, it.key);
	strv_sort(ret);
}

/* Bytes of the UTF-8 character at s; 1 for what is none. */
static size_t rune_len(const char *s, size_t n)
{
	size_t len = str_utf8(s, n);
	return len ? len : 1;
}

void tmpl_put_rune(uint32_t c, struct buf *out)
{
	char s[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n; i-- > 1; c >>= 6)
		s[i] = (char)(0x80 | (c & 0x3f));
	s[0] = (char)(n == 1 ? c : (0xf00u >> n & 0xf0) | c);
	buf_add(out, s, n);
}

void tmpl_quote(const char *s, size_t n, struct buf *out)
{
	static const char names[] = "\aa\bb\ff\nn\rr\tt\vv\\\\\"\"";
	buf_char(out, '"');
	for (size_t i = 0; i < n;) {
		size_t len = rune_len(s + i, n - i);
		unsigned char c = (unsigned char)s[i];
		const char *name = names;
		while (*name && *name != s[i])
			name += 2;
		if (*name && c)
			buf_printf(out, "\\%c", name[1]);
		else if (len == 1 && (c < 0x20 || c >= 0x7f))
			buf_printf(out, "\\x%02x", c);
		else if (len == 2 && c == 0xc2 && (unsigned char)s[i + 1] < 0xa1)
			buf_printf(out, "\\u00%02x", (unsigned char)s[i + 1]);
		else
			buf_add(out, s + i, len);
		i += len;
	}
	buf_char(out, '"');
}

static size_t width_of(const char *s, size_t n)
{
	size_t width = 0;
	for (size_t i = 0; i < n; i += rune_len(s + i, n - i))
		width++;
	return width;
}

static void pad(const struct print *p, const struct directive *d, const char *s, size_t n)
{
	size_t width = width_of(s, n), fill = d->width > 0 && (size_t)d->width > width ? (size_t)d->width - width : 0;
	if (d->minus) {
		buf_add(p->out, s, n);
		buf_printf(p->out, "%*s", (int)fill, "");
		return;
	}
	bool number = d->verb != 's' && d->verb != 'q';
	if (d->zero && number && fill && n && (*s == '-' || *s == '+')) {
		buf_char(p->out, *s++);
		n--;
	}
	while (fill--)
		buf_char(p->out, d->zero ? '0' : ' ');
	buf_add(p->out, s, n);
}

static void format_value(const struct print *p, const struct directive *d, struct val v);

static void bad_verb(const struct print *p, const struct directive *d, struct val v)
{
	buf_printf(p->out, "%%!%c(", d->verb);
	if (v.missing || !v.j) {
		buf_str(p->out, "<nil>)");
		return;
	}
	struct directive again = *d;
	again.verb = 'v';
	buf_printf(p->out, "%s=", tmpl_type(v));
	format_value(p, &again, v);
	buf_char(p->out, ')');
}

static void format_string(const struct print *p, const struct directive *d, struct val v)
{
	own(buf) struct buf b = {};
	const char *s = json_str(v.j);
	size_t n = strlen(s), cut = 0;
	if (d->precision >= 0) {
		for (int i = 0; i < d->precision && cut < n; i++)
			cut += rune_len(s + cut, n - cut);
		n = cut;
	}
	if (d->verb == 'q' || (d->verb == 'v' && d->sharp)) {
		tmpl_quote(s, n, &b);
	} else if (d->verb == 'x' || d->verb == 'X') {
		for (size_t i = 0; i < n; i++) {
			buf_str(&b, d->space && i ? " " : "");
			if (d->sharp && (!i || d->space))
				buf_printf(&b, "0%c", d->verb);
			buf_printf(&b, d->verb == 'x' ? "%02x" : "%02X", (unsigned char)s[i]);
		}
	} else if (d->verb == 's' || d->verb == 'v') {
		buf_add(&b, s, n);
	} else {
		bad_verb(p, d, v);
		return;
	}
	pad(p, d, buf_text(&b), b.len);
}

static void put_base(uint64_t u, unsigned base, bool upper, struct buf *out)
{
	char digits[72], *to = digits + sizeof digits;
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	*--to = 0;
	do {
		*--to = set[u % base];
		u /= base;
	} while (u);
	buf_str(out, to);
}

static void format_int(const struct print *p, const struct directive *d, struct val v)
{
	static const struct { char verb; unsigned base; const char *prefix, *sharp; } bases[] = {{'d', 10, "", ""}, {'v', 10, "", ""},
		{'b', 2, "", "0b"}, {'o', 8, "", "0"}, {'O', 8, "0o", "0o"}, {'x', 16, "", "0x"}, {'X', 16, "", "0X"}};
	own(buf) struct buf b = {}, digits = {};
	int64_t i = json_i64(v.j);
	uint64_t u = i < 0 ? -(uint64_t)i : json_u64(v.j);
	for (size_t k = 0; k < countof(bases); k++) {
		if (bases[k].verb != d->verb)
			continue;
		put_base(u, bases[k].base, d->verb == 'X', &digits);
		buf_str(&b, i < 0 ? "-" : d->plus && d->verb != 'v' ? "+" : d->space ? " " : "");
		buf_str(&b, d->sharp ? bases[k].sharp : bases[k].prefix);
		for (size_t n = digits.len; d->precision >= 0 && n < (size_t)d->precision; n++)
			buf_char(&b, '0');
		buf_str(&b, buf_text(&digits));
		pad(p, d, buf_text(&b), b.len);
		return;
	}
	if (d->verb == 'U') {
		buf_printf(&b, "U+%04llX", (unsigned long long)u);
	} else if (d->verb == 'c') {
		tmpl_put_rune(u > 0x10ffff ? 0xfffd : (uint32_t)u, &b);
	} else if (d->verb == 'q') {
		own(buf) struct buf rune = {}, quoted = {};
		tmpl_put_rune(u > 0x10ffff ? 0xfffd : (uint32_t)u, &rune);
		tmpl_quote(buf_text(&rune), rune.len, &quoted);
		const char *inside = u == '"' ? "\"" : u == '\'' ? "\\'" : NULL;
		buf_printf(&b, "'%.*s'", inside ? (int)strlen(inside) : (int)quoted.len - 2, inside ? inside : buf_text(&quoted) + 1);
	} else {
		bad_verb(p, d, v);
		return;
	}
	pad(p, d, buf_text(&b), b.len);
}

static void format_double(const struct print *p, const struct directive *d, struct val v)
{
	char format[] = "%+.*f", text[400];
	if (!strchr("vgGeEfF", d->verb)) {
		bad_verb(p, d, v);
		return;
	}
	double x = json_double(v.j);
	int precision = d->precision < 0 ? 6 : d->precision > 60 ? 60 : d->precision;
	char sign[2] = {d->plus && d->verb != 'v' && !signbit(x) ? '+' : d->space && !signbit(x) ? ' ' : 0, 0};
	if ((d->verb == 'v' || d->verb == 'g' || d->verb == 'G') && d->precision < 0) {
		num_format_double(x, 6, text);
		for (char *s = text; d->verb == 'G' && *s; s++)
			*s = (char)toupper((unsigned char)*s);
	} else {
		format[1] = '.';
		format[2] = '*';
		format[3] = d->verb == 'v' ? 'g' : d->verb;
		format[4] = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof text, format, precision, x);
#pragma GCC diagnostic pop
	}
	own(mem) char *signed_ = mem_printf("%s%s", sign, text);
	pad(p, d, signed_, strlen(signed_));
}

static void format_array(const struct print *p, const struct directive *d, struct val v)
{
	buf_str(p->out, d->sharp && d->verb == 'v' ? "[]interface {}{" : "[");
	for (size_t i = 0; i < json_len(v.j); i++) {
		buf_str(p->out, !i ? "" : d->sharp && d->verb == 'v' ? ", " : " ");
		format_value(p, d, (struct val){.j = json_at(v.j, i)});
	}
	buf_char(p->out, d->sharp && d->verb == 'v' ? '}' : ']');
}

static void format_struct(const struct print *p, const struct directive *d, struct val v)
{
	struct json_iter it = {};
	size_t i = 0;
	buf_char(p->out, '{');
	while (json_next(v.j, &it)) {
		buf_str(p->out, i++ ? " " : "");
		if (d->plus)
			buf_printf(p->out, "%s:", it.key);
		format_value(p, d, (struct val){.j = it.value});
	}
	buf_char(p->out, '}');
}

static void format_map(const struct print *p, const struct directive *d, struct val v)
{
	own(strv) struct strv keys = {};
	bool go = d->sharp && d->verb == 'v';
	tmpl_keys(v.j, &keys);
	buf_str(p->out, go ? "map[string]interface {}{" : "map[");
	for (size_t i = 0; i < keys.n; i++) {
		struct json *key = json_new_str(keys.v[i]);
		buf_str(p->out, !i ? "" : go ? ", " : " ");
		format_value(p, d, (struct val){.j = key});
		json_drop(&key);
		buf_char(p->out, ':');
		format_value(p, d, (struct val){.j = json_get(v.j, keys.v[i])});
	}
	buf_char(p->out, go ? '}' : ']');
}

static void format_value(const struct print *p, const struct directive *d, struct val v)
{
	if (d->verb == 'T') {
		const char *type = v.missing || !v.j ? "<nil>" : tmpl_type(v);
		pad(p, d, type, strlen(type));
		return;
	}
	switch (v.missing ? JSON_NULL : json_kind(v.j)) {
	case JSON_NULL:
		if (d->verb == 'v')
			pad(p, d, "<nil>", 5);
		else
			bad_verb(p, d, v);
		return;
	case JSON_BOOL:
		if (d->verb == 't' || d->verb == 'v')
			pad(p, d, json_truth(v.j) ? "true" : "false", json_truth(v.j) ? 4 : 5);
		else
			bad_verb(p, d, v);
		return;
	case JSON_INT: format_int(p, d, v); return;
	case JSON_DOUBLE: format_double(p, d, v); return;
	case JSON_STRING: format_string(p, d, v); return;
	case JSON_ARRAY: format_array(p, d, v); return;
	case JSON_OBJECT: break;
	}
	if (p->structs && tmpl_is_struct(v.j))
		format_struct(p, d, v);
	else
		format_map(p, d, v);
}

/* What an action prints: nothing behind it is `<no value>`; a nil pointer, which the caller knows of, is `<nil>`. */
void tmpl_print(const struct print *p, struct val v)
{
	if (v.missing || (!v.j && !v.nil))
		buf_str(p->out, "<no value>");
	else
		format_value(p, &plain, v);
}

/* Print puts a blank between two operands when neither is a string, Println always. */
void tmpl_sprint(const struct print *p, const struct val *args, size_t n, bool line)
{
	bool was_string = true;
	for (size_t i = 0; i < n; i++) {
		bool is_string = !args[i].missing && json_kind(args[i].j) == JSON_STRING;
		if (i && (line || (!is_string && !was_string)))
			buf_char(p->out, ' ');
		format_value(p, &plain, args[i]);
		was_string = is_string;
	}
	if (line)
		buf_char(p->out, '\n');
}

struct arguments { const struct val *v; size_t n, at; bool reordered; };

/* [n]: the argument that is taken next. */
static const char *argument_index(const char *f, struct arguments *a, bool *bad)
{
	if (*f != '[')
		return f;
	const char *end = strchr(f, ']');
	int64_t i = 0;
	struct err ignored = {};
	own(mem) char *digits = end ? mem_ndup(f + 1, (size_t)(end - f - 1)) : NULL;
	if (!digits || num_i64(digits, 1, (int64_t)a->n, &i, "index", &ignored) < 0)
		*bad = true;
	else
		a->at = (size_t)i - 1;
	a->reordered = true;
	return end ? end + 1 : f + 1;
}

static const char *number(const char *f, struct arguments *a, int *ret, bool *bad)
{
	if (*f == '*') {
		int64_t v = a->at < a->n && json_kind(a->v[a->at].j) == JSON_INT ? json_i64(a->v[a->at].j) : WIDEST + 1;
		a->at++;
		*bad |= v > WIDEST || v < -WIDEST;
		*ret = *bad ? -1 : (int)v;
		return f + 1;
	}
	if (!isdigit((unsigned char)*f))
		return f;
	long v = 0;
	for (; isdigit((unsigned char)*f); f++)
		v = v > WIDEST ? v : v * 10 + (*f - '0');
	*ret = v > WIDEST ? -1 : (int)v;
	return f;
}

/* f: behind the percent sign. Gives what follows the directive. */
static const char *format_directive(const struct print *p, const char *f, struct arguments *a)
{
	struct directive d = plain;
	bool bad_index = false, bad_width = false, bad_precision = false;
	for (bool flag = true; flag; f += flag) {
		flag = *f && strchr("-+# 0", *f);
		d.minus |= *f == '-';
		d.plus |= *f == '+';
		d.sharp |= *f == '#';
		d.space |= *f == ' ';
		d.zero |= *f == '0';
	}
	f = number(argument_index(f, a, &bad_index), a, &d.width, &bad_width);
	if (d.width < -1) {
		d.minus = true;
		d.width = -d.width;
	}
	if (*f == '.') {
		d.precision = 0;
		f = number(argument_index(f + 1, a, &bad_index), a, &d.precision, &bad_precision);
	}
	f = argument_index(f, a, &bad_index);
	d.zero &= !d.minus;
	if (bad_width)
		buf_str(p->out, "%!(BADWIDTH)");
	if (bad_precision)
		buf_str(p->out, "%!(BADPREC)");
	if (!*f) {
		buf_str(p->out, "%!(NOVERB)");
		return f;
	}
	d.verb = *f;
	if (d.verb == '%')
		buf_char(p->out, '%');
	else if (bad_index)
		buf_printf(p->out, "%%!%c(BADINDEX)", d.verb);
	else if (a->at >= a->n)
		buf_printf(p->out, "%%!%c(MISSING)", d.verb);
	else
		format_value(p, &d, a->v[a->at++]);
	return f + 1;
}

void tmpl_sprintf(const struct print *p, const char *f, const struct val *args, size_t n)
{
	struct arguments a = {.v = args, .n = n};
	while (*f && !p->out->full) {
		size_t text = strcspn(f, "%");
		buf_add(p->out, f, text);
		f += text;
		if (*f)
			f = format_directive(p, f + 1, &a);
	}
	if (a.reordered || a.at >= n)
		return;
	buf_str(p->out, "%!(EXTRA ");
	for (size_t i = a.at; i < n; i++) {
		buf_str(p->out, i > a.at ? ", " : "");
		if (args[i].missing || !args[i].j) {
			buf_str(p->out, "<nil>");
			continue;
		}
		buf_printf(p->out, "%s=", tmpl_type(args[i]));
		format_value(p, &plain, args[i]);
	}
	buf_char(p->out, ')');
}
