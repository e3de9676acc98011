/* SPDX-License-Identifier: Apache-2.0 */
#include "build/ignore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void patterns(void **state unused)
{
	static const struct { const char *pattern, *path; bool matches; } rows[] = {
		{"a", "a", true}, {"a", "b", false}, {"a", "b/a", false}, {"*.go", "x.go", true}, {"*.go", "d/x.go", false}, {"*/x", "d/x", true},
		{"**/*.go", "x.go", true}, {"**/*.go", "a/b/x.go", true}, {"**", "a/b", true}, {"a/**", "a/b/c", true}, {"a/**", "a", false},
		{"a/**/b", "a/b", true}, {"a/**/b", "a/x/y/b", true}, {"a/**/b", "a/xb", false}, {"?", "x", true}, {"?", "/", false},
		{"[a-c]x", "bx", true}, {"[^a-c]x", "bx", false}, {"[^a-c]x", "dx", true}, {"\\*", "*", true}, {"\\*", "x", false}, {"a*b*c", "aXbYc", true},
		{"**a", "x/ya", true}, {"**/", "x", true}, {"a.b", "axb", false},
	};
	for (size_t i = 0; i < countof(rows); i++)
		if (ignore_match(rows[i].pattern, rows[i].path) != rows[i].matches)
			fail_msg("%s and %s: not %d", rows[i].pattern, rows[i].path, rows[i].matches);
}

static void file(void **state unused)
{
	own(ignore) struct ignore g = {};
	struct err e = {};
	assert_int_equal(ignore_read(&g, "\xef\xbb\xbf# comment\n\n/node_modules\n*.log\n!keep.log\n  docs/  \n!docs/a/**\n", "x", &e), 0);
	static const struct { const char *path; bool ignored; } rows[] = {
		{"node_modules", true}, {"node_modules/a/b", true}, {"x/node_modules", false}, {"x.log", true}, {"keep.log", false}, {"d/x.log", false},
		{"docs", true}, {"docs/x", true}, {"docs/a/x", false}, {"# comment", false},
	};
	for (size_t i = 0; i < countof(rows); i++)
		if (ignore_has(&g, rows[i].path) != rows[i].ignored)
			fail_msg("%s: not %d", rows[i].path, rows[i].ignored);
	assert_true(ignore_looks_below(&g, "docs"));
}

static void the_last_counts(void **state unused)
{
	own(ignore) struct ignore g = {};
	struct err e = {};
	assert_int_equal(ignore_read(&g, "*\n!src\nsrc/*.o\n", "x", &e), 0);
	assert_true(ignore_has(&g, "a"));
	assert_false(ignore_has(&g, "src/x.c"));
	assert_true(ignore_has(&g, "src/x.o"));
	assert_false(ignore_looks_below(&g, "other"));
	assert_true(ignore_looks_below(&g, "src"));
}

static void what_is_malformed(void **state unused)
{
	static const char *const rows[] = {"!", "a[b", "a\\", "[a-"};
	for (size_t i = 0; i < countof(rows); i++) {
		own(ignore) struct ignore g = {};
		struct err e = {};
		if (ignore_read(&g, rows[i], "file", &e) == 0)
			fail_msg("%s is taken", rows[i]);
		assert_non_null(strstr(e.text, "file:1"));
	}
}

/* A pattern must not take for ever. */
static void backtracking_is_bounded(void **state unused)
{
	char path[4000];
	memset(path, 'a', sizeof path - 1);
	path[sizeof path - 1] = 0;
	assert_false(ignore_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path));
	assert_false(ignore_match("**a**a**a**a**a**a**a**a**b", path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns), cmocka_unit_test(file), cmocka_unit_test(the_last_counts), cmocka_unit_test(what_is_malformed),
		cmocka_unit_test(backtracking_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
