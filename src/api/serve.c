/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve: the listener does nothing but accept and fork: each client has a process of its own, which works as a command does, with its own
 * engine, locks and errors. A request that hangs or kills its process takes nobody with it, and monitors are children of such a process
 * that outlive it.
 *
 *   listener   accept -> fork -> client: request, answer, request, answer … end
 *              counts clients; when there are CLIENTS_MOST of them no more are accepted until one ends
 *
 * Sockets come from systemd (sd_listen_fds(3)), or the listener makes one: a stale file of a listener that is gone is replaced, one that
 * somebody listens at is not. SIGTERM: no more clients; idle ones end, the others behind the request they are at.
 */
#include "api/serve.h"

#include "api/serve_client.h"
#include "base/fd.h"
#include "base/num.h"
#include "engine/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS_MOST = 1000, SOCKETS_MOST = 16, FIRST_FD = 3 };

struct listener {
	const struct serve_options *o;
	struct pollfd p[1 + SOCKETS_MOST]; /* signals, then sockets */
	size_t n;
	char *path;                        /* of the socket that we made, or NULL */
	int lock;
	struct stat made;
	struct { pid_t *v; size_t n, room; } clients;
	int64_t idle_since;
};

char *serve_path(void)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	if (geteuid() == 0)
		return mem_dup("/run/hull.sock");
	return str_is_empty(run) ? mem_printf("/tmp/hull-run-%u.sock", geteuid()) : mem_printf("%s/hull.sock", run);
}

static int group_of(const char *name, gid_t *ret, struct err *e)
{
	uint64_t id;
	struct err ignored = {};
	errno = 0;
	const struct group *g = getgrnam(name);
	if (g)
		*ret = g->gr_gid;
	else if (num_u64(name, UINT32_MAX - 1, &id, "", &ignored) == 0)
		*ret = (gid_t)id;
	else
		return err_set(e, ERR_USAGE, "--group %.100s: there is no such group", name);
	return 0;
}

/* Two listeners that begin at once: the lock beside the socket says whose it is. */
static int take_path(struct listener *l, const struct sockaddr_un *a, struct err *e)
{
	own(mem) char *lock = mem_printf("%s.lock", l->path);
	struct stat st;
	l->lock = open(lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (l->lock < 0)
		return err_sys(e, "%s", lock);
	if (flock(l->lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? err_set(e, ERR_CONFLICT, "%s: another hull serves there already", l->path) : err_sys(e, "%s", lock);
	if (lstat(l->path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "%s", l->path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_EXISTS, "%s is there and is no socket: name another place", l->path);
	own(fd) int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (probe >= 0 && connect(probe, (const struct sockaddr *)a, sizeof *a) == 0)
		return err_set(e, ERR_CONFLICT, "%s: somebody listens there already", l->path);
	return unlink(l->path) < 0 ? err_sys(e, "%s", l->path) : 0;
}

static int make_socket(struct listener *l, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	gid_t group = (gid_t)-1;
	const char *path = l->o->path;
	if (strlen(path) >= sizeof a.sun_path)
		return err_set(e, ERR_USAGE, "%.200s: the path of a socket has at most %zu characters", path, sizeof a.sun_path - 1);
	if (l->o->group && group_of(l->o->group, &group, e) < 0)
		return -1;
	memcpy(a.sun_path, path, strlen(path));
	l->path = mem_dup(path);
	if (take_path(l, &a, e) < 0) {
		mem_drop(&l->path); /* it is not ours to remove */
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask = umask(0177);
	int r = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&a, sizeof a);
	umask(mask);
	l->p[l->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
	if (r < 0 || (l->o->group && (lchown(path, (uid_t)-1, group) < 0 || chmod(path, 0660) < 0)) || lstat(path, &l->made) < 0 || listen(fd, SOMAXCONN) < 0)
		return err_sys(e, "%s", path);
	return 0;
}

/* Those that systemd gave us: nobody whom we start is to have them. */
static int take_sockets(struct listener *l, struct err *e)
{
	int given = notify_listen_fds();
	for (int i = 0; i < given; i++) {
		int fd = FIRST_FD + i, listens = 0;
		socklen_t len = sizeof listens;
		if (l->n > SOCKETS_MOST || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens)
			return err_set(e, ERR_USAGE, "LISTEN_FDS: descriptor %d is no socket that listens, or there are more than %d", fd, SOCKETS_MOST);
		fd_set_cloexec(fd, true);
		fd_set_nonblock(fd, true);
		l->p[l->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return given > 0 ? 0 : make_socket(l, e);
}

static void tell_systemd(const char *words)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (path && strlen(path) < sizeof a.sun_path) {
		own(fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		memcpy(a.sun_path, path, strlen(path));
		if (*path == '@')
			a.sun_path[0] = 0;
		socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + (*path != '@'));
		(void)!sendto(fd, words, strlen(words), MSG_NOSIGNAL, (struct sockaddr *)&a, len);
	}
	/* A container that is started here is no part of our unit. */
	unsetenv("NOTIFY_SOCKET");
}

static void accept_one(struct listener *l, int from, const sigset_t *before)
{
	own(fd) int fd = accept4(from, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < l->n; i++)
			close(l->p[i].fd);
		if (l->lock >= 0)
			close(l->lock);
		serve_client(take_fd(fd), l->o->engine, before);
		_exit(0);
	}
	if (pid < 0)
		return;
	if (l->clients.n == l->clients.room) {
		l->clients.room = l->clients.room * 2 + 16;
		l->clients.v = mem_grow(l->clients.v, l->clients.room * sizeof *l->clients.v);
	}
	l->clients.v[l->clients.n++] = pid;
}

static void reap(struct listener *l)
{
	pid_t pid;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (size_t i = 0; i < l->clients.n; i++)
			if (l->clients.v[i] == pid) {
				l->clients.v[i] = l->clients.v[--l->clients.n];
				l->idle_since = num_monotonic_ns();
				break;
			}
}

/* Milliseconds until nobody was here for long enough; -1: there is no such time. */
static int time_left(const struct listener *l)
{
	if (l->o->idle_ns <= 0 || l->clients.n)
		return -1;
	int64_t left = l->idle_since + l->o->idle_ns - num_monotonic_ns();
	return left <= 0 ? 0 : left / 1000000 > 3600000 ? 3600000 : (int)(left / 1000000) + 1;
}

static int take_clients(struct listener *l, const sigset_t *before, struct err *e)
{
	for (;;) {
		bool full = l->clients.n >= CLIENTS_MOST;
		int left = time_left(l);
		int n = poll(l->p, full ? 1 : l->n, left);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "poll");
		struct signalfd_siginfo s;
		while (read(l->p[0].fd, &s, sizeof s) == sizeof s)
			if (s.ssi_signo != SIGCHLD)
				return 0;
		reap(l);
		for (size_t i = 1; n > 0 && !full && i < l->n; i++)
			if (l->p[i].revents & POLLIN)
				accept_one(l, l->p[i].fd, before);
		if (n == 0 && left >= 0 && time_left(l) == 0)
			return 0;
	}
}

/* Clients that are at a request end behind it, without us. */
static void finish(struct listener *l)
{
	struct stat now;
	tell_systemd("STOPPING=1");
	for (size_t i = 0; i < l->clients.n; i++)
		kill(l->clients.v[i], SIGTERM);
	if (l->path && lstat(l->path, &now) == 0 && now.st_ino == l->made.st_ino && now.st_dev == l->made.st_dev)
		unlink(l->path);
	for (size_t i = 0; i < l->n; i++)
		fd_drop(&l->p[i].fd);
	fd_drop(&l->lock);
	mem_drop(&l->path);
	mem_drop(&l->clients.v);
}

int serve(const struct serve_options *o, struct err *e)
{
	struct listener l = {.o = o, .lock = -1, .idle_since = num_monotonic_ns()};
	sigset_t watched, before;
	sigemptyset(&watched);
	sigaddset(&watched, SIGCHLD);
	sigaddset(&watched, SIGTERM);
	sigaddset(&watched, SIGINT);
	sigprocmask(SIG_BLOCK, &watched, &before);
	l.p[l.n++] = (struct pollfd){.fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN};
	int r = l.p[0].fd < 0 ? err_sys(e, "signalfd") : take_sockets(&l, e);
	if (r == 0) {
		tell_systemd("READY=1");
		if (o->ready)
			o->ready(o->arg, l.path);
		r = take_clients(&l, &before, e);
	}
	finish(&l);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}
