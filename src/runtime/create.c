/* SPDX-License-Identifier: Apache-2.0 */
/*
 * create: the parent side of making a container; the child's is in init.c, with the picture of how they talk.
 *
 *   1. what can be wrong with the configuration is found before anything is made
 *   2. the filter is compiled (or taken from the cache), namespaces of a path are opened, the cgroups' directories made
 *   3. one clone3 into all namespaces and the v2 cgroup
 *   4. while the child mounts: id maps, limits, device rules, the OOM score. A limit is in force before the command runs,
 *      and needs not be there before
 *   5. the child's hooks, and its report
 *
 * When any of it fails the child is killed and reaped, the cgroups are removed, and nothing is left.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/annotations.h"
#include "runtime/cgroup_delegate.h"
#include "runtime/cgroup_systemd.h"
#include "runtime/idmap.h"
#include "runtime/net_devices.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct creation {
	const struct container_create *c;
	struct container ct;
	struct namespaces ns;
	struct seccomp_filter filter;
	int tasks[CGROUP_TASKS];
	int sock, child_sock;
	int *mapped; /* mounts whose ids are mapped */
	struct net_devices devices;
	int resctrl; /* the root of that file system, when it is needed */
};

static void creation_drop(struct creation *x)
{
	fd_drop(&x->sock);
	fd_drop(&x->child_sock);
	namespaces_drop(&x->ns);
	seccomp_filter_drop(&x->filter);
	mounts_close_mapped(x->c, &x->mapped);
	for (int i = 0; i < CGROUP_TASKS; i++)
		fd_drop(&x->tasks[i]);
	net_devices_drop(&x->devices);
	fd_drop(&x->resctrl);
	container_drop(&x->ct);
}

static int check_annotations(const struct spec *s, struct err *e)
{
	static const char *const kinds[] = {"context", "fscontext", "defcontext", "rootcontext"};
	const char *handler = annotation_get(s, ANNOTATION_HANDLER), *kind = annotation_get(s, ANNOTATION_MOUNT_CONTEXT);
	if (!str_is_empty(handler))
		return err_set(e, ERR_UNSUPPORTED, "%s: the handler \"%.60s\" is not built in", annotation_key(ANNOTATION_HANDLER), handler);
	for (size_t i = 0; kind; i++) {
		if (i == countof(kinds))
			return err_set(e, ERR_USAGE, "%s: \"%.60s\" is not one of context, fscontext, defcontext and rootcontext",
				annotation_key(ANNOTATION_MOUNT_CONTEXT), kind);
		if (strcmp(kinds[i], kind) == 0)
			break;
	}
	return 0;
}

static int check_spec(const struct container_create *c, uint64_t own, struct err *e)
{
	const struct spec *s = c->spec;
	const struct spec_linux *l = s->linux_;
	if (!s->root || str_is_empty(s->root->path))
		return err_set(e, ERR_USAGE, "config.json: root.path is missing");
	if (!(own & CLONE_NEWUTS) && (!str_is_empty(s->hostname) || !str_is_empty(s->domainname)))
		return err_set(e, ERR_USAGE, "a host name of its own needs a uts namespace of its own");
	if (strlen(s->hostname ? s->hostname : "") > 64 || strlen(s->domainname ? s->domainname : "") > 64)
		return err_set(e, ERR_USAGE, "the host name or domain name is longer than 64 bytes");
	if (l->time_offsets && json_len(l->time_offsets) && !(own & CLONE_NEWTIME))
		return err_set(e, ERR_USAGE, "linux.timeOffsets needs a new time namespace");
	if (check_annotations(s, e) < 0 || labels_check(s->process, l->mount_label, e) < 0 || (l->intel_rdt && intel_rdt_check(l->intel_rdt, c->id, e) < 0))
		return -1;
	if (rootfs_check_shared(c, e) < 0)
		return -1;
	return net_devices_check(s, own, e) < 0 ? -1 : sysctl_check(s, own, e);
}

int setup_groups(const struct container_create *c, const struct namespaces *ns, struct container *ct, int *resctrl, struct err *e)
{
	const struct spec_linux *l = c->spec->linux_;
	if (l->intel_rdt && (*resctrl = setup_resctrl(c->resctrl, e)) < 0)
		return -1;
	if (c->cgroup_manager == CGROUP_MANAGER_SYSTEMD && cgroup_systemd_check(c->spec, c->id, e) < 0)
		return -1;
	if (c->cgroup_manager == CGROUP_MANAGER_CGROUPFS && cgroup_create(l->cgroups_path, c->id, l->resources, &ct->cgroup, e) < 0)
		return -1;
	if (c->cgroup_manager == CGROUP_MANAGER_CGROUPFS && cgroup_delegate(&ct->cgroup, c->spec, namespaces_own(ns), e) < 0)
		return -1;
	if (l->intel_rdt && intel_rdt_create(*resctrl, l->intel_rdt, c->id, &ct->rdt, e) < 0)
		return -1;
	return c->prepared ? c->prepared(ct, c->arg, e) : 0;
}

static int prepare(struct creation *x, struct err *e)
{
	const struct container_create *c = x->c;
	int pair[2];
	if (namespaces_open(c->spec, &x->ns, e) < 0 || check_spec(c, namespaces_own(&x->ns), e) < 0)
		return -1;
	if (seccomp_filter_of(c->spec, c->seccomp_cache, &x->filter, e) < 0)
		return -1;
	if (mounts_open_mapped(c, &x->ns, &x->mapped, e) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socket");
	x->sock = pair[0];
	x->child_sock = pair[1];
	return setup_groups(c, &x->ns, &x->ct, &x->resctrl, e) < 0 ? -1 : cgroup_open_tasks(&x->ct.cgroup, x->tasks, e);
}

__attribute__((noreturn)) static void be_child(struct creation *x)
{
	const struct container_create *c = x->c;
	fd_drop(&x->sock);
	/* A configuration without a process can be created, and not started. */
	static const struct spec_process nothing = {.cwd = (char *)(uintptr_t) "/"};
	struct setup s = {.create = c, .id = c->id, .keep_keyring = c->no_new_keyring, .spec = c->spec,
		.process = c->spec->process ? c->spec->process : &nothing, .cgroup = &x->ct.cgroup, .ns = &x->ns,
		.mapped = x->mapped, .filter = x->filter.n ? &x->filter : NULL, .sock = x->child_sock,
		.listen = c->start_listen > 0 ? c->start_listen : -1, .hook_output = {-1, -1}, .root = -1, .host = -1, .slave = -1, .master = -1,
		.preserve_fds = c->preserve_fds, .init = c->init, .wait = true, .shared = rootfs_is_shared(c->spec),
		.own_userns = namespaces_own(&x->ns) & CLONE_NEWUSER};
	memcpy(s.stdio, c->stdio, sizeof s.stdio);
	memcpy(s.tasks, x->tasks, sizeof s.tasks);
	init_main(&s);
}

static bool has_oom_score(const char *path, long long score)
{
	own(buf) struct buf b = BUF(32);
	struct err ignored = {};
	return path_read(AT_FDCWD, path, &b, &ignored) == 0 && strtoll(buf_text(&b), NULL, 10) == score;
}

/* From outside: a container must not reach its own score in a user namespace, and we can without its /proc. A child that we may not write to has
 * raised its own before (init.c). */
static int set_oom_score(struct creation *x, struct err *e)
{
	const struct spec_process *p = x->c->spec->process;
	const struct opt_i64 *score = p ? &p->oom_score_adj : NULL;
	char path[64], text[24];
	if (!score || !score->set)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)x->ct.pid);
	snprintf(text, sizeof text, "%lld", (long long)score->v);
	if (path_put(AT_FDCWD, path, text, e) == 0)
		return 0;
	if (e->sys == EINVAL)
		return err_set(e, ERR_USAGE, "OOM score %s: it must be from -1000 to 1000", text);
	if (e->sys != EACCES && e->sys != EPERM)
		return err_wrap(e, "OOM score");
	if (has_oom_score(path, score->v))
		return 0;
	snprintf(x->ct.warning, sizeof x->ct.warning, "the OOM score cannot be lowered to %s: it needs CAP_SYS_RESOURCE", text);
	return 0;
}

/* systemd takes a process that is there. It learns which groups it is in. */
static int place_in_scope(struct creation *x, struct err *e)
{
	const struct container_create *c = x->c;
	if (cgroup_systemd_start(&x->ct.cgroup, c->spec, c->id, x->ct.pid, e) < 0 ||
		cgroup_delegate(&x->ct.cgroup, c->spec, namespaces_own(&x->ns), e) < 0)
		return -1;
	return send(x->sock, &x->ct.cgroup, sizeof x->ct.cgroup, MSG_NOSIGNAL) < 0 ? err_sys(e, "the container's process") : 0;
}

static int set_up_child(struct creation *x, struct err *e)
{
	const struct spec_linux *l = x->c->spec->linux_;
	x->ct.start_time = proc_start_time(x->ct.pid);
	if (set_oom_score(x, e) < 0)
		return -1;
	if (x->c->cgroup_manager == CGROUP_MANAGER_SYSTEMD && place_in_scope(x, e) < 0)
		return -1;
	if (x->ns.made & CLONE_NEWUSER && (idmap_write(x->ct.pid, &l->uids, &l->gids, e) < 0 || setup_say(x->sock, SETUP_MAPPED, e) < 0))
		return -1;
	if (net_devices_move(x->c->spec, x->ct.pid, x->ns.fd[NS_NETWORK], &x->devices, e) < 0)
		return -1;
	if (intel_rdt_apply(x->resctrl, &x->ct.rdt, x->ct.pid, e) < 0)
		return -1;
	return !l->resources ? 0 : cgroup_limit(&x->ct.cgroup, l->resources, e);
}

/* The child is gone without a word: say how. */
static int explain_death(struct creation *x, struct err *e)
{
	siginfo_t info = {};
	if (waitid(P_PID, (id_t)x->ct.pid, &info, WEXITED | WNOWAIT) == 0 && info.si_code != CLD_EXITED)
		return err_set(e, ERR_SYSTEM, "the container's process was killed by signal %d while it was set up%s", info.si_status,
			cgroup_oom_kills(&x->ct.cgroup) ? ": the memory limit is too small" : "");
	return err_set(e, ERR_SYSTEM, "the container's process ended while it was set up");
}

static int run_hooks(struct creation *x, struct err *e)
{
	const struct spec_hooks *h = x->c->spec->hooks;
	if (hooks_run(&h->prestart, x->c, "creating", x->ct.pid, e) < 0 || hooks_run(&h->create_runtime, x->c, "creating", x->ct.pid, e) < 0)
		return -1;
	return setup_say(x->sock, SETUP_GO, e);
}

int setup_send_console(int sock, int master, struct err *e)
{
	/* runc sends the name along. */
	static const char name[] = "/dev/pts/0";
	return fd_send(sock, name, sizeof name - 1, &master, 1, e) < 0 ? err_wrap(e, "console socket") : 0;
}

static int receive_ready(struct creation *x, struct err *e)
{
	for (;;) {
		struct setup_message m = {};
		own(fd) int master = -1;
		int r = setup_receive(x->sock, &m, &master, e);
		if (r <= 0)
			return r < 0 ? -1 : explain_death(x, e);
		if (m.word == SETUP_HOOKS) {
			if (run_hooks(x, e) < 0)
				return -1;
			continue;
		}
		if (m.word != SETUP_READY)
			return err_set(e, ERR_BUG, "unexpected word %d from the container's process", m.word);
		if (m.warning[0])
			memcpy(x->ct.warning, m.warning, sizeof x->ct.warning);
		if (master < 0 || x->c->console < 0) {
			x->ct.console = take_fd(master);
			return 0;
		}
		return setup_send_console(x->c->console, master, e);
	}
}

static void undo(struct creation *x)
{
	struct err ignored = {};
	bool begun = x->ct.pid > 0;
	net_devices_return(&x->devices);
	if (begun) {
		proc_pidfd_signal(x->ct.pidfd, SIGKILL);
		while (waitpid(x->ct.pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	(void)!intel_rdt_remove(x->resctrl, &x->ct.rdt, &ignored);
	x->ct.create = begun ? x->c : NULL;
	(void)!container_remove(&x->ct, &ignored);
}

int container_create(const struct container_create *c, struct container *ret, struct err *e)
{
	struct creation x __attribute__((cleanup(creation_drop))) = {.c = c, .ns = NAMESPACES_INIT, .sock = -1, .child_sock = -1, .devices = NET_DEVICES_INIT,
		.resctrl = -1,
		.ct = {.pidfd = -1, .console = -1, .start = -1, .cgroup = {.v2 = -1}, .create = c}};
	for (int i = 0; i < CGROUP_TASKS; i++)
		x.tasks[i] = -1;
	int r = prepare(&x, e);
	if (r == 0) {
		pid_t pid = namespaces_clone(&x.ns, x.ct.cgroup.v2, c->spec->linux_->time_offsets, &x.ct.pidfd, e);
		if (pid == 0)
			be_child(&x);
		x.ct.pid = pid > 0 ? pid : 0;
		fd_drop(&x.child_sock);
		r = pid < 0 ? -1 : set_up_child(&x, e);
		if (r == 0)
			r = receive_ready(&x, e);
		/* Without it nobody could tell later whether the process is this one. */
		if (r == 0 && !x.ct.start_time)
			r = err_set(e, ERR_SYSTEM, "/proc/%d/stat cannot be read", (int)x.ct.pid);
	}
	if (r < 0) {
		undo(&x);
		return -1;
	}
	x.ct.start = take_fd(x.sock);
	*ret = x.ct;
	x.ct = (struct container){.pidfd = -1, .console = -1, .start = -1, .cgroup = {.v2 = -1}};
	return 0;
}
