/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/user.h"

#include "t_engine.h"

static void lookups(void **state)
{
	struct bench *b = *state;
	static const struct { const char *text; int64_t uid, gid; size_t groups; const char *home; } rows[] = {
		{"", 0, 0, 0, "/root"}, {"root", 0, 0, 0, "/root"}, {"web", 33, 34, 1, "/srv/web"}, {"33", 33, 34, 1, "/srv/web"},
		{"web:audio", 33, 29, 0, "/srv/web"}, {"web:7", 33, 7, 0, "/srv/web"}, {"5", 5, 0, 0, NULL}, {"5:6", 5, 6, 0, NULL},
		{"1000:", 1000, 0, 0, NULL}, /* a number is a number, also where a user is named so */
		{"1000", 1000, 0, 0, NULL}, {"2147483647", 2147483647, 0, 0, NULL},
		{"web:", 33, 34, 1, "/srv/web"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct user u = {};
		struct err e = {};
		if (user_lookup(b->root, rows[i].text, &b->c.arena, &u, &e) < 0)
			fail_msg("%s: %s", rows[i].text, e.text);
		assert_int_equal(u.uid, rows[i].uid);
		assert_int_equal(u.gid, rows[i].gid);
		assert_int_equal(u.groups.n, rows[i].groups);
		if (rows[i].home)
			assert_string_equal(u.home, rows[i].home);
	}
}

static void wrong_ones(void **state)
{
	struct bench *b = *state;
	static const char *const texts[] = {":", "4294967296", "2147483648", "nobody-here", "web:nogroup-here", "web:4294967296", "a:b:c",
		"-1", "0x10"};
	for (size_t i = 0; i < countof(texts); i++) {
		struct user u = {.uid = 77};
		struct err e = {};
		assert_int_equal(user_lookup(b->root, texts[i], &b->c.arena, &u, &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_null(strchr(e.text, '\n'));
		assert_int_equal(u.uid, 77);
	}
}

static void the_form_alone(void **state)
{
	(void)state;
	struct err e = {};
	assert_int_equal(user_check("web", &e), 0);
	assert_int_equal(user_check("1000:", &e), 0);
	assert_int_equal(user_check("4294967296", &e), -1);
	assert_int_equal(user_check("1:99999999999", &e), -1);
	assert_int_equal(user_check(":5", &e), 0);
	assert_int_equal(user_check(":", &e), -1);
}

/* What the image calls /etc/passwd may lead anywhere, but only inside of it. */
static void links_stay_inside(void **state)
{
	struct bench *b = *state;
	struct user u;
	assert_int_equal(unlinkat(b->root, "etc/passwd", 0), 0);
	assert_int_equal(symlinkat("../../../../../../etc/passwd", b->root, "etc/passwd"), 0);
	assert_int_equal(user_lookup(b->root, "daemon", &b->c.arena, &u, &b->e), -1);
	assert_int_equal(unlinkat(b->root, "etc/passwd", 0), 0);
	assert_int_equal(symlinkat("/etc/other", b->root, "etc/passwd"), 0);
	bench_put(b->root, "etc/other", "inside:x:12:13::/in:/bin/sh\n");
	assert_int_equal(user_lookup(b->root, "inside", &b->c.arena, &u, &b->e), 0);
	assert_int_equal(u.uid, 12);
}

static void without_files(void **state)
{
	struct bench *b = *state;
	struct user u;
	unlinkat(b->root, "etc/passwd", 0);
	unlinkat(b->root, "etc/group", 0);
	assert_int_equal(user_lookup(b->root, "", &b->c.arena, &u, &b->e), 0);
	assert_int_equal(u.uid, 0);
	assert_int_equal(user_lookup(b->root, "7:8", &b->c.arena, &u, &b->e), 0);
	assert_int_equal(user_lookup(b->root, "web", &b->c.arena, &u, &b->e), -1);
}

static void a_fifo_is_not_read(void **state)
{
	struct bench *b = *state;
	struct user u;
	unlinkat(b->root, "etc/passwd", 0);
	assert_int_equal(mkfifoat(b->root, "etc/passwd", 0644), 0);
	assert_int_equal(user_lookup(b->root, "3", &b->c.arena, &u, &b->e), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {T(lookups), T(wrong_ones), T(the_form_alone), T(links_stay_inside), T(without_files), T(a_fifo_is_not_read)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
