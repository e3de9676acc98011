/* SPDX-License-Identifier: Apache-2.0 */
#include "build/interrupt.h"

#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
static volatile sig_atomic_t came;

static void on_signal(int sig)
{
	came = sig;
}

void interrupt_catch(void)
{
	struct sigaction s = {.sa_handler = on_signal};
	for (size_t i = 0; i < countof(signals); i++)
		sigaction(signals[i], &s, NULL);
}

bool interrupt_came(void)
{
	return came != 0;
}

/* Blocked from the look at the flag on; only ppoll() lets them in. */
int interrupt_poll(struct pollfd *f, nfds_t n, int ms)
{
	sigset_t blocked, before, open;
	struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	sigemptyset(&blocked);
	for (size_t i = 0; i < countof(signals); i++)
		sigaddset(&blocked, signals[i]);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	open = before;
	for (size_t i = 0; i < countof(signals); i++)
		sigdelset(&open, signals[i]);
	errno = EINTR;
	int r = came ? -1 : ppoll(f, n, ms < 0 ? NULL : &limit, &open), saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return r;
}
