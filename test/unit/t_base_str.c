/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearest_is_what_was_meant),
		cmocka_unit_test(nearest_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
