/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start: from a container on the disk to a running one.
 *
 *   this process                                   the monitor (a fork, outlives us)
 *   ------------                                   -------------------------------
 *   lock held; layers mounted (a detached mount);
 *   volumes filled; the configuration built
 *   fork ----------------------------------------> create: cgroup, clone3, mounts …
 *                                                  created(): state.json says running, with pid and monitor
 *                                                  start: the exec
 *   read the report <----------------------------- one struct err
 *                                                  … until the first process ends
 *                                                  exited(): the run directory goes, state.json says exited; --rm:
 *                                                  says removing, and neither the container nor its name and
 *                                                  volumes are found any more
 *                                                  clients are told
 *                                                  finished(): syncs state.json; --rm: removes what is left
 *
 * The lock of the container is handed over: the monitor lets it go when the exec has happened, so that it is free
 * whenever the container ends, also before we have read the report. The run directory goes before the state says that
 * the container has ended: from then on a new start may make it again.
 */
#include "engine/container.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/checkpoint.h"
#include "engine/events.h"
#include "engine/health.h"
#include "engine/logs.h"
#include "engine/mounts.h"
#include "engine/network.h"
#include "engine/notify.h"
#include "engine/pod.h"
#include "engine/restart.h"
#include "engine/spec.h"
#include "engine/trust.h"
#include "engine/waiting.h"
#include "monitor/monitor.h"
#include "sys/proc.h"
#include "sys/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct start {
	struct engine *g;
	struct container_entry *c;
	struct arena arena;
	struct userns_maps maps;
	struct spec spec;
	struct spec_build build;
	struct monitor monitor;
	struct monitor_client clients[1 + WAITING_MOST]; /* the caller's, and who was attached before */
	size_t nclients;
	struct connections net;
	struct notify notify;
	struct pod_use pod;
	int rootfs, run_dir, seccomp_cache;
	const struct container *running;
	struct health *health;
	struct rlimit files; /* ours, before we raise it for the ports that we serve */
	enum health_action on_unhealthy;
	int64_t deadline;  /* of --timeout, CLOCK_MONOTONIC; 0: none */
	size_t nresolver;  /* of what we wait for is the resolver's */
	bool must_come_back;
	bool again;    /* by its restart policy: it was started before */
	bool comes_back;
	bool stays;    /* though it has --rm */
	int unit_status; /* what the monitor, a unit's main process, ends with: the unit's Restart= goes by it */
	const struct checkpoint_use *from; /* or NULL: with new processes */
	struct criu_options criu;
	struct container_restore restore;
	pid_t saving;  /* checkpoint_begin()'s, or 0 */
	int saver;     /* a pidfd of it */
	int pauser;    /* of who paused it for a moment (pause_hold) */
};

static void let_clients_go(struct start *s)
{
	while (s->nclients)
		fd_drop(&s->clients[--s->nclients].sock);
}

static void start_drop(struct start *s)
{
	let_clients_go(s);
	connections_drop(&s->net);
	notify_drop(&s->notify);
	pod_use_drop(&s->pod);
	health_drop(&s->health);
	arena_drop(&s->arena);
	userns_maps_drop(&s->maps);
	fd_drop(&s->rootfs);
	fd_drop(&s->run_dir);
	if (s->build.userns > 0)
		close(s->build.userns);
	for (size_t i = 0; i < s->build.nready; i++)
		fd_drop(&s->build.ready[i]);
	fd_drop(&s->seccomp_cache);
}

static int on_created(void *arg, const struct container *ct, struct err *e)
{
	struct start *s = arg;
	struct container_state *st = &s->c->state;
	char now[NUM_TEXT];
	struct arena *a = &s->c->arena;
	if (connect_wire(s->g, s->c, &s->net, s->run_dir, ct->pid, e) < 0)
		return -1;
	__typeof__(st->networks) networks = st->networks;
	__typeof__(st->published) published = st->published;
	own(fd) int lock = container_change_state(s->c, e);
	if (lock < 0 || rootless_hold(&s->g->user, e) < 0 || private_net_hold(&s->g->private_net, e) < 0)
		return -1;
	if (s->again && !str_eq(st->status, "restarting"))
		return err_set(e, ERR_CONFLICT, "container %.200s was stopped meanwhile", container_label(s->c));
	st->networks = networks;
	st->published = published;
	st->auto_remove = s->c->record.host.auto_remove;
	st->restart_count = s->again ? st->restart_count + 1 : 0;
	if (!s->again)
		st->restart_delay = 0;
	st->status = arena_dup(a, "running");
	st->pid = ct->pid;
	st->start_time = ct->start_time;
	st->monitor_pid = getpid();
	st->monitor_start = container_start_time(getpid());
	st->boot = arena_dup(a, s->g->containers.boot);
	st->cgroup = arena_dup(a, ct->cgroup.path);
	st->started_at = arena_dup(a, num_format_time(num_now_ns(), now));
	st->exit_code = 0;
	st->oom_killed = st->stopped_by_user = st->checkpointed = false;
	st->restored = s->from != NULL;
	st->error = NULL;
	st->health = health_is_checked(&s->c->record.config) ? arena_dup(a, "starting") : NULL;
	if (container_save_state(s->c->dir, st, false, e) < 0)
		return -1;
	if (s->g->has_snap)
		snap_tell_mounts(&s->g->snap, st->monitor_start);
	event_volumes(s->g, s->c, true);
	event_networks(s->g, s->c, true);
	return 0;
}

static void on_started(void *arg, const struct container *ct, int64_t started_ns unused)
{
	struct start *s = arg;
	struct err ignored = {};
	event_container(s->g, s->c, s->from ? "restore" : "start");
	for (size_t i = 0; s->from && i < s->monitor.nkeep; i++)
		if (s->monitor.keep[i] == s->from->images)
			s->monitor.keep[i] = -1;
	if (s->from)
		close(s->from->images);
	notify_started(&s->notify);
	/* Who started it has the same lock, and keeps it when this fails: nobody takes the container for one whose monitor was killed. */
	(void)!flock(s->c->lock, LOCK_UN);
	fd_drop(&s->c->lock);
	s->running = ct;
	(void)!health_parse_action(s->c->record.host.health_on_failure, &s->on_unhealthy, &ignored);
	s->health = health_new(s->g, s->c, ct, s->run_dir, &s->files);
	if (s->c->record.host.timeout > 0)
		s->deadline = num_monotonic_ns() + s->c->record.host.timeout * 1000000000;
}

/* Makes a --rm container unknown, and removes its volumes, before its clients hear of the end. When a verb holds it (rm -f waits for us), that
 * is left to finished(), after the end was told. */
static void forget(struct start *s)
{
	struct err ignored = {};
	s->c->lock = path_lock(s->c->dir, "lock", true, false, &ignored);
	if (s->c->lock < 0)
		return;
	mounts_forget(s->g, s->c);
	(void)!container_forget(s->g, s->c, &ignored);
}

static void on_exited(void *arg, const struct monitor_exit *x)
{
	struct start *s = arg;
	struct container_state *st = &s->c->state;
	struct err e = {};
	char now[NUM_TEXT];
	/* Before anybody hears of the end its files are whole, and nobody else holds what is ours. */
	checkpoint_reap(s->c, &s->saving, true);
	fd_drop(&s->saver);
	fd_drop(&s->pauser);
	if (s->health)
		health_end(s->health);
	(void)!path_remove_tree(s->g->containers.run, s->c->id, &e);
	fd_drop(&s->run_dir);
	if (s->net.list.n || s->c->state.networks.n)
		connect_release(s->g, s->c->id);
	/* Who hears of the end can have the ports. */
	connections_close(&s->net);
	/* Read again under the lock: a rename, a pause or a stop meanwhile wrote to it. */
	own(fd) int lock = container_change_state(s->c, &e);
	/* A restart keeps it. */
	s->stays = s->c->record.host.auto_remove && !st->auto_remove;
	bool removed = s->c->record.host.auto_remove && !s->stays;
	/* It began without a network, and was connected to one. */
	if (!s->net.list.n && st->networks.n && str_is_empty(s->c->record.host.pod))
		connect_release(s->g, s->c->id);
	s->comes_back = !removed && !x->stopped && !st->checkpointed &&
		restart_is_due(st, x->status, x->finished_ns - num_time_of(st->started_at), s->must_come_back);
	st->health = NULL;
	if (s->comes_back)
		s->run_dir = containers_run_dir(&s->g->containers, s->c->id, true, &e);
	st->status = (char *)(uintptr_t)(removed ? "removing" : s->comes_back ? "restarting" : "exited");
	st->pid = 0;
	if (!removed && !s->comes_back)
		st->monitor_pid = 0;
	st->exit_code = x->status;
	st->oom_killed = x->oom_killed;
	/* What somebody asked for is no failure. */
	s->unit_status = s->monitor.keeps_unit && !x->stopped && !st->stopped_by_user && !st->checkpointed ? x->status : 0;
	st->finished_at = arena_dup(&s->c->arena, num_format_time(x->finished_ns, now));
	(void)!container_save_state(s->c->dir, st, false, &e);
	fd_drop(&lock);
	event_end(s->g, s->c);
	/* What is left to be removed holds no pod up. */
	if (!s->comes_back)
		fd_drop(&s->pod.member);
	if (removed)
		forget(s);
}

static void on_finished(void *arg)
{
	struct start *s = arg;
	struct err e = {};
	if (!s->c->record.host.auto_remove || s->stays) {
		own(fd) int fd = openat(s->c->dir, "state.json", O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && fsync(fd) == 0)
			(void)!fsync(s->c->dir);
		return;
	}
	if (s->c->lock < 0)
		s->c->lock = path_lock(s->c->dir, "lock", true, true, &e);
	(void)!container_erase(s->g, s->c, true, &e);
}

/* The relay is one fd, the resolver several. */
static size_t guests_want(void *arg, struct pollfd *ret, size_t room, int *ms)
{
	struct start *s = arg;
	checkpoint_reap(s->c, &s->saving, false);
	if (!s->saving)
		fd_drop(&s->saver);
	s->nresolver = s->net.resolver ? resolver_polls(s->net.resolver, ret, room, ms) : 0;
	size_t n = s->nresolver + (s->health ? health_polls(s->health, ret + s->nresolver, room - s->nresolver, ms) : 0);
	if (s->net.relay) {
		int left = relay_timeout(s->net.relay);
		ret[n++] = (struct pollfd){relay_fd(s->net.relay), POLLIN, 0};
		if (left >= 0 && (*ms < 0 || left < *ms))
			*ms = left;
	}
	if (s->saver >= 0 && n < room)
		ret[n++] = (struct pollfd){s->saver, POLLIN, 0};
	if (s->pauser >= 0 && n < room)
		ret[n++] = (struct pollfd){s->pauser, POLLIN, 0};
	if (s->notify.sock >= 0 && n < room)
		ret[n++] = (struct pollfd){s->notify.sock, POLLIN, 0};
	if (s->deadline) {
		int64_t left = (s->deadline - num_monotonic_ns()) / 1000000 + 1;
		if (*ms < 0 || left < *ms)
			*ms = left > 0 ? (int)left : 0;
	}
	return n;
}

/* One that is frozen by a freezer of cgroup v1 dies when it is thawed. */
static void kill_now(struct start *s)
{
	struct err ignored = {};
	proc_pidfd_signal(s->running->pidfd, SIGKILL);
	if (cgroup_is_frozen(&s->running->cgroup))
		(void)!cgroup_freeze(&s->running->cgroup, false, &ignored);
}

/* An unhealthy container is killed; what is to become of it then is its restart policy's business, but where it was said. */
static void unhealthy(struct start *s)
{
	s->must_come_back = s->on_unhealthy == HEALTH_RESTART;
	if (s->on_unhealthy == HEALTH_KILL)
		kill_now(s);
	s->monitor.stop_now |= s->on_unhealthy == HEALTH_RESTART || s->on_unhealthy == HEALTH_STOP;
	s->monitor.is_final |= s->on_unhealthy == HEALTH_STOP;
}

static void guests_have(void *arg, const struct pollfd *p, size_t n unused)
{
	struct start *s = arg;
	if (s->nresolver)
		resolver_serve(s->net.resolver, p, s->nresolver);
	if (s->net.relay)
		relay_serve(s->net.relay);
	if (s->health && health_served(s->health))
		unhealthy(s);
	if (s->health && str_eq(s->c->state.health, "healthy"))
		notify_healthy(&s->notify);
	notify_serve(&s->notify);
	pause_served(s->g, s->c, &s->pauser);
	if (s->deadline && num_monotonic_ns() >= s->deadline) {
		s->deadline = 0;
		s->monitor.is_final = true;
		kill_now(s);
	}
}

static int begin_saving(struct start *s, int fd)
{
	int r = checkpoint_begin(s->g, s->c, s->running, &s->monitor, fd, &s->saving);
	fd_drop(&s->saver);
	s->saver = s->saving > 0 ? proc_pidfd_open(s->saving) : -1;
	return r;
}

static int on_told(void *arg, const void *p, size_t n, int fd)
{
	struct start *s = arg;
	struct err ignored = {};
	if (checkpoint_is_word(p, n))
		return begin_saving(s, fd);
	if (pause_is_word(p, n)) {
		fd_drop(&s->pauser);
		s->pauser = fd;
		return 0;
	}
	if (end_is_word(p, n)) {
		fd_drop(&fd);
		s->monitor.is_final = true;
		kill_now(s);
		return 0;
	}
	if (connect_is_word(p, n))
		return connect_told(s->g, &s->net, s->run_dir, fd);
	if (!health_is_word(p, n))
		return ports_told(s->g, &s->net, p, n, fd);
	fd_drop(&fd);
	int r = health_begin_anew(&s->health, s->g, s->c, s->running, s->run_dir, &s->files);
	(void)!health_parse_action(s->c->record.host.health_on_failure, &s->on_unhealthy, &ignored);
	return r;
}

static int mount_root(struct start *s, struct err *e)
{
	const struct container_record *r = &s->c->record;
	if (r->host.rootfs) {
		s->rootfs = open(r->host.rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return s->rootfs < 0 ? err_sys(e, "--rootfs %s", r->host.rootfs) : 0;
	}
	if (engine_need_snap(s->g, e) < 0)
		return -1;
	struct snap_mount m = {.layers = &r->layers, .dir = s->c->dir, .is_volatile = r->host.auto_remove,
		.uids = s->maps.uids, .nuids = s->maps.nuids, .gids = s->maps.gids, .ngids = s->maps.ngids, .holds = true};
	s->rootfs = snap_mount(&s->g->snap, &m, e);
	return s->rootfs < 0 ? -1 : 0;
}

/* Its pod runs from here on; what it has of networks is the pod's. */
static int prepare_pod(struct start *s, struct err *e)
{
	const char *pod = s->c->record.host.pod;
	if (str_is_empty(pod))
		return 0;
	if (pod_use(s->g, pod, s->c->record.name + 1, &s->pod, e) < 0)
		return -1;
	s->build.pod = &s->pod.pod;
	if (!str_has_prefix(s->c->record.host.network_mode, "pod:"))
		return 0;
	s->c->state.networks = s->pod.pod.state.networks;
	s->c->state.published = s->pod.pod.state.published;
	return 0;
}

static int prepare(struct start *s, struct err *e)
{
	const struct container_record *r = &s->c->record;
	/* One that comes back by itself was let start already. */
	if (!s->again && !r->host.rootfs && trust_launch(s->g, r->image, r->config.image ? r->config.image : "", e) < 0)
		return -1;
	if (!s->again && !str_is_empty(r->image))
		store_use(s->g->root, r->image);
	if (userns_parse(r, &s->maps, e) < 0 || mount_root(s, e) < 0 || mounts_fill_volumes(s->g, s->c, s->rootfs, &s->maps, e) < 0)
		return -1;
	s->run_dir = containers_run_dir(&s->g->containers, s->c->id, true, e);
	if (s->run_dir < 0)
		return -1;
	s->build = (struct spec_build){.run_dir = s->run_dir, .g = s->g, .c = s->c, .arena = &s->arena, .root = s->rootfs, .maps = &s->maps, .spec = &s->spec};
	if (notify_open(r, s->run_dir, &s->notify, e) < 0)
		return -1;
	getrlimit(RLIMIT_NOFILE, &s->files);
	s->build.notify = s->notify.sock >= 0;
	s->build.listen_fds = notify_listen_fds();
	if (connect_prepare(s->g, s->c, &s->net, e) < 0 || prepare_pod(s, e) < 0 || connect_expect(s->g, &s->net, e) < 0 || spec_build(&s->build, e) < 0)
		return -1;
	s->seccomp_cache = engine_seccomp_cache(s->g, &s->spec);
	return 0;
}

/* What on_exited() and on_finished() work with; the monitor closes everything else. */
static void keep_fds(struct start *s)
{
	const struct engine *g = s->g;
	const int fds[] = {g->root, g->run, g->containers.root, g->containers.names, g->containers.run, g->user.lock, s->c->dir,
		g->has_snap ? g->snap.layers : -1, s->c->lock, g->networks.root, g->networks.run, g->private_net.netns, g->private_net.lock,
		s->notify.host, s->notify.sock, s->from ? s->from->images : -1, s->pod.member,
		s->net.netns_sockets[0] > 0 ? s->net.netns_sockets[0] : -1, s->net.netns_sockets[1] > 0 ? s->net.netns_sockets[1] : -1};
	for (size_t i = 0; i < countof(fds) && s->monitor.nkeep < countof(s->monitor.keep); i++)
		s->monitor.keep[s->monitor.nkeep++] = fds[i];
	for (size_t i = 0; i < s->build.nready && s->monitor.nkeep < countof(s->monitor.keep); i++)
		s->monitor.keep[s->monitor.nkeep++] = s->build.ready[i];
	/* Pods are not kept: who starts it again opens them anew. */
	s->g->has_pods = false;
}

/* What only has to be open: the sockets of ports, and the mounts of layers. */
static void hold_fds(struct start *s)
{
	size_t nports = s->net.nfds, nlayers = s->g->has_snap ? snap_held(&s->g->snap, NULL) : 0;
	int *fds = arena_alloc(&s->arena, (nports + nlayers + 1) * sizeof *fds);
	for (size_t i = 0; i < nports; i++)
		fds[i] = s->net.fds[i];
	if (nlayers)
		(void)snap_held(&s->g->snap, fds + nports);
	s->monitor.hold = fds;
	s->monitor.nhold = nports + nlayers;
}

static void set_monitor(struct start *s, int report)
{
	const struct container_record *r = &s->c->record;
	struct monitor *m = &s->monitor;
	m->create = (struct container_create){.id = s->c->id, .spec = &s->spec,
		.rootfs = r->host.rootfs ? -1 : s->rootfs, .stdio = {-1, -1, -1}, .console = -1,
		.seccomp_cache = s->seccomp_cache, .netns_socket = s->net.netns_sockets[0]};
	m->create.init = r->host.init.set && r->host.init.v;
	/* On v1 nothing is delegated to a plain user; on v2 a group of one's own is what makes pause and stats work. */
	if (s->g->rootless && cgroup_machine_mode() != CGROUP_V2 && !s->spec.linux_->resources->memory && !s->spec.linux_->resources->cpu &&
		!s->spec.linux_->resources->pids_limit.set && !s->spec.linux_->resources->block_io)
		m->create.cgroup_manager = CGROUP_MANAGER_DISABLED;
	if (s->from)
		m->restore = &s->restore;
	m->create.preserve_fds = s->build.listen_fds;
	m->keeps_preserved = str_eq(r->host.health_on_failure, "restart") || !(str_is_empty(r->host.restart.name) || str_eq(r->host.restart.name, "no"));
	m->keeps_unit = s->notify.host >= 0;
	logs_options(s->c, &s->arena, &m->log);
	keep_fds(s);
	m->run_dir = s->run_dir;
	m->open_stdin = r->config.open_stdin;
	m->stdin_once = r->config.stdin_once;
	m->clients = s->clients;
	m->nclients = s->nclients;
	m->report = report;
	hold_fds(s);
	int sig;
	struct err ignored = {};
	m->stop_signal = !str_is_empty(r->config.stop_signal) && signal_parse(r->config.stop_signal, &sig, &ignored) == 0 ? sig : 15;
	m->stop_seconds = container_stop_seconds(&r->config);
	m->created = on_created;
	m->started = on_started;
	m->exited = on_exited;
	m->finished = on_finished;
	m->polls = guests_want;
	m->served = guests_have;
	m->told = on_told;
	m->arg = s;
}

/* docker keeps why a start failed in the state. */
static void record_failure(struct start *s, const struct err *why)
{
	struct err ignored = {};
	struct container_state *st = &s->c->state;
	(void)!path_remove_tree(s->g->containers.run, s->c->id, &ignored);
	if (s->net.list.n)
		connect_release(s->g, s->c->id);
	if (s->c->record.host.auto_remove) {
		(void)!container_erase(s->g, s->c, true, &ignored);
		return;
	}
	own(fd) int lock = container_change_state(s->c, &ignored);
	if (s->again && !str_eq(st->status, "restarting") && !str_eq(st->status, "running"))
		return;
	char now[NUM_TEXT];
	st->exit_code = why->kind == ERR_NOCMD ? 127 : why->kind == ERR_NOEXEC ? 126 : 128;
	st->restart_count += s->again;
	bool comes_back = s->again && restart_is_due(st, (int)st->exit_code, 0, false);
	st->status = (char *)(uintptr_t)(comes_back ? "restarting" : str_is_empty(st->finished_at) ? "created" : "exited");
	st->error = arena_dup(&s->c->arena, why->text);
	if (s->again)
		st->finished_at = arena_dup(&s->c->arena, num_format_time(num_now_ns(), now));
	st->pid = 0;
	st->monitor_pid = comes_back ? getpid() : 0;
	st->monitor_start = comes_back ? container_start_time(getpid()) : 0;
	if (comes_back)
		s->run_dir = containers_run_dir(&s->g->containers, s->c->id, true, &ignored);
	(void)!container_save_state(s->c->dir, st, false, &ignored);
}

/* Without a report: it was killed, or memory was short. What it had made by then is ours to take away. */
static int monitor_died(struct start *s, int status, struct err *e)
{
	struct err ignored = {};
	(void)!container_reload_state(s->c, &ignored);
	container_end(s->g, s->c);
	if (WIFSIGNALED(status))
		return err_set(e, ERR_SYSTEM, "the container's monitor was killed by signal %d", WTERMSIG(status));
	return err_set(e, ERR_SYSTEM, "the container's monitor ended with status %d before the command was executed", WEXITSTATUS(status));
}

/* The monitor is through with the container and goes on as the process that brings it back. What it needs is open: what it kept,
 * and the sockets of the unit. */
static void start_again(struct start *s)
{
	struct engine *g = s->g;
	struct monitor m = s->monitor;
	char id[65];
	memcpy(id, s->c->id, sizeof id);
	/* It is among those that are kept: the pod stays while we wait. The next monitor closes it. */
	s->pod.member = -1;
	start_drop(s);
	container_entry_drop(s->c);
	g->has_store = false;
	notify_keep_listen_fds(m.create.preserve_fds);
	fd_close_from(3 + m.create.preserve_fds, m.keep, m.nkeep);
	restart_serve(g, id);
}

/*
 * A unit's main process is to be systemd's own child: for another's it does not wait, and kills it as soon as the unit's ExecStop= is
 * through. So nobody's child is made, which systemd has adopted when this returns in it. In the caller: 1, it was made; -1 with errno.
 */
static pid_t fork_orphan(void)
{
	pid_t starter = fork();
	if (starter == 0) {
		pid_t parent = getpid();
		pid_t pid = fork();
		if (pid != 0)
			_exit(pid < 0 ? errno : 0);
		own(fd) int fd = proc_pidfd_open(parent);
		struct pollfd p = {.fd = fd, .events = POLLIN};
		while (fd >= 0 && getppid() == parent && poll(&p, 1, -1) < 0 && errno == EINTR)
			;
		return 0;
	}
	int status = 0;
	pid_t got = -1;
	while (starter > 0 && (got = waitpid(starter, &status, 0)) < 0 && errno == EINTR)
		;
	if (starter < 0)
		return -1;
	/* It may not be ours to wait for (SIGCHLD is ignored): then the report tells. */
	errno = got == starter && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	return errno ? -1 : 1;
}

static int fork_monitor(struct start *s, struct err *e)
{
	int report[2];
	if (fd_pipe(report, e) < 0)
		return -1;
	bool orphan = s->notify.host >= 0;
	pid_t pid = orphan ? fork_orphan() : fork();
	if (pid == 0) {
		close(report[0]);
		set_monitor(s, report[1]);
		int status = monitor_main(&s->monitor);
		if (s->g->has_snap)
			snap_let_go(&s->g->snap);
		if (s->comes_back)
			start_again(s);
		_exit(status ? status : s->unit_status);
	}
	int saved = errno;
	close(report[1]);
	struct err why = {};
	ssize_t n = pid < 0 ? 0 : fd_read_full(report[0], &why, sizeof why);
	close(report[0]);
	errno = saved;
	if (pid < 0)
		return err_sys(e, "fork the monitor");
	if (n == sizeof why && why.kind == ERR_NONE) {
		if (*why.text)
			engine_warn(s->g, "%s", why.text);
		return 0;
	}
	int status = 0;
	if (!orphan)
		waitpid(pid, &status, 0);
	/* Its monitor may have let it go already. */
	while (flock(s->c->lock, LOCK_EX) < 0 && errno == EINTR)
		;
	if (n != sizeof why)
		return monitor_died(s, status, e);
	*e = why;
	return -1;
}

/* criu needs places for mounts, by path; they go with the run directory. */
static int prepare_restore(struct start *s, struct err *e)
{
	char link[40], dir[PATH_MAX];
	snprintf(link, sizeof link, "/proc/self/fd/%d", s->run_dir);
	ssize_t n = readlink(link, dir, sizeof dir - 1);
	if (n < 0 || mkdirat(s->run_dir, "criu", 0700) < 0)
		return err_sys(e, "the run directory");
	dir[n] = 0;
	s->criu = (struct criu_options){.images_dir = s->from->images, .work_dir = -1, .tcp_established = s->from->tcp_established,
		.tcp_close = s->from->tcp_close, .file_locks = s->from->file_locks, .ext_unix_sk = true, .cgroups = CRIU_CGROUPS_DEFAULT};
	s->restore = (struct container_restore){.create = &s->monitor.create, .dir = arena_printf(&s->arena, "%s/criu", dir), .options = &s->criu,
		.created = on_created, .arg = s};
	return 0;
}

/* Those it requires were made before it was, so this comes to an end, also with the locks that are held. */
static int start_required(struct engine *g, const struct container_entry *c, struct err *e)
{
	for (size_t i = 0; i < c->record.host.requires.n; i++) {
		own(container_entry) struct container_entry other = {.dir = -1, .lock = -1};
		const char *id = c->record.host.requires.v[i];
		if (container_get(g, id, ENTRY_LOCK, &other, e) < 0)
			return err_wrap(e, "container %.200s requires another", container_label(c));
		if (!str_eq(other.state.status, "created") && !str_eq(other.state.status, "exited"))
			continue;
		if (container_launch(g, &other, -1, 0, e) < 0)
			return err_wrap(e, "container %.200s requires container %.200s", container_label(c), container_label(&other));
	}
	return 0;
}

int container_launch(struct engine *g, struct container_entry *c, int client, unsigned streams, struct err *e)
{
	return container_launch_from(g, c, NULL, client, streams, e);
}

int container_launch_from(struct engine *g, struct container_entry *c, const struct checkpoint_use *from, int client, unsigned streams, struct err *e)
{
	struct start s __attribute__((cleanup(start_drop))) = {.g = g, .c = c, .from = from, .notify = {.host = -1, .sock = -1}, .pod = POD_USE_INIT,
		.clients = {{client, streams}}, .nclients = client >= 0,
		.rootfs = -1, .run_dir = -1, .saver = -1, .pauser = -1, .seccomp_cache = -1};
	const char *status = container_status(g, c);
	s.again = str_eq(status, "restarting") && c->state.monitor_pid == getpid();
	if (!s.again && !str_eq(status, "created") && !str_eq(status, "exited"))
		return err_set(e, ERR_CONFLICT, "container %.200s is %s", container_label(c), status);
	s.nclients += waiting_take(c->dir, s.clients + s.nclients, WAITING_MOST);
	int r = start_required(g, c, e);
	if (client >= 0 && streams)
		event_container(g, c, "attach");
	if (r == 0)
		r = prepare(&s, e);
	if (r == 0 && from)
		r = prepare_restore(&s, e);
	if (r == 0)
		r = fork_monitor(&s, e);
	let_clients_go(&s);
	/* Whatever was missing then: its files go one after the other. */
	if (r < 0 && faccessat(c->dir, "config.json", F_OK, 0) < 0 && errno == ENOENT)
		err_set_(e, ERR_NOT_FOUND, "container %.200s was removed meanwhile", container_label(c));
	if (r < 0)
		record_failure(&s, e);
	if (g->has_snap)
		(r < 0 ? snap_let_go : snap_pass_on)(&g->snap);
	fd_drop(&c->lock);
	return r;
}
