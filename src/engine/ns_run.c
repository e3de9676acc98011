/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns_run: in this order:
 *
 *   a scribe is forked that stays where we were: it writes maps that only somebody outside may write, and mounts the
 *   new namespaces on the files that are to keep them
 *   unshare; offsets of clocks; the scribe's work
 *   fork, if asked for; a PID namespace can be kept only now, when it has its first process
 *   in the child, or in us: propagation, root, /proc, working directory, ids, exec
 */
#include "engine/ns_run.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct scribe { pid_t pid; int sock; };

/* What is asked for, and what was found out before we had other ids. */
struct run {
	const struct ns_run *r;
	bool writer; /* the maps are more than a caller may write by himself */
	struct scribe scribe;
};
enum { DO_MAPS_AND_FILES = 'm', DO_PID_FILE = 'p' };

static bool is_late(int kind)
{
	return nsfs_kinds[kind].flag == CLONE_NEWPID || nsfs_kinds[kind].flag == CLONE_NEWTIME;
}

static int keep_files(const struct ns_run *r, pid_t of, bool late, struct err *e)
{
	for (int i = 0; i < NSFS_KINDS; i++) {
		char from[64];
		if (!r->keep[i] || is_late(i) != late)
			continue;
		snprintf(from, sizeof from, "/proc/%d/ns/%s%s", (int)of, nsfs_kinds[i].type, late ? "_for_children" : "");
		if (mount(from, r->keep[i], NULL, MS_BIND, NULL) < 0)
			return err_sys(e, "keep the %s namespace at %.200s", nsfs_kinds[i].word, r->keep[i]);
	}
	return 0;
}

/* Our caller may write a single row of his own by himself. */
static bool is_own_row(const struct idmap_rows *rows, uint32_t id)
{
	return rows->n == 0 || (rows->n == 1 && rows->v[0].size == 1 && rows->v[0].host_id == id);
}

static bool needs_writer(const struct ns_run *r)
{
	return !is_own_row(&r->uids, geteuid()) || !is_own_row(&r->gids, getegid());
}

static void be_scribe(const struct run *run, pid_t of, int sock)
{
	const struct ns_run *r = run->r;
	for (char what; read(sock, &what, 1) == 1;) {
		struct err why = {};
		int ok = what == DO_MAPS_AND_FILES && run->writer ? idmap_write_given(of, &r->uids, &r->gids, &why) : 0;
		if (ok == 0)
			ok = keep_files(r, of, what == DO_PID_FILE, &why);
		if (fd_write_all(sock, &why, sizeof why) < 0)
			break;
	}
	_exit(0);
}

static int scribe_start(struct run *run, struct err *e)
{
	int s[2];
	bool needed = run->writer;
	for (int i = 0; i < NSFS_KINDS; i++)
		needed |= run->r->keep[i] != NULL;
	if (!needed)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) < 0)
		return err_sys(e, "socket");
	pid_t us = getpid(), pid = fork();
	if (pid == 0) {
		close(s[0]);
		be_scribe(run, us, s[1]);
	}
	close(s[1]);
	run->scribe = (struct scribe){pid, s[0]};
	return pid < 0 ? err_sys(e, "fork") : 0;
}

static int scribe_ask(const struct scribe *s, char what, struct err *e)
{
	struct err answer = {};
	if (s->sock < 0)
		return 0;
	if (fd_write_all(s->sock, &what, 1) < 0 || fd_read_full(s->sock, &answer, sizeof answer) != sizeof answer)
		return err_set(e, ERR_SYSTEM, "the process that writes the maps has ended");
	return answer.kind == ERR_NONE ? 0 : (*e = answer, -1);
}

static void scribe_end(struct scribe *s)
{
	if (s->sock < 0)
		return;
	fd_drop(&s->sock);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int put_row(const char *file, const struct idmap_rows *rows, struct err *e)
{
	char text[64];
	if (!rows->n)
		return 0;
	snprintf(text, sizeof text, "%u %u %u\n", rows->v[0].container_id, rows->v[0].host_id, rows->v[0].size);
	return path_put(AT_FDCWD, file, text, e);
}

/* Maps of our own ids, and whether groups may be set. */
static int write_own_maps(const struct run *run, struct err *e)
{
	const struct ns_run *r = run->r;
	bool own_maps = !run->writer;
	const char *setgroups = r->setgroups ? r->setgroups : own_maps && r->gids.n ? "deny" : NULL;
	if (own_maps && r->gids.n && str_eq(r->setgroups, "allow"))
		return err_set(e, ERR_USAGE, "--setgroups allow: the kernel refuses it where one maps his own group alone");
	if (setgroups && path_put(AT_FDCWD, "/proc/self/setgroups", setgroups, e) < 0)
		return -1;
	return own_maps ? put_row("/proc/self/uid_map", &r->uids, e) < 0 ? -1 : put_row("/proc/self/gid_map", &r->gids, e) : 0;
}

static int set_clocks(const struct ns_run *r, struct err *e)
{
	char text[96];
	if (!(r->flags & CLONE_NEWTIME) || (!r->monotonic_s && !r->boottime_s))
		return 0;
	snprintf(text, sizeof text, "monotonic %lld 0\nboottime %lld 0\n", (long long)r->monotonic_s, (long long)r->boottime_s);
	return path_put(AT_FDCWD, "/proc/self/timens_offsets", text, e);
}

static int arrange(const struct ns_run *r, struct err *e)
{
	if (r->kill_child && prctl(PR_SET_PDEATHSIG, r->kill_child, 0, 0, 0) < 0)
		return err_sys(e, "--kill-child");
	if (r->flags & CLONE_NEWNS && r->propagation && mount("none", "/", NULL, MS_REC | r->propagation, NULL) < 0)
		return err_sys(e, "propagation of the root's mounts");
	if (r->root && (chroot(r->root) < 0 || chdir("/") < 0))
		return err_sys(e, "root %.200s", r->root);
	if (r->mount_proc) {
		/* Else the host would see it too. */
		if (!r->root && !r->propagation && mount("none", r->mount_proc, NULL, MS_PRIVATE | MS_REC, NULL) < 0 && errno != EINVAL)
			return err_sys(e, "propagation of %.200s", r->mount_proc);
		if (mount("proc", r->mount_proc, "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) < 0)
			return err_sys(e, "mount %.200s", r->mount_proc);
	}
	return r->wd && chdir(r->wd) < 0 ? err_sys(e, "working directory %.200s", r->wd) : 0;
}

/* In the child: not before the scribe has done what can only be done now. */
static int go_on(const struct ns_run *r, int gate[2], struct err *e)
{
	char c;
	close(gate[1]);
	bool well = read(gate[0], &c, 1) == 1;
	close(gate[0]);
	if (!well)
		_exit(1);
	return arrange(r, e) < 0 ? -1 : ns_exec(&r->who, r->argv, e);
}

static int run_child(struct run *run, int *ret_status, struct err *e)
{
	int gate[2];
	if (fd_pipe(gate, e) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		return go_on(run->r, gate, e);
	close(gate[0]);
	int ok = pid < 0 ? err_sys(e, "fork") : scribe_ask(&run->scribe, DO_PID_FILE, e);
	if (ok == 0)
		(void)!write(gate[1], "", 1);
	close(gate[1]);
	scribe_end(&run->scribe);
	if (pid < 0)
		return -1;
	struct err ignored = {};
	*ret_status = ns_wait(pid, ok < 0 ? &ignored : e);
	return ok < 0 || *ret_status < 0 ? -1 : 0;
}

int ns_run(const struct ns_run *r, int *ret_status, struct err *e)
{
	struct run run = {.r = r, .writer = needs_writer(r), .scribe.sock = -1};
	for (int i = 0; i < NSFS_KINDS; i++)
		if (r->keep[i] && is_late(i) && !r->fork)
			return err_set(e, ERR_USAGE, "--%s=%.100s: only with --fork is there a process whose namespace can be kept",
				nsfs_kinds[i].word, r->keep[i]);
	if (scribe_start(&run, e) < 0)
		return -1;
	int ok = 0;
	if (unshare((int)r->flags) < 0)
		ok = err_sys(e, "unshare%s", errno == ENOSPC ? " (too many namespaces: see /proc/sys/user)" : "");
	if (ok == 0)
		ok = set_clocks(r, e);
	if (ok == 0)
		ok = scribe_ask(&run.scribe, DO_MAPS_AND_FILES, e);
	if (ok == 0)
		ok = write_own_maps(&run, e);
	if (ok == 0 && r->fork)
		return run_child(&run, ret_status, e);
	scribe_end(&run.scribe);
	if (ok < 0 || arrange(r, e) < 0)
		return -1;
	return ns_exec(&r->who, r->argv, e);
}
