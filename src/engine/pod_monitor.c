/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod_monitor: what runs of a pod while it runs.
 *
 *   who starts a container of it (pod_use)         the pod's monitor (a fork, outlives us)
 *   --------------------------------------         ---------------------------------------
 *   the pod's lock is held; is there a monitor?
 *   no: run directory, the FIFO `members`, which
 *   we open at both ends; networks, addresses and
 *   ports are taken; /etc's files
 *   fork ----------------------------------------> mounts of its own, with the pod's /dev/shm; the namespaces
 *                                                  (pod_namespaces.c); interfaces, ports, resolver; the pod's cgroup
 *                                                  state.json: running, where its namespaces are
 *   read the report <----------------------------- one struct err
 *   the lock is let go; the FIFO's writing end
 *   goes to the container's monitor, which has it  … answers names, serves ports
 *   as long as it is there
 *                                                  exit policy stop: nobody writes to the FIFO any more; or SIGTERM (pod_end).
 *                                                  With the pod's lock it looks again: who wants the pod meanwhile has the FIFO
 *                                                  open. Else it gives everything back and goes
 *
 * The kernel closes a FIFO for whoever dies, however; so whoever is killed at any moment, the monitor knows when it is not needed.
 * A monitor that was killed leaves its containers in their namespaces, and an address that stays the pod's as long as they run. Who starts a
 * container then starts another monitor, which takes from one that runs what the first one made: the namespaces, /dev/shm; it binds the ports
 * again and answers names. When no container runs any more the pod is stopped (pod_get() cleans up).
 */
#include "engine/pod.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/events.h"
#include "engine/network.h"
#include "engine/pod_namespaces.h"
#include "engine/spec.h"
#include "sys/cgroupfs.h"
#include "sys/mount.h"
#include "sys/proc.h"
#include "sys/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END_MS = 60000 };
static const char members_file[] = "members";

struct pod_monitor {
	struct engine *g;
	struct container_entry *c; /* the pod */
	struct arena arena;
	struct userns_maps maps;
	struct spec spec;          /* of its cgroup alone */
	struct connections net;
	struct pod_namespaces ns;
	struct cgroup cgroup;
	int run_dir, members;
	bool adopts; /* it comes in the place of one that was killed */
	int shm;     /* then: /dev/shm of a container that runs; -1 */
	bool is_over;              /* its first process is gone: nobody can come any more */
};

static volatile sig_atomic_t told_to_end;

static void on_told(int sig unused)
{
	told_to_end = 1;
}

static void monitor_drop(struct pod_monitor *m)
{
	connections_drop(&m->net);
	pod_namespaces_drop(&m->ns);
	userns_maps_drop(&m->maps);
	arena_drop(&m->arena);
	fd_drop(&m->run_dir);
	fd_drop(&m->members);
	fd_drop(&m->shm);
}

void pod_use_drop(struct pod_use *u)
{
	container_entry_drop(&u->pod);
	fd_drop(&u->member);
}

char *pod_shm_path(const struct engine *g, const char *id)
{
	return mem_printf("%s/pods/%s/shm", g->run_path, id);
}

/* Is anybody there who writes? */
static bool is_needed(int members)
{
	struct pollfd p = {.fd = members, .events = POLLIN};
	return poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP);
}

/* All its containers resolve to it. */
static int add_names(struct engine *g, struct container_entry *c, struct err *e)
{
	struct host_config *h = &c->record.host;
	own(strv) struct strv ids = {};
	if (!network_is_joined(h->network_mode))
		return 0;
	if (!h->networks.n)
		arena_push(&c->arena, &h->networks)->network = h->network_mode;
	if (pod_members(g, c->id, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry m = {.dir = -1, .lock = -1};
		struct err gone = {};
		if (containers_peek(&g->containers, ids.v[i], &m, &gone) < 0 || str_is_empty(m.state.name))
			continue;
		for (size_t k = 0; k < h->networks.n; k++)
			if (!strv_has(&h->networks.v[k].aliases, m.state.name))
				arena_strv_add(&c->arena, &h->networks.v[k].aliases, m.state.name);
	}
	return 0;
}

static bool has_own_shm(const struct container_record *r)
{
	for (size_t i = 0; i < r->mounts.n; i++)
		if (str_eq(r->mounts.v[i].destination, "/dev/shm"))
			return true;
	return map_get(&r->host.tmpfs, "/dev/shm") != NULL;
}

/* From a container that runs, and that still does afterwards: so the number was its own. */
static int take_from(struct pod_monitor *m, const char *id, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct pod_namespaces_request r = {.pod = m->c, .maps = &m->maps};
	bool shm = pod_shares(m->c, "ipc");
	if (containers_load(&m->g->containers, id, 0, &c, e) < 0)
		return -1;
	if (!container_state_is_alive(&m->g->containers, &c.state) || (shm && has_own_shm(&c.record)))
		return err_set(e, ERR_CONFLICT, "container %.200s does not have what is the pod's", container_label(&c));
	if (pod_namespaces_adopt(&r, (pid_t)c.state.pid, &m->ns, e) < 0)
		return -1;
	m->shm = shm ? spec_clone_in((pid_t)c.state.pid, container_label(&c), "/dev/shm", e) : -1;
	if ((!shm || m->shm >= 0) && container_state_is_alive(&m->g->containers, &c.state))
		return 0;
	return e->kind ? -1 : err_set(e, ERR_CONFLICT, "container %.200s ended meanwhile", container_label(&c));
}

static int take_over(struct pod_monitor *m, struct pod_use *u, struct err *e)
{
	struct container_entry *c = m->c;
	own(strv) struct strv ids = {};
	m->run_dir = containers_run_dir(&m->g->pods, c->id, false, e);
	if (m->run_dir < 0 || userns_parse(&c->record, &m->maps, e) < 0 || pod_members(m->g, c->id, true, &ids, e) < 0)
		return -1;
	m->members = openat(m->run_dir, members_file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	u->member = m->members < 0 ? -1 : openat(m->run_dir, members_file, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (u->member < 0)
		return err_sys(e, "its run directory");
	int taken = err_set(e, ERR_CONFLICT, "no container of it runs any more");
	for (size_t i = 0; taken < 0 && i < ids.n; i++) {
		pod_namespaces_drop(&m->ns);
		fd_drop(&m->shm);
		*e = (struct err){};
		taken = take_from(m, ids.v[i], e);
	}
	return taken < 0 || (c->state.networks.n && ports_take_again(m->g, c, &m->net, e) < 0) ? -1 : 0;
}

static int prepare(struct pod_monitor *m, struct pod_use *u, struct err *e)
{
	struct container_entry *c = m->c;
	struct err ignored = {};
	(void)!path_remove_tree(m->g->pods.run, c->id, &ignored);
	m->run_dir = containers_run_dir(&m->g->pods, c->id, true, e);
	if (m->run_dir < 0)
		return -1;
	if (mkfifoat(m->run_dir, members_file, 0600) < 0 || mkdirat(m->run_dir, "shm", 0755) < 0)
		return err_sys(e, "pod %.200s: its run directory", container_label(c));
	m->members = openat(m->run_dir, members_file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	u->member = m->members < 0 ? -1 : openat(m->run_dir, members_file, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (u->member < 0)
		return err_sys(e, "pod %.200s: its run directory", container_label(c));
	if (userns_parse(&c->record, &m->maps, e) < 0 || add_names(m->g, c, e) < 0 || connect_prepare(m->g, c, &m->net, e) < 0)
		return -1;
	return spec_write_etc(c, m->run_dir, e);
}

static int keep_fds(const struct pod_monitor *m, int report, int *ret)
{
	const struct engine *g = m->g;
	const int fds[] = {g->root, g->run, g->containers.root, g->containers.names, g->containers.run, g->pods.root, g->pods.names, g->pods.run,
		g->user.lock, m->c->dir, g->networks.root, g->networks.run, g->private_net.netns, g->private_net.lock, m->run_dir, m->members, m->shm, report};
	int n = 0;
	for (size_t i = 0; i < countof(fds); i++)
		if (fds[i] >= 0)
			ret[n++] = fds[i];
	for (size_t i = 0; i < m->net.nfds; i++)
		ret[n++] = m->net.fds[i];
	for (size_t i = 0; i < POD_NAMESPACES; i++)
		if (m->ns.fd[i] >= 0)
			ret[n++] = m->ns.fd[i];
	return n;
}

/* In no session, at no terminal, with nothing open that is not ours. Only SIGTERM reaches us, where we wait for it. */
static int let_go(const struct pod_monitor *m, int report, struct err *e)
{
	own(mem) int *keep = mem_alloc((40 + m->net.nfds) * sizeof *keep);
	struct sigaction quiet = {.sa_handler = SIG_IGN}, told = {.sa_handler = on_told};
	static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU};
	sigset_t mask;
	setsid();
	prctl(PR_SET_NAME, "hull-pod");
	for (size_t i = 0; i < countof(ignored); i++)
		sigaction(ignored[i], &quiet, NULL);
	sigaction(SIGTERM, &told, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	own(fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || chdir("/") < 0)
		return err_sys(e, "the pod's monitor");
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	/* Who forked us may have worked on groups. */
	cgroupfs_forget();
	fd_close_from(3, keep, (size_t)keep_fds(m, report, keep));
	null = -1;
	m->c->lock = -1;
	return rootless_hold(&m->g->user, e) < 0 || private_net_hold(&m->g->private_net, e) < 0 ? -1 : 0;
}

/* Unmounts of the host's come here, what we mount does not go there. */
static int mount_shm(const struct pod_monitor *m, struct err *e)
{
	const struct host_config *h = &m->c->record.host;
	own(mem) char *path = pod_shm_path(m->g, m->c->id);
	char options[96];
	snprintf(options, sizeof options, "mode=1777,size=%lld,uid=%u,gid=%u", (long long)h->shm_size, m->maps.nuids ? m->maps.uids[0].outside : 0,
		m->maps.ngids ? m->maps.gids[0].outside : 0);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_sys(e, "the pod's mounts");
	own(fd) int at = m->shm >= 0 ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (m->shm >= 0)
		return at < 0 ? err_sys(e, "the pod's /dev/shm") : mount_attach(m->shm, at, e);
	return mount("shm", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0 ? err_sys(e, "mount the pod's /dev/shm") : 0;
}

/* Its limits; without any, the group is made with the containers' own groups. */
static int make_cgroup(struct pod_monitor *m, struct err *e)
{
	struct container_state *st = &m->c->state;
	struct spec_build b = {.g = m->g, .c = m->c, .arena = &m->arena, .root = -1, .maps = &m->maps, .spec = &m->spec};
	char path[480];
	m->spec.linux_ = arena_alloc(&m->arena, sizeof *m->spec.linux_);
	if (spec_build_limits(&b, e) < 0)
		return -1;
	struct spec_resources *r = m->spec.linux_->resources;
	/* Which devices there are is each container's. */
	r->devices.n = 0;
	if (cgroup_resolve(m->spec.linux_->cgroups_path, m->c->id, path, sizeof path, e) < 0)
		return -1;
	st->cgroup = arena_dup(&m->c->arena, path);
	if (!r->memory && !r->cpu && !r->pids_limit.set && !r->block_io)
		return 0;
	return cgroup_create(m->spec.linux_->cgroups_path, m->c->id, r, &m->cgroup, e) < 0 ? -1 : cgroup_limit(&m->cgroup, r, e);
}

static int save_running(struct pod_monitor *m, struct err *e)
{
	struct container_state *st = &m->c->state;
	struct arena *a = &m->c->arena;
	char now[NUM_TEXT];
	const __typeof__(st->networks) networks = st->networks;
	const __typeof__(st->published) published = st->published;
	char *cgroup = st->cgroup;
	own(fd) int lock = container_change_state(m->c, e);
	if (lock < 0)
		return -1;
	st->networks = networks;
	st->published = published;
	st->cgroup = cgroup;
	st->status = arena_dup(a, "running");
	st->monitor_pid = getpid();
	st->monitor_start = proc_start_time(getpid());
	st->boot = arena_dup(a, m->g->pods.boot);
	if (!m->adopts)
		st->started_at = arena_dup(a, num_format_time(num_now_ns(), now));
	pod_namespaces_note(&m->ns, a, st);
	return container_save_state(m->c->dir, st, false, e);
}

static int start(struct pod_monitor *m, struct err *e)
{
	struct pod_namespaces_request r = {.pod = m->c, .maps = &m->maps};
	if (m->adopts) {
		if (mount_shm(m, e) < 0 || (m->net.list.n && connect_serve(m->g, &m->net, m->run_dir, pod_namespaces_net(&m->ns), e) < 0))
			return -1;
		cgroup_leave_unit();
		return save_running(m, e);
	}
	if (mount_shm(m, e) < 0 || make_cgroup(m, e) < 0 || pod_namespaces_make(&r, &m->ns, e) < 0)
		return -1;
	if (m->net.list.n && connect_wire(m->g, m->c, &m->net, m->run_dir, m->ns.pid, e) < 0)
		return -1;
	pod_namespaces_settle(&m->ns);
	cgroup_leave_unit();
	return save_running(m, e);
}

/* What it had is nobody's any more. */
static void give_back(struct pod_monitor *m)
{
	struct err ignored = {};
	own(mem) char *shm = pod_shm_path(m->g, m->c->id);
	if (m->net.list.n)
		connect_release(m->g, m->c->id);
	connections_close(&m->net);
	pod_namespaces_drop(&m->ns);
	if (m->c->state.cgroup)
		cgroup_sweep(m->c->state.cgroup);
	umount2(shm, MNT_DETACH);
	(void)!path_remove_tree(m->g->pods.run, m->c->id, &ignored);
}

/* Somebody may come for it until we have its lock. */
static bool end(struct pod_monitor *m)
{
	struct err ignored = {};
	char now[NUM_TEXT];
	struct container_state *st = &m->c->state;
	own(fd) int lock = path_lock(m->c->dir, "lock", true, true, &ignored);
	told_to_end = 0;
	if (is_needed(m->members))
		return false;
	give_back(m);
	own(fd) int state = container_change_state(m->c, &ignored);
	if (state < 0)
		return true;
	st->status = arena_dup(&m->c->arena, "exited");
	st->monitor_pid = 0;
	st->namespaces.n = st->namespace_ids.n = 0;
	st->finished_at = arena_dup(&m->c->arena, num_format_time(num_now_ns(), now));
	(void)!container_save_state(m->c->dir, st, false, &ignored);
	event_pod(m->g, m->c, "stop");
	return true;
}

static void serve(struct pod_monitor *m)
{
	bool by_policy = str_eq(m->c->record.host.exit_policy, "stop");
	struct pollfd polls[RESOLVER_POLLS + 3];
	sigset_t none;
	sigemptyset(&none);
	malloc_trim(0);
	for (;;) {
		int ms = -1, first = -1;
		bool ends_with_last = by_policy || m->is_over;
		size_t n = m->net.resolver ? resolver_polls(m->net.resolver, polls, RESOLVER_POLLS, &ms) : 0, resolver = n;
		if (m->net.relay) {
			int left = relay_timeout(m->net.relay);
			polls[n++] = (struct pollfd){relay_fd(m->net.relay), POLLIN, 0};
			if (left >= 0 && (ms < 0 || left < ms))
				ms = left;
		}
		if (m->ns.pidfd >= 0 && !m->is_over)
			polls[first = (int)n++] = (struct pollfd){m->ns.pidfd, POLLIN, 0};
		/* That nobody has it open is told at each call. */
		if (ends_with_last)
			polls[n++] = (struct pollfd){m->members, POLLIN, 0};
		struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
		if (ppoll(polls, n, ms < 0 ? NULL : &t, &none) < 0)
			for (size_t i = 0; i < n; i++)
				polls[i].revents = 0;
		if (m->net.resolver)
			resolver_serve(m->net.resolver, polls, resolver);
		if (m->net.relay)
			relay_serve(m->net.relay);
		m->is_over |= first >= 0 && polls[first].revents;
		bool left_alone = ends_with_last && polls[n - 1].revents & POLLHUP;
		if ((told_to_end || left_alone) && end(m))
			return;
	}
}

static _Noreturn void monitor_main(struct pod_monitor *m, int report)
{
	struct err e = {};
	if (let_go(m, report, &e) < 0 || start(m, &e) < 0) {
		/* What containers use stays theirs. */
		if (!m->adopts)
			give_back(m);
		(void)!write(report, &e, sizeof e);
		_exit(1);
	}
	e = (struct err){.kind = ERR_NONE};
	(void)!write(report, &e, sizeof e);
	close(report);
	if (!m->adopts)
		event_pod(m->g, m->c, "start");
	serve(m);
	_exit(0);
}

static int fork_monitor(struct pod_monitor *m, struct err *e)
{
	int report[2];
	if (fd_pipe(report, e) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		close(report[0]);
		monitor_main(m, report[1]);
	}
	int saved = errno;
	close(report[1]);
	struct err why = {};
	ssize_t n = pid < 0 ? 0 : fd_read_full(report[0], &why, sizeof why);
	close(report[0]);
	errno = saved;
	if (pid < 0)
		return err_sys(e, "fork the pod's monitor");
	if (n == sizeof why && why.kind == ERR_NONE)
		return 0;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (n == sizeof why)
		return *e = why, -1;
	return err_set(e, ERR_SYSTEM, "the pod's monitor ended before it had begun");
}

static int start_pod(struct engine *g, struct pod_use *u, bool adopts, struct err *e)
{
	struct pod_monitor m __attribute__((cleanup(monitor_drop))) = {.g = g, .c = &u->pod, .ns = POD_NAMESPACES_INIT, .cgroup = {.v2 = -1}, .run_dir = -1,
		.members = -1, .shm = -1, .adopts = adopts};
	struct err ignored = {};
	int r = adopts ? take_over(&m, u, e) : prepare(&m, u, e);
	if (r == 0)
		r = fork_monitor(&m, e);
	if (r == 0)
		return container_reload_state(&u->pod, e);
	if (adopts)
		return err_wrap(e, "pod %.200s has lost its monitor: stop it, then start it", container_label(&u->pod));
	if (m.net.list.n)
		connect_release(g, u->pod.id);
	(void)!path_remove_tree(g->pods.run, u->pod.id, &ignored);
	return err_wrap(e, "pod %.200s", container_label(&u->pod));
}

static int add_name(struct engine *g, const char *name, const struct pod_use *u, struct err *e)
{
	const struct container_state *st = &u->pod.state;
	for (size_t i = 0; name && i < st->networks.n; i++)
		if (engine_need_networks(g, e) < 0 || endpoint_add_name(&g->networks, st->networks.v[i].network_id, u->pod.id, name, e) < 0)
			return -1;
	return 0;
}

static int join_pod(struct engine *g, const char *name, struct pod_use *u, struct err *e)
{
	if (add_name(g, name, u, e) < 0)
		return -1;
	own(fd) int run = containers_run_dir(&g->pods, u->pod.id, false, e);
	u->member = run < 0 ? -1 : openat(run, members_file, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return u->member < 0 ? err_set(e, ERR_CONFLICT, "pod %.200s: its monitor does not answer", container_label(&u->pod)) : 0;
}

int pod_use(struct engine *g, const char *id, const char *name, struct pod_use *u, struct err *e)
{
	if (pod_get(g, id, ENTRY_LOCK, &u->pod, e) < 0)
		return -1;
	bool has_monitor = container_state_has_monitor(&g->pods, &u->pod.state), lost = !has_monitor && str_eq(u->pod.state.status, "running");
	int r;
	if (has_monitor)
		r = join_pod(g, name, u, e);
	else
		r = start_pod(g, u, lost, e);
	if (r == 0 && lost)
		r = add_name(g, name, u, e);
	fd_drop(&u->pod.lock);
	return r;
}

int pod_end(struct engine *g, const char *id, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (pod_get(g, id, 0, &c, e) < 0)
		return -1;
	own(fd) int pidfd = c.state.monitor_pid > 0 ? proc_pidfd_open((pid_t)c.state.monitor_pid) : -1;
	if (pidfd < 0 || !container_state_has_monitor(&g->pods, &c.state))
		return 0;
	proc_pidfd_signal(pidfd, SIGTERM);
	/* The monitors of its containers go a moment after their containers. */
	for (int ms = 0; ms < END_MS; ms += 20) {
		struct pollfd p = {.fd = pidfd, .events = POLLIN};
		own(strv) struct strv running = {};
		if (poll(&p, 1, ms ? 20 : 5) > 0)
			return 0;
		if (pod_members(g, c.id, true, &running, e) < 0)
			return -1;
		if (running.n)
			return err_set(e, ERR_CONFLICT, "pod %.200s has containers that run", container_label(&c));
		proc_pidfd_signal(pidfd, SIGTERM);
	}
	return err_set(e, ERR_TIMEOUT, "pod %.200s: its monitor does not end", container_label(&c));
}
