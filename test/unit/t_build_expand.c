/* SPDX-License-Identifier: Apache-2.0 */
#include "build/expand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const char *get(void *arg unused, const char *name)
{
	static const struct { const char *name, *value; } rows[] = {
		{"a", "1"}, {"empty", ""}, {"path", "usr/local/lib/x.tar.gz"}, {"words", "one  two"}, {"star", "a*b*c"}, {"HOME", "/root"},
	};
	for (size_t i = 0; i < countof(rows); i++)
		if (str_eq(rows[i].name, name))
			return rows[i].value;
	return NULL;
}

static const struct expansion plain = {.get = get, .escape = '\\'};

static void word_is(const char *text, const char *expected)
{
	own(buf) struct buf b = BUF(4096);
	struct err e = {};
	if (expand_word(&plain, text, &b, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	if (strcmp(buf_text(&b), expected) != 0)
		fail_msg("%s gives \"%s\", not \"%s\"", text, buf_text(&b), expected);
}

static void variables(void **state unused)
{
	static const struct { const char *text, *expected; } rows[] = {
		{"plain", "plain"}, {"$a", "1"}, {"${a}", "1"}, {"x${a}y", "x1y"}, {"$none", ""}, {"${none}", ""}, {"$", "$"}, {"a$", "a$"}, {"$.", "$."},
		{"${a:-w}", "1"}, {"${none:-w}", "w"}, {"${empty:-w}", "w"}, {"${empty-w}", ""}, {"${none-w}", "w"},
		{"${a:+w}", "w"}, {"${none:+w}", ""}, {"${empty:+w}", ""}, {"${empty+w}", "w"}, {"${a:?m}", "1"}, {"${empty?m}", ""},
		{"${none:-${a}${none:-x}}", "1x"}, {"${none:-a b}", "a b"},
		{"${path#*/}", "local/lib/x.tar.gz"}, {"${path##*/}", "x.tar.gz"}, {"${path%.*}", "usr/local/lib/x.tar"}, {"${path%%.*}", "usr/local/lib/x"},
		{"${path/l/L}", "usr/Local/lib/x.tar.gz"}, {"${path//l/L}", "usr/LocaL/Lib/x.tar.gz"}, {"${path//\\//.}", "usr.local.lib.x.tar.gz"},
		{"${path/l*b/-}", "usr/-/x.tar.gz"}, {"${path#nothing}", "usr/local/lib/x.tar.gz"}, {"${star#a\\*}", "b*c"}, {"${path%?gz}", "usr/local/lib/x.tar"},
		{"\\$a", "$a"}, {"'$a'", "$a"}, {"\"$a\"", "1"}, {"\"\\$a\"", "$a"}, {"\"a\\b\"", "a\\b"}, {"\"\\\"\"", "\""}, {"a\\ b", "a b"},
		{"'a'\"b\"c", "abc"}, {"''", ""}, {"$a$a", "11"}, {"$ab", ""}, {"\\\\", "\\"}, {"$1", ""}, {"${1}", ""},
	};
	for (size_t i = 0; i < countof(rows); i++)
		word_is(rows[i].text, rows[i].expected);
}

static void errors(void **state unused)
{
	static const struct { const char *text, *expected; } rows[] = {
		{"${", "missing '}'"}, {"${a", "missing '}'"}, {"${}", "bad substitution"}, {"${a:", "missing '}'"}, {"${a!b}", "unsupported modifier"},
		{"${a:=b}", "unsupported modifier (:=)"}, {"${none:?no value}", "none: no value"}, {"${none?}", "none: not set"}, {"${empty:?}", "empty: is empty"},
		{"'a", "matching single-quote"}, {"\"a", "matching double-quote"}, {"${none:-x", "matching }"}, {"${a/x", "matching /"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(buf) struct buf b = BUF(4096);
		struct err e = {};
		assert_int_equal(expand_word(&plain, rows[i].text, &b, &e), -1);
		if (!strstr(e.text, rows[i].expected))
			fail_msg("%s says \"%s\", not \"%s\"", rows[i].text, e.text, rows[i].expected);
	}
}

static void words(void **state unused)
{
	own(strv) struct strv w = {};
	struct err e = {};
	assert_int_equal(expand_words(&plain, "x $words \"$words\" '' $none y\\ z", &w, &e), 0);
	static const char *const expected[] = {"x", "one", "two", "one  two", "", "y z"};
	assert_int_equal(w.n, countof(expected));
	for (size_t i = 0; i < w.n; i++)
		assert_string_equal(w.v[i], expected[i]);
}

static void another_escape(void **state unused)
{
	struct expansion x = {.get = get, .escape = '`'};
	own(buf) struct buf b = BUF(4096);
	struct err e = {};
	assert_int_equal(expand_word(&x, "c:\\dir\\$a `$a", &b, &e), 0);
	assert_string_equal(buf_text(&b), "c:\\dir\\1 $a");
}

static void here_documents_keep_quotes(void **state unused)
{
	struct expansion x = {.get = get, .escape = '\\', .keep_quotes = true};
	own(buf) struct buf b = BUF(4096);
	struct err e = {};
	assert_int_equal(expand_word(&x, "it's \"$a\" \\$a \\n ${none:-'q'}\n", &b, &e), 0);
	assert_string_equal(buf_text(&b), "it's \"1\" $a \\n 'q'\n");
}

static void depth_is_bounded(void **state unused)
{
	own(buf) struct buf text = BUF(1 << 20);
	own(buf) struct buf b = BUF(4096);
	struct err e = {};
	for (int i = 0; i < 1000; i++)
		buf_str(&text, "${none:-");
	assert_int_equal(expand_word(&plain, buf_text(&text), &b, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
}

static void names_without_value_are_told(void **state unused)
{
	own(strv) struct strv unset = {};
	struct expansion x = plain;
	own(buf) struct buf b = BUF(4096);
	struct err e = {};
	x.unset = &unset;
	assert_int_equal(expand_word(&x, "$a $b ${c} $b", &b, &e), 0);
	assert_int_equal(unset.n, 2);
	assert_string_equal(unset.v[0], "b");
	assert_string_equal(unset.v[1], "c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(variables), cmocka_unit_test(errors), cmocka_unit_test(words), cmocka_unit_test(another_escape),
		cmocka_unit_test(here_documents_keep_quotes), cmocka_unit_test(depth_is_bounded), cmocka_unit_test(names_without_value_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
