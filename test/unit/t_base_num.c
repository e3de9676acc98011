/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void sizes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t bytes; /* -2: refused */
	} rows[] = {
		{"0", 0}, {"512", 512}, {"64k", 65536}, {"256M", 268435456}, {"1.5g", 1610612736}, {"10kb", 10240},
		{"1GiB", 1073741824}, {"1 MB", 1048576}, {"7b", 7}, {"", -2}, {"12X", -2}, {"-1", -2}, {"1e3", -2},
		{"0x10", -2}, {"1.2.3m", -2}, {"99999999999g", -2}, {" 1", -2}, {"1kk", -2}, {"bib", -2},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e = {};
		int64_t v = -2;
		int r = num_size(rows[i].text, false, &v, "size", &e);
		assert_int_equal(r, rows[i].bytes == -2 ? -1 : 0);
		assert_int_equal(v, rows[i].bytes);
	}
	struct err e = {};
	int64_t v = 0;
	assert_int_equal(num_size("-1", true, &v, "size", &e), 0);
	assert_int_equal(v, -1);
}

static void durations(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ns; /* -1: refused */
	} rows[] = {{"300ms", 300000000}, {"1.5h", 5400000000000}, {"1m30s", 90000000000}, {"0", 0}, {"5", -1}, {"", -1},
		{"1x", -1}, {"-1s", -1}, {"s", -1}};
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e = {};
		int64_t v = -1;
		int r = num_duration(rows[i].text, &v, &e);
		assert_int_equal(r, rows[i].ns == -1 ? -1 : 0);
		assert_int_equal(v, rows[i].ns);
	}
}

static void numbers(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "-", "1 ", " 1", "+1", "0x0", "18446744073709551616", "1:", "4294967296"};
	for (size_t i = 0; i < countof(bad); i++) {
		struct err e = {};
		uint64_t v;
		assert_int_equal(num_u64(bad[i], 4294967295, &v, "user", &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
	}
}

static void times(void **state)
{
	(void)state;
	struct err e = {};
	int64_t t = 0;
	char text[NUM_TEXT];
	assert_int_equal(num_time("2026-11-23T20:18:02.123456789Z", 0, &t, &e), 0);
	assert_string_equal(num_format_time(t, text), "2026-11-23T20:18:02.123456789Z");
	assert_int_equal(num_time("2026-11-23T22:18:02+02:00", 0, &t, &e), 0);
	assert_string_equal(num_format_time(t, text), "2026-11-23T20:18:02.000000000Z");
	assert_int_equal(num_time("10m", 1000000000000, &t, &e), 0);
	assert_int_equal(t, 400000000000);
	assert_int_equal(num_time("1700000000.5", 0, &t, &e), 0);
	assert_int_equal(t, 1700000000500000000);
	assert_int_equal(num_time("-10m", 1000000000000, &t, &e), 0);
	assert_int_equal(t, 1600000000000);
	assert_int_equal(num_time("+10m", 1000000000000, &t, &e), 0);
	assert_int_equal(t, 400000000000);
	assert_int_equal(num_time("2026-11-23T20Z", 0, &t, &e), 0);
	assert_string_equal(num_format_time(t, text), "2026-11-23T20:00:00.000000000Z");
	assert_int_equal(num_time("2026-11-23T22+02:00", 0, &t, &e), 0);
	assert_string_equal(num_format_time(t, text), "2026-11-23T20:00:00.000000000Z");
	assert_int_equal(num_time("yesterday", 0, &t, &e), -1);
	assert_int_equal(num_time_of("0001-01-01T00:00:00Z"), 0);
	static const char *const bad[] = {"2026-11- 1", "2026--1-01", "+026-11-01", "2026-11-23T-1:00Z", "2026-11-23T10: 1Z", "2026-13-01",
		"2026-11-23T24:00Z", "2026-11-23T10:00+1:00", "2026-11-23T10:00Zx", "2026-11-23T10:00:00.Z", "2026-1-1",
		"", "-", "+", "--5m", "2026-11-23T", "2026-11-23T2Z", "2026-11-23T20:"};
	for (size_t i = 0; i < countof(bad); i++)
		if (num_time(bad[i], 0, &t, &e) == 0)
			fail_msg("taken for a time: %s", bad[i]);
	assert_int_equal(num_time("1969-12-31T23:59:59.25Z", 0, &t, &e), 0);
	assert_int_equal(t, -750000000);
	assert_string_equal(num_format_time(t, text), "1969-12-31T23:59:59.250000000Z");
	assert_int_equal(num_time("9999-12-31T23:59:59Z", 0, &t, &e), 0);
	assert_int_equal(t, INT64_MAX);
	assert_int_equal(num_time("0001-01-01T00:00:00Z", 0, &t, &e), 0);
	assert_int_equal(t, INT64_MIN);
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {{0, "0001-01-01T00:00:00Z"}, {1, "1970-01-01T00:00:00.000000001Z"}, {-1, "1969-12-31T23:59:59.999999999Z"},
		{951782400000000000, "2000-02-29T00:00:00.000000000Z"}, {951868799999999999, "2000-02-29T23:59:59.999999999Z"},
		{951868800000000000, "2000-03-01T00:00:00.000000000Z"}, {4107542400000000000, "2100-03-01T00:00:00.000000000Z"},
		{1735689599000000000, "2024-12-31T23:59:59.000000000Z"}, {1735689600000000000, "2025-01-01T00:00:00.000000000Z"},
		{INT64_MAX, "2262-04-11T23:47:16.854775807Z"}};
	for (size_t i = 0; i < countof(rows); i++)
		assert_string_equal(num_format_time(rows[i].ns, text), rows[i].text);
	/* Every day of two centuries there and back. */
	for (int64_t day = 1; day < 73000; day++)
		assert_int_equal(num_time_of(num_format_time(day * 86400000000000, text)), day * 86400000000000);
}

static void spans(void **state)
{
	(void)state;
	static const struct {
		int64_t sec;
		const char *text;
	} rows[] = {{0, "Less than a second"}, {1, "1 second"}, {59, "59 seconds"}, {61, "About a minute"},
		{3599, "59 minutes"}, {3600, "About an hour"}, {7300, "2 hours"}, {86400 * 3, "3 days"},
		{86400 * 20, "2 weeks"}, {86400 * 90, "3 months"}, {86400LL * 800, "2 years"}};
	for (size_t i = 0; i < countof(rows); i++) {
		char text[NUM_TEXT];
		assert_string_equal(num_format_span(rows[i].sec * 1000000000, text), rows[i].text);
	}
	char text[NUM_TEXT];
	assert_string_equal(num_format_size(1230000, text), "1.23MB");
	assert_string_equal(num_format_size(0, text), "0B");
	assert_string_equal(num_format_size_iec(268435456, text), "256MiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(durations),
		cmocka_unit_test(numbers), cmocka_unit_test(times), cmocka_unit_test(spans)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
