/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: one more process in a running container: one clone3 into its cgroup (and, chosen for that moment, its PID
 * namespace), then the child joins the others by the pidfd of the container's first process and goes the way of init.c
 * from there. No helper, no mount.
 *
 * The child is not dumpable before it joins: what runs in the container must not look into it (and so not reach hull's
 * executable or open files) until it has become the user's command.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct execution {
	const struct container_exec *x;
	struct container_process p;
	struct namespaces ns;
	struct seccomp_filter filter;
	int tasks[CGROUP_TASKS];
	int sock, child_sock;
	int resctrl; /* the root of that file system, when it is needed */
	int root;    /* the container's, where no mount namespace leads to it */
};

static void execution_drop(struct execution *x)
{
	fd_drop(&x->sock);
	fd_drop(&x->child_sock);
	fd_drop(&x->resctrl);
	fd_drop(&x->root);
	namespaces_drop(&x->ns);
	seccomp_filter_drop(&x->filter);
	for (int i = 0; i < CGROUP_TASKS; i++)
		fd_drop(&x->tasks[i]);
	fd_drop(&x->p.pidfd);
	fd_drop(&x->p.console);
}

static int find_target(struct execution *x, struct err *e)
{
	const struct container_exec *c = x->x;
	x->ns.target = proc_pidfd_open(c->pid);
	/* Looked at after the pidfd is ours: the number cannot change its owner any more. */
	if (x->ns.target < 0 && errno != ESRCH && errno != EINVAL)
		return err_sys(e, "the container's process");
	if (x->ns.target < 0 || (c->start_time && !container_is_alive(c->pid, c->start_time)))
		return err_set(e, ERR_CONFLICT, "the container is not running");
	if (!c->ignore_paused && c->cgroup && c->cgroup->rows && cgroup_is_frozen(c->cgroup))
		return err_set(e, ERR_CONFLICT, "the container is paused");
	return namespaces_find(c->spec, c->pid, &x->ns.join, e);
}

static int open_root(struct execution *x, struct err *e)
{
	char path[32];
	snprintf(path, sizeof path, "/proc/%d/root", (int)x->x->pid);
	x->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* It is his while he lives. */
	return x->root < 0 || proc_pidfd_signal(x->ns.target, 0) < 0 ? err_sys(e, "the container's root") : 0;
}

static int prepare(struct execution *x, struct err *e)
{
	const struct container_exec *c = x->x;
	int pair[2];
	if (labels_check(c->process, NULL, e) < 0 || find_target(x, e) < 0 || (rootfs_is_shared(c->spec) && open_root(x, e) < 0))
		return -1;
	if (seccomp_filter_of(c->spec, c->seccomp_cache, &x->filter, e) < 0)
		return -1;
	if (c->spec->linux_->intel_rdt && (x->resctrl = setup_resctrl(c->resctrl, e)) < 0)
		return -1;
	if (c->cgroup && !c->place && cgroup_open_tasks(c->cgroup, x->tasks, e) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socket");
	x->sock = pair[0];
	x->child_sock = pair[1];
	return 0;
}

__attribute__((noreturn)) static void be_child(struct execution *x)
{
	const struct container_exec *c = x->x;
	fd_drop(&x->sock);
	struct setup s = {.spec = c->spec, .id = c->id, .keep_keyring = c->no_new_keyring, .process = c->process, .cgroup = c->cgroup,
		.ns = &x->ns, .sock = x->child_sock,
		.filter = x->filter.n ? &x->filter : NULL, .listen = -1, .hook_output = {-1, -1}, .root = x->root, .host = -1,
		.shared = x->root >= 0,
		.slave = -1, .master = -1, .preserve_fds = c->preserve_fds, .wait = x->resctrl >= 0, .own_userns = x->ns.join & CLONE_NEWUSER};
	memcpy(s.stdio, c->stdio, sizeof s.stdio);
	memcpy(s.tasks, c->place ? c->place->tasks : x->tasks, sizeof s.tasks);
	init_exec(&s);
}

/* While it waits for us. */
static int classify(struct execution *x, struct err *e)
{
	struct intel_rdt r;
	intel_rdt_of(x->x->spec->linux_->intel_rdt, x->x->id ? x->x->id : "", &r);
	return intel_rdt_apply(x->resctrl, &r, x->p.pid, e) < 0 ? -1 : setup_say(x->sock, SETUP_GO, e);
}

static int follow(struct execution *x, struct err *e)
{
	const struct container_exec *c = x->x;
	struct setup_message m = {};
	int fd = -1;
	int r = setup_receive(x->sock, &m, &x->p.console, e);
	if (r == 0)
		return err_set(e, ERR_CONFLICT, "the process ended before it began: was the container stopped?");
	if (r > 0 && m.word == SETUP_READY)
		r = (x->resctrl >= 0 && classify(x, e) < 0) ? -1 : setup_receive(x->sock, &m, &fd, e);
	if (r > 0 && m.word == SETUP_AGENT)
		r = seccomp_listener_hand_over(&(struct setup_container){c->spec, c->id, c->bundle, "running", c->pid, x->p.pid}, x->sock, &m, &fd, e);
	fd_drop(&fd);
	/* The launch program waits for us: its root and directory are still to be seen. */
	return r > 0 ? explain_exec(x->p.pid, x->x->process->cwd, m.why.text, m.why.sys, e) : r;
}

/* A container that ends while we are about to join it fails anywhere on the way. */
static int explain_end(const struct container_exec *c, struct err *e)
{
	if (e->sys == ESRCH || (c->start_time && !container_is_alive(c->pid, c->start_time)))
		return err_set(e, ERR_CONFLICT, "the container is not running any more");
	return -1;
}

static pid_t clone_into(struct execution *x, int group, struct err *e)
{
	const struct container_exec *c = x->x;
	pid_t pid = namespaces_clone(&x->ns, group, NULL, &x->p.pidfd, e);
	if (pid == 0)
		be_child(x);
	if (pid > 0 || e->sys != EBUSY || c->place || !c->cgroup)
		return pid;
	/* cgroups(7), "no internal processes": what runs in the container has given its resources to groups below. */
	own(cgroup_place) struct cgroup_place beside = CGROUP_PLACE_EMPTY;
	struct err why = {};
	if (cgroup_place_beside(c->cgroup, c->pid, &beside, &why) < 0)
		return -1;
	*e = (struct err){};
	pid = namespaces_clone(&x->ns, beside.v2, NULL, &x->p.pidfd, e);
	if (pid == 0)
		be_child(x);
	return pid;
}

int container_exec(const struct container_exec *c, struct container_process *ret, struct err *e)
{
	struct execution x __attribute__((cleanup(execution_drop))) = {.x = c, .ns = NAMESPACES_INIT, .sock = -1, .child_sock = -1,
		.resctrl = -1, .root = -1,
		.p = {.pidfd = -1, .console = -1}};
	for (int i = 0; i < CGROUP_TASKS; i++)
		x.tasks[i] = -1;
	if (prepare(&x, e) < 0)
		return explain_end(c, e);
	x.p.pid = clone_into(&x, c->place ? c->place->v2 : c->cgroup ? c->cgroup->v2 : -1, e);
	fd_drop(&x.child_sock);
	if (x.p.pid < 0)
		return explain_end(c, e);
	if (follow(&x, e) < 0) {
		proc_pidfd_signal(x.p.pidfd, SIGKILL);
		fd_drop(&x.sock);
		while (waitpid(x.p.pid, NULL, 0) < 0 && errno == EINTR)
			;
		return explain_end(c, e);
	}
	*ret = x.p;
	x.p = (struct container_process){.pidfd = -1, .console = -1};
	return 0;
}
