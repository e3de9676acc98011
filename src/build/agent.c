/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent: ssh-agent is asked to run a shell, which gives it the keys, says how it went, and then reads from a pipe until nobody writes to it any
 * more. So nothing of it outlives a build that was killed: the shell ends, and ssh-agent looks whether it is there.
 */
#include "build/agent.h"

#include "base/fd.h"
#include "base/path.h"
#include "build/interrupt.h"
#include "build/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAIRS = 64, ROOM = 16 << 10, SAID_MAX = 16 << 10 };
static const char script[] =
	"for key; do ssh-add - <\"$key\" 2>&1 || { kill \"$SSH_AGENT_PID\"; echo; echo failed; exit 1; }; done; "
	"echo; echo \"ready $SSH_AGENT_PID\"; exec cat >/dev/null";

/* --- keys --- */

static void child(const struct agent *a, const struct strv *keys, int in, int out) __attribute__((noreturn));
static void child(const struct agent *a, const struct strv *keys, int in, int out)
{
	struct arena arena = {};
	struct strv args = {};
	static const char *const first[] = {"ssh-agent", "-a", "agent", "sh", "-c", script, "sh"};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	for (size_t i = 0; i < countof(first); i++)
		arena_strv_add(&arena, &args, first[i]);
	for (size_t i = 0; i < keys->n; i++)
		arena_strv_add(&arena, &args, keys->v[i]);
	unsetenv("DISPLAY");
	setenv("SSH_ASKPASS_REQUIRE", "never", 1);
	/* A session of its own: nobody is asked for a passphrase. */
	setsid();
	if (fchdir(a->work.dir) < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(126);
	fd_close_from(3, NULL, 0);
	execvp("ssh-agent", args.v);
	_exit(127);
}

/* The last line but one of what failed. */
static int complain(const char *id, const struct buf *said, struct err *e)
{
	own(strv) struct strv lines = {};
	own(mem) char *text = mem_dup(buf_text((struct buf *)(uintptr_t)said));
	const char *last = "is ssh-agent installed?";
	strv_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.n; i++)
		if (*lines.v[i] && strcmp(lines.v[i], "failed") != 0)
			last = lines.v[i];
	own(mem) char *line = mem_ndup(last, strnlen(last, 300));
	str_harmless(line);
	return err_set(e, ERR_CONFLICT, "--ssh %.100s: %s", id, line);
}

static int hear(struct agent *a, const char *id, int from, struct err *e)
{
	own(buf) struct buf said = BUF(SAID_MAX);
	for (;;) {
		struct pollfd f = {.fd = from, .events = POLLIN};
		if (interrupt_poll(&f, 1, -1) < 0) {
			if (interrupt_came())
				return err_set(e, ERR_CONFLICT, "interrupted");
			continue;
		}
		char room[1024];
		ssize_t n = read(from, room, sizeof room);
		if (n <= 0 || buf_add(&said, room, (size_t)n) < 0)
			return complain(id, &said, e);
		const char *ready = strstr(buf_text(&said), "\nready ");
		if (ready && strchr(ready + 1, '\n')) {
			a->agent = (pid_t)atoi(ready + 7);
			return 0;
		}
	}
}

static int start(struct build *b, struct agent *a, const char *id, const struct strv *keys, struct err *e)
{
	int in[2], out[2];
	if (work_make(&a->work, b->cache.dir, e) < 0)
		return -1;
	int n = snprintf(a->path, sizeof a->path, "%s/build/%s/agent", b->g->root_path, a->work.path);
	if (n >= (int)sizeof a->path)
		return err_set(e, ERR_LIMIT, "--ssh: the path of the store is too long");
	if (fd_pipe(in, e) < 0)
		return -1;
	own(fd) int theirs_in = in[0];
	a->hold = in[1];
	if (fd_pipe(out, e) < 0)
		return -1;
	own(fd) int from = out[0];
	own(fd) int theirs_out = out[1];
	a->pid = fork();
	if (a->pid == 0)
		child(a, keys, theirs_in, theirs_out);
	if (a->pid < 0)
		return err_sys(e, "fork");
	fd_drop(&theirs_out);
	return hear(a, id, from, e);
}

/* Whole paths of key files; none: it is a socket. */
static int key_files(const struct build_secret *s, struct strv *ret, struct err *e)
{
	own(strv) struct strv words = {};
	struct stat st;
	strv_split(&words, s->source, ',');
	for (size_t i = 0; i < words.n; i++) {
		own(mem) char *whole = realpath(words.v[i], NULL);
		if (!whole || stat(whole, &st) < 0)
			return err_sys(e, "--ssh %.100s: %.200s", s->id, words.v[i]);
		if (S_ISSOCK(st.st_mode) && words.n == 1)
			return 0;
		if (!S_ISREG(st.st_mode))
			return err_set(e, ERR_USAGE, "--ssh %.100s: %.200s: neither a private key nor the only socket", s->id, words.v[i]);
		strv_add(ret, whole);
	}
	return 0;
}

int agents_start(struct build *b, struct err *e)
{
	const struct build_request *q = b->q;
	b->agents = arena_alloc(&b->arena, (q->agents.n + 1) * sizeof *b->agents);
	for (size_t i = 0; i < q->agents.n; i++)
		b->agents[i] = (struct agent){.hold = -1, .work = WORK_NONE};
	for (size_t i = 0; i < q->agents.n; i++) {
		own(strv) struct strv keys = {};
		if (str_is_empty(q->agents.v[i].source))
			continue;
		if (key_files(&q->agents.v[i], &keys, e) < 0)
			return -1;
		interrupt_catch();
		if (keys.n && start(b, &b->agents[i], q->agents.v[i].id, &keys, e) < 0)
			return -1;
	}
	return 0;
}

void agents_stop(struct build *b)
{
	for (size_t i = 0; b->agents && i < b->q->agents.n; i++) {
		struct agent *a = &b->agents[i];
		if (a->agent > 1)
			kill(a->agent, SIGTERM);
		if (a->pid > 0) {
			fd_drop(&a->hold);
			kill(a->pid, SIGTERM);
			while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
				;
		}
		work_drop(&a->work);
	}
	b->agents = NULL;
}

/* --- relay --- */

/* However long its path is. */
static void address(struct sockaddr_un *a, int fd, const char *name)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d%s%s", fd, *name ? "/" : "", name);
}

static int connect_to(int to)
{
	struct sockaddr_un a;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address(&a, to, "");
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		fd_drop(&fd);
	return fd;
}

/* Each pair is two ends; at the end of one of them both go. */
static void serve(int listener, int to) __attribute__((noreturn));
static void serve(int listener, int to)
{
	int pairs[PAIRS][2];
	size_t n = 0;
	for (;;) {
		struct pollfd f[1 + 2 * PAIRS] = {{.fd = n < PAIRS ? listener : -1, .events = POLLIN}};
		for (size_t i = 0; i < n; i++) {
			f[1 + 2 * i] = (struct pollfd){.fd = pairs[i][0], .events = POLLIN};
			f[2 + 2 * i] = (struct pollfd){.fd = pairs[i][1], .events = POLLIN};
		}
		if (poll(f, 1 + 2 * n, -1) < 0 && errno != EINTR)
			_exit(1);
		for (size_t i = n; i-- > 0;) {
			bool ends = false;
			for (size_t k = 0; k < 2 && !ends; k++) {
				char room[ROOM];
				ssize_t m = f[1 + 2 * i + k].revents ? read(pairs[i][k], room, sizeof room) : -2;
				ends = m != -2 && (m <= 0 || fd_write_all(pairs[i][1 - k], room, (size_t)m) < 0);
			}
			if (!ends)
				continue;
			close(pairs[i][0]);
			close(pairs[i][1]);
			n--;
			memmove(pairs + i, pairs + i + 1, (n - i) * sizeof *pairs);
		}
		if (!f[0].revents)
			continue;
		int ours = accept4(listener, NULL, NULL, SOCK_CLOEXEC), theirs = ours < 0 ? -1 : connect_to(to);
		if (theirs < 0) {
			fd_drop(&ours);
			continue;
		}
		pairs[n][0] = ours;
		pairs[n++][1] = theirs;
	}
}

pid_t agent_relay(int dir, const char *name, const char *to, uint32_t mode, uint32_t uid, uint32_t gid, struct err *e)
{
	struct sockaddr_un a;
	own(fd) int target = open(to, O_PATH | O_CLOEXEC);
	own(fd) int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (target < 0 || listener < 0)
		return err_sys(e, "SSH agent %.200s", to);
	address(&a, dir, name);
	if (bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, PAIRS) < 0 || fchownat(dir, name, uid, gid, 0) < 0 ||
		fchmodat(dir, name, mode, 0) < 0)
		return err_sys(e, "SSH agent");
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		int keep[] = {listener, target};
		signal(SIGTERM, SIG_DFL);
		signal(SIGPIPE, SIG_IGN);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		fd_close_from(0, keep, 2);
		serve(listener, target);
	}
	return pid < 0 ? err_sys(e, "fork") : pid;
}

void agent_relay_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
