/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program: its input is a file in memory, so nobody has to feed it; its output is read while it runs. It is over when the process has
 * ended, also when something that it left behind holds the pipe.
 */
#include "sys/program.h"

#include "base/fd.h"
#include "base/num.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int make_input(const struct program *p, struct err *e)
{
	own(fd) int fd = memfd_create("input", MFD_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, p->input, p->input_len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "%s: its input", p->path);
	return take_fd(fd);
}

static _Noreturn void become(const struct program *p, int in, int out, int words, int failed)
{
	char *argv[] = {(char *)(uintptr_t)p->path, NULL};
	sigset_t none;
	setpgid(0, 0);
	sigemptyset(&none);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(words, 2) == 2)
		execve(p->path, argv, p->env);
	int saved = errno;
	(void)!write(failed, &saved, sizeof saved);
	_exit(127);
}

/* What is there now; false at the end. */
static bool take_some(int fd, struct buf *out, char *words, size_t *nwords)
{
	char chunk[4096];
	ssize_t n = read(fd, chunk, sizeof chunk);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	if (out) {
		buf_add(out, chunk, (size_t)n);
	} else {
		size_t room = PROGRAM_WORDS - 1 - *nwords, part = (size_t)n < room ? (size_t)n : room;
		memcpy(words + *nwords, chunk, part);
		*nwords += part;
		words[*nwords] = 0;
	}
	return true;
}

static void drain(int fd, struct buf *out, char *words, size_t *nwords)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	while (poll(&p, 1, 0) > 0 && p.revents & POLLIN && !(out && out->full) && take_some(fd, out, words, nwords))
		;
}

/* Until it has ended. */
static int follow(const struct program *p, pid_t pid, const int fds[2], struct buf *out, char *words, struct err *e)
{
	int64_t end = num_monotonic_ns() + p->seconds * 1000000000LL;
	size_t nwords = 0;
	own(fd) int over = proc_pidfd_open(pid);
	struct pollfd all[3] = {{.fd = over, .events = POLLIN}, {.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
	*words = 0;
	if (over < 0)
		return err_sys(e, "%s", p->path);
	for (;;) {
		int64_t left = (end - num_monotonic_ns()) / 1000000;
		if (left <= 0) {
			errno = ETIMEDOUT;
			return err_sys(e, "%s: no answer within %d s", p->path, p->seconds);
		}
		if (poll(all, countof(all), (int)left + 1) < 0 && errno != EINTR)
			return err_sys(e, "%s", p->path);
		for (int i = 1; i < 3; i++)
			if (all[i].revents && !take_some(all[i].fd, i == 1 ? out : NULL, words, &nwords))
				all[i].fd = -1;
		if (out->full)
			return buf_check(out, e) < 0 ? err_wrap(e, "%s: its answer", p->path) : 0;
		if (all[0].revents)
			break;
	}
	drain(fds[0], out, NULL, NULL);
	drain(fds[1], NULL, words, &nwords);
	return buf_check(out, e) < 0 ? err_wrap(e, "%s: its answer", p->path) : 0;
}

static int end(pid_t pid)
{
	int status = 0;
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int program_run(const struct program *p, struct buf *out, char words[PROGRAM_WORDS], int *ret_status, struct err *e)
{
	int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}; /* its output, its words, why it could not be executed */
	own(fd) int in = make_input(p, e);
	int r = in < 0 ? -1 : 0, status = 0, why = 0;
	for (int i = 0; r == 0 && i < 3; i++)
		r = fd_pipe(pipes[i], e);
	pid_t pid = r < 0 ? -1 : fork();
	if (pid == 0)
		become(p, in, pipes[0][1], pipes[1][1], pipes[2][1]);
	if (r == 0 && pid < 0)
		r = err_sys(e, "%s: fork", p->path);
	for (int i = 0; i < 3; i++)
		fd_drop(&pipes[i][1]);
	if (pid > 0) {
		const int fds[2] = {pipes[0][0], pipes[1][0]};
		if (fd_read_full(pipes[2][0], &why, sizeof why) == sizeof why) {
			errno = why;
			r = err_sys(e, "%s", p->path);
		} else {
			r = follow(p, pid, fds, out, words, e);
		}
		/* One that has ended by itself is not reaped yet: it is its status that we get. */
		status = end(pid);
	}
	for (int i = 0; i < 3; i++)
		fd_drop(&pipes[i][0]);
	*ret_status = status;
	return r;
}
