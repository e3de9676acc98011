/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child: struct err is flat: it goes through a pipe as it is, with the kind ERR_NONE for success.
 */
#include "sys/child.h"

#include "base/fd.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noreturn)) static void be_child(pid_t parent, int out, int (*work)(void *, struct err *), void *arg)
{
	struct err e = {};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (work(arg, &e) == 0)
		e = (struct err){.kind = ERR_NONE};
	_exit(fd_write_all(out, &e, sizeof e) < 0);
}

int child_do(int (*work)(void *arg, struct err *e), void *arg, struct err *e)
{
	own(fd) int in = -1, out = -1;
	int pipe_[2], status = 0;
	struct err why = {};
	pid_t self = getpid(), r;
	if (fd_pipe(pipe_, e) < 0)
		return -1;
	in = pipe_[0];
	out = pipe_[1];
	pid_t pid = fork();
	if (pid == 0)
		be_child(self, out, work, arg);
	fd_drop(&out);
	if (pid < 0)
		return err_sys(e, "fork");
	ssize_t n = fd_read_full(in, &why, sizeof why);
	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (n == sizeof why && why.kind == ERR_NONE)
		return 0;
	if (n == sizeof why)
		return *e = why, -1;
	if (r == pid && WIFSIGNALED(status))
		return err_set(e, ERR_SYSTEM, "a process of hull's own was killed by signal %d", WTERMSIG(status));
	return err_set(e, ERR_SYSTEM, "a process of hull's own ended without a word");
}
