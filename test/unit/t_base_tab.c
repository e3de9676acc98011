/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void columns(void **state)
{
	(void)state;
	own(tab) struct tab *t = tab_new();
	tab_split(t, "CONTAINER ID\tTAG\tNAMES");
	tab_line(t);
	tab_split(t, "aa\tb\tlong name at the end");
	tab_line(t);
	tab_cell(t, "é…ü");
	tab_cell(t, "");
	tab_cell(t, NULL);
	tab_line(t);
	own(buf) struct buf b = {};
	tab_format(t, &b);
	assert_string_equal(buf_text(&b), "CONTAINER ID   TAG       NAMES\naa             b         long name at the end\n"
		"é…ü                      \n");
}

static void nothing(void **state)
{
	(void)state;
	own(tab) struct tab *t = tab_new();
	own(buf) struct buf b = {};
	tab_format(t, &b);
	assert_int_equal(b.len, 0);
	tab_line(t);
	tab_cell(t, "open");
	tab_format(t, &b);
	assert_string_equal(buf_text(&b), "\nopen\n");
}

static void hostile(void **state)
{
	(void)state;
	own(tab) struct tab *t = tab_new();
	tab_cell(t, "a\033[31mb\nc\td\177\xc2\x9b" "31m");
	tab_cell(t, "x\xc2");
	tab_line(t);
	own(buf) struct buf b = {};
	tab_format(t, &b);
	assert_string_equal(buf_text(&b), "a [31mb c d   31m   x\xc2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(columns), cmocka_unit_test(nothing), cmocka_unit_test(hostile)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
