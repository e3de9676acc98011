/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/proc.h"

#include "base/fd.h"
#include "base/str.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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

int proc_pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
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
	const char *handed = getenv("HULL_EXE");
	if (handed) {
		snprintf(self_path, sizeof self_path, "%s", handed);
		unsetenv("HULL_EXE");
		return self_path;
	}
	ssize_t n = readlink("/proc/self/exe", self_path, sizeof self_path - 1);
	self_path[n > 0 ? n : 0] = 0;
	return self_path;
}

int proc_protect_self(char **argv, struct err *e)
{
	struct stat st;
	struct statvfs fs;
	bool second = getenv("HULL_EXE") != NULL;
	proc_self_path();
	own(fd) int self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (self < 0 || fstat(self, &st) < 0 || fstatvfs(self, &fs) < 0)
		return err_sys(e, "look at our own executable");
	if (fs.f_flag & ST_RDONLY)
		return 0;
	/* Only who may write to the file could be made to. */
	if (geteuid() != 0 || st.st_uid != 0)
		return 0;
	if (second)
		return err_set(e, ERR_BUG, "our own executable is still writable after running it again");
	own(fd) int copy = mount_clone(self, "", false, e);
	if (copy < 0 || mount_set(copy, false, MOUNT_ATTR_RDONLY, 0, 0, e) < 0)
		return err_wrap(e, "protect our own executable");
	setenv("HULL_EXE", self_path, 1);
	execveat(copy, "", argv, environ, AT_EMPTY_PATH);
	return err_sys(e, "run our own executable again");
}
