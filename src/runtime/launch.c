/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch: see launch.h. No libc, no writable data but the plan, one page of code: what it maps is charged to the
 * container, for as long as it lives when it is the init.
 *
 *   1. the report's fd closes at the next execve
 *   2. a security label counts for the next execve, so it is written here and not by hull
 *   3. execve; when that fails, tell hull and wait until it has looked at why (our /proc entry shows it our root)
 *
 * As init: all signals are blocked and taken by sigtimedwait: to a blocked signal the kernel does not apply the rule that
 * the first process of a PID namespace ignores what it has no handler for. The command gets a process group of its own,
 * in the terminal's foreground when there is one, so that its shell's job control works.
 */
#include "runtime/launch.h"

#include <asm/unistd.h>
#include <errno.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/wait.h>

#ifdef __x86_64__
static long call(long n, long a, long b, long c, long d, long e)
{
	long r;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return r;
}
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall launch\n");
#elif defined __aarch64__
static long call(long n, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}
__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl launch\n");
#else
#error "launch: no system calls for this architecture"
#endif

#define CALL0(n)             call((n), 0, 0, 0, 0, 0)
#define CALL1(n, a)          call((n), (long)(a), 0, 0, 0, 0)
#define CALL2(n, a, b)       call((n), (long)(a), (long)(b), 0, 0, 0)
#define CALL3(n, a, b, c)    call((n), (long)(a), (long)(b), (long)(c), 0, 0)
#define CALL4(n, a, b, c, d) call((n), (long)(a), (long)(b), (long)(c), (long)(d), 0)

enum { SIGSET = 8, SIGNALS = 64, TIOCSPGRP_ = 0x5410 };

/* volatile: hull changes the file, which the compiler cannot know. */
static volatile struct launch_plan plan __attribute__((section(".data.plan"))) = {.magic = LAUNCH_MAGIC, .report = -1};

__attribute__((noreturn)) static void leave(int status)
{
	for (;;)
		CALL1(__NR_exit_group, status);
}

__attribute__((noreturn)) static void fail(long error)
{
	char word;
	long n = 0;
	plan.failure = (int)-error;
	while (plan.path[n])
		n++;
	CALL3(__NR_write, plan.report, &plan.failure, sizeof plan.failure + n + 1);
	CALL3(__NR_read, plan.report, &word, 1);
	leave(127);
}

static void set_label(void)
{
	if (plan.label_dir < 0)
		return;
	for (int i = 0; i < LAUNCH_LABELS && plan.label[i].file[0]; i++) {
		long n = 0, fd = CALL4(__NR_openat, plan.label_dir, plan.label[i].file, O_WRONLY | O_CLOEXEC, 0);
		while (plan.label[i].text[n])
			n++;
		long written = fd < 0 ? fd : CALL3(__NR_write, fd, plan.label[i].text, n);
		if (written < 0)
			fail(written - LAUNCH_OF_LABEL);
		CALL1(__NR_close, fd);
	}
	CALL1(__NR_close, plan.label_dir);
}

__attribute__((noreturn)) static void run(char **argv, char **envp)
{
	set_label();
	fail(CALL3(__NR_execve, plan.path, argv, envp));
}

static void block(int how, unsigned long *set, unsigned long *old)
{
	CALL4(__NR_rt_sigprocmask, how, set, old, SIGSET);
}

/* Waits for everyone who has ended; leaves when one of them is the command. */
static void reap(long command)
{
	int status;
	for (int again = 8;;) {
		long pid = CALL4(__NR_wait4, -1, &status, WNOHANG, 0);
		if (pid == -EINTR && again-- > 0)
			continue;
		if (pid <= 0)
			return;
		if (pid == command)
			leave((status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f));
	}
}

__attribute__((noreturn)) static void init(char **argv, char **envp)
{
	unsigned long all = ~0ul, before = 0;
	block(SIG_BLOCK, &all, &before);
	/* clone(2)'s arguments stand in another order on other machines, but these are all zero. */
	long command = call(__NR_clone, SIGCHLD, 0, 0, 0, 0);
	if (command < 0)
		fail(command);
	if (command == 0) {
		int self = (int)CALL0(__NR_getpid);
		CALL2(__NR_setpgid, 0, 0);
		CALL3(__NR_ioctl, 0, TIOCSPGRP_, &self);
		block(SIG_SETMASK, &before, 0);
		run(argv, envp);
	}
	CALL2(__NR_prctl, PR_SET_NAME, "hull-init");
	CALL1(__NR_close, plan.report);
	for (;;) {
		long sig = CALL4(__NR_rt_sigtimedwait, &all, 0, 0, SIGSET);
		if (sig == SIGCHLD)
			reap(command);
		else if (sig > 0 && sig != SIGTTIN && sig != SIGTTOU)
			CALL2(__NR_kill, command, sig);
	}
}

__attribute__((noreturn, used)) static void launch(long *stack)
{
	long argc = stack[0];
	char **argv = (char **)(stack + 1), **envp = argv + argc + 1;
	if (CALL3(__NR_fcntl, plan.report, F_SETFD, FD_CLOEXEC) < 0)
		leave(127); /* the command led back to us */
	if (plan.is_init)
		init(argv + plan.skip, envp);
	run(argv + plan.skip, envp);
}
