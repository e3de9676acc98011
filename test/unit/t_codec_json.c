/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct json *parsed(const char *text)
{
	struct err e = {};
	struct json *j = NULL;
	if (json_parse(text, strlen(text), &j, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	return j;
}

static void assert_formats(const char *text, const char *want)
{
	own(json) struct json *j = parsed(text);
	own(buf) struct buf b = {};
	json_format(j, 0, &b);
	assert_string_equal(buf_text(&b), want);
}

static void values(void **state)
{
	(void)state;
	static const struct { const char *text, *out; } rows[] = {
		{"null", "null"}, {"true", "true"}, {" false ", "false"}, {"0", "0"}, {"-0", "0"}, {"-0.0", "0"}, {"17", "17"}, {"\r\n\t17", "17"},
		{"9223372036854775807", "9223372036854775807"}, {"-9223372036854775808", "-9223372036854775808"},
		{"18446744073709551615", "18446744073709551615"}, {"1.5", "1.5"}, {"-2.50", "-2.5"}, {"0.1", "0.1"}, {"1e2", "100"},
		{"1E+2", "100"}, {"1e400", "1.7976931348623157e+308"}, {"-1e400", "-1.7976931348623157e+308"}, {"1e-400", "0"},
		{"123456789012345678901234567890.0", "1.2345678901234568e+29"}, {"\"\"", "\"\""}, {"[]", "[]"}, {"{}", "{}"},
		{"[1,[2,{\"a\":null}]]", "[1,[2,{\"a\":null}]]"}, {"{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}"}, {"{\"a\":1,\"a\":2}", "{\"a\":2}"},
		{"{\"\":0}", "{\"\":0}"}, {"\"\\u00fc\\n\\t\\b\\f\\r\\/\\\"\\\\\"", "\"\xc3\xbc\\n\\t\\u0008\\u000c\\r/\\\"\\\\\""},
		{"\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""}, {"\"\\u0000\\u001f\"", "\"\\u0000\\u001f\""}, {"\"<&>\"", "\"<&>\""},
		{"\"\\ud800\"", "\"\xef\xbf\xbd\""}, {"\"\xf4\x8f\xbf\xbf\xee\x80\x80\"", "\"\xf4\x8f\xbf\xbf\xee\x80\x80\""},
	};
	for (size_t i = 0; i < countof(rows); i++)
		assert_formats(rows[i].text, rows[i].out);
}

static void refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", " ", "nul", "nulll", "True", "NaN", "-NaN", "nan", "Infinity", "-Infinity", "undefined",
		"+1", ".5", "1.", "1.e5", "01", "-01", "00", "-", "--1", "1e", "1e+", "0x10", "1 2", "1-2", "1.2.3", "- 1", "1_000",
		"18446744073709551616", "-9223372036854775809", "99999999999999999999999999", "{} x", "{}{}", "[1,]", "[,1]", "[1,,2]",
		"[1 2]", "[", "]", "[1}", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}", "{'a':1}", "{1:2}", "{\"a\" 1}", "'a'",
		"\"", "\"a", "\"\\\"", "\"\\x41\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\", "\"a\nb\"", "\"a\tb\"", "\"\x7f\x01\"", "/* */1", "// x\n1",
		"# x\n1", "\xef\xbb\xbf[]", "[\xc2\xa0]", "[\v1]", "[\f1]", "\"\xff\"", "\"\xc0\x80\"", "\"\xc1\xbf\"", "\"\xe0\x80\x80\"",
		"\"\xed\xa0\x80\"", "\"\xf0\x80\x80\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xe2\x82\"", "\"\xe2\x82", "\"\x80\"",
		"{\"a\\u0000b\":1}", "{\"a\\u0000b\" : 1}", "{\"\xff\":1}", "[\"a\" \"b\"]", "[1:2]"};
	for (size_t i = 0; i < countof(bad); i++) {
		struct err e = {};
		struct json *j = NULL;
		if (json_parse(bad[i], strlen(bad[i]), &j, &e) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(e.kind, ERR_CORRUPT);
		assert_true(strncmp(e.text, "JSON: ", 6) == 0);
		assert_null(j);
	}
	/* A NUL is not the end. */
	static const struct { const char *text; size_t n; } nul[] = {{"{}\0", 3}, {"{}\0x", 4}, {"\0{}", 3}, {"1\0", 2}, {"[1\0]", 4}};
	for (size_t i = 0; i < countof(nul); i++) {
		struct err e = {};
		struct json *j = NULL;
		assert_int_equal(json_parse(nul[i].text, nul[i].n, &j, &e), -1);
	}
}

static void depth(void **state)
{
	(void)state;
	static const struct { int depth, result; } rows[] = {{1, 0}, {64, 0}, {65, -1}, {100000, -1}};
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e = {};
		own(json) struct json *j = NULL;
		own(buf) struct buf b = {};
		for (int k = 0; k < rows[i].depth; k++)
			buf_char(&b, '[');
		for (int k = 0; k < rows[i].depth; k++)
			buf_char(&b, ']');
		assert_int_equal(json_parse(b.data, b.len, &j, &e), rows[i].result);
	}
}

/* Each prefix of a document is refused, and none is read past its end (it stands at the end of a page). */
static void cut_short(void **state)
{
	(void)state;
	static const char text[] = "{\"a\":[1.5e-3,\"\\u00fc\xc3\xbc\",true],\"b\":null}";
	long page = sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + page, (size_t)page, PROT_NONE), 0);
	for (size_t n = 0; n < sizeof text; n++) {
		struct err e = {};
		own(json) struct json *j = NULL;
		char *at = map + page - n;
		memcpy(at, text, n);
		assert_int_equal(json_parse(at, n, &j, &e), n == sizeof text - 1 ? 0 : -1);
		if (n == sizeof text - 2)
			assert_non_null(strstr(e.text, "JSON: "));
	}
	munmap(map, (size_t)page * 2);
}

static void access_(void **state)
{
	(void)state;
	own(json) struct json *j = parsed("{\"s\":\"x\",\"n\":-5,\"u\":18446744073709551615,\"d\":2.5,\"t\":true,\"z\":null,"
		"\"a\":[1,\"two\"],\"o\":{\"K\":1,\"k\":2},\"nul\":\"a\\u0000b\"}");
	assert_int_equal(json_kind(j), JSON_OBJECT);
	assert_int_equal(json_len(j), 9);
	assert_string_equal(json_get_str(j, "s"), "x");
	assert_null(json_get_str(j, "n"));
	assert_null(json_get_str(j, "none"));
	assert_int_equal(json_i64(json_get(j, "n")), -5);
	assert_true(json_u64(json_get(j, "u")) == UINT64_MAX);
	assert_int_equal(json_i64(json_get(j, "u")), INT64_MAX);
	assert_true(json_double(json_get(j, "d")) == 2.5);
	assert_true(json_double(json_get(j, "n")) == -5);
	assert_true(json_truth(json_get(j, "t")));
	assert_false(json_truth(json_get(j, "n")));
	assert_int_equal(json_str_len(json_get(j, "nul")), 3);
	assert_true(json_has(j, "z"));
	assert_null(json_get(j, "z"));
	assert_false(json_has(j, "none"));
	const struct json *a = json_get(j, "a");
	assert_int_equal(json_len(a), 2);
	assert_string_equal(json_str(json_at(a, 1)), "two");
	assert_null(json_at(a, 2));
	assert_null(json_at(j, 0));
	assert_null(json_get(a, "x"));
	assert_int_equal(json_i64(json_get_nocase(json_get(j, "o"), "k")), 2);
	assert_int_equal(json_i64(json_get_nocase(j, "N")), -5);
	/* Nothing is something of another type. */
	assert_int_equal(json_len(NULL), 0);
	assert_int_equal(json_kind(NULL), JSON_NULL);
	assert_int_equal(json_i64(json_get(j, "s")), 0);
	assert_int_equal(json_u64(json_get(j, "s")), 0);
	static const char *const keys[] = {"s", "n", "u", "d", "t", "z", "a", "o", "nul"};
	struct json_iter it = {};
	for (size_t i = 0; i < countof(keys); i++) {
		assert_true(json_next(j, &it));
		assert_string_equal(it.key, keys[i]);
	}
	assert_false(json_next(j, &it));
	struct json_iter none = {}, array = {};
	assert_false(json_next(NULL, &none));
	assert_false(json_next(a, &array));
}

static void building(void **state)
{
	(void)state;
	own(json) struct json *j = json_new_object(), *kept = NULL;
	json_set_str(j, "name", "a");
	json_set(j, "list", json_new_array());
	json_add(json_get(j, "list"), json_new_i64(-1));
	json_add(json_get(j, "list"), json_new_u64(UINT64_MAX));
	json_add(json_get(j, "list"), json_new_double(0.25));
	json_add(json_get(j, "list"), json_new_bool(false));
	json_add(json_get(j, "list"), NULL);
	json_add(json_get(j, "list"), json_new_str_n("a\0b", 3));
	json_set_str(j, "none", NULL);
	json_set_str(j, "name", "b"); /* its place stays */
	json_set(j, "empty", json_new_object());
	json_set_str(j, "gone", "x");
	json_del(j, "gone");
	json_del(j, "never there");
	kept = json_ref(json_get(j, "list"));
	own(buf) struct buf b = {}, wide = {};
	json_format(j, 0, &b);
	assert_string_equal(b.data, "{\"name\":\"b\",\"list\":[-1,18446744073709551615,0.25,false,null,\"a\\u0000b\"],\"none\":null,"
		"\"empty\":{}}");
	json_del(j, "list");
	assert_int_equal(json_len(kept), 6);
	json_format(j, 4, &wide);
	assert_string_equal(wide.data, "{\n    \"name\": \"b\",\n    \"none\": null,\n    \"empty\": {}\n}");
}

static void quoting(void **state)
{
	(void)state;
	own(buf) struct buf plain = {}, html = {}, empty = {};
	json_quote("<a&b>\x01\"\\\n\x7f\xc3\xbc", 12, false, &plain);
	assert_string_equal(plain.data, "\"<a&b>\\u0001\\\"\\\\\\n\x7f\xc3\xbc\"");
	json_quote("<a&b>", 5, true, &html);
	assert_string_equal(html.data, "\"\\u003ca\\u0026b\\u003e\"");
	own(buf) struct buf broken = {};
	json_quote("a\xff\xe2\x82z\xed\xa0\x80\xc3", 9, false, &broken);
	assert_string_equal(buf_text(&broken), "\"a\\ufffd\\ufffd\\ufffdz\\ufffd\\ufffd\\ufffd\\ufffd\"");
	json_quote("", 0, false, &empty);
	assert_string_equal(empty.data, "\"\"");
}

static void files(void **state)
{
	(void)state;
	struct err e = {};
	own(json) struct json *j = NULL, *none = NULL;
	char path[64];
	int fd = memfd_create("json", MFD_CLOEXEC);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	assert_int_equal(write(fd, "{\"a\":1}\n", 8), 8);
	assert_int_equal(json_read(AT_FDCWD, path, 8, &j, &e), 0);
	assert_int_equal(json_i64(json_get(j, "a")), 1);
	assert_int_equal(json_read(AT_FDCWD, path, 7, &none, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(json_read(AT_FDCWD, path, 100, &none, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_true(strncmp(e.text, path, strlen(path)) == 0);
	assert_int_equal(json_read(AT_FDCWD, "/nowhere/at/all", 100, &none, &e), -1);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(refused), cmocka_unit_test(depth),
		cmocka_unit_test(cut_short), cmocka_unit_test(access_), cmocka_unit_test(building), cmocka_unit_test(quoting),
		cmocka_unit_test(files)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
