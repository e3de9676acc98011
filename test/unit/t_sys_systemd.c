/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to systemd as they are on the wire: every type of property; jobs that end well, badly and never. */
#include "sys/systemd.h"

#include "t_systemd.h"

#include <sched.h>

static struct fake fake;

static void needs_fake(void)
{
	if (!fake.pid)
		skip();
}

static void every_type(void **state)
{
	(void)state;
	own(arena) struct arena a = {};
	own(systemd) struct systemd *s = NULL;
	own(buf) struct buf text = {};
	struct systemd_properties l = {};
	struct err e = {};
	needs_fake();
	static const struct { const char *type; uint64_t v; } numbers[] = {{"b", 1}, {"y", 200}, {"n", (uint64_t)-5}, {"q", 60000}, {"i", (uint64_t)-70000},
		{"u", 4000000000}, {"x", (uint64_t)-9000000000}, {"t", UINT64_MAX}};
	for (size_t i = 0; i < countof(numbers); i++)
		systemd_add_number(&a, &l, arena_printf(&a, "Number%s", numbers[i].type), numbers[i].type, numbers[i].v);
	systemd_add(&a, &l, "Real", "d")->real = 1.5;
	systemd_add_text(&a, &l, "Text", "a b");
	struct systemd_property *p = systemd_add(&a, &l, "Words", "as");
	arena_strv_add(&a, &p->words, "one");
	arena_strv_add(&a, &p->words, "two");
	systemd_add(&a, &l, "Nothing", "as");
	p = systemd_add(&a, &l, "Bytes", "ay");
	*(uint64_t *)arena_push(&a, &p->numbers) = 255;
	*(uint64_t *)arena_push(&a, &p->numbers) = 1;
	p = systemd_add(&a, &l, "Pids", "au");
	*(uint64_t *)arena_push(&a, &p->numbers) = 77;
	p = systemd_add(&a, &l, "Pairs", "a(ss)");
	for (int i = 0; i < 4; i++)
		arena_strv_add(&a, &p->words, arena_printf(&a, "w%d", i));
	p = systemd_add(&a, &l, "Weights", "a(st)");
	arena_strv_add(&a, &p->words, "/dev/x");
	*(uint64_t *)arena_push(&a, &p->numbers) = 5;
	systemd_add(&a, &l, "NoPairs", "a(ss)");
	if (systemd_open(false, &s, &e) < 0 || systemd_start(s, "types.scope", &l, &e) < 0)
		fail_msg("%s", e.text);
	own(mem) char *log = fake_take(&fake);
	assert_string_equal(log, "StartTransientUnit types.scope replace\nNumberb b true\nNumbery y 200\nNumbern n -5\nNumberq q 60000\n"
		"Numberi i -70000\nNumberu u 4000000000\nNumberx x -9000000000\nNumbert t 18446744073709551615\nReal d 1.5\nText s a b\n"
		"Words as one two\nNothing as\nBytes ay 255 1\nPids au 77\nPairs a(ss) w0 w1 w2 w3\nWeights a(st) /dev/x 5\nNoPairs a(ss)\n");
	systemd_format(&l, &text);
	assert_non_null(strstr(buf_text(&text), "Numbern n -5\n"));
	assert_non_null(strstr(buf_text(&text), "Weights a(st) /dev/x 5\n"));
	assert_int_equal(systemd_stop(s, "types.scope", &e), 0);
	free(fake_take(&fake));
}

static void units(void **state)
{
	(void)state;
	own(arena) struct arena a = {};
	own(systemd) struct systemd *s = NULL;
	struct systemd_properties none = {}, l = {};
	struct err e = {};
	needs_fake();
	assert_int_equal(systemd_open(false, &s, &e), 0);
	assert_int_equal(systemd_version(s), 252);
	assert_int_equal(systemd_start(s, "a.scope", &none, &e), 0);
	free(fake_take(&fake));
	/* There is one: what failed is forgotten once, and no more. */
	assert_int_equal(systemd_start(s, "a.scope", &none, &e), -1);
	assert_int_equal(e.kind, ERR_EXISTS);
	own(mem) char *again = fake_take(&fake);
	assert_string_equal(again, "StartTransientUnit a.scope replace\nResetFailedUnit a.scope\nStartTransientUnit a.scope replace\n");
	systemd_add_number(&a, &l, "TasksMax", "t", 5);
	assert_int_equal(systemd_set(s, "a.scope", &l, &e), 0);
	assert_int_equal(systemd_set(s, "a.scope", &none, &e), 0);
	own(mem) char *set = fake_take(&fake);
	assert_string_equal(set, "SetUnitProperties a.scope\nTasksMax t 5\n");
	assert_int_equal(systemd_stop(s, "a.scope", &e), 0);
	/* Gone already. */
	assert_int_equal(systemd_stop(s, "a.scope", &e), 0);
	own(mem) char *stopped = fake_take(&fake);
	assert_string_equal(stopped, "StopUnit a.scope replace\nResetFailedUnit a.scope\nStopUnit a.scope replace\nResetFailedUnit a.scope\n");
	e = (struct err){};
	assert_int_equal(systemd_start(s, "fails.scope", &none, &e), -1);
	assert_non_null(strstr(e.text, "the job ended with \"failed\""));
	free(fake_take(&fake));
}

static void is_not_there(void **state)
{
	(void)state;
	struct systemd *s = NULL;
	struct err e = {};
	if (!fake.pid) {
		if (systemd_is_running())
			skip();
		assert_int_equal(systemd_open(false, &s, &e), -1);
		assert_int_equal(e.kind, ERR_UNSUPPORTED);
		return;
	}
	setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus", 1);
	assert_int_equal(systemd_open(false, &s, &e), -1);
	assert_non_null(strstr(e.text, "systemd: connect to its bus"));
	assert_null(s);
}

static int open_fake(void **state)
{
	(void)state;
	/* Without root there is no place for it. */
	if (fake_is_there() && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		fake_open(&fake);
	return 0;
}

static int close_fake(void **state)
{
	(void)state;
	if (fake.pid)
		fake_close(&fake);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_type), cmocka_unit_test(units), cmocka_unit_test(is_not_there)};
	return cmocka_run_group_tests(tests, open_fake, close_fake);
}
