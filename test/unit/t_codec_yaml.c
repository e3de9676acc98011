/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as the JSON it means to Kubernetes; what is none names its line.
 */
#include "codec/yaml.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void good(void **state unused)
{
	static const struct { const char *yaml, *json; } rows[] = {
		{"", "[]"},
		{"# nothing\n", "[]"},
		{"---\n", "[null]"},
		{"a: 1\n---\nb: 2\n...\n", "[{\"a\":1},{\"b\":2}]"},
		{"a:\n- x\n- y: z\n  w: [1, two, 'three']\n", "[{\"a\":[\"x\",{\"y\":\"z\",\"w\":[1,\"two\",\"three\"]}]}]"},
		{"{\"a\": [1, 2.5, null, true, \"x\"]}", "[{\"a\":[1,2.5,null,true,\"x\"]}]"},
		{"- ~\n- null\n-\n- 'null'\n- !!str null", "[[null,null,null,\"null\",\"null\"]]"},
		{"[yes, No, on, OFF, true, 'yes', y]", "[[true,false,true,false,true,\"yes\",\"y\"]]"},
		{"[0644, 0o644, 0x1f, 0b101, 1_000, -12, +3, 0, 00, 089, 18446744073709551615, 18446744073709551616]",
			"[[420,420,31,5,1000,-12,3,0,0,\"089\",18446744073709551615,\"18446744073709551616\"]]"},
		{"[1.5, -2e3, .5, 1.2.3, 1e, e1, 500m, 2026-11-29, 12:30, -, 0x, 0o, -9223372036854775808]",
			"[[1.5,-2000,0.5,\"1.2.3\",\"1e\",\"e1\",\"500m\",\"2026-11-29\",\"12:30\",\"-\",\"0x\",\"0o\",-9223372036854775808]]"},
		{"a: |\n  one\n  two\nb: >-\n  one\n  two\n", "[{\"a\":\"one\\ntwo\\n\",\"b\":\"one two\"}]"},
		{"1: x\ntrue: y\n", "[{\"1\":\"x\",\"true\":\"y\"}]"},
		{"a: &x {b: 1}\nc: *x\n", "[{\"a\":{\"b\":1},\"c\":{\"b\":1}}]"},
		{"a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3\n", "[{\"a\":{\"b\":1,\"c\":2},\"d\":{\"b\":3,\"c\":2}}]"},
		{"<<: [{a: 1}, {a: 2, b: 2}]\n", "[{\"a\":1,\"b\":2}]"},
		{"'<<': 1", "[{\"<<\":1}]"},
		{"!!int '7'", "[7]"},
		{"\"\\x41\\u00e9\"", "[\"A\xc3\xa9\"]"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(json) struct json *j = NULL;
		own(buf) struct buf b = {};
		struct err e = {};
		if (yaml_parse(rows[i].yaml, strlen(rows[i].yaml), &j, &e) < 0)
			fail_msg("%s: %s", rows[i].yaml, e.text);
		json_format(j, 0, &b);
		assert_string_equal(buf_text(&b), rows[i].json);
	}
}

static void refused(void **state unused)
{
	static const struct { const char *yaml; int line; } rows[] = {
		{"a: 1\na: 2", 2}, {"a: [1", 1}, {"a: *x", 1}, {"&x a: 1\n---\nb: *x", 3}, {"a: &x [*x]", 1}, {"[a]: 1", 1}, {"? {a: 1}\n: 2", 1},
		{"a:\n\tb: 1", 2}, {"a: !secret x", 1}, {"a: !!int x", 1}, {"<<: 1", 1}, {"<<: [1]", 1}, {"a: 'x", 1}, {"a: \"\\q\"", 1}, {"a: b: c", 1},
		{"\"\\0\": 1", 1}, {"a: \xff", 1}, {"%YAML 3.0\n---\na", 1},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(json) struct json *j = NULL;
		struct err e = {};
		unsigned line = 0;
		if (yaml_parse(rows[i].yaml, strlen(rows[i].yaml), &j, &e) == 0)
			fail_msg("taken: %s", rows[i].yaml);
		assert_null(j);
		assert_int_equal(e.kind, ERR_CORRUPT);
		if (sscanf(e.text, "line %u: ", &line) != 1)
			fail_msg("%s: %s", rows[i].yaml, e.text);
		if (line < (unsigned)rows[i].line || line > (unsigned)rows[i].line + 1)
			fail_msg("%s: %s", rows[i].yaml, e.text);
	}
}

/* A few hundred bytes that stand for billions of values, and a tower of lists. */
static void bounded(void **state unused)
{
	own(buf) struct buf laughs = {}, tower = {};
	own(json) struct json *j = NULL;
	struct err e = {};
	buf_str(&laughs, "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
	for (int i = 1; i < 12; i++) {
		buf_printf(&laughs, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			buf_printf(&laughs, "%s*a%d", k ? ", " : "", i - 1);
		buf_str(&laughs, "]\n");
	}
	assert_int_equal(yaml_parse(laughs.data, laughs.len, &j, &e), -1);
	assert_non_null(strstr(e.text, "too many values"));
	for (int i = 0; i < 100; i++)
		buf_str(&tower, "[");
	assert_int_equal(yaml_parse(tower.data, tower.len, &j, &e), -1);
	assert_non_null(strstr(e.text, "nested too deeply"));
	/* Each list is two deep with the one before in it, which no line shows. */
	own(buf) struct buf stairs = {};
	for (int i = 0; i < 40; i++)
		buf_printf(&stairs, i ? "- &a%d [[*a%d]]\n" : "- &a%d [x]\n", i, i - 1);
	memset(&e, 0, sizeof e);
	assert_int_equal(yaml_parse(stairs.data, stairs.len, &j, &e), -1);
	assert_non_null(strstr(e.text, "line 32: nested too deeply, with what aliases repeat"));
	own(mem) char *big = mem_alloc((4 << 20) + 1);
	memset(big, ' ', (4 << 20) + 1);
	assert_int_equal(yaml_parse(big, (4 << 20) + 1, &j, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(refused), cmocka_unit_test(bounded)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
