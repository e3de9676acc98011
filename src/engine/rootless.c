/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootless: who is in the user's namespace is told by record locks on <run>/userns.lock, because fcntl(2) F_GETLK answers
 * with the holder's pid, and because the kernel lets go of them when a process dies, however it dies.
 *
 *   byte 0   the gate: held while a process looks for the namespace and joins or makes it
 *   byte 1   shared by every process that is inside: commands, and monitors (which take their own after the fork)
 *
 * So there is never a moment at which a second namespace is made while somebody is in the first. It is joined by the pidfd
 * of a holder; that the lock is still held by that pid afterwards proves that the pidfd is of the holder.
 *
 * The maps of more than one id are written by newuidmap(1) and newgidmap(1), which are setuid. They must be run from
 * outside of the namespace, so a child is forked before unshare(2) and told when to run them.
 */
#include "engine/rootless.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GATE, MEMBERS, RANGES_MAX = 32 };

/* How many ids from 0 on this namespace has; *ret_whole: all there are, so it is the machine's own. */
static uint32_t count_ids(const char *file, bool *ret_whole)
{
	own(buf) struct buf b = BUF(65536);
	struct err ignored = {};
	uint32_t n = 0;
	unsigned inside, outside, count;
	*ret_whole = path_read(AT_FDCWD, file, &b, &ignored) < 0;
	own(strv) struct strv lines = {};
	strv_split(&lines, buf_text(&b), '\n');
	for (size_t i = 0; i < lines.n; i++)
		if (sscanf(lines.v[i], "%u %u %u", &inside, &outside, &count) == 3) {
			*ret_whole |= inside == 0 && outside == 0 && count == UINT32_MAX;
			if (inside == n)
				n += count;
		}
	return *ret_whole ? UINT32_MAX : n;
}

static void look_around(struct rootless *r)
{
	bool whole = false, whole_groups = false;
	r->uids = count_ids("/proc/self/uid_map", &whole);
	r->gids = count_ids("/proc/self/gid_map", &whole_groups);
	r->inside = !whole;
}

/* 1: joined, 0: nobody is there. */
static int join(int lock, struct err *e)
{
	for (int i = 0; i < 100; i++) {
		pid_t pid = fd_lock_holder(lock, MEMBERS);
		if (pid <= 0)
			return 0;
		own(fd) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (pidfd < 0 || fd_lock_holder(lock, MEMBERS) != pid)
			continue;
		if (setns(pidfd, CLONE_NEWUSER) == 0)
			return 1;
		if (errno != ESRCH)
			return err_sys(e, "join the user namespace of process %d", (int)pid);
	}
	return err_set(e, ERR_CONFLICT, "the user namespace of the running containers cannot be found");
}

static char *user_name(uid_t uid)
{
	own(buf) struct buf b = BUF(4 << 20);
	struct err ignored = {};
	if (path_read(AT_FDCWD, "/etc/passwd", &b, &ignored) == 0) {
		own(strv) struct strv lines = {};
		strv_split(&lines, buf_text(&b), '\n');
		for (size_t i = 0; i < lines.n; i++) {
			own(strv) struct strv f = {};
			uint64_t v;
			strv_split(&f, lines.v[i], ':');
			if (f.n > 2 && num_u64(f.v[2], UINT32_MAX, &v, "uid", &ignored) == 0 && v == uid)
				return mem_dup(f.v[0]);
		}
	}
	/* A user whom only a name service knows. newuidmap asks that itself, so a false name gains nothing. */
	return mem_dup(getenv("LOGNAME"));
}

/* Arguments of newuidmap: the pid, the user as 0, his ranges behind it. Returns how many ids the ranges have. */
static uint64_t map_args(const char *tool, pid_t pid, const char *file, const char *name, uid_t user, uint32_t self, struct strv *ret)
{
	own(buf) struct buf b = BUF(1 << 20);
	own(strv) struct strv lines = {};
	struct err ignored = {};
	uint64_t next = 1;
	strv_add(ret, tool);
	strv_add_take(ret, mem_printf("%d", (int)pid));
	strv_add(ret, "0");
	strv_add_take(ret, mem_printf("%u", self));
	strv_add(ret, "1");
	if (path_read(AT_FDCWD, file, &b, &ignored) < 0)
		return 0;
	strv_split(&lines, buf_text(&b), '\n');
	for (size_t i = 0; i < lines.n && ret->n < 5 + 3 * RANGES_MAX; i++) {
		own(strv) struct strv f = {};
		uint64_t who = UINT64_MAX, first, count;
		strv_split(&f, lines.v[i], ':');
		if (f.n != 3 || num_u64(f.v[1], UINT32_MAX, &first, "id", &ignored) < 0 || num_u64(f.v[2], UINT32_MAX, &count, "count", &ignored) < 0)
			continue;
		bool is_mine = str_eq(f.v[0], name) || (num_u64(f.v[0], UINT32_MAX, &who, "uid", &ignored) == 0 && who == user);
		if (!is_mine || !count || next + count > UINT32_MAX)
			continue;
		strv_add_take(ret, mem_printf("%llu", (unsigned long long)next));
		strv_add_take(ret, mem_printf("%llu", (unsigned long long)first));
		strv_add_take(ret, mem_printf("%llu", (unsigned long long)count));
		next += count;
	}
	return next - 1;
}

static bool run_tool(const struct strv *args)
{
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, 1);
		dup2(null, 2);
		execvp(args->v[0], args->v);
		_exit(127);
	}
	int status = 0;
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* The child outside: waits for the word, writes both maps. -1 when there is nothing to map. */
static pid_t fork_mapper(const struct rootless *r, int go[2])
{
	pid_t parent = getpid();
	own(mem) char *name = user_name(r->user);
	own(strv) struct strv uids = {};
	own(strv) struct strv gids = {};
	if (!map_args("newuidmap", parent, "/etc/subuid", name, r->user, r->user, &uids) ||
		!map_args("newgidmap", parent, "/etc/subgid", name, r->user, r->group, &gids))
		return -1;
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	char word = 0;
	close(go[1]);
	bool good = fd_read_full(go[0], &word, 1) == 1 && run_tool(&uids) && run_tool(&gids);
	_exit(good ? 0 : 1);
}

static int map_one(const struct rootless *r, struct err *e)
{
	char uids[32], gids[32];
	snprintf(uids, sizeof uids, "0 %u 1\n", r->user);
	snprintf(gids, sizeof gids, "0 %u 1\n", r->group);
	bool whole;
	if (path_put(AT_FDCWD, "/proc/self/uid_map", uids, e) < 0 && count_ids("/proc/self/uid_map", &whole) == 0)
		return err_wrap(e, "user namespace");
	if (path_put(AT_FDCWD, "/proc/self/setgroups", "deny", e) < 0 ||
		path_put(AT_FDCWD, "/proc/self/gid_map", gids, e) < 0)
		return err_wrap(e, "user namespace");
	return 0;
}

static int make(const struct rootless *r, struct err *e)
{
	int go[2];
	if (fd_pipe(go, e) < 0)
		return -1;
	pid_t mapper = fork_mapper(r, go);
	close(go[0]);
	int made = unshare(CLONE_NEWUSER);
	int saved = errno;
	if (made == 0 && mapper > 0)
		(void)!write(go[1], "", 1);
	close(go[1]);
	int status = -1;
	if (mapper > 0)
		while (waitpid(mapper, &status, 0) < 0 && errno == EINTR)
			;
	errno = saved;
	if (made < 0 && (errno == EPERM || errno == ENOSPC || errno == EUSERS))
		return err_set(e, ERR_UNSUPPORTED, "this machine does not let plain users make user namespaces (%s): run hull as root, "
			"or see the sysctls user.max_user_namespaces and kernel.unprivileged_userns_clone; a chroot has none", strerror(errno));
	if (made < 0)
		return err_sys(e, "make a user namespace");
	/* newuidmap may have been done and newgidmap not: then the uid map is there and must be kept. */
	return mapper > 0 && status == 0 ? 0 : map_one(r, e);
}

static int enter(struct rootless *r, struct err *e)
{
	if (fd_lock_byte(r->lock, F_WRLCK, GATE, true) < 0)
		return err_sys(e, "lock userns.lock");
	int joined = join(r->lock, e);
	if (joined < 0 || (joined == 0 && make(r, e) < 0))
		return -1;
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, "make a mount namespace");
	if (rootless_hold(r, e) < 0)
		return -1;
	(void)fd_lock_byte(r->lock, F_UNLCK, GATE, false);
	return 0;
}

int rootless_enter(int run, struct rootless *ret, struct err *e)
{
	*ret = (struct rootless){.user = getuid(), .group = getgid(), .lock = -1};
	if (geteuid() != 0) {
		ret->lock = openat(run, "userns.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (ret->lock < 0)
			return err_sys(e, "open userns.lock");
		if (enter(ret, e) < 0) {
			rootless_drop(ret);
			return -1;
		}
	}
	look_around(ret);
	return 0;
}

int rootless_hold(struct rootless *r, struct err *e)
{
	if (r->lock >= 0 && fd_lock_byte(r->lock, F_RDLCK, MEMBERS, true) < 0)
		return err_sys(e, "lock userns.lock");
	return 0;
}

void rootless_drop(struct rootless *r)
{
	fd_drop(&r->lock);
	r->lock = -1;
}
