/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jmap: one row per field type in parse_value() and format_value(); everything else is walking tables.
 * A wrong type is reported from the inside out: the innermost place sets the text, each level on the
 * way up prepends its key, so the path costs nothing while parsing goes well.
 */
#include "codec/jmap.h"

#include <string.h>

static int parse_struct(const struct jtable *t, const struct json *j, int flags, struct arena *a,
	void *st, struct err *e);

const char *map_get(const struct map *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->v[i].key, key) == 0)
			return m->v[i].value;
	return NULL;
}

void map_set(struct arena *a, struct map *m, const char *key, const char *value)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->v[i].key, key) == 0) {
			m->v[i].value = arena_dup(a, value);
			return;
		}
	*arena_push(a, m) = (struct pair){arena_dup(a, key), arena_dup(a, value)};
}

static int must_be(const char *what, struct err *e)
{
	return err_set(e, ERR_USAGE, " must be %s", what);
}

/* Puts `key` in front of a path that is being built from the inside: "b[1]: must" and "a" give "a.b[1]: must". */
static int in_key(const char *key, struct err *e)
{
	struct err inner = *e;
	const char *text = inner.text;
	bool first = *text == ' ';
	return err_set(e, inner.kind, "%.200s%s%.700s", key, first ? ":" : *text == '[' ? "" : ".", text);
}

static int in_index(size_t i, struct err *e)
{
	struct err inner = *e;
	bool first = *inner.text == ' ';
	return err_set(e, inner.kind, "[%zu]%s%.900s", i, first ? ":" : *inner.text == '[' ? "" : ".", inner.text);
}

static int parse_u64(const struct json *j, uint64_t max, uint64_t *ret, struct err *e)
{
	if (json_kind(j) != JSON_INT || json_i64(j) < 0)
		return must_be("a number that is not negative", e);
	uint64_t v = json_u64(j);
	if (v > max)
		return must_be("a smaller number", e);
	*ret = v;
	return 0;
}

static int parse_i64(const struct json *j, int64_t *ret, struct err *e)
{
	if (json_kind(j) != JSON_INT)
		return must_be("a whole number", e);
	if (json_u64(j) > INT64_MAX)
		return must_be("a smaller number", e);
	*ret = json_i64(j);
	return 0;
}

/* A C string: what lies behind a NUL would be lost. */
static int parse_str(const struct json *j, struct arena *a, char **ret, struct err *e)
{
	const char *text = json_str(j);
	if (!text)
		return must_be("a string", e);
	if (strlen(text) != json_str_len(j))
		return err_set(e, ERR_USAGE, " must have no NUL in it");
	*ret = arena_dup(a, text);
	return 0;
}

static int parse_array(const struct jfield *f, const struct json *j, int flags, struct arena *a,
	void *at, struct err *e)
{
	size_t n = json_len(j);
	if (json_kind(j) != JSON_ARRAY)
		return must_be("an array", e);
	size_t each = f->type == JT_LIST ? f->sub->size
		: f->type == JT_U32V     ? sizeof(uint32_t)
		: f->type == JT_STRV     ? sizeof(char *)
					 : sizeof(int64_t);
	/* As much room as arena_push() and arena_strv_add() take for granted when they add to it. */
	size_t room = 4;
	while (room < n + 1)
		room *= 2;
	char *v = arena_alloc(a, room * each);
	for (size_t i = 0; i < n; i++) {
		const struct json *item = json_at(j, i);
		int r = 0;
		uint64_t u = 0;
		int64_t s = 0;
		if (f->type == JT_LIST) {
			r = parse_struct(f->sub, item, flags, a, v + i * each, e);
		} else if (f->type == JT_STRV) {
			r = parse_str(item, a, &((char **)(void *)v)[i], e);
		} else if (f->type == JT_U32V) {
			r = parse_u64(item, UINT32_MAX, &u, e);
			((uint32_t *)(void *)v)[i] = (uint32_t)u;
		} else {
			r = parse_i64(item, &s, e);
			((int64_t *)(void *)v)[i] = s;
		}
		if (r < 0)
			return in_index(i, e);
	}
	*(struct list *)at = (struct list){n ? v : NULL, n};
	return 0;
}

static int parse_object(const struct jfield *f, const struct json *j, struct arena *a, void *at, struct err *e)
{
	if (json_kind(j) != JSON_OBJECT)
		return must_be("an object", e);
	struct json_iter it = {};
	while (json_next(j, &it)) {
		if (f->type == JT_KEYS) {
			arena_strv_add(a, at, it.key);
			continue;
		}
		char *value = it.value ? NULL : arena_dup(a, "");
		if (it.value && parse_str(it.value, a, &value, e) < 0)
			return in_key(it.key, e);
		struct map *m = at;
		*arena_push(a, m) = (struct pair){arena_dup(a, it.key), value};
	}
	return 0;
}

static int parse_value(const struct jfield *f, const struct json *j, int flags, struct arena *a,
	void *at, struct err *e)
{
	enum json_kind type = json_kind(j);
	uint64_t u = 0;
	switch (f->type) {
	case JT_STR: return parse_str(j, a, at, e);
	case JT_BOOL:
	case JT_OBOOL:
		if (type != JSON_BOOL)
			return must_be("true or false", e);
		if (f->type == JT_BOOL)
			*(bool *)at = json_truth(j);
		else
			*(struct opt_bool *)at = (struct opt_bool){true, json_truth(j)};
		return 0;
	case JT_I64: return parse_i64(j, at, e);
	case JT_U64: return parse_u64(j, UINT64_MAX, at, e);
	case JT_U32:
		if (parse_u64(j, UINT32_MAX, &u, e) < 0)
			return -1;
		*(uint32_t *)at = (uint32_t)u;
		return 0;
	case JT_F64:
		if (type != JSON_INT && type != JSON_DOUBLE)
			return must_be("a number", e);
		*(double *)at = json_double(j);
		return 0;
	case JT_OI64:
		((struct opt_i64 *)at)->set = true;
		return parse_i64(j, &((struct opt_i64 *)at)->v, e);
	case JT_OU64:
		((struct opt_u64 *)at)->set = true;
		return parse_u64(j, UINT64_MAX, &((struct opt_u64 *)at)->v, e);
	case JT_STRV:
	case JT_U32V:
	case JT_I64V:
	case JT_LIST: return parse_array(f, j, flags, a, at, e);
	case JT_MAP:
	case JT_KEYS: return parse_object(f, j, a, at, e);
	case JT_STRUCT: return parse_struct(f->sub, j, flags, a, at, e);
	case JT_PTR: {
		void *st = arena_alloc(a, f->sub->size);
		if (parse_struct(f->sub, j, flags, a, st, e) < 0)
			return -1;
		*(void **)at = st;
		return 0;
	}
	case JT_JSON: *(const struct json **)at = j; return 0;
	}
	return 0;
}

static int parse_struct(const struct jtable *t, const struct json *j, int flags, struct arena *a,
	void *st, struct err *e)
{
	if (json_kind(j) != JSON_OBJECT)
		return must_be("an object", e);
	for (size_t i = 0; i < t->n; i++) {
		const struct jfield *f = &t->fields[i];
		const struct json *v = flags & JMAP_NOCASE ? json_get_nocase(j, f->key) : json_get(j, f->key);
		if (!v && f->flags & JF_REQUIRED) {
			err_set_(e, ERR_USAGE, " is missing");
			return in_key(f->key, e);
		}
		if (v && parse_value(f, v, flags, a, (char *)st + f->at, e) < 0)
			return in_key(f->key, e);
	}
	return 0;
}

int jmap_parse(const struct jtable *t, const struct json *j, int flags, struct arena *a, void *st,
	const char *what, struct err *e)
{
	if (parse_struct(t, j, flags, a, st, e) == 0)
		return 0;
	if (*e->text == ' ')
		return in_key(*what ? what : "value", e);
	return *what ? err_wrap(e, "%s", what) : -1;
}

static bool is_empty(const struct jfield *f, const void *at)
{
	switch (f->type) {
	case JT_STR: return str_is_empty(*(char *const *)at);
	case JT_PTR:
	case JT_JSON: return !*(void *const *)at;
	case JT_BOOL: return !*(const bool *)at;
	case JT_I64:
	case JT_U64: return !*(const uint64_t *)at;
	case JT_U32: return !*(const uint32_t *)at;
	case JT_F64: return *(const double *)at == 0;
	case JT_OI64: return !((const struct opt_i64 *)at)->set;
	case JT_OU64: return !((const struct opt_u64 *)at)->set;
	case JT_OBOOL: return !((const struct opt_bool *)at)->set;
	case JT_STRUCT: return false;
	case JT_STRV:
	case JT_KEYS: return !((const struct strv *)at)->n;
	case JT_U32V:
	case JT_I64V:
	case JT_MAP:
	case JT_LIST: return !((const struct list *)at)->n;
	}
	return false;
}

static struct json *format_list(const struct jfield *f, const void *at)
{
	struct json *j = json_new_array();
	const struct list *l = at;
	for (size_t i = 0; i < l->n; i++) {
		if (f->type == JT_LIST)
			json_add(j, jmap_format(f->sub, (const char *)l->v + i * f->sub->size));
		else if (f->type == JT_STRV)
			json_add(j, json_new_str(((char *const *)l->v)[i]));
		else if (f->type == JT_U32V)
			json_add(j, json_new_u64(((const uint32_t *)l->v)[i]));
		else
			json_add(j, json_new_i64(((const int64_t *)l->v)[i]));
	}
	return j;
}

/* Keys in their order, as Go writes maps. */
static struct json *format_object(const struct jfield *f, const void *at)
{
	struct json *j = json_new_object();
	own(strv) struct strv keys = {};
	if (f->type == JT_KEYS)
		for (size_t i = 0; i < ((const struct strv *)at)->n; i++)
			strv_add(&keys, ((const struct strv *)at)->v[i]);
	else
		for (size_t i = 0; i < ((const struct map *)at)->n; i++)
			strv_add(&keys, ((const struct map *)at)->v[i].key);
	strv_sort(&keys);
	for (size_t i = 0; i < keys.n; i++)
		json_set(j, keys.v[i], f->type == JT_KEYS ? json_new_object() : json_new_str(map_get(at, keys.v[i])));
	return j;
}

static struct json *format_value(const struct jfield *f, const void *at)
{
	switch (f->type) {
	case JT_STR: return json_new_str(*(char *const *)at ? *(char *const *)at : "");
	case JT_BOOL: return json_new_bool(*(const bool *)at);
	case JT_I64: return json_new_i64(*(const int64_t *)at);
	case JT_U64: return json_new_u64(*(const uint64_t *)at);
	case JT_U32: return json_new_u64(*(const uint32_t *)at);
	case JT_F64: return json_new_double(*(const double *)at);
	case JT_OI64: return ((const struct opt_i64 *)at)->set ? json_new_i64(((const struct opt_i64 *)at)->v) : NULL;
	case JT_OU64: return ((const struct opt_u64 *)at)->set ? json_new_u64(((const struct opt_u64 *)at)->v) : NULL;
	case JT_OBOOL:
		return ((const struct opt_bool *)at)->set ? json_new_bool(((const struct opt_bool *)at)->v) : NULL;
	case JT_STRV:
	case JT_U32V:
	case JT_I64V:
	case JT_LIST: return format_list(f, at);
	case JT_MAP:
	case JT_KEYS: return format_object(f, at);
	case JT_STRUCT: return jmap_format(f->sub, at);
	case JT_PTR: return *(void *const *)at ? jmap_format(f->sub, *(void *const *)at) : NULL;
	case JT_JSON: return json_ref(*(struct json *const *)at);
	}
	return NULL;
}

struct json *jmap_format(const struct jtable *t, const void *st)
{
	struct json *j = json_new_object();
	for (size_t i = 0; i < t->n; i++) {
		const struct jfield *f = &t->fields[i];
		const void *at = (const char *)st + f->at;
		bool empty = is_empty(f, at);
		if (empty && !(f->flags & JF_ALWAYS))
			continue;
		json_set(j, f->key, empty && f->flags & JF_NULL ? NULL : format_value(f, at));
	}
	return j;
}
