/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore: a container from files that criu made; see checkpoint.h.
 *
 *   1. control groups with their limits, as for a new container
 *   2. criu's process, in these groups and in a mount namespace of its own (everything in it a slave of the host's: what is mounted
 *      later is seen, what is mounted there is not): the root is bound to <dir>/root, which criu wants as a mount; places for
 *      mounts that are missing in the root are made; id-mapped and ready mounts go to <dir>/0, <dir>/1, …, where criu binds them from
 *   3. criu makes namespaces; then the loopback interface is raised, and prestart and createRuntime hooks run
 *   4. criu makes processes; a terminal's master comes, and their number
 *
 * When any of it fails criu kills what it made, the groups are removed, and nothing is left but what is in dir.
 */
#include "runtime/checkpoint.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/net_devices.h"
#include "runtime/setup.h"
#include "sys/mount.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct restoration {
	const struct container_restore *r;
	const struct container_create *c;
	char *root;         /* where the root is, on the host */
	struct criu_options o;
	struct arena arena;
	struct container ct;
	struct namespaces ns;
	struct net_devices devices;
	struct strv names;  /* descriptors.json */
	int *mapped;
	int resctrl;
	bool hooked;        /* the container's hooks have begun */
};

static void restoration_drop(struct restoration *x)
{
	mounts_close_mapped(x->c, &x->mapped);
	namespaces_drop(&x->ns);
	net_devices_drop(&x->devices);
	fd_drop(&x->resctrl);
	container_drop(&x->ct);
	arena_drop(&x->arena);
}

static int read_names(struct restoration *x, struct err *e)
{
	own(json) struct json *list = NULL;
	if (!path_exists(x->o.images_dir, "descriptors.json"))
		return err_set(e, ERR_NOT_FOUND, "no checkpoint of a container: there is no descriptors.json in it");
	if (json_read(x->o.images_dir, "descriptors.json", 64 << 10, &list, e) < 0)
		return -1;
	for (size_t i = 0; i < json_len(list); i++) {
		const char *name = json_str(json_at(list, i));
		arena_strv_add(&x->arena, &x->names, name ? name : "");
	}
	return 0;
}

static void inherit(struct restoration *x, const char *key, int fd)
{
	*arena_push(&x->arena, &x->o.inherit) = (struct criu_file){arena_dup(&x->arena, key), fd};
}

static void offer_files(struct restoration *x)
{
	for (size_t i = 0; i < x->names.n && i < 3; i++) {
		const char *name = x->names.v[i];
		if (x->c->stdio[i] >= 0 && (str_has_prefix(name, "pipe:") || str_has_prefix(name, "file[")))
			inherit(x, name, x->c->stdio[i]);
	}
}

static int offer_namespaces(struct restoration *x, struct err *e)
{
	static const struct { enum namespace_kind kind; const char *type, *word; } joined[] = {{NS_IPC, "ipc", "ipc"}, {NS_UTS, "uts", "uts"},
		{NS_USER, "user", "user"}, {NS_TIME, "time", "time"}};
	if (namespaces_open(x->c->spec, &x->ns, e) < 0)
		return -1;
	if (x->ns.fd[NS_NETWORK] >= 0)
		inherit(x, checkpoint_namespaces[0].key, x->ns.fd[NS_NETWORK]);
	if (x->ns.fd[NS_PID] >= 0)
		inherit(x, checkpoint_namespaces[1].key, x->ns.fd[NS_PID]);
	if (x->ns.fd[NS_CGROUP] >= 0)
		return err_set(e, ERR_UNSUPPORTED, "criu cannot restore into a cgroup namespace of a path");
	for (size_t i = 0; i < countof(joined); i++)
		if (x->ns.fd[joined[i].kind] >= 0)
			map_set(&x->arena, &x->o.join, joined[i].word, spec_namespace(x->c->spec, joined[i].type)->path);
	return 0;
}

/* The mount at <dir>/<i> that stands for the source of the i-th, or -1: its source can be bound as it is. */
static int staged(const struct restoration *x, size_t i)
{
	if (x->mapped && x->mapped[i] >= 0)
		return x->mapped[i];
	return x->c->spec->mounts.v[i].ready > 0 ? x->c->spec->mounts.v[i].ready : -1;
}

static int offer_mounts(struct restoration *x, struct err *e)
{
	if (mounts_open_mapped(x->c, &x->ns, &x->mapped, e) < 0 || external_offer(x->c, x->root, &x->ct.cgroup, &x->arena, &x->o.mounts, e) < 0)
		return -1;
	for (size_t i = 0; i < x->c->spec->mounts.n; i++)
		if (staged(x, i) >= 0) {
			own(mem) char *name = external_destination(&x->c->spec->mounts.v[i]);
			map_set(&x->arena, &x->o.mounts, name, arena_printf(&x->arena, "%s/%zu", x->r->dir, i));
		}
	return 0;
}

static int prepare(struct restoration *x, struct err *e)
{
	const struct container_create *c = x->c;
	const struct spec_linux *l = c->spec->linux_;
	bool has_path = c->spec->root && !str_is_empty(c->spec->root->path);
	if (c->rootfs < 0 && !has_path)
		return err_set(e, ERR_USAGE, "config.json: root.path is missing");
	if (rootfs_is_shared(c->spec))
		return err_set(e, ERR_UNSUPPORTED, "criu cannot restore a container without a mount namespace of its own");
	x->root = c->rootfs >= 0 ? NULL : path_join(c->bundle ? c->bundle : "/", c->spec->root->path);
	if (checkpoint_check_criu(&x->o, false, e) < 0 || read_names(x, e) < 0)
		return -1;
	if (offer_namespaces(x, e) < 0 || net_devices_check(c->spec, namespaces_own(&x->ns), e) < 0)
		return -1;
	if (setup_groups(c, &x->ns, &x->ct, &x->resctrl, e) < 0 || (l->resources && cgroup_limit(&x->ct.cgroup, l->resources, e) < 0))
		return -1;
	if (offer_mounts(x, e) < 0)
		return -1;
	offer_files(x);
	x->o.root = arena_printf(&x->arena, "%s/root", x->r->dir);
	x->o.log_file = arena_dup(&x->arena, "restore.log");
	x->o.config_file = checkpoint_config_file(c->spec, &x->arena);
	x->o.evasive_devices = x->o.rst_sibling = x->o.orphan_pts_master = true;
	x->o.empty_namespaces |= CLONE_NEWNET;
	return 0;
}

/* On top of a new file system criu makes places itself: it restores what is in it. */
static bool is_covered(const struct spec *s, size_t i, const char *at)
{
	for (size_t k = 0; k < s->mounts.n; k++) {
		own(mem) char *other = external_destination(&s->mounts.v[k]);
		const char *rest = str_after(at, other);
		if (k != i && !external_is_bind(&s->mounts.v[k]) && rest && *rest == '/')
			return true;
	}
	return false;
}

/* A bind is made for what is to be mounted below it; criu makes it again, so it is taken away by the caller. */
static int make_place(struct restoration *x, struct setup *s, size_t i, struct strv *bound, struct err *e)
{
	const struct spec_mount *m = &s->spec->mounts.v[i];
	own(mem) char *at = external_destination(m);
	struct stat st = {.st_mode = S_IFDIR};
	own(fd) int fs = -1;
	if (str_eq(m->type, "cgroup") || str_eq(m->type, "cgroup2") || is_covered(s->spec, i, at) || strv_has(&m->options, "remount"))
		return 0;
	if (external_is_bind(m)) {
		struct mount_words w = {.rbind = true};
		fs = staged(x, i) >= 0 ? mount_clone(staged(x, i), "", true, e) : mounts_clone_source(s->create, m->source, 0, &w, e);
		if (fs < 0)
			return -1;
		if (fstat(fs, &st) < 0)
			return err_sys(e, "source");
	}
	own(fd) int place = rootfs_target(s, at, S_ISDIR(st.st_mode) ? PLACE_DIR : PLACE_FILE, e);
	if (place < 0)
		return -1;
	if (fs < 0)
		return 0;
	if (mount_attach(fs, place, e) < 0)
		return -1;
	strv_add(bound, at);
	return 0;
}

static int make_places(struct restoration *x, int root, struct err *e)
{
	own(strv) struct strv bound = {};
	struct setup s = {.create = x->c, .spec = x->c->spec, .id = x->c->id, .root = root, .host = -1, .sock = -1, .listen = -1, .slave = -1, .master = -1};
	for (size_t i = 0; i < s.spec->mounts.n; i++)
		if (make_place(x, &s, i, &bound, e) < 0)
			return err_wrap(e, "mount %s", s.spec->mounts.v[i].destination);
	while (bound.n) {
		own(mem) char *at = bound.v[--bound.n];
		bound.v[bound.n] = NULL;
		own(fd) int fd = rootfs_find(&s, at);
		own(mem) char *path = mem_printf("/proc/self/fd/%d", fd);
		if (fd < 0 || umount2(path, MNT_DETACH) < 0)
			return err_sys(e, "unmount %s", at);
	}
	return 0;
}

/* <dir>/name, as a place for a mount. */
static int open_place(const struct restoration *x, const char *name, bool is_dir, struct err *e)
{
	own(mem) char *path = mem_printf("%s/%s", x->r->dir, name);
	if (is_dir && mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "%s", path);
	int fd = open(path, is_dir ? O_PATH | O_DIRECTORY | O_CLOEXEC : O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? err_sys(e, "%s", path) : fd;
}

static int attach_staged(struct restoration *x, struct err *e)
{
	for (size_t i = 0; i < x->c->spec->mounts.n; i++) {
		char name[24];
		struct stat st;
		int from = staged(x, i);
		if (from < 0)
			continue;
		snprintf(name, sizeof name, "%zu", i);
		if (fstat(from, &st) < 0)
			return err_sys(e, "source");
		own(fd) int at = open_place(x, name, S_ISDIR(st.st_mode), e);
		if (at < 0 || mount_attach(from, at, e) < 0)
			return err_wrap(e, "mount %s", x->c->spec->mounts.v[i].destination);
	}
	return 0;
}

/* In criu's process. What is attached nowhere is attached as it is: before Linux 6.15 it cannot be cloned. */
static int make_mounts(void *arg, struct err *e)
{
	struct restoration *x = arg;
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, "new mount namespace");
	own(fd) int top = mount_top(e);
	if (top < 0 || mount_set(top, true, 0, 0, MS_SLAVE, e) < 0)
		return err_wrap(e, "mount propagation");
	own(fd) int root = x->c->rootfs >= 0 ? dup(x->c->rootfs) : mount_clone(AT_FDCWD, x->root, true, e);
	own(fd) int at = root < 0 ? -1 : open_place(x, "root", true, e);
	if (at < 0 || mount_set(root, true, 0, 0, MS_PRIVATE, e) < 0 || mount_attach(root, at, e) < 0)
		return err_wrap(e, "root file system");
	return attach_staged(x, e) < 0 ? -1 : make_places(x, root, e);
}

/* The namespace was saved empty. In a child: who goes into a namespace has to come back. */
static int raise_loopback(const struct restoration *x, pid_t pid, struct err *e)
{
	int status = 0;
	if (!(x->ns.made & CLONE_NEWNET))
		return 0;
	own(mem) char *path = mem_printf("/proc/%d/ns/net", (int)pid);
	own(fd) int net = open(path, O_RDONLY | O_CLOEXEC);
	if (net < 0)
		return err_sys(e, "the container's network");
	pid_t child = proc_clone(&(struct proc_clone){.cgroup = -1});
	if (child == 0) {
		struct err ignored = {};
		_exit(setns(net, CLONE_NEWNET) < 0 || setup_raise_loopback(&ignored) < 0);
	}
	if (child < 0)
		return err_sys(e, "clone a process");
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status ? err_set(e, ERR_SYSTEM, "the loopback interface cannot be started") : 0;
}

static int run_hooks(struct restoration *x, pid_t pid, struct err *e)
{
	const struct spec_hooks *h = x->c->spec->hooks;
	x->hooked = true;
	if (raise_loopback(x, pid, e) < 0 || net_devices_move(x->c->spec, pid, x->ns.fd[NS_NETWORK], &x->devices, e) < 0)
		return -1;
	if (h && (hooks_run(&h->prestart, x->c, "creating", pid, e) < 0 || hooks_run(&h->create_runtime, x->c, "creating", pid, e) < 0))
		return -1;
	x->ct.start_time = proc_start_time(pid);
	return x->r->created ? x->r->created(x->r->arg, &x->ct, e) : 0;
}

static int take_master(struct restoration *x, int fd, struct err *e)
{
	if (x->c->console >= 0)
		return setup_send_console(x->c->console, fd, e);
	fd_drop(&x->ct.console);
	x->ct.console = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return x->ct.console < 0 ? err_sys(e, "terminal") : 0;
}

/* It is there, and does not run yet: later it may have ended already. */
static int know_process(struct restoration *x, pid_t pid, struct err *e)
{
	fd_drop(&x->ct.pidfd);
	x->ct.pidfd = proc_pidfd_open(pid);
	x->ct.start_time = proc_start_time(pid);
	if (x->ct.pidfd < 0)
		return err_sys(e, "the restored process");
	if (!x->ct.start_time)
		return err_set(e, ERR_SYSTEM, "/proc/%d/stat cannot be read", (int)pid);
	return intel_rdt_apply(x->resctrl, &x->ct.rdt, pid, e);
}

static int hear(const struct criu_notice *n, void *arg, struct err *e)
{
	struct restoration *x = arg;
	if (n->pid > 0)
		x->ct.pid = n->pid;
	if (strcmp(n->script, "setup-namespaces") == 0)
		return run_hooks(x, n->pid, e);
	if (strcmp(n->script, "post-restore") == 0)
		return know_process(x, n->pid, e);
	return n->fd >= 0 && strcmp(n->script, "orphan-pts-master") == 0 ? take_master(x, n->fd, e) : 0;
}

static int call_criu(struct restoration *x, struct err *e)
{
	struct criu_answer answer = {};
	const struct criu_call call = {.request = CRIU_RESTORE, .options = &x->o, .input = x->c->stdio[0],
		.cgroup = x->ct.cgroup.rows ? &x->ct.cgroup : NULL, .prepare = make_mounts, .notify = hear, .arg = x};
	if (criu_call(&call, &answer, e) < 0)
		return -1;
	return x->ct.pidfd >= 0 && answer.pid == x->ct.pid ? 0 : err_set(e, ERR_REMOTE, "criu: the process it restored is not the one it told of");
}

static void undo(struct restoration *x)
{
	struct err ignored = {};
	siginfo_t info;
	/* criu has killed it; as long as it is a child of ours the number is its own. */
	if (x->ct.pid > 0 && waitid(P_PID, (id_t)x->ct.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && kill(x->ct.pid, SIGKILL) == 0)
		while (waitpid(x->ct.pid, NULL, 0) < 0 && errno == EINTR)
			;
	net_devices_return(&x->devices);
	(void)!intel_rdt_remove(x->resctrl, &x->ct.rdt, &ignored);
	x->ct.create = x->hooked ? x->c : NULL;
	(void)!container_remove(&x->ct, &ignored);
}

int container_restore(const struct container_restore *r, struct container *ret, struct err *e)
{
	struct restoration x __attribute__((cleanup(restoration_drop))) = {.r = r, .c = r->create, .o = *r->options, .ns = NAMESPACES_INIT,
		.devices = NET_DEVICES_INIT, .resctrl = -1,
		.ct = {.pidfd = -1, .console = -1, .start = -1, .cgroup = {.v2 = -1}, .create = r->create}};
	int result = prepare(&x, e);
	if (result == 0)
		result = call_criu(&x, e);
	if (result < 0)
		undo(&x);
	else {
		*ret = x.ct;
		x.ct = (struct container){.pidfd = -1, .console = -1, .start = -1, .cgroup = {.v2 = -1}};
	}
	mem_drop(&x.root);
	return result;
}
