/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const char *const verbs[] = {"run", "rm", "rmi", "restart", "rename", "pause", "unpause", "ps", "pull", "top", "tag", "images", "inspect"};

static const char *near(const char *word)
{
	return str_nearest(word, verbs, countof(verbs));
}

static void nearest_is_what_was_meant(void **state unused)
{
	assert_string_equal(near("rum"), "run");
	assert_string_equal(near("rnu"), "run");
	assert_string_equal(near("restrat"), "restart");
	assert_string_equal(near("insepct"), "inspect");
	assert_string_equal(near("image"), "images");
	assert_string_equal(near("rmii"), "rmi");
	assert_string_equal(near("pul"), "pull");
}

static void nearest_is_none(void **state unused)
{
	assert_null(near("foo"));
	assert_null(near("nope"));
	assert_null(near("x"));
	assert_null(near(""));
	assert_null(near("completely"));
	char word[5001];
	memset(word, 'r', sizeof word - 1);
	word[sizeof word - 1] = 0;
	assert_null(near(word));
	const char *const with_gap[] = {NULL, "run"};
	assert_string_equal(str_nearest("ru", with_gap, 2), "run");
}

static void lists(void **state unused)
{
	own(strv) struct strv l = {};
	for (int i = 0; i < 100; i++) {
		char text[8] = {(char)('a' + i % 26), (char)('a' + i / 26), 0};
		strv_add(&l, text);
		assert_int_equal(l.n, i + 1);
		assert_null(l.v[l.n]);
	}
	assert_true(strv_has(&l, "vd"));
	assert_false(strv_has(&l, "wd"));
	strv_sort(&l);
	for (size_t i = 1; i < l.n; i++)
		assert_true(strcmp(l.v[i - 1], l.v[i]) < 0);
	strv_add_n(&l, "cut off", 3);
	assert_string_equal(l.v[100], "cut");
	strv_add_take(&l, mem_dup("taken"));
	strv_drop(&l);
	assert_true(!l.v && !l.n);
	strv_sort(&l);
	assert_false(strv_has(&l, ""));
}

static void splitting(void **state unused)
{
	static const struct { const char *text; size_t n; const char *parts[4]; } rows[] = {{"", 0, {}}, {"a", 1, {"a"}},
		{"a,b", 2, {"a", "b"}}, {"a,,b", 3, {"a", "", "b"}}, {",", 2, {"", ""}}, {"a,", 2, {"a", ""}}, {",a", 2, {"", "a"}}};
	for (size_t i = 0; i < countof(rows); i++) {
		own(strv) struct strv l = {};
		strv_split(&l, rows[i].text, ',');
		assert_int_equal(l.n, rows[i].n);
		for (size_t k = 0; k < l.n; k++)
			assert_string_equal(l.v[k], rows[i].parts[k]);
	}
	own(strv) struct strv none = {};
	strv_split(&none, NULL, ',');
	assert_int_equal(none.n, 0);
}

static void environment(void **state unused)
{
	own(strv) struct strv l = {};
	strv_env_set(&l, "A=1");
	strv_env_set(&l, "AB=2");
	strv_env_set(&l, "A=3=4");
	strv_env_set(&l, "EMPTY=");
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[0], "A=3=4");
	assert_string_equal(strv_env_get(&l, "A"), "3=4");
	assert_string_equal(strv_env_get(&l, "EMPTY"), "");
	assert_null(strv_env_get(&l, "B"));
	assert_null(strv_env_get(&l, ""));
	strv_add(&l, "A=last");
	assert_string_equal(strv_env_get(&l, "A"), "last");
}

static void in_an_arena(void **state unused)
{
	own(arena) struct arena a = {};
	struct strv l = {}, other = {};
	for (int i = 0; i < 1000; i++) {
		char text[8];
		snprintf(text, sizeof text, "%d", i);
		arena_strv_add(&a, &l, text);
		arena_strv_add(&a, &other, "x");
		assert_null(l.v[l.n]);
	}
	assert_string_equal(l.v[999], "999");
	assert_string_equal(l.v[0], "0");
	/* The last place of a block, and what is larger than one. */
	for (size_t n = 1; n < 9000; n += 37) {
		char *p = arena_alloc(&a, n);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 'x', n);
	}
	assert_string_equal(l.v[500], "500");
	assert_string_equal(arena_ndup(&a, "abc", 2), "ab");
	assert_string_equal(arena_printf(&a, "%s-%d", "n", 5), "n-5");
	assert_null(arena_dup(&a, NULL));
}

static void patterns(void **state unused)
{
	static const struct { const char *pattern, *text; bool match; } rows[] = {{"*", "abc", true}, {"*", "", true}, {"a*c", "abbc", true},
		{"a?c", "abc", true}, {"a?c", "ac", false}, {"[a-c]x", "bx", true}, {"[^a]x", "bx", true}, {"[^a]x", "ax", false},
		{"*", "a/b", false}, {"*/*", "a/b", true}, {"\\*", "*", true}, {"\\*", "a", false}, {"abc", "abcd", false}, {"*", ".hidden", true},
		{"library/*", "library/box", true}, {"a**b", "axxb", true}};
	for (size_t i = 0; i < countof(rows); i++)
		if (str_match(rows[i].pattern, rows[i].text) != rows[i].match)
			fail_msg("%s and %s", rows[i].pattern, rows[i].text);
}

static void pieces(void **state unused)
{
	assert_true(str_eq("a", "a") && !str_eq("a", "b") && !str_eq(NULL, NULL) && !str_eq("a", NULL));
	assert_true(str_is_empty(NULL) && str_is_empty("") && !str_is_empty(" "));
	assert_true(str_has_prefix("abc", "ab") && str_has_prefix("abc", "") && !str_has_prefix("ab", "abc"));
	assert_true(str_has_suffix("abc", "bc") && str_has_suffix("abc", "") && !str_has_suffix("bc", "abc"));
	assert_string_equal(str_after("sha256:x", "sha256:"), "x");
	assert_null(str_after("sha25", "sha256:"));
	char blanks[] = " \t a b\r\n ", nothing[] = " \n", upper[] = "ABC-\xc3\x84z";
	assert_string_equal(str_trim(blanks), "a b");
	assert_string_equal(str_trim(nothing), "");
	assert_string_equal(str_lower(upper), "abc-\xc3\x84z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearest_is_what_was_meant),
		cmocka_unit_test(nearest_is_none),
		cmocka_unit_test(lists),
		cmocka_unit_test(splitting),
		cmocka_unit_test(environment),
		cmocka_unit_test(in_an_arena),
		cmocka_unit_test(patterns),
		cmocka_unit_test(pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
