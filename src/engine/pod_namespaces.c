/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod_namespaces: a child is cloned into all of them at once (so that they belong to the pod's user namespace, when it has one), sets the
 * host name, and waits; we open /proc/<child>/ns/…; when the network is wired it ends. Descriptors keep them from then on.
 *
 * A PID namespace cannot be kept so: it ends with its first process. Where it is shared the child stays and is that: it reaps what is
 * orphaned, sees nothing (an empty root, no descriptors, not to be traced), and dies with us.
 */
#include "engine/pod_namespaces.h"

#include "base/fd.h"
#include "base/path.h"
#include "net/link.h"
#include "runtime/idmap.h"
#include "sys/caps.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *share, *file; /* podman's word, and the one below /proc/<pid>/ns */
	uint64_t flag;
} kinds[POD_NAMESPACES] = {{NULL, "user", CLONE_NEWUSER}, [POD_NET] = {"net", "net", CLONE_NEWNET}, {"ipc", "ipc", CLONE_NEWIPC}, {"uts", "uts", CLONE_NEWUTS},
	{"pid", "pid", CLONE_NEWPID}, {"cgroup", "cgroup", CLONE_NEWCGROUP}};

/* A network of the host's, or of somebody else's, is not the pod's to make. */
static bool is_made(const struct pod_namespaces_request *r, size_t kind)
{
	const char *mode = r->pod->record.host.network_mode;
	if (kinds[kind].flag == CLONE_NEWUSER)
		return r->maps->nuids > 0;
	if (kinds[kind].flag == CLONE_NEWNET && (str_eq(mode, "host") || str_has_prefix(mode, "ns:") || str_has_prefix(mode, "container:")))
		return false;
	return pod_shares(r->pod, kinds[kind].share);
}

static uint64_t flags_of(const struct pod_namespaces_request *r)
{
	uint64_t flags = 0;
	for (size_t i = 0; i < POD_NAMESPACES; i++)
		if (is_made(r, i))
			flags |= kinds[i].flag;
	return flags;
}

/* Leads nowhere: who may look at /proc/1 of the pod sees an empty directory. */
static int hide(struct err *e)
{
	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
		mount("none", "/proc", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k") < 0 ||
		chdir("/proc") < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, "the first process of the pod");
	/* Who may trace the pod's processes gets nothing by this one. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "no_new_privs");
	return caps_limit_bounding(0, e) < 0 ? -1 : caps_apply(0, 0, 0, e);
}

static _Noreturn void reap(void)
{
	sigset_t all;
	int status;
	prctl(PR_SET_NAME, "hull-pod-init");
	prctl(PR_SET_DUMPABLE, 0);
	fd_close_from(0, NULL, 0);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	sigemptyset(&all);
	sigaddset(&all, SIGCHLD);
	for (;;) {
		int sig;
		sigwait(&all, &sig);
		while (waitpid(-1, &status, WNOHANG) > 0)
			;
	}
}

static int settle_in(const struct pod_namespaces_request *r, uint64_t flags, struct err *e)
{
	const struct container_config *cf = &r->pod->record.config;
	if (flags & CLONE_NEWUTS && ((!str_is_empty(cf->hostname) && sethostname(cf->hostname, strlen(cf->hostname)) < 0) ||
		(!str_is_empty(cf->domainname) && setdomainname(cf->domainname, strlen(cf->domainname)) < 0)))
		return err_sys(e, "the pod's host name");
	return flags & CLONE_NEWNET ? link_up("lo", e) : 0;
}

/* tell: a struct err when all is set; go: one byte when the id maps are written, the end when the network is there. */
static _Noreturn void child(const struct pod_namespaces_request *r, uint64_t flags, int tell, int go)
{
	struct err e = {};
	char word;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd_read_full(go, &word, 1) != 1)
		_exit(1);
	if (r->maps->nuids && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		err_sys_(&e, "the pod's user namespace");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (e.kind == ERR_NONE)
		(void)!settle_in(r, flags, &e);
	if (e.kind == ERR_NONE && flags & CLONE_NEWPID)
		(void)!hide(&e);
	fd_write_all(tell, &e, sizeof e);
	if (e.kind != ERR_NONE || fd_read_full(go, &word, 1) != 0 || !(flags & CLONE_NEWPID))
		_exit(1);
	reap();
}

static int write_maps(const struct pod_namespaces_request *r, pid_t pid, struct err *e)
{
	own(arena) struct arena a = {};
	struct idmap_rows uids = {}, gids = {};
	for (size_t i = 0; i < r->maps->nuids; i++)
		*arena_push(&a, &uids) = (struct idmap_row){r->maps->uids[i].inside, r->maps->uids[i].outside, r->maps->uids[i].count};
	for (size_t i = 0; i < r->maps->ngids; i++)
		*arena_push(&a, &gids) = (struct idmap_row){r->maps->gids[i].inside, r->maps->gids[i].outside, r->maps->gids[i].count};
	return uids.n ? idmap_write(pid, &uids, &gids, e) : 0;
}

static int open_all(struct pod_namespaces *n, uint64_t flags, struct err *e)
{
	for (size_t i = 0; i < POD_NAMESPACES; i++) {
		char path[48];
		if (!(flags & kinds[i].flag))
			continue;
		snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)n->pid, kinds[i].file);
		n->fd[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (n->fd[i] < 0)
			return err_sys(e, "the pod's %s namespace", kinds[i].file);
	}
	return 0;
}

int pod_namespaces_make(const struct pod_namespaces_request *r, struct pod_namespaces *n, struct err *e)
{
	uint64_t flags = flags_of(r);
	int tell[2], go[2];
	struct err said = {};
	if (fd_pipe(tell, e) < 0 || fd_pipe(go, e) < 0)
		return -1;
	n->pid = proc_clone(&(struct proc_clone){.flags = flags | (flags & CLONE_NEWPID ? CLONE_NEWNS : 0), .cgroup = -1, .pidfd = &n->pidfd});
	if (n->pid == 0) {
		close(tell[0]);
		close(go[1]);
		child(r, flags, tell[1], go[0]);
	}
	int saved = errno;
	close(tell[1]);
	close(go[0]);
	own(fd) int told = tell[0];
	n->go = go[1];
	errno = saved;
	if (n->pid < 0)
		return err_sys(e, "make the pod's namespaces");
	if (write_maps(r, n->pid, e) < 0)
		return -1;
	(void)!write(n->go, "", 1);
	if (fd_read_full(told, &said, sizeof said) != sizeof said)
		return err_set(e, ERR_SYSTEM, "the process that makes the pod's namespaces ended");
	return said.kind != ERR_NONE ? (*e = said, -1) : open_all(n, flags, e);
}

/* "net:[4026532008]" */
static const char *id_of(const struct pod_namespaces *n, size_t kind, char ret[48])
{
	char path[48];
	snprintf(path, sizeof path, "/proc/self/fd/%d", n->fd[kind]);
	ssize_t len = readlink(path, ret, 47);
	ret[len < 0 ? 0 : len] = 0;
	return ret;
}

int pod_namespaces_adopt(const struct pod_namespaces_request *r, pid_t pid, struct pod_namespaces *n, struct err *e)
{
	n->pid = pid;
	int result = open_all(n, flags_of(r), e);
	n->pid = 0;
	for (size_t i = 0; result == 0 && i < POD_NAMESPACES; i++) {
		char id[48];
		if (n->fd[i] >= 0 && !str_eq(map_get(&r->pod->state.namespace_ids, kinds[i].file), id_of(n, i, id)))
			result = err_set(e, ERR_CONFLICT, "its %s namespace is not the pod's", kinds[i].file);
	}
	return result;
}

int pod_namespaces_net(const struct pod_namespaces *n)
{
	for (size_t i = 0; i < POD_NAMESPACES; i++)
		if (kinds[i].flag == CLONE_NEWNET)
			return n->fd[i];
	return -1;
}

static void wait_for_child(struct pod_namespaces *n)
{
	fd_drop(&n->go);
	while (n->pid > 0 && waitpid(n->pid, NULL, 0) < 0 && errno == EINTR)
		;
	n->pid = 0;
	fd_drop(&n->pidfd);
}

static bool has_pid(const struct pod_namespaces *n)
{
	for (size_t i = 0; i < POD_NAMESPACES; i++)
		if (kinds[i].flag == CLONE_NEWPID)
			return n->fd[i] >= 0;
	return false;
}

void pod_namespaces_settle(struct pod_namespaces *n)
{
	if (has_pid(n))
		fd_drop(&n->go);
	else
		wait_for_child(n);
}

void pod_namespaces_drop(struct pod_namespaces *n)
{
	if (n->pidfd >= 0)
		proc_pidfd_signal(n->pidfd, SIGKILL);
	wait_for_child(n);
	for (size_t i = 0; i < POD_NAMESPACES; i++)
		fd_drop(&n->fd[i]);
}

void pod_namespaces_note(const struct pod_namespaces *n, struct arena *a, struct container_state *ret)
{
	char path[48], id[48];
	ret->namespaces = ret->namespace_ids = (struct map){};
	for (size_t i = 0; i < POD_NAMESPACES; i++) {
		if (n->fd[i] < 0)
			continue;
		snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), n->fd[i]);
		map_set(a, &ret->namespaces, kinds[i].file, path);
		map_set(a, &ret->namespace_ids, kinds[i].file, id_of(n, i, id));
	}
}
