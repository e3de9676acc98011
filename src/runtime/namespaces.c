/* SPDX-License-Identifier: Apache-2.0 */
/*
 * namespaces: see namespaces.h.
 *
 * For a moment the caller's own choice of a PID or time namespace is another one; it is put back before anything else
 * happens, also when clone3 fails; when it cannot be put back, the process is killed and all of it has failed. A caller without
 * the right to enter another PID namespace (a plain user, whose container has a user namespace of its own) lets a child join
 * everything, which then clones the process with CLONE_PARENT, so that it is a child of the caller all the same.
 */
#include "runtime/namespaces.h"

#include "base/fd.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the order in which they are joined. */
static const struct {
	const char *type, *file; /* the specification's word, and the one below /proc/<pid>/ns */
	uint64_t flag;
} kinds[NS_KINDS] = {
	[NS_USER] = {"user", "user", CLONE_NEWUSER}, [NS_MOUNT] = {"mount", "mnt", CLONE_NEWNS},
	[NS_NETWORK] = {"network", "net", CLONE_NEWNET}, [NS_IPC] = {"ipc", "ipc", CLONE_NEWIPC},
	[NS_UTS] = {"uts", "uts", CLONE_NEWUTS}, [NS_CGROUP] = {"cgroup", "cgroup", CLONE_NEWCGROUP},
	[NS_TIME] = {"time", "time", CLONE_NEWTIME}, [NS_PID] = {"pid", "pid", CLONE_NEWPID},
};

const char *namespaces_type(size_t kind)
{
	return kind < NS_KINDS ? kinds[kind].type : NULL;
}

void namespaces_drop(struct namespaces *n)
{
	for (int i = 0; i < NS_KINDS; i++)
		fd_drop(&n->fd[i]);
	fd_drop(&n->target);
}

uint64_t namespaces_own(const struct namespaces *n)
{
	uint64_t flags = n->made | n->join;
	for (int i = 0; i < NS_KINDS; i++)
		if (n->fd[i] >= 0)
			flags |= kinds[i].flag;
	return flags;
}

/* Whether st is of the namespace of that kind that we are in. */
static int is_ours(const struct stat *st, int kind, struct err *e)
{
	struct stat own;
	own(mem) char *path = mem_printf("/proc/self/ns/%s", kinds[kind].file);
	if (stat(path, &own) < 0)
		return err_sys(e, "%s", path);
	return own.st_dev == st->st_dev && own.st_ino == st->st_ino;
}

int namespaces_find(const struct spec *s, pid_t target, uint64_t *ret, struct err *e)
{
	*ret = 0;
	for (int i = 0; i < NS_KINDS; i++) {
		const struct spec_namespace *row = spec_namespace(s, kinds[i].type);
		int ours = 0;
		if (row && !str_is_empty(row->path)) {
			struct stat st;
			own(mem) char *path = mem_printf("/proc/%d/ns/%s", (int)target, kinds[i].file);
			if (stat(path, &st) < 0)
				return err_sys(e, "%s", path);
			ours = is_ours(&st, i, e);
		}
		if (ours < 0)
			return -1;
		if (row && !ours)
			*ret |= kinds[i].flag;
	}
	return 0;
}

/* -2: it is the one we are in. */
static int open_path(const char *path, int kind, struct err *e)
{
	struct stat st;
	own(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, "%s namespace %.300s", kinds[kind].type, path);
	if (ioctl(fd, NS_GET_NSTYPE) != (int)kinds[kind].flag)
		return err_set(e, ERR_USAGE, "%s namespace %.300s: the file is not such a namespace", kinds[kind].type, path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "%s namespace %.300s", kinds[kind].type, path);
	int ours = is_ours(&st, kind, e);
	return ours < 0 ? -1 : ours ? -2 : take_fd(fd);
}

int namespaces_open(const struct spec *s, struct namespaces *ret, struct err *e)
{
	own(namespaces) struct namespaces n = NAMESPACES_INIT;
	for (int i = 0; i < NS_KINDS; i++) {
		const struct spec_namespace *row = spec_namespace(s, kinds[i].type);
		if (row && str_is_empty(row->path))
			n.made |= kinds[i].flag;
		else if (row && (n.fd[i] = open_path(row->path, i, e)) == -1)
			return -1;
		else if (n.fd[i] < 0)
			n.fd[i] = -1;
	}
	*ret = n;
	n = (struct namespaces)NAMESPACES_INIT;
	return 0;
}

static int join_paths(const struct namespaces *n, bool try, uint64_t *joined, struct err *e)
{
	for (int i = 0; i < NS_KINDS; i++) {
		if (n->fd[i] < 0 || *joined & kinds[i].flag)
			continue;
		if (setns(n->fd[i], (int)kinds[i].flag) == 0)
			*joined |= kinds[i].flag;
		else if (!try || errno != EPERM)
			return err_sys(e, "join the %s namespace", kinds[i].type);
	}
	return 0;
}

int namespaces_join(struct namespaces *n, struct err *e)
{
	if (n->joined)
		return 0;
	/* One call for all: the kernel takes the user namespace first, and all or none. The PID namespace is ours already. */
	uint64_t join = n->join & ~(uint64_t)CLONE_NEWPID;
	if (n->target >= 0 && join && setns(n->target, (int)join) < 0)
		return err_sys(e, "join the container's namespaces");
	/* What does not belong to the user namespace is joined with the rights one has outside of it, the rest from inside. */
	uint64_t joined = CLONE_NEWUSER | CLONE_NEWPID;
	bool has_user = n->fd[NS_USER] >= 0;
	if (has_user && join_paths(n, true, &joined, e) < 0)
		return -1;
	if (has_user && setns(n->fd[NS_USER], CLONE_NEWUSER) < 0)
		return err_sys(e, "join the user namespace");
	return join_paths(n, false, &joined, e);
}

static int format_offsets(const struct json *offsets, struct buf *b, struct err *e)
{
	for (struct json_iter it = {}; json_next(offsets, &it);) {
		if (!str_eq(it.key, "monotonic") && !str_eq(it.key, "boottime"))
			return err_set(e, ERR_USAGE, "linux.timeOffsets: unknown clock \"%.40s\"", it.key);
		buf_printf(b, "%s %lld %lld\n", it.key, (long long)json_i64(json_get(it.value, "secs")),
			(long long)json_i64(json_get(it.value, "nanosecs")));
	}
	return 0;
}

/* What the caller chose for its next child, and how to take it back. */
struct choice {
	int pid, time; /* our own namespaces, -1: nothing was changed */
};

static void choice_drop(struct choice *c)
{
	fd_drop(&c->pid);
	fd_drop(&c->time);
}

/* Allowed to who could leave; what fails all the same is tried again, because whoever we start next would be born there. */
static int go_back(int ns, int kind, struct err *e)
{
	for (int i = 0; ns >= 0 && setns(ns, (int)kinds[kind].flag) < 0; i++)
		if (i == 3)
			return err_sys(e, "go back to our own %s namespace", kinds[kind].type);
	return 0;
}

static int choice_undo(const struct choice *c, struct err *e)
{
	struct err second = {};
	int pid = go_back(c->pid, NS_PID, e);
	return go_back(c->time, NS_TIME, pid < 0 ? &second : e) < 0 || pid < 0 ? -1 : 0;
}

static int choose_time(const struct json *offsets, struct choice *c, struct err *e)
{
	own(fd) int self = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	if (self < 0 || unshare(CLONE_NEWTIME) < 0)
		return err_sys(e, "new time namespace");
	c->time = take_fd(self);
	own(buf) struct buf b = BUF(4096);
	if (format_offsets(offsets, &b, e) < 0)
		return -1;
	own(fd) int fd = b.len ? open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC) : -1;
	if (!b.len || (fd >= 0 && fd_write_all(fd, b.data, b.len) == 0))
		return 0;
	if (errno == ERANGE || errno == EINVAL)
		return err_set(e, ERR_USAGE, "linux.timeOffsets: the kernel refuses them: no clock may go below zero, and nanosecs are less than a second");
	return err_sys(e, "linux.timeOffsets");
}

/* 1: this caller may not; a process in between has to. */
static int choose_pid(const struct namespaces *n, struct choice *c, struct err *e)
{
	int other = n->fd[NS_PID] >= 0 ? n->fd[NS_PID] : n->join & CLONE_NEWPID ? n->target : -1;
	if (other < 0)
		return 0;
	own(fd) int self = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (self < 0)
		return err_sys(e, "our own PID namespace");
	/* Tried before it matters: a plain user's hull, in its user namespace, could go but not come back. */
	if (setns(self, CLONE_NEWPID) < 0)
		return errno == EPERM ? 1 : err_sys(e, "our own PID namespace");
	if (setns(other, CLONE_NEWPID) < 0)
		return errno == EPERM && n->join & CLONE_NEWUSER ? 1 : err_sys(e, "join the pid namespace");
	c->pid = take_fd(self);
	return 0;
}

static uint64_t clone_flags(const struct namespaces *n)
{
	return n->made & ~(uint64_t)(CLONE_NEWTIME | CLONE_NEWCGROUP);
}

/* In the process in between: joins, clones our caller's child, tells its pid. */
static pid_t clone_for_parent(struct namespaces *n, const struct json *offsets, int tell, struct err *e)
{
	struct choice c __attribute__((cleanup(choice_drop))) = {-1, -1};
	if (namespaces_join(n, e) < 0)
		return -1;
	int other = n->fd[NS_PID] >= 0 ? n->fd[NS_PID] : n->join & CLONE_NEWPID ? n->target : -1;
	if (other >= 0 && setns(other, CLONE_NEWPID) < 0)
		return err_sys(e, "join the pid namespace");
	if (n->made & CLONE_NEWTIME && choose_time(offsets, &c, e) < 0)
		return -1;
	pid_t pid = proc_clone(&(struct proc_clone){.flags = clone_flags(n) | CLONE_PARENT, .cgroup = -1});
	if (pid < 0)
		return err_sys(e, "clone the process");
	if (pid == 0) {
		n->joined = true;
		close(tell);
		return 0;
	}
	struct err none = {.sys = pid};
	fd_write_all(tell, &none, sizeof none);
	_exit(0);
}

static pid_t clone_staged(struct namespaces *n, int cgroup, const struct json *offsets, int *ret_pidfd, struct err *e)
{
	int tell[2];
	if (fd_pipe(tell, e) < 0)
		return -1;
	pid_t between = proc_clone(&(struct proc_clone){.cgroup = cgroup});
	if (between == 0) {
		struct err why = {};
		close(tell[0]);
		if (clone_for_parent(n, offsets, tell[1], &why) == 0)
			return 0;
		fd_write_all(tell[1], &why, sizeof why);
		_exit(1);
	}
	int saved = errno, status;
	close(tell[1]);
	struct err answer = {};
	ssize_t got = between < 0 ? 0 : fd_read_full(tell[0], &answer, sizeof answer);
	close(tell[0]);
	errno = saved;
	if (between < 0)
		return err_sys(e, "clone the process");
	waitpid(between, &status, 0);
	if (got != sizeof answer)
		return err_set(e, ERR_SYSTEM, "the process that joins the user namespace ended (wait status %d)", status);
	if (answer.kind != ERR_NONE)
		return *e = answer, -1;
	/* It is our child and not reaped: the number cannot be another's. */
	*ret_pidfd = proc_pidfd_open(answer.sys);
	return *ret_pidfd < 0 ? err_sys(e, "open the process") : answer.sys;
}

pid_t namespaces_clone(struct namespaces *n, int cgroup, const struct json *time_offsets, int *ret_pidfd, struct err *e)
{
	struct choice c __attribute__((cleanup(choice_drop))) = {-1, -1};
	if (n->fd[NS_USER] >= 0)
		return clone_staged(n, cgroup, time_offsets, ret_pidfd, e);
	int chosen = choose_pid(n, &c, e);
	if (chosen != 0)
		return chosen < 0 ? -1 : clone_staged(n, cgroup, time_offsets, ret_pidfd, e);
	pid_t pid = -1;
	if (!(n->made & CLONE_NEWTIME) || choose_time(time_offsets, &c, e) == 0) {
		pid = proc_clone(&(struct proc_clone){.flags = clone_flags(n), .cgroup = cgroup, .pidfd = ret_pidfd});
		if (pid < 0)
			(void)err_sys(e, "clone the process%s", errno == ENOSPC ? " (too many namespaces: see /proc/sys/user)"
				: errno == EPERM && n->made & CLONE_NEWUSER ? " (there are no user namespaces in a chroot)" : "");
	}
	struct err lost = {};
	if (pid == 0 || choice_undo(&c, &lost) == 0) /* the choice is the parent's */
		return pid;
	if (pid > 0) {
		int status;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		fd_drop(ret_pidfd);
		*e = lost;
	}
	return -1;
}
