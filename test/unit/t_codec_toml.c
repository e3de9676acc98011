/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML as the JSON it means; what is none names its line.
 */
#include "codec/toml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void good(void **state unused)
{
	static const struct { const char *toml, *json; } rows[] = {
		{"", "{}"},
		{"# nothing\n\n", "{}"},
		{"a = 1\nb = \"x\" # c\n", "{\"a\":1,\"b\":\"x\"}"},
		{"a.b.c = true\na.b.d = false", "{\"a\":{\"b\":{\"c\":true,\"d\":false}}}"},
		{"[a]\nx = 1\n[a.b]\ny = 2\n", "{\"a\":{\"x\":1,\"b\":{\"y\":2}}}"},
		{"[a.b]\ny = 2\n[a]\nx = 1", "{\"a\":{\"b\":{\"y\":2},\"x\":1}}"},
		{"[[r]]\nx = 1\n[[r.m]]\ny = 2\n[[r.m]]\ny = 3\n[[r]]\nx = 4\n", "{\"r\":[{\"x\":1,\"m\":[{\"y\":2},{\"y\":3}]},{\"x\":4}]}"},
		{"[[r]]\n[r.t]\nx=1\n[[r]]\n[r.t]\nx=2", "{\"r\":[{\"t\":{\"x\":1}},{\"t\":{\"x\":2}}]}"},
		{"a = [1, 2,\n # more\n 3,\n]\n", "{\"a\":[1,2,3]}"},
		{"a = [[\"x\"], []]", "{\"a\":[[\"x\"],[]]}"},
		{"a = {b = 1, c.d = 'e'}\n", "{\"a\":{\"b\":1,\"c\":{\"d\":\"e\"}}}"},
		{"\"docker.io/x\" = 'C:\\x'", "{\"docker.io/x\":\"C:\\\\x\"}"},
		{"a = \"\\t\\u00e9\\U0001F600\\\"\\\\\"", "{\"a\":\"\\t\xc3\xa9\xf0\x9f\x98\x80\\\"\\\\\"}"},
		{"a = \"\"\"\nline\\\n   joined\nnext\"\"\"", "{\"a\":\"linejoined\\nnext\"}"},
		{"a = '''x'y''z'''", "{\"a\":\"x'y''z\"}"},
		{"a = \"\"\"x\"\"\"\"\"", "{\"a\":\"x\\\"\\\"\"}"},
		{"a = -17\nb = 1_000\nc = 0xff\nd = 0o17\ne = 0b11\nf = +3\ng = 0", "{\"a\":-17,\"b\":1000,\"c\":255,\"d\":15,\"e\":3,\"f\":3,\"g\":0}"},
		{"a = 1.5", "{\"a\":1.5}"},
		{"a = 1\r\nb = 2\r\n", "{\"a\":1,\"b\":2}"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(json) struct json *j = NULL;
		own(buf) struct buf b = {};
		struct err e = {};
		if (toml_parse(rows[i].toml, strlen(rows[i].toml), &j, &e) < 0)
			fail_msg("%s: %s", rows[i].toml, e.text);
		json_format(j, 0, &b);
		assert_string_equal(buf_text(&b), rows[i].json);
	}
}

static void refused(void **state unused)
{
	static const struct { const char *toml; int line; } rows[] = {
		{"a", 1}, {"a =", 1}, {"= 1", 1}, {"a = 1 b = 2", 1}, {"a = 1\na = 2", 2}, {"a = \"x", 1}, {"\n\na = 'x\n'", 3}, {"[a", 1}, {"[[a]", 1},
		{"[a]\n[a]", 2}, {"a = 1\n[a]", 2}, {"a = [1\n", 2}, {"a = {b = 1", 1}, {"a = 01", 1}, {"a = 1979-05-27", 1}, {"a = nan", 1},
		{"a = \"\\x\"", 1}, {"a = \"\\uD800\"", 1}, {"a = 99999999999999999999", 1}, {"a = 1__0", 1}, {"a = []\n[[a.b]]", 2}, {"[[a]]\n[a]", 2},
		{"a.b = 1\na.b.c = 2", 2}, {"[]", 1}, {"a = \"\x01\"", 1}, {"a = yes", 1}, {"a = -0x1", 1},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(json) struct json *j = NULL;
		struct err e = {};
		char line[16];
		snprintf(line, sizeof line, "line %d:", rows[i].line);
		if (toml_parse(rows[i].toml, strlen(rows[i].toml), &j, &e) == 0)
			fail_msg("taken: %s", rows[i].toml);
		assert_int_equal(e.kind, ERR_CORRUPT);
		if (!strstr(e.text, line))
			fail_msg("%s: %s", rows[i].toml, e.text);
	}
	own(buf) struct buf deep = {};
	own(json) struct json *j = NULL;
	struct err e = {};
	buf_str(&deep, "a = ");
	for (int i = 0; i < 100000; i++)
		buf_char(&deep, '[');
	assert_int_equal(toml_parse(buf_text(&deep), deep.len, &j, &e), -1);
	assert_int_equal(toml_parse("a = \"\xff\"", 8, &j, &e), -1);
	assert_non_null(strstr(e.text, "UTF-8"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(refused)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
