/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int does(void *arg, struct err *e)
{
	int what = *(int *)arg;
	*(int *)arg = 99; /* seen by nobody */
	if (what == 1)
		return err_set(e, ERR_LIMIT, "no room");
	if (what == 2)
		raise(SIGKILL);
	if (what == 3)
		_exit(0);
	return 0;
}

static void what_it_says(void **state)
{
	(void)state;
	static const struct {
		int result;
		enum err_kind kind;
		const char *text;
	} rows[] = {{0, ERR_NONE, ""}, {-1, ERR_LIMIT, "no room"}, {-1, ERR_SYSTEM, "killed by signal 9"}, {-1, ERR_SYSTEM, "without a word"}};
	for (int i = 0; i < (int)countof(rows); i++) {
		struct err e = {};
		int what = i;
		assert_int_equal(child_do(does, &what, &e), rows[i].result);
		assert_int_equal(what, i);
		assert_int_equal(e.kind, rows[i].kind);
		assert_non_null(strstr(e.text, rows[i].text));
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_it_says)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
