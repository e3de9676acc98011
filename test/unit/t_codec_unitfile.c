/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of units: what is read, what is refused and where, words and their quotes.
 */
#include "codec/unitfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void good(void **state unused)
{
	static const struct { const char *in, *out; } rows[] = {
		{"", ""},
		{"# c\n; c\n\n", ""},
		{"[A]\nx=1\n[B]\ny = 2 \n[A]\nx=3", "[A]\nx=1\nx=3\n\n[B]\ny=2\n"},
		{"[A]\r\nx=1\r\n", "[A]\nx=1\n"},
		{"[A] \nx=a \\\n# c\n  b\\\n  ; c\nc\ny=2\n", "[A]\nx=a b c\ny=2\n"},
		{"[A]\nx=a\\", "[A]\nx=a\n"},
		{"[A]\nx=a\\\n", "[A]\nx=a\n"},
		{"[A]\nx=a \\\n\ny=2\n", "[A]\nx=a\ny=2\n"},
		{"[A]\nx==\ny=[B]\nz=#\nx=\n", "[A]\nx==\ny=[B]\nz=#\nx=\n"},
		{"[A]\nx=%n $HOME \"a b\"\n", "[A]\nx=%n $HOME \"a b\"\n"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(unitfile) struct unitfile f = {};
		own(buf) struct buf b = {};
		struct err e = {};
		assert_int_equal(unitfile_parse(&f, "f", rows[i].in, strlen(rows[i].in), &e), 0);
		unitfile_write(&f, &b);
		assert_string_equal(buf_text(&b), rows[i].out);
	}
}

static void bad(void **state unused)
{
	static const struct { const char *in, *why; } rows[] = {
		{"x=1", "f:1: no [Section]"}, {"[A]\nx", "f:2: \"x\" is no KEY"}, {"[A]\n\n=1", "f:3:"}, {"[A", "f:1: invalid section"},
		{"[]\n", "f:1: invalid section"}, {"[A]b\n", "f:1: invalid section"}, {"[A]\na b=1", "f:2: invalid key"},
		{"[A]\nx=1\\\n 2\n3\n", "f:4:"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(unitfile) struct unitfile f = {};
		struct err e = {};
		assert_int_equal(unitfile_parse(&f, "f", rows[i].in, strlen(rows[i].in), &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_true(str_has_prefix(e.text, rows[i].why));
	}
	own(unitfile) struct unitfile f = {};
	struct err e = {};
	assert_int_equal(unitfile_parse(&f, "f", "[A]\0", 4, &e), -1);
}

static void lines(void **state unused)
{
	static const char text[] = "[A]\nx=1\nx=2\nx=\nx=3\ny=\"a \"b\"\nx=4\nz=\n";
	own(unitfile) struct unitfile f = {}, g = {};
	struct err e = {};
	size_t at = 0;
	assert_int_equal(unitfile_parse(&f, "f", text, strlen(text), &e), 0);
	assert_string_equal(unitfile_next(&f, "A", "x", &at)->value, "3");
	const struct unitfile_line *l = unitfile_next(&f, "A", "x", &at);
	assert_string_equal(l->value, "4");
	assert_int_equal(l->number, 7);
	assert_null(unitfile_next(&f, "A", "x", &at));
	assert_string_equal(unitfile_value(&f, "A", "y"), "a \"b");
	assert_null(unitfile_value(&f, "A", "z"));
	assert_null(unitfile_value(&f, "B", "z"));
	unitfile_add(&g, "Unit", "After", "x");
	unitfile_merge(&g, &f);
	unitfile_set(&g, "A", "x", "5");
	unitfile_preset(&g, "A", "y", "no");
	unitfile_preset(&g, "A", "w", "yes");
	unitfile_rename(&g, "A", "X-A");
	own(buf) struct buf b = {};
	unitfile_write(&g, &b);
	assert_string_equal(buf_text(&b), "[Unit]\nAfter=x\n\n[X-A]\ny=\"a \"b\"\nz=\nx=5\nw=yes\n");
}

/* Words joined by |. */
static void words(void **state unused)
{
	static const struct { const char *in; bool escapes; const char *out; } rows[] = {
		{"", true, NULL}, {" a  b\t", true, "a|b"}, {"'a b' \"c 'd\" e'f'g", true, "a b|c 'd|efg"}, {"\"\" ''", true, "|"},
		{"a\\tb \\x41\\101 \\u00e9\\U0001F600 \\s\\\"", true, "a\tb|AA|\xc3\xa9\xf0\x9f\x98\x80| \""},
		{"\\d \\x4 \\000 \\ud800", true, "\\d|\\x4|\\000|\\ud800"}, {"a\\tb '\\'", false, "a\\tb|\\"}, {"%n $X ${Y}", true, "%n|$X|${Y}"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(strv) struct strv v = {};
		own(buf) struct buf b = {};
		struct err e = {};
		assert_int_equal(unitfile_words(rows[i].in, rows[i].escapes, &v, &e), 0);
		for (size_t k = 0; k < v.n; k++)
			buf_printf(&b, "%s%s", k ? "|" : "", v.v[k]);
		assert_int_equal(v.n > 0, rows[i].out != NULL);
		if (v.n)
			assert_string_equal(buf_text(&b), rows[i].out);
	}
	own(strv) struct strv v = {};
	struct err e = {};
	assert_int_equal(unitfile_words("a 'b", true, &v, &e), -1);
	assert_int_equal(e.kind, ERR_USAGE);
}

/* What is quoted splits into the same word. */
static void quotes(void **state unused)
{
	static const struct { const char *in, *out; } rows[] = {
		{"a", "a"}, {"", "\"\""}, {"a b", "\"a b\""}, {";", "\";\""}, {"a;b", "a;b"}, {"it's", "\"it's\""}, {"\"", "\"\\\"\""}, {"\\d", "\"\\\\d\""},
		{"a\nb\x01", "\"a\\nb\\x01\""}, {"%n$X", "%n$X"}, {"\xc3\xa9", "\xc3\xa9"}, {"\xff", "\"\\xff\""}, {"#", "#"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(strv) struct strv v = {};
		own(buf) struct buf b = {};
		struct err e = {};
		unitfile_quote(rows[i].in, &b);
		assert_string_equal(buf_text(&b), rows[i].out);
		assert_int_equal(unitfile_words(buf_text(&b), true, &v, &e), 0);
		assert_int_equal(v.n, 1);
		assert_string_equal(v.v[0], rows[i].in);
	}
	bool b = false;
	assert_true(unitfile_bool("Yes", &b) && b);
	assert_true(unitfile_bool("off", &b) && !b);
	assert_false(unitfile_bool("maybe", &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad), cmocka_unit_test(lines), cmocka_unit_test(words),
		cmocka_unit_test(quotes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
