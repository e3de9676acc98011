/* SPDX-License-Identifier: Apache-2.0 */
#include "image/ref.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void good(void **state)
{
	(void)state;
	static const struct {
		const char *text, *whole, *familiar;
	} rows[] = {
		{"nginx", "docker.io/library/nginx:latest", "nginx:latest"},
		{"box", "docker.io/library/box:latest", "box:latest"},
		{"nginx:1.25", "docker.io/library/nginx:1.25", "nginx:1.25"},
		{"me/nginx", "docker.io/me/nginx:latest", "me/nginx:latest"},
		{"docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest"},
		{"index.docker.io/library/nginx", "docker.io/library/nginx:latest", "nginx:latest"},
		{"docker.io/a/b/c:d", "docker.io/a/b/c:d", "a/b/c:d"},
		{"library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"},
		{"localhost/x", "localhost/x:latest", "localhost/x:latest"},
		{"localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"},
		{"localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"},
		{"127.0.0.1:5000/a/b:1.0-rc_1", "127.0.0.1:5000/a/b:1.0-rc_1", "127.0.0.1:5000/a/b:1.0-rc_1"},
		{"[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"},
		{"[fe80:0::1]/x", "[fe80:0::1]/x:latest", "[fe80:0::1]/x:latest"},
		{"Quay.IO/a/b", "Quay.IO/a/b:latest", "Quay.IO/a/b:latest"},
		{"a.b-c.example/x", "a.b-c.example/x:latest", "a.b-c.example/x:latest"},
		{"a__b", "docker.io/library/a__b:latest", "a__b:latest"},
		{"a---b.c_d", "docker.io/library/a---b.c_d:latest", "a---b.c_d:latest"},
		{"x:_", "docker.io/library/x:_", "x:_"},
		{"x:UPPER", "docker.io/library/x:UPPER", "x:UPPER"},
		{"hello_world_cmd:first", "docker.io/library/hello_world_cmd:first", "hello_world_cmd:first"},
		{"x@sha256:" HEX, "docker.io/library/x@sha256:" HEX, "x@sha256:" HEX},
		{"x:1@sha256:" HEX, "docker.io/library/x:1@sha256:" HEX, "x:1@sha256:" HEX},
		{"r.io/x@sha512:" HEX HEX, "r.io/x@sha512:" HEX HEX, "r.io/x@sha512:" HEX HEX},
		{HEX ":1", "docker.io/library/" HEX ":1", HEX ":1"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e = {};
		struct ref r;
		char text[REF_TEXT];
		if (i == countof(rows) - 1) { /* an id is no name, whatever its tag */
			assert_int_equal(ref_parse(rows[i].text, &r, &e), -1);
			continue;
		}
		if (ref_parse(rows[i].text, &r, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.text);
		assert_string_equal(ref_format(&r, text), rows[i].whole);
		assert_string_equal(ref_format_familiar(&r, text), rows[i].familiar);
		struct ref again;
		assert_int_equal(ref_parse(text, &again, &e), 0);
		assert_memory_equal(&again, &r, sizeof r);
	}
}

static void bad(void **state)
{
	(void)state;
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"", "empty"}, {"UPPER/x:y", "lower case"}, {"Nginx", "lower case"}, {"a/../b", "a part of the repository"}, {"..", "part"}, {".", "part"},
		{"a//b", "empty"}, {"/a", "empty"}, {"a/", "empty"}, {"r.io/", "empty"}, {"r.io//a", "empty"}, {"a:", "tag is empty"}, {":a", "empty"},
		{"a:b:c", "tag"}, {"a:-x", "tag"}, {"a:.x", "tag"}, {"a:x y", "tag"}, {"a b", "part"}, {"-a", "part"}, {"a-", "part"}, {"_a", "part"},
		{"a___b", "part"}, {"a..b", "part"}, {"a._b", "part"}, {"a@", "behind @"}, {"@sha256:" HEX, "empty"}, {"a@sha256:12", "behind @"},
		{"a@sha256:" HEX "0", "behind @"}, {"a@md5:00112233445566778899aabbccddeeff", "behind @"}, {"a@sha256:" HEX "@sha256:" HEX, "behind @"},
		{"localhost:0/x", "port"}, {"localhost:65536/x", "port"}, {"localhost:5x/x", "port"}, {"localhost:/x", "port"}, {"a.b:-1/x", "port"},
		{"a..b.io/x", "host name"}, {"-a.io/x", "host name"}, {"a-.io/x", "host name"}, {".io/x", "host name"}, {"io./x", "host name"},
		{"a_b.io/x", "host name"}, {"[::1/x", "IPv6"}, {"[]:1/x", "IPv6"}, {"[::1]x/x", "port"}, {"[zz::]:5/x", "IPv6"}, {HEX, "id"},
		{"http://x/y", "leave out"}, {"docker://x", "leave out"}, {"a\nb", "part"}, {"a%2fb", "part"}, {"\xc3\xa4", "part"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e = {};
		struct ref r;
		if (ref_parse(rows[i].text, &r, &e) == 0)
			fail_msg("%s was taken", rows[i].text);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_non_null(strstr(e.text, "invalid reference \""));
		if (!strstr(e.text, rows[i].why))
			fail_msg("%s: %s", rows[i].text, e.text);
	}
}

static void lengths(void **state)
{
	(void)state;
	char text[5001];
	struct err e = {};
	struct ref r;
	memset(text, 'a', sizeof text);
	text[5000] = 0;
	assert_int_equal(ref_parse(text, &r, &e), -1);
	assert_true(strlen(e.text) < 200);
	text[255] = 0;
	assert_int_equal(ref_parse(text, &r, &e), -1);
	text[200] = 0;
	assert_int_equal(ref_parse(text, &r, &e), 0);
	text[1] = ':';
	text[130] = 0;
	assert_int_equal(ref_parse(text, &r, &e), 0);
	text[130] = 'a';
	text[131] = 0;
	assert_int_equal(ref_parse(text, &r, &e), -1);
	assert_non_null(strstr(e.text, "128"));
}

static void ids(void **state)
{
	(void)state;
	static const char *const yes[] = {"abcd", "0123", HEX, "sha256:" HEX, "sha256:abcd"};
	static const char *const no[] = {"", "abc", "ABCD", "abcg", HEX "0", "sha256:", "sha256:abc", "sha512:abcd", "nginx"};
	for (size_t i = 0; i < countof(yes); i++)
		assert_true(ref_is_id(yes[i]));
	for (size_t i = 0; i < countof(no); i++)
		assert_false(ref_is_id(no[i]));
}

static void check_scopes(const char *text, const char *expected)
{
	own(strv) struct strv scopes = {};
	own(buf) struct buf b = {};
	struct ref r;
	struct err e = {};
	assert_int_equal(ref_parse(text, &r, &e), 0);
	ref_scopes(&r, &scopes);
	for (size_t i = 0; i < scopes.n; i++)
		buf_printf(&b, "%s%s", i ? " " : "", scopes.v[i]);
	assert_string_equal(buf_text(&b), expected);
}

static void scopes(void **state)
{
	(void)state;
	check_scopes("nginx", "docker.io/library/nginx:latest docker.io/library/nginx docker.io/library docker.io *.io");
	check_scopes("a.b.example:5000/t/x:1", "a.b.example:5000/t/x:1 a.b.example:5000/t/x a.b.example:5000/t a.b.example:5000 "
						"*.b.example:5000 *.b.example *.example:5000 *.example");
	check_scopes("localhost:5000/x:1", "localhost:5000/x:1 localhost:5000/x localhost:5000");
	check_scopes("a.b/x:1@sha256:" HEX, "a.b/x:1@sha256:" HEX " a.b/x@sha256:" HEX " a.b/x a.b *.b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad), cmocka_unit_test(lengths), cmocka_unit_test(ids),
		cmocka_unit_test(scopes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
