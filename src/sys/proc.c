/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/proc.h"

#include "base/fd.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t proc_clone(const struct proc_clone *c)
{
	struct clone_args a = {.flags = c->flags | CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
	if (c->flags & CLONE_PARENT)
		a.exit_signal = 0;
	if (c->pidfd) {
		a.flags |= CLONE_PIDFD;
		a.pidfd = (uint64_t)(uintptr_t)c->pidfd;
	}
	if (c->cgroup >= 0) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)c->cgroup;
	}
	return (pid_t)syscall(SYS_clone3, &a, sizeof a);
}

pid_t proc_clone_plain(int *pidfd)
{
	return (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, pidfd, NULL, NULL);
}

int proc_pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

int proc_pidfd_getfd(int pidfd, int fd)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

int proc_pidfd_signal(int pidfd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

uint64_t proc_start_time(pid_t pid)
{
	char path[32], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	own(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return 0;
	text[n] = 0;
	/* The name in field 2 may hold anything, so count from the last parenthesis. */
	char *at = strrchr(text, ')');
	if (!at || !at[1] || strchr("ZXx", at[2]))
		return 0;
	at += 2;
	for (int field = 3; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

static char self_path[4096];

const char *proc_self_path(void)
{
	if (*self_path)
		return self_path;
	ssize_t n = readlink("/proc/self/exe", self_path, sizeof self_path - 1);
	self_path[n > 0 ? n : 0] = 0;
	return self_path;
}

void proc_default_libc_signals(void)
{
	/* The kernel's own struct, all zero: the default. */
	static const unsigned long defaults[4];
	for (int sig = 32; sig <= 33; sig++)
		syscall(SYS_rt_sigaction, sig, defaults, NULL, sizeof defaults[0]);
}
