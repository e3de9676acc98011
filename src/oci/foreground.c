/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreground: one loop over a signalfd, the process's pidfd and, with a terminal, both directions of it. Our own terminal is
 * raw meanwhile: ctrl-C goes to the program as a byte.
 */
#include "oci/foreground.h"

#include "base/fd.h"
#include "sys/proc.h"
#include "sys/tty.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIGNALS, PROCESS, INPUT, OUTPUT, OTHER, POLLS };

void foreground_drop(struct foreground *f)
{
	if (f->signals >= 0)
		sigprocmask(SIG_SETMASK, &f->before, NULL);
	fd_drop(&f->signals);
	fd_drop(&f->other);
}

int foreground_begin(struct foreground *f, bool adopt, struct err *e)
{
	sigset_t all;
	sigfillset(&all);
	static const int mine[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGTTOU, SIGTTIN, SIGPIPE};
	for (size_t i = 0; i < countof(mine); i++)
		sigdelset(&all, mine[i]);
	if (adopt && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(e, "subreaper");
	if (sigprocmask(SIG_BLOCK, &all, &f->before) < 0)
		return err_sys(e, "signals");
	f->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return f->signals < 0 ? err_sys(e, "signals") : 0;
}

static void copy_size(int master)
{
	unsigned short rows, cols;
	if (master >= 0 && tty_get_size(0, &rows, &cols))
		(void)!tty_set_size(master, rows, cols);
}

void foreground_size(struct arena *a, struct spec_process *p)
{
	unsigned short rows, cols;
	if (!p->terminal || p->console || !tty_get_size(0, &rows, &cols) || !rows || !cols)
		return;
	p->console = arena_alloc(a, sizeof *p->console);
	*p->console = (struct spec_console){.height = rows, .width = cols};
}

/* Orphans that came to us; the process itself stays for the end. */
static void reap_others(pid_t pid)
{
	siginfo_t info;
	for (;;) {
		info = (siginfo_t){};
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid || info.si_pid == pid)
			return;
		waitpid(info.si_pid, NULL, WNOHANG);
	}
}

static void pass_signals(struct foreground *f, pid_t pid, int pidfd, int master)
{
	struct signalfd_siginfo s;
	while (read(f->signals, &s, sizeof s) == sizeof s) {
		if (s.ssi_signo == SIGCHLD)
			reap_others(pid);
		else if (s.ssi_signo == SIGWINCH && master >= 0)
			copy_size(master);
		else
			proc_pidfd_signal(pidfd, (int)s.ssi_signo);
	}
}

/* False at the end of `from`. */
static bool copy(int from, int to)
{
	char chunk[16 << 10];
	ssize_t n;
	do
		n = read(from, chunk, sizeof chunk);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return true;
	return n > 0 && fd_write_all(to, chunk, (size_t)n) == 0;
}

/* What the program wrote last: its terminal says EIO when all of it was read. */
static void take_rest(int master)
{
	struct pollfd p = {.fd = master, .events = POLLIN};
	while (master >= 0 && poll(&p, 1, 0) > 0 && p.revents & POLLIN && copy(master, 1))
		;
}

static int wait_for(pid_t pid, struct err *e)
{
	int status;
	pid_t r;
	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(e, "wait for the process");
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int foreground_follow(struct foreground *f, pid_t pid, int pidfd, int master, struct err *e)
{
	own(tty_mode) struct tty_mode mode = {.fd = -1};
	bool input = master >= 0;
	copy_size(master);
	if (master >= 0 && isatty(0) && tty_raw(0, &mode, e) < 0)
		return -1;
	for (;;) {
		struct pollfd p[POLLS] = {[SIGNALS] = {f->signals, POLLIN, 0}, [PROCESS] = {pidfd, POLLIN, 0},
			[INPUT] = {input ? 0 : -1, POLLIN, 0}, [OUTPUT] = {master, POLLIN, 0}, [OTHER] = {f->other, POLLIN, 0}};
		if (poll(p, POLLS, -1) < 0 && errno != EINTR)
			return err_sys(e, "wait for the process");
		if (p[SIGNALS].revents)
			pass_signals(f, pid, pidfd, master);
		if (p[INPUT].revents && !copy(0, master)) {
			/* The end of our input is the terminal's end-of-file character. */
			input = false;
			(void)!write(master, "\4", 1);
		}
		if (p[OUTPUT].revents && !copy(master, 1))
			fd_drop(&master);
		if (p[OTHER].revents)
			f->on_other(f->other);
		if (p[PROCESS].revents)
			break;
	}
	take_rest(master);
	fd_drop(&master);
	return wait_for(pid, e);
}
