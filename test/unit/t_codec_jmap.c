/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct point {
	int64_t x, y;
};
struct all {
	char *str;
	bool yes;
	int64_t i64;
	uint64_t u64;
	uint32_t u32;
	double f64;
	struct opt_i64 oi64;
	struct opt_u64 ou64;
	struct opt_bool obool;
	struct strv strv;
	struct u32v u32v;
	struct i64v i64v;
	struct map map;
	struct strv keys;
	struct point sub;
	struct point *ptr;
	struct { struct point *v; size_t n; } list;
	struct json *json;
};

static const struct jfield point_fields[] = {JFF(struct point, "x", x, JT_I64, JF_REQUIRED), JF(struct point, "y", y, JT_I64)};
static const struct jtable point_table = JTABLE(struct point, point_fields);
static const struct jfield all_fields[] = {
	JF(struct all, "str", str, JT_STR), JF(struct all, "yes", yes, JT_BOOL), JF(struct all, "i64", i64, JT_I64),
	JF(struct all, "u64", u64, JT_U64), JF(struct all, "u32", u32, JT_U32), JF(struct all, "f64", f64, JT_F64),
	JF(struct all, "oi64", oi64, JT_OI64), JF(struct all, "ou64", ou64, JT_OU64), JF(struct all, "obool", obool, JT_OBOOL),
	JF(struct all, "strv", strv, JT_STRV), JF(struct all, "u32v", u32v, JT_U32V), JF(struct all, "i64v", i64v, JT_I64V),
	JF(struct all, "map", map, JT_MAP), JF(struct all, "keys", keys, JT_KEYS), JFS(struct all, "sub", sub, JT_STRUCT, point_table),
	JFS(struct all, "ptr", ptr, JT_PTR, point_table), JFS(struct all, "list", list, JT_LIST, point_table),
	JF(struct all, "json", json, JT_JSON),
};
static const struct jtable all_table = JTABLE(struct all, all_fields);

static struct json *parsed(const char *text)
{
	struct err e = {};
	struct json *j = NULL;
	if (json_parse(text, strlen(text), &j, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return j;
}

static const char full[] = "{\"str\":\"text\",\"yes\":true,\"i64\":-9223372036854775808,\"u64\":18446744073709551615,\"u32\":4294967295,"
			   "\"f64\":0.5,\"oi64\":0,\"ou64\":0,\"obool\":false,\"strv\":[\"a\",\"\"],\"u32v\":[0,1,2],\"i64v\":[-1,5],"
			   "\"map\":{\"b\":\"2\",\"a\":\"1\"},\"keys\":{\"/data\":{},\"/b\":{}},\"sub\":{\"x\":1,\"y\":2},\"ptr\":{\"x\":3},"
			   "\"list\":[{\"x\":4},{\"x\":5,\"y\":6}],\"json\":{\"any\":[1]}}";

static void every_type(void **state)
{
	(void)state;
	struct err e = {};
	own(arena) struct arena a = {};
	own(json) struct json *j = parsed(full), *again = NULL;
	struct all st = {};
	if (jmap_parse(&all_table, j, 0, &a, &st, "doc", &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(st.str, "text");
	assert_true(st.yes);
	assert_true(st.i64 == INT64_MIN && st.u64 == UINT64_MAX && st.u32 == UINT32_MAX && st.f64 == 0.5);
	assert_true(st.oi64.set && st.ou64.set && st.obool.set && !st.oi64.v && !st.ou64.v && !st.obool.v);
	assert_int_equal(st.strv.n, 2);
	assert_string_equal(st.strv.v[1], "");
	assert_null(st.strv.v[2]);
	assert_int_equal(st.u32v.v[2], 2);
	assert_int_equal(st.i64v.v[0], -1);
	assert_string_equal(map_get(&st.map, "a"), "1");
	assert_null(map_get(&st.map, "c"));
	assert_int_equal(st.keys.n, 2);
	assert_string_equal(st.keys.v[0], "/data");
	assert_int_equal(st.sub.y, 2);
	assert_int_equal(st.ptr->x, 3);
	assert_int_equal(st.list.n, 2);
	assert_int_equal(st.list.v[1].y, 6);
	again = jmap_format(&all_table, &st);
	own(buf) struct buf b = {};
	json_format(again, 0, &b);
	/* As it came, but for the order of maps. */
	char *want = mem_dup(full), *at = strstr(want, "{\"b\":\"2\",\"a\":\"1\"}");
	assert_non_null(at);
	memcpy(at, "{\"a\":\"1\",\"b\":\"2\"}", 17);
	at = strstr(want, "{\"/data\":{},\"/b\":{}}");
	assert_non_null(at);
	memcpy(at, "{\"/b\":{},\"/data\":{}}", 20);
	assert_string_equal(b.data, want);
	mem_drop(&want);
}

static void absent(void **state)
{
	(void)state;
	static const char *const texts[] = {"{}", "{\"str\":null,\"yes\":null,\"i64\":null,\"oi64\":null,\"strv\":null,\"map\":null,"
		"\"keys\":null,\"ptr\":null,\"list\":null,\"json\":null,\"sub\":null,\"unknown\":[1]}"};
	for (size_t i = 0; i < countof(texts); i++) {
		struct err e = {};
		own(arena) struct arena a = {};
		own(json) struct json *j = parsed(texts[i]), *out = NULL;
		struct all st = {}, zero = {};
		assert_int_equal(jmap_parse(&all_table, j, 0, &a, &st, "", &e), 0);
		assert_memory_equal(&st, &zero, sizeof st);
		out = jmap_format(&all_table, &st);
		own(buf) struct buf b = {};
		json_format(out, 0, &b);
		assert_string_equal(b.data, "{\"sub\":{}}");
	}
}

static void wrong_types(void **state)
{
	(void)state;
	static const struct { const char *text, *error; } rows[] = {
		{"[]", "doc: must be an object"}, {"1", "doc: must be an object"}, {"null", "doc: must be an object"},
		{"{\"str\":1}", "doc: str: must be a string"}, {"{\"yes\":1}", "doc: yes: must be true or false"},
		{"{\"yes\":\"true\"}", "doc: yes: must be true or false"}, {"{\"obool\":0}", "doc: obool: must be true or false"},
		{"{\"i64\":1.5}", "doc: i64: must be a whole number"}, {"{\"i64\":\"1\"}", "doc: i64: must be a whole number"},
		{"{\"i64\":9223372036854775808}", "doc: i64: must be a smaller number"}, {"{\"oi64\":true}", "doc: oi64: must be a whole number"},
		{"{\"i64v\":[18446744073709551615]}", "doc: i64v[0]: must be a smaller number"},
		{"{\"u64\":-1}", "doc: u64: must be a number that is not negative"},
		{"{\"u32\":4294967296}", "doc: u32: must be a smaller number"}, {"{\"u32\":18446744073709551615}", "doc: u32: must be a smaller number"},
		{"{\"ou64\":1.0}", "doc: ou64: must be a number that is not negative"}, {"{\"f64\":\"1\"}", "doc: f64: must be a number"},
		{"{\"strv\":\"a\"}", "doc: strv: must be an array"}, {"{\"strv\":[\"a\",1]}", "doc: strv[1]: must be a string"},
		{"{\"strv\":[null]}", "doc: strv[0]: must be a string"}, {"{\"u32v\":[1,-1]}", "doc: u32v[1]: must be a number that is not negative"},
		{"{\"map\":[]}", "doc: map: must be an object"}, {"{\"map\":{\"k\":1}}", "doc: map.k: must be a string"},
		{"{\"keys\":[\"a\"]}", "doc: keys: must be an object"}, {"{\"sub\":{}}", "doc: sub.x: is missing"},
		{"{\"sub\":{\"x\":{}}}", "doc: sub.x: must be a whole number"}, {"{\"sub\":[]}", "doc: sub: must be an object"},
		{"{\"ptr\":{\"y\":1}}", "doc: ptr.x: is missing"}, {"{\"list\":[{\"x\":1},{\"x\":\"2\"}]}", "doc: list[1].x: must be a whole number"},
		{"{\"list\":[{\"x\":1},2]}", "doc: list[1]: must be an object"}, {"{\"list\":{}}", "doc: list: must be an array"},
		{"{\"str\":\"a\\u0000b\"}", "doc: str: must have no NUL in it"}, {"{\"strv\":[\"\\u0000\"]}", "doc: strv[0]: must have no NUL in it"},
		{"{\"map\":{\"k\":\"a\\u0000\"}}", "doc: map.k: must have no NUL in it"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e = {};
		own(arena) struct arena a = {};
		own(json) struct json *j = parsed(rows[i].text);
		struct all st = {};
		if (jmap_parse(&all_table, j, 0, &a, &st, "doc", &e) == 0)
			fail_msg("taken: %s", rows[i].text);
		assert_string_equal(e.text, rows[i].error);
		assert_int_equal(e.kind, ERR_USAGE);
	}
	struct err e = {};
	own(arena) struct arena a = {};
	own(json) struct json *deep = parsed("{\"list\":[{\"x\":true}]}"), *top = parsed("[]");
	struct all st = {};
	assert_int_equal(jmap_parse(&all_table, deep, 0, &a, &st, "", &e), -1);
	assert_string_equal(e.text, "list[0].x: must be a whole number");
	assert_int_equal(jmap_parse(&all_table, top, 0, &a, &st, "", &e), -1);
	assert_string_equal(e.text, "value: must be an object");
}

static void nocase(void **state)
{
	(void)state;
	struct err e = {};
	own(arena) struct arena a = {};
	own(json) struct json *j = parsed("{\"STR\":\"upper\",\"Sub\":{\"X\":7},\"list\":[{\"X\":8}]}");
	struct all st = {};
	assert_int_equal(jmap_parse(&all_table, j, JMAP_NOCASE, &a, &st, "", &e), 0);
	assert_string_equal(st.str, "upper");
	assert_int_equal(st.sub.x, 7);
	assert_int_equal(st.list.v[0].x, 8);
	struct all strict = {};
	assert_int_equal(jmap_parse(&all_table, j, 0, &a, &strict, "", &e), -1);
	assert_string_equal(e.text, "list[0].x: is missing");
}

struct flags {
	char *s;
	bool b;
	struct strv l;
	struct map m;
	struct point *p;
	struct strv n;
	struct opt_bool o;
};
static const struct jfield flag_fields[] = {JFF(struct flags, "s", s, JT_STR, JF_ALWAYS), JFF(struct flags, "b", b, JT_BOOL, JF_ALWAYS),
	JFF(struct flags, "l", l, JT_STRV, JF_ALWAYS), JFF(struct flags, "m", m, JT_MAP, JF_ALWAYS),
	JFSF(struct flags, "p", p, JT_PTR, point_table, JF_ALWAYS), JFF(struct flags, "n", n, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(struct flags, "o", o, JT_OBOOL, JF_ALWAYS)};
static const struct jtable flag_table = JTABLE(struct flags, flag_fields);

static void always(void **state)
{
	(void)state;
	struct flags st = {};
	own(json) struct json *j = jmap_format(&flag_table, &st);
	own(buf) struct buf b = {};
	json_format(j, 0, &b);
	assert_string_equal(b.data, "{\"s\":\"\",\"b\":false,\"l\":[],\"m\":{},\"p\":null,\"n\":null,\"o\":null}");
}

static void maps(void **state)
{
	(void)state;
	own(arena) struct arena a = {};
	struct map m = {};
	for (int i = 0; i < 100; i++) {
		own(mem) char *key = mem_printf("k%d", i % 50);
		own(mem) char *value = mem_printf("v%d", i);
		map_set(&a, &m, key, value);
	}
	assert_int_equal(m.n, 50);
	assert_string_equal(map_get(&m, "k7"), "v57");
	assert_string_equal(m.v[0].key, "k0");
}

/* Lists that were parsed can be added to: nothing behind them in the arena is written over. */
static void growing(void **state)
{
	(void)state;
	for (size_t n = 1; n < 40; n++) {
		struct err e = {};
		own(arena) struct arena a = {};
		own(buf) struct buf text = {};
		for (int list = 0; list < 2; list++) {
			buf_str(&text, list ? "],\"list\":[" : "{\"strv\":[");
			for (size_t i = 0; i < n; i++)
				buf_printf(&text, list ? "%s{\"x\":%zu}" : "%s\"%zu\"", i ? "," : "", i);
		}
		buf_str(&text, "]}");
		own(json) struct json *j = parsed(text.data);
		struct all st = {}, second = {};
		assert_int_equal(jmap_parse(&all_table, j, 0, &a, &st, "", &e), 0);
		assert_int_equal(jmap_parse(&all_table, j, 0, &a, &second, "", &e), 0);
		for (size_t i = n; i < 100; i++) {
			arena_strv_add(&a, &st.strv, "more");
			*arena_push(&a, &st.list) = (struct point){-1, -1};
			assert_null(st.strv.v[i + 1]);
		}
		for (size_t i = 0; i < n; i++) {
			own(mem) char *want = mem_printf("%zu", i);
			assert_string_equal(st.strv.v[i], want);
			assert_string_equal(second.strv.v[i], want);
			assert_int_equal(st.list.v[i].x, i);
			assert_int_equal(second.list.v[i].x, i);
		}
	}
}

/* A key that is longer than the error's text does not harm. */
static void long_keys(void **state)
{
	(void)state;
	struct err e = {};
	own(arena) struct arena a = {};
	own(buf) struct buf text = {};
	buf_str(&text, "{\"map\":{\"");
	for (int i = 0; i < 5000; i++)
		buf_char(&text, 'k');
	buf_str(&text, "\":1}}");
	own(json) struct json *j = parsed(text.data);
	struct all st = {};
	assert_int_equal(jmap_parse(&all_table, j, 0, &a, &st, "doc", &e), -1);
	assert_true(strlen(e.text) < sizeof e.text);
	assert_true(strncmp(e.text, "doc: map.kkk", 12) == 0);
	assert_non_null(strstr(e.text, "must be a string"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_type), cmocka_unit_test(absent), cmocka_unit_test(wrong_types),
		cmocka_unit_test(nocase), cmocka_unit_test(always), cmocka_unit_test(maps), cmocka_unit_test(growing), cmocka_unit_test(long_keys)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
