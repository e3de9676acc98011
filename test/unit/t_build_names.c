/* SPDX-License-Identifier: Apache-2.0 */
#include "build/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void first_stays(void **state)
{
	(void)state;
	struct names s = {};
	assert_null(names_get(&s, "a"));
	names_add(&s, "a", "1");
	names_add(&s, "a", "2");
	names_add(&s, "", "empty");
	assert_string_equal(names_get(&s, "a"), "1");
	assert_string_equal(names_get(&s, ""), "empty");
	assert_null(names_get(&s, "b"));
	names_drop(&s);
	assert_null(names_get(&s, "a"));
}

static void many(void **state)
{
	(void)state;
	struct names s = {};
	char name[32], text[32];
	for (int i = 0; i < 50000; i++) {
		snprintf(name, sizeof name, "d%d/e", i);
		snprintf(text, sizeof text, "%d", i);
		names_add(&s, name, text);
	}
	assert_int_equal(s.n, 50000);
	/* Half of it is free, so that each is found in a few steps. */
	assert_true(s.slots >= 2 * s.n);
	for (int i = 0; i < 50000; i++) {
		snprintf(name, sizeof name, "d%d/e", i);
		snprintf(text, sizeof text, "%d", i);
		assert_string_equal(names_get(&s, name), text);
	}
	assert_null(names_get(&s, "d50000/e"));
	names_drop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(first_stays), cmocka_unit_test(many)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
