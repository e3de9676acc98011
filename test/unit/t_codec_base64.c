/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void decode(void **state)
{
	(void)state;
	/* RFC 4648's examples, and all digits */
	static const struct {
		const char *text, *bytes;
		size_t n;
	} rows[] = {{"", "", 0}, {"Zg==", "f", 1}, {"Zm8=", "fo", 2}, {"Zm9v", "foo", 3}, {"Zm9vYg==", "foob", 4}, {"Zm9vYmE=", "fooba", 5},
		{"Zm9vYmFy", "foobar", 6}, {"AAAA", "\0\0\0", 3}, {"+/+/", "\xfb\xff\xbf", 3}, {"//79", "\xff\xfe\xfd", 3}};
	for (size_t i = 0; i < countof(rows); i++) {
		own(buf) struct buf b = {};
		struct err e = {};
		if (base64_decode(rows[i].text, &b, &e) < 0 || b.len != rows[i].n || memcmp(buf_text(&b), rows[i].bytes, b.len) != 0)
			fail_msg("%s", rows[i].text);
		own(buf) struct buf text = {};
		base64_encode(rows[i].bytes, rows[i].n, &text);
		assert_string_equal(buf_text(&text), rows[i].text);
	}
	static const char *const bad[] = {"Z", "Zg", "Zg=", "Zm9", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm9-", "Zm_v", "====", "Z===", "Zh==", "Zm9=",
		"Zm=v", "Zg== "};
	for (size_t i = 0; i < countof(bad); i++) {
		own(buf) struct buf b = {};
		struct err e = {};
		if (base64_decode(bad[i], &b, &e) == 0 || e.kind != ERR_CORRUPT)
			fail_msg("taken: \"%s\"", bad[i]);
	}
	own(buf) struct buf small = BUF(4);
	struct err e = {};
	assert_int_equal(base64_decode("Zm9vYmFy", &small, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(decode)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
