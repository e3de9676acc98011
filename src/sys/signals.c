/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals: one table of names; the real-time ones are counted from either end.
 */
#include "sys/signals.h"

#include "base/num.h"

#include <ctype.h>
#include <signal.h>
#include <strings.h>

static const struct {
	const char *name;
	int sig;
} signals[] = {{"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"ILL", SIGILL}, {"TRAP", SIGTRAP}, {"ABRT", SIGABRT},
	{"IOT", SIGIOT}, {"BUS", SIGBUS}, {"FPE", SIGFPE}, {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"SEGV", SIGSEGV},
	{"USR2", SIGUSR2}, {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD},
	{"CLD", SIGCHLD}, {"CONT", SIGCONT}, {"STOP", SIGSTOP}, {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},
	{"URG", SIGURG}, {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
	{"IO", SIGIO}, {"POLL", SIGPOLL}, {"PWR", SIGPWR}, {"SYS", SIGSYS}};

int signal_parse(const char *text, int *ret, struct err *e)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	for (size_t i = 0; i < countof(signals); i++)
		if (strcasecmp(signals[i].name, name) == 0) {
			*ret = signals[i].sig;
			return 0;
		}
	/* The kernel's real-time signals are 34 to 64 for programs of this libc. */
	uint64_t v;
	struct err ignored = {};
	bool from_min = strncasecmp(name, "RTMIN", 5) == 0, from_max = strncasecmp(name, "RTMAX", 5) == 0;
	if (from_min || from_max) {
		const char *rest = name + 5;
		v = 0;
		bool good = !*rest || (*rest == (from_min ? '+' : '-') && num_u64(rest + 1, 30, &v, "signal", &ignored) == 0);
		if (good) {
			*ret = from_min ? SIGRTMIN + (int)v : SIGRTMAX - (int)v;
			return 0;
		}
	} else if (isdigit((unsigned char)*text) && num_u64(text, 64, &v, "signal", &ignored) == 0 && v > 0) {
		*ret = (int)v;
		return 0;
	}
	return err_set(e, ERR_USAGE, "invalid signal \"%.40s\"", text);
}
