/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd_text: names of units, and values of properties as the text of an annotation has them: the part of GVariant's text format
 * (glib, "GVariant Text Format") that properties of units need. runc and crun read the same.
 */
#include "runtime/systemd_unit.h"

#include "base/path.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* systemd.unit(5) */
static bool is_unit_name(const char *s)
{
	static const char more[] = ":_.-@\\";
	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(more, *p))
			return false;
	return *s && strlen(s) <= 255;
}

int systemd_expand_slice(const char *slice, char *ret, size_t size, struct err *e)
{
	size_t n = strlen(slice), at = 0;
	if (!is_unit_name(slice) || n <= 6 || !str_has_suffix(slice, ".slice"))
		return err_set(e, ERR_USAGE, "invalid slice name: \"%.100s\"", slice);
	n -= 6;
	if (n == 1 && *slice == '-') {
		snprintf(ret, size, "/");
		return 0;
	}
	*ret = 0;
	for (size_t end = 0; end <= n; end++) {
		if (end < n && slice[end] != '-')
			continue;
		if (end == 0 || slice[end - 1] == '-')
			return err_set(e, ERR_USAGE, "invalid slice name: \"%.100s\"", slice);
		int more = snprintf(ret + at, size - at, "/%.*s.slice", (int)end, slice);
		if (more < 0 || (size_t)more >= size - at)
			return err_set(e, ERR_USAGE, "slice \"%.100s\": too deep", slice);
		at += (size_t)more;
	}
	return 0;
}

int systemd_names(const char *path, const char *id, bool user, struct systemd_names *ret, struct err *e)
{
	const char *slice = "", *prefix = "hull", *name = id;
	char place[4096];
	own(strv) struct strv parts = {};
	if (!str_is_empty(path)) {
		strv_split(&parts, path, ':');
		if (parts.n != 3)
			return err_set(e, ERR_USAGE, "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"%.200s\" instead",
				path);
		slice = parts.v[0];
		prefix = parts.v[1];
		name = parts.v[2];
	}
	if (str_is_empty(slice))
		slice = user ? "user.slice" : "system.slice";
	if (str_has_suffix(name, ".slice"))
		return err_set(e, ERR_USAGE, "cgroupsPath \"%.200s\": processes cannot be in a slice", path);
	if (systemd_expand_slice(slice, place, sizeof place, e) < 0)
		return -1;
	own(mem) char *scope = mem_printf("%s-%s.scope", prefix, name);
	if (!*name || !is_unit_name(scope))
		return err_set(e, ERR_USAGE, "invalid unit name: \"%.200s\"", scope);
	snprintf(ret->slice, sizeof ret->slice, "%s", slice);
	snprintf(ret->scope, sizeof ret->scope, "%s", scope);
	return 0;
}

/* The text as it is read. */
struct text {
	const char *at;
	struct arena *arena;
	const char *name;
};

static int wrong(const struct text *t, const char *why, struct err *e)
{
	return err_set(e, ERR_USAGE, "annotation org.systemd.property.%.60s: %s at \"%.60s\"", t->name, why, t->at);
}

static void skip_blanks(struct text *t)
{
	t->at += strspn(t->at, " \t\n\r");
}

static bool take_word(struct text *t, const char *word)
{
	size_t n = strlen(word);
	if (strncmp(t->at, word, n) != 0 || isalnum((unsigned char)t->at[n]))
		return false;
	t->at += n;
	skip_blanks(t);
	return true;
}

static void add_utf8(struct buf *out, unsigned long c)
{
	if (c < 0x80) {
		buf_char(out, (char)c);
	} else if (c < 0x800) {
		buf_char(out, (char)(0xc0 | c >> 6));
		buf_char(out, (char)(0x80 | (c & 63)));
	} else {
		if (c >= 0x10000) {
			buf_char(out, (char)(0xf0 | c >> 18));
			buf_char(out, (char)(0x80 | (c >> 12 & 63)));
		} else {
			buf_char(out, (char)(0xe0 | c >> 12));
		}
		buf_char(out, (char)(0x80 | (c >> 6 & 63)));
		buf_char(out, (char)(0x80 | (c & 63)));
	}
}

/* Behind a backslash. */
static int parse_escape(struct text *t, struct buf *out, struct err *e)
{
	static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
	char c = *t->at++;
	const char *known = c ? strchr(from, c) : NULL;
	if (!c)
		return t->at--, wrong(t, "the text ends too early", e);
	if (c != 'u' && c != 'U') {
		buf_char(out, known ? to[known - from] : c);
		return 0;
	}
	char digits[9], *end;
	size_t n = c == 'u' ? 4 : 8;
	snprintf(digits, sizeof digits, "%.*s", (int)n, t->at);
	unsigned long code = strtoul(digits, &end, 16);
	if (strlen(digits) != n || *end || !isxdigit((unsigned char)*digits) || code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return wrong(t, "no character has that number", e);
	t->at += n;
	add_utf8(out, code);
	return 0;
}

static char *parse_string(struct text *t, struct err *e)
{
	char quote = *t->at;
	own(buf) struct buf out = BUF(65536);
	if (quote != '\'' && quote != '"') {
		(void)!wrong(t, "a quoted text is expected", e);
		return NULL;
	}
	for (t->at++; *t->at != quote;) {
		char c = *t->at++;
		if (!c) {
			t->at--;
			(void)!wrong(t, "the text ends too early", e);
			return NULL;
		}
		if (c != '\\')
			buf_char(&out, c);
		else if (parse_escape(t, &out, e) < 0)
			return NULL;
	}
	t->at++;
	skip_blanks(t);
	if (buf_check(&out, e) < 0)
		return NULL;
	return arena_dup(t->arena, buf_text(&out));
}

static const struct {
	const char *word;
	char type;
	uint64_t max;  /* of an unsigned one; of a signed one what is above 0 */
	bool is_signed;
} kinds[] = {{"byte", 'y', UINT8_MAX, false}, {"int16", 'n', INT16_MAX, true}, {"uint16", 'q', UINT16_MAX, false}, {"int32", 'i', INT32_MAX, true},
	{"uint32", 'u', UINT32_MAX, false}, {"int64", 'x', INT64_MAX, true}, {"uint64", 't', UINT64_MAX, false}};

static int parse_whole(struct text *t, char type, struct systemd_property *p, struct err *e)
{
	size_t k = 0;
	while (k < countof(kinds) - 1 && kinds[k].type != type)
		k++;
	bool minus = *t->at == '-';
	const char *digits = t->at + (minus || *t->at == '+');
	char *end;
	errno = 0;
	unsigned long long v = strtoull(digits, &end, 0);
	if (!isdigit((unsigned char)*digits) || (*end && !strchr(" \t\n\r,]", *end)))
		return wrong(t, "a number is expected", e);
	if (errno || v > kinds[k].max + (minus ? 1 : 0) || (minus && !kinds[k].is_signed && v))
		return wrong(t, "the number is too large for its type", e);
	p->number = minus ? -(uint64_t)v : v;
	t->at = end;
	skip_blanks(t);
	return 0;
}

static int parse_real(struct text *t, struct systemd_property *p, struct err *e)
{
	char *end;
	p->real = strtod(t->at, &end);
	if (end == t->at || *end)
		return wrong(t, "a number is expected", e);
	t->at = end;
	return 0;
}

static int parse_array(struct text *t, struct systemd_property *p, struct err *e)
{
	if (*t->at != '[')
		return wrong(t, "an array is expected", e);
	t->at++;
	skip_blanks(t);
	while (*t->at != ']') {
		char *s = parse_string(t, e);
		if (!s)
			return -1;
		arena_strv_add(t->arena, &p->words, s);
		if (*t->at == ',') {
			t->at++;
			skip_blanks(t);
		} else if (*t->at != ']') {
			return wrong(t, "a comma or the array's end is expected", e);
		}
	}
	t->at++;
	skip_blanks(t);
	return 0;
}

/* Whether the number that stands there has a fraction or an exponent. */
static bool is_real(const char *s)
{
	size_t n = strcspn(s, " \t\n\r");
	return strncmp(s, "0x", 2) != 0 && (memchr(s, '.', n) || memchr(s, 'e', n) || memchr(s, 'E', n));
}

/* The type: said ("uint64 5", "@t 5"), or the one that the value looks like. */
static char find_type(struct text *t)
{
	if (*t->at == '@' && t->at[1]) {
		char type = t->at[1];
		bool strings = strncmp(t->at, "@as", 3) == 0;
		t->at += strings ? 3 : 2;
		skip_blanks(t);
		return strings ? 'a' : type;
	}
	for (size_t i = 0; i < countof(kinds); i++)
		if (take_word(t, kinds[i].word))
			return kinds[i].type;
	if (take_word(t, "boolean"))
		return 'b';
	if (take_word(t, "double"))
		return 'd';
	if (take_word(t, "string"))
		return 's';
	if (take_word(t, "objectpath"))
		return 'o';
	if (*t->at == '[')
		return 'a';
	if (*t->at == '\'' || *t->at == '"')
		return 's';
	if (str_has_prefix(t->at, "true") || str_has_prefix(t->at, "false"))
		return 'b';
	return is_real(t->at) ? 'd' : 'i';
}

static int parse_value(struct text *t, struct systemd_property *p, struct err *e)
{
	char type = find_type(t);
	snprintf(p->type, sizeof p->type, type == 'a' ? "as" : "%c", type);
	switch (type) {
	case 'a': return parse_array(t, p, e);
	case 'd': return parse_real(t, p, e);
	case 'y': case 'n': case 'q': case 'i': case 'u': case 'x': case 't': return parse_whole(t, type, p, e);
	case 's': case 'o': case 'g': {
		char *s = parse_string(t, e);
		if (s)
			arena_strv_add(t->arena, &p->words, s);
		return s ? 0 : -1;
	}
	case 'b':
		p->number = take_word(t, "true");
		return p->number || take_word(t, "false") ? 0 : wrong(t, "true or false is expected", e);
	default: return wrong(t, "a type that is not known", e);
	}
}

/* Properties of the manager are in microseconds where the settings of unit files are in seconds. */
static int convert_seconds(const struct text *t, struct systemd_property *p, struct err *e)
{
	size_t n = strlen(p->name);
	if (n < 4 || strcmp(p->name + n - 3, "Sec") != 0 || !islower((unsigned char)p->name[n - 4]))
		return 0;
	p->name = arena_printf(t->arena, "%.*sUSec", (int)(n - 3), p->name);
	if (*p->type == 'd') {
		if (p->real < 0 || p->real > 1e13)
			return wrong(t, "no such time", e);
		p->number = (uint64_t)(p->real * 1e6);
		p->real = 0;
	} else if (!strchr("ynqiuxt", *p->type)) {
		return wrong(t, "a number is expected", e);
	} else if (__builtin_mul_overflow(p->number, 1000000ULL, &p->number)) {
		return wrong(t, "no such time", e);
	}
	snprintf(p->type, sizeof p->type, "t");
	return 0;
}

int systemd_parse_property(struct arena *a, const char *name, const char *text, struct systemd_properties *l, struct err *e)
{
	struct text t = {.at = text, .arena = a, .name = name};
	struct systemd_property p = {.name = arena_dup(a, name)};
	size_t n = 0;
	while (isalpha((unsigned char)name[n]))
		n++;
	if (n < 3 || name[n])
		return err_set(e, ERR_USAGE, "annotation org.systemd.property.%.60s: the name of a property has at least three letters and nothing else", name);
	skip_blanks(&t);
	if (parse_value(&t, &p, e) < 0)
		return -1;
	if (*t.at)
		return wrong(&t, "nothing more is expected", e);
	t.at = text;
	if (convert_seconds(&t, &p, e) < 0)
		return -1;
	struct systemd_property *to = systemd_add(a, l, p.name, p.type);
	p.name = to->name;
	*to = p;
	return 0;
}
