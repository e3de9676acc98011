/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml: libyaml's events become values. A value is made by the function of its event's kind, which reads on until its own end; an
 * anchor is known from the end of its value on, so none is inside of itself.
 */
#include "codec/yaml.h"

#include "base/dynlib.h"
#include "base/mem.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_BYTES = 4 << 20, MAX_DEPTH = 64, MAX_VALUES = 100000 };

static struct {
	DYNLIB_FN(yaml_parser_initialize);
	DYNLIB_FN(yaml_parser_delete);
	DYNLIB_FN(yaml_parser_set_input_string);
	DYNLIB_FN(yaml_parser_parse);
	DYNLIB_FN(yaml_event_delete);
} lib;
static const struct dynlib_symbol symbols[] = {DYNLIB_SYMBOL(lib, yaml_parser_initialize), DYNLIB_SYMBOL(lib, yaml_parser_delete),
	DYNLIB_SYMBOL(lib, yaml_parser_set_input_string), DYNLIB_SYMBOL(lib, yaml_parser_parse), DYNLIB_SYMBOL(lib, yaml_event_delete)};
static struct dynlib libyaml = {"libyaml-0.so.2", "libyaml-0-2", symbols, countof(symbols), false};

struct anchor {
	const char *name;
	struct json *value;
	size_t values; /* in it, itself among them */
	unsigned height; /* levels below it */
};
struct reader {
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	size_t values;
	unsigned deepest; /* in the value that is being read */
	struct arena arena;
	struct { struct anchor *v; size_t n; } anchors;
};

static void reader_drop(struct reader *r)
{
	if (r->has_event)
		lib.yaml_event_delete(&r->event);
	lib.yaml_parser_delete(&r->parser);
	for (size_t i = 0; i < r->anchors.n; i++)
		json_drop(&r->anchors.v[i].value);
	arena_drop(&r->arena);
}

static int bad(const struct reader *r, struct err *e, const char *text)
{
	return err_set(e, ERR_CORRUPT, "line %zu: %s", r->event.start_mark.line + 1, text);
}

static int next(struct reader *r, struct err *e)
{
	if (r->has_event)
		lib.yaml_event_delete(&r->event);
	r->has_event = lib.yaml_parser_parse(&r->parser, &r->event);
	if (r->has_event)
		return 0;
	return err_set(e, ERR_CORRUPT, "line %zu: %s", r->parser.problem_mark.line + 1, r->parser.problem ? r->parser.problem : "no YAML");
}

static bool is_one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(s, *words) == 0)
			return true;
	return false;
}

/* 10, -3, 0644, 0o644, 0x1f, 0b11: with underscores between. False: it is none, or more than 64 bits. */
static bool parse_int(const char *s, struct json **ret)
{
	char digits[72];
	size_t n = 0;
	bool minus = *s == '-';
	s += *s == '-' || *s == '+';
	int base = s[0] != '0' || !s[1] ? 10 : s[1] == 'x' ? 16 : s[1] == 'b' ? 2 : 8;
	s += base == 10 ? 0 : base == 8 && s[1] != 'o' ? 1 : 2;
	if (*s == '_' || !*s)
		return false;
	for (; *s; s++) {
		if (*s == '_')
			continue;
		if (!strchr("0123456789abcdefABCDEF", *s) || n + 1 >= sizeof digits)
			return false;
		digits[n++] = *s;
	}
	digits[n] = 0;
	char *end;
	errno = 0;
	uint64_t v = strtoull(digits, &end, base);
	if (*end || errno || (minus && v > (uint64_t)INT64_MAX + 1))
		return false;
	*ret = minus ? json_new_i64((int64_t)(0 - v)) : v > INT64_MAX ? json_new_u64(v) : json_new_i64((int64_t)v);
	return true;
}

static bool parse_double(const char *s, struct json **ret)
{
	char *end;
	if (s[strspn(s, "+-0123456789.eE")] || !s[strcspn(s, "0123456789")] || !s[strcspn(s, ".eE")] || strchr("eE", *s))
		return false;
	double v = strtod(s, &end);
	if (*end || v > DBL_MAX || v < -DBL_MAX)
		return false;
	*ret = json_new_double(v);
	return true;
}

/* What a plain scalar means. */
static struct json *resolve(const char *s, size_t n)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL};
	static const char *const no[] = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL};
	struct json *j = NULL;
	if (strlen(s) != n)
		return json_new_str_n(s, n);
	if (is_one_of(s, nulls))
		return NULL;
	if (is_one_of(s, yes) || is_one_of(s, no))
		return json_new_bool(is_one_of(s, yes));
	return parse_int(s, &j) || parse_double(s, &j) ? j : json_new_str_n(s, n);
}

static int scalar(struct reader *r, struct json **ret, struct err *e)
{
	const char *s = (const char *)r->event.data.scalar.value, *tag = (const char *)r->event.data.scalar.tag;
	size_t n = r->event.data.scalar.length;
	if (tag && strcmp(tag, "!") != 0 && strcmp(tag, YAML_STR_TAG) != 0) {
		static const char *const known[] = {YAML_BOOL_TAG, YAML_INT_TAG, YAML_FLOAT_TAG, YAML_NULL_TAG, NULL};
		if (!is_one_of(tag, known))
			return bad(r, e, "a tag that is not known");
		*ret = resolve(s, n);
		return json_kind(*ret) == JSON_STRING ? bad(r, e, "this is not what its tag says") : 0;
	}
	*ret = !tag && r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? resolve(s, n) : json_new_str_n(s, n);
	return 0;
}

static int value(struct reader *r, unsigned depth, struct json **ret, struct err *e);

static int sequence(struct reader *r, unsigned depth, struct json **ret, struct err *e)
{
	*ret = json_new_array();
	while (next(r, e) == 0) {
		struct json *item = NULL;
		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			return 0;
		if (value(r, depth + 1, &item, e) < 0)
			return json_drop(&item), -1;
		json_add(*ret, item);
	}
	return -1;
}

/* `from` is an object, or an array of them; what is there already stays. */
static int merge(struct reader *r, struct json *into, const struct json *from, struct err *e)
{
	struct json_iter it = {};
	if (json_kind(from) == JSON_ARRAY) {
		for (size_t i = 0; i < json_len(from); i++)
			if (json_kind(json_at(from, i)) != JSON_OBJECT || merge(r, into, json_at(from, i), e) < 0)
				return bad(r, e, "<< wants mappings");
		return 0;
	}
	if (json_kind(from) != JSON_OBJECT)
		return bad(r, e, "<< wants a mapping");
	while (json_next(from, &it))
		if (!json_has(into, it.key))
			json_set(into, it.key, json_ref(it.value));
	return 0;
}

static int mapping_entry(struct reader *r, unsigned depth, struct json *into, struct json *merged, struct err *e)
{
	if (r->event.type != YAML_SCALAR_EVENT)
		return bad(r, e, "a key is no mapping, list or alias here");
	if (r->event.data.scalar.length != strlen((const char *)r->event.data.scalar.value))
		return bad(r, e, "a key has a NUL in it");
	own(mem) char *key = mem_dup((const char *)r->event.data.scalar.value);
	bool merges = strcmp(key, "<<") == 0 && r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct json *v = NULL;
	if (!merges && json_has(into, key))
		return err_set(e, ERR_CORRUPT, "line %zu: the key \"%.80s\" is there twice", r->event.start_mark.line + 1, key);
	if (next(r, e) < 0 || value(r, depth + 1, &v, e) < 0)
		return json_drop(&v), -1;
	if (merges)
		json_add(merged, v);
	else
		json_set(into, key, v);
	return 0;
}

static int mapping(struct reader *r, unsigned depth, struct json **ret, struct err *e)
{
	own(json) struct json *merged = json_new_array();
	*ret = json_new_object();
	while (next(r, e) == 0) {
		if (r->event.type != YAML_MAPPING_END_EVENT) {
			if (mapping_entry(r, depth, *ret, merged, e) < 0)
				return -1;
			continue;
		}
		for (size_t i = 0; i < json_len(merged); i++)
			if (merge(r, *ret, json_at(merged, i), e) < 0)
				return -1;
		return 0;
	}
	return -1;
}

static int alias(struct reader *r, unsigned depth, struct json **ret, struct err *e)
{
	const char *name = (const char *)r->event.data.alias.anchor;
	for (size_t i = r->anchors.n; i-- > 0;) {
		const struct anchor *a = &r->anchors.v[i];
		if (strcmp(a->name, name) != 0)
			continue;
		r->values += a->values;
		r->deepest = depth + a->height;
		*ret = json_ref(a->value);
		if (r->deepest > MAX_DEPTH)
			return bad(r, e, "nested too deeply, with what aliases repeat");
		return r->values > MAX_VALUES ? bad(r, e, "too many values, with those that aliases repeat") : 0;
	}
	return err_set(e, ERR_CORRUPT, "line %zu: there is no anchor %.60s before it", r->event.start_mark.line + 1, name);
}

/* The one that the event begins. */
static int value(struct reader *r, unsigned depth, struct json **ret, struct err *e)
{
	const yaml_event_t *v = &r->event;
	const yaml_char_t *name = v->type == YAML_SCALAR_EVENT ? v->data.scalar.anchor : v->type == YAML_SEQUENCE_START_EVENT ?
		v->data.sequence_start.anchor : v->type == YAML_MAPPING_START_EVENT ? v->data.mapping_start.anchor : NULL;
	const char *anchor = name ? arena_dup(&r->arena, (const char *)name) : NULL;
	size_t before = r->values++;
	unsigned outside = r->deepest;
	int result;
	if (depth > MAX_DEPTH || r->values > MAX_VALUES)
		return bad(r, e, depth > MAX_DEPTH ? "nested too deeply" : "too many values");
	r->deepest = depth;
	switch (v->type) {
	case YAML_SCALAR_EVENT: result = scalar(r, ret, e); break;
	case YAML_SEQUENCE_START_EVENT: result = sequence(r, depth, ret, e); break;
	case YAML_MAPPING_START_EVENT: result = mapping(r, depth, ret, e); break;
	case YAML_ALIAS_EVENT: result = alias(r, depth, ret, e); break;
	default: result = bad(r, e, "a value is missing"); break;
	}
	if (result == 0 && anchor)
		*arena_push(&r->arena, &r->anchors) = (struct anchor){anchor, json_ref(*ret), r->values - before, r->deepest - depth};
	r->deepest = r->deepest < outside ? outside : r->deepest;
	return result;
}

static int documents(struct reader *r, struct json *into, struct err *e)
{
	while (next(r, e) == 0) {
		struct json *doc = NULL;
		if (r->event.type == YAML_STREAM_END_EVENT)
			return 0;
		if (r->event.type != YAML_DOCUMENT_START_EVENT)
			continue;
		for (size_t i = 0; i < r->anchors.n; i++)
			json_drop(&r->anchors.v[i].value);
		r->anchors.n = 0;
		if (next(r, e) < 0 || value(r, 2, &doc, e) < 0)
			return json_drop(&doc), -1;
		json_add(into, doc);
	}
	return -1;
}

int yaml_parse(const char *text, size_t len, struct json **ret, struct err *e)
{
	struct reader r = {};
	*ret = NULL;
	if (len > MAX_BYTES)
		return err_set(e, ERR_CORRUPT, "more than %d bytes", MAX_BYTES);
	if (dynlib_open(&libyaml, e) < 0)
		return -1;
	if (!lib.yaml_parser_initialize(&r.parser))
		return err_set(e, ERR_SYSTEM, "no memory");
	lib.yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	*ret = json_new_array();
	int result = documents(&r, *ret, e);
	reader_drop(&r);
	if (result < 0)
		json_drop(ret);
	return result;
}
