/* SPDX-License-Identifier: Apache-2.0 */
#include "build/mode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void modes(void **state unused)
{
	static const struct { const char *text; uint32_t from; bool is_dir; uint32_t to; } rows[] = {
		{"644", 0755, false, 0644}, {"0755", 0, false, 0755}, {"4755", 0, false, 04755}, {"u=rw,go=r", 0777, false, 0644}, {"u+x", 0644, false, 0744},
		{"+x", 0644, false, 0755}, {"a-w", 0666, false, 0444}, {"go=", 0755, false, 0700}, {"u=rwX,go=rX", 0644, false, 0644},
		{"u=rwX,go=rX", 0600, true, 0755}, {"a+X", 0700, false, 0711}, {"u+s", 0755, false, 04755}, {"g+s", 0755, false, 02755}, {"+t", 0777, true, 01777},
		{"g=u", 0700, false, 0770}, {"u=rw+x", 0, false, 0700}, {"o-rwx", 0777, false, 0770},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		uint32_t got = 0;
		struct err e = {};
		if (mode_change(rows[i].text, rows[i].from, rows[i].is_dir, &got, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.text);
		if (got != rows[i].to)
			fail_msg("%s of %o: %o, not %o", rows[i].text, rows[i].from, got, rows[i].to);
	}
}

static void wrong_ones(void **state unused)
{
	static const char *const rows[] = {"", "8", "77777", "u", "u=q", "rw", "u=r,", "644x", ",", "u=r go=r", "x+r"};
	for (size_t i = 0; i < countof(rows); i++) {
		uint32_t got;
		struct err e = {};
		if (mode_change(rows[i], 0, false, &got, &e) == 0)
			fail_msg("%s is taken", rows[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(modes), cmocka_unit_test(wrong_ones)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
