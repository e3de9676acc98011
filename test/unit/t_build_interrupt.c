/* SPDX-License-Identifier: Apache-2.0 */
#include "build/interrupt.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What interrupt_poll() does of a pipe that nobody writes to, in a process of its own: 7: it was interrupted. */
static int wait_for(bool pending, bool before)
{
	pid_t pid = fork();
	if (pid == 0) {
		int p[2];
		sigset_t term;
		alarm(30);
		if (pipe(p) < 0)
			_exit(1);
		interrupt_catch();
		if (interrupt_came())
			_exit(2);
		sigemptyset(&term);
		sigaddset(&term, SIGTERM);
		if (pending)
			sigprocmask(SIG_BLOCK, &term, NULL);
		if (pending || before)
			raise(SIGTERM);
		struct pollfd f = {.fd = p[0], .events = POLLIN};
		int r = interrupt_poll(&f, 1, pending || before ? -1 : 1);
		_exit(r == -1 && errno == EINTR && interrupt_came() ? 7 : r == 0 ? 8 : 3);
	}
	int status = 0;
	assert_true(pid > 0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* One that is pending comes in the moment the wait begins: it is between the look and the wait. */
static void between(void **state)
{
	(void)state;
	assert_int_equal(wait_for(true, false), 7);
}

static void before(void **state)
{
	(void)state;
	assert_int_equal(wait_for(false, true), 7);
}

static void none(void **state)
{
	(void)state;
	assert_int_equal(wait_for(false, false), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(between), cmocka_unit_test(before), cmocka_unit_test(none)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
