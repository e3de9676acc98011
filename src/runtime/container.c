/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container: what is left to do with a container once it was made: let it start, see whether it lives, take away what it
 * leaves.
 */
#include "runtime/container.h"

#include "base/fd.h"
#include "runtime/launch.h"
#include "runtime/setup.h"
#include "sys/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

int setup_receive(int sock, struct setup_message *ret, int *ret_fd, struct err *e)
{
	union {
		struct setup_message message;
		struct launch_failure failure;
	} in = {};
	size_t nfds = 1;
	int fd = -1;
	ssize_t n = fd_recv(sock, &in, sizeof in, &fd, &nfds, e);
	/* The kernel first tells that our last word was not read, then gives what the child had said before. */
	bool unread = n < 0 && e->sys == ECONNRESET;
	if (unread) {
		nfds = 1;
		n = fd_recv(sock, &in, sizeof in, &fd, &nfds, e);
	}
	if (n < 0)
		return -1;
	if (n == 0)
		return unread ? err_set(e, ERR_SYSTEM, "the container's process ended before the command was executed") : 0;
	*ret_fd = nfds ? fd : -1;
	if ((size_t)n == sizeof in.message && in.message.word & SETUP_MESSAGE) {
		*ret = in.message;
		ret->word &= ~SETUP_MESSAGE;
		ret->warning[sizeof ret->warning - 1] = 0;
		ret->why.text[sizeof ret->why.text - 1] = 0;
		if (ret->word == SETUP_FAILED)
			return *e = ret->why, -1;
		return 1;
	}
	fd_drop(ret_fd);
	/* The launch program's: its errno; the path goes back to the caller in the message's text. */
	in.failure.path[sizeof in.failure.path - 1] = 0;
	ret->word = 0;
	ret->why.sys = in.failure.failure;
	snprintf(ret->why.text, sizeof ret->why.text, "%s", in.failure.path);
	return 1;
}

int setup_say(int sock, enum setup_word word, struct err *e)
{
	char c = (char)word;
	if (send(sock, &c, 1, MSG_NOSIGNAL) == 1)
		return 0;
	if (errno != EPIPE && errno != ECONNRESET)
		return err_sys(e, "the container's process");
	/* It is gone, and what it said before tells why. Should it be there after all, it must not wait for a word that never comes. */
	shutdown(sock, SHUT_WR);
	return 0;
}

static int start(struct container *c, int sock, struct err *e)
{
	char go = SETUP_GO;
	struct setup_message m;
	int fd = -1;
	bool gone = send(sock, &go, 1, MSG_NOSIGNAL) < 0;
	if (gone && errno != EPIPE && errno != ECONNRESET)
		return err_sys(e, "start");
	if (gone)
		shutdown(sock, SHUT_WR);
	int r = setup_receive(sock, &m, &fd, e);
	if (r > 0 && m.word == SETUP_AGENT)
		r = seccomp_listener_hand_over(&(struct setup_container){c->create->spec, c->create->id, c->create->bundle, "created", c->pid, c->pid},
			sock, &m, &fd, e);
	fd_drop(&fd);
	if (r < 0)
		return -1;
	if (r == 0 && gone)
		return err_set(e, ERR_SYSTEM, "the container's process ended before the command was executed");
	const struct spec_process *p = c->create->spec->process;
	if (r > 0)
		return explain_exec(c->pid, p ? p->cwd : NULL, m.why.text, m.why.sys, e);
	const struct spec_hooks *h = c->create->spec->hooks;
	return h ? hooks_run(&h->poststart, c->create, "running", c->pid, e) : 0;
}

int container_start(struct container *c, struct err *e)
{
	own(fd) int sock = take_fd(c->start);
	if (sock < 0)
		return err_set(e, ERR_CONFLICT, "the container was started already");
	int r = start(c, sock, e);
	if (r < 0)
		proc_pidfd_signal(c->pidfd, SIGKILL);
	return r;
}

void container_reap(struct container *c)
{
	proc_pidfd_signal(c->pidfd, SIGKILL);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int container_leave(struct container *c, struct err *e)
{
	own(fd) int sock = take_fd(c->start);
	char leave = SETUP_LEAVE;
	if (send(sock, &leave, 1, MSG_NOSIGNAL) < 0)
		return err_set(e, ERR_SYSTEM, "the container's process ended before it could be started");
	return 0;
}

int container_connect(struct container *c, int dirfd, const char *name, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	own(fd) int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return err_sys(e, "socket");
	snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%s", dirfd, name);
	if (connect(sock, (struct sockaddr *)&a, sizeof a) < 0)
		return errno == ENOENT || errno == ECONNREFUSED ? err_set(e, ERR_CONFLICT, "the container does not wait for its start") : err_sys(e, "start");
	c->start = take_fd(sock);
	return 0;
}

int setup_resctrl(int given, struct err *e)
{
	if (given <= 0)
		return intel_rdt_root(e);
	int fd = fcntl(given, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? err_sys(e, "resctrl") : fd;
}

static int remove_rdt(struct container *c, struct err *e)
{
	if (!c->rdt.made_clos && !c->rdt.made_group)
		return 0;
	own(fd) int root = setup_resctrl(c->create ? c->create->resctrl : 0, e);
	return root < 0 ? -1 : intel_rdt_remove(root, &c->rdt, e);
}

int container_remove(struct container *c, struct err *e)
{
	int r = 0;
	if (c->cgroup.rows || *c->cgroup.scope)
		r = cgroup_kill(&c->cgroup, SIGKILL, e) < 0 || cgroup_remove(&c->cgroup, e) < 0 ? -1 : 0;
	if (r == 0)
		r = remove_rdt(c, e);
	const struct spec_hooks *h = c->create ? c->create->spec->hooks : NULL;
	/* runtime-spec: what fails here is logged, nothing more. */
	struct err why = {};
	if (h && hooks_run_poststop(c->create, &why) < 0 && !c->warning[0])
		snprintf(c->warning, sizeof c->warning, "%.190s", why.text);
	c->create = NULL;
	return r;
}

void container_drop(struct container *c)
{
	fd_drop(&c->pidfd);
	fd_drop(&c->console);
	fd_drop(&c->start);
	cgroup_drop(&c->cgroup);
}

static void add_pid(struct u32v *l, pid_t pid)
{
	l->v = mem_grow(l->v, (l->n + 1) * sizeof *l->v);
	l->v[l->n++] = (uint32_t)pid;
}

static bool find_namespace(pid_t pid, struct stat *ret)
{
	char path[40];
	snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pid);
	return stat(path, ret) == 0;
}

int container_pids(const struct cgroup *c, pid_t first, struct u32v *ret, struct err *e)
{
	struct stat own, its, other;
	if (c->made)
		return cgroup_pids(c, ret, e);
	if (first <= 0 || !find_namespace(first, &its))
		return err_set(e, ERR_NOT_FOUND, "the container is not running");
	if (!find_namespace(getpid(), &own) || own.st_ino == its.st_ino) {
		add_pid(ret, first);
		return 0;
	}
	DIR *d = opendir("/proc");
	for (struct dirent *ent; d && (ent = readdir(d));) {
		pid_t pid = (pid_t)strtol(ent->d_name, NULL, 10);
		if (pid > 0 && find_namespace(pid, &other) && other.st_ino == its.st_ino)
			add_pid(ret, pid);
	}
	if (d)
		closedir(d);
	return 0;
}

uint64_t container_start_time(pid_t pid)
{
	return proc_start_time(pid);
}

bool container_is_alive(pid_t pid, uint64_t start_time)
{
	uint64_t now = pid > 0 ? proc_start_time(pid) : 0;
	return now && now == start_time;
}
