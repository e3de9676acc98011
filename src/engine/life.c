/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life: finding a container, telling how it really stands, and ending it.
 *
 * state.json says what the last writer knew; container_status() holds it against the kernel. A state that
 * says running while the process of that pid and start time is gone means: the monitor is just now recording
 * the exit (it lives: we wait for it), or the monitor was killed or the machine went down (it is gone: the exit
 * code is lost, and we record that, once, under the state's lock).
 *
 * "restarting" is the state of one that has ended and comes back by its policy (restart.c): its monitor is the process that
 * waits. How it ended last is known.
 *
 * "removing" is the state of a --rm container between its end and its disappearance; its monitor does that. When the monitor
 * is gone, whoever meets the container does it.
 */
#include "engine/container.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/events.h"
#include "engine/mounts.h"
#include "engine/network.h"
#include "engine/private_net.h"
#include "engine/restart.h"
#include "engine/update.h"
#include "monitor/attach.h"
#include "sys/proc.h"
#include "sys/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LOST_STATUS = 255, STOP_SECONDS = 10 };
static const int64_t KILL_NS = 10LL * 1000000000;

static bool says_running(const struct container_state *s)
{
	return str_eq(s->status, "running") || str_eq(s->status, "paused");
}

static bool says_restarting(const struct container_state *s)
{
	return str_eq(s->status, "restarting");
}

char *container_cgroup_path(struct arena *a, const struct container_entry *c)
{
	const char *parent = c->record.host.cgroup_parent;
	if (str_is_empty(parent))
		parent = "/hull";
	return arena_printf(a, "%s%s/%s", *parent == '/' ? "" : "/", parent, c->id);
}

void container_end(struct engine *g, struct container_entry *c)
{
	struct cgroup cg = {.v2 = -1};
	struct err ignored = {};
	const char *path = c->state.cgroup;
	/* Killed before it wrote down what it had made. */
	if (str_is_empty(path) && c->record.id)
		path = container_cgroup_path(&c->arena, c);
	if (container_state_is_alive(&g->containers, &c->state))
		(void)!container_signal(g, c, SIGKILL, &ignored);
	if (str_is_empty(path) || cgroup_open(path, &cg, &ignored) < 0)
		return;
	(void)!cgroup_kill(&cg, SIGKILL, &ignored);
	(void)!cgroup_remove(&cg, &ignored);
	cgroup_drop(&cg);
}

/* What a --rm container's monitor did not come to. Held by another verb, it is that one's. */
static void erase_left(struct engine *g, struct container_entry *c)
{
	struct err ignored = {};
	own(container_entry) struct container_entry whole = {.dir = -1, .lock = -1};
	own(fd) int lock = c->lock < 0 ? path_lock(c->dir, "lock", true, false, &ignored) : -1;
	if ((lock < 0 && c->lock < 0) || containers_load(&g->containers, c->id, 0, &whole, &ignored) < 0)
		return;
	container_end(g, &whole);
	(void)!container_erase(g, &whole, true, &ignored);
}

static void lose(struct container_entry *c, const char *why)
{
	c->state.exit_code = LOST_STATUS;
	c->state.error = arena_printf(&c->arena, "%s: the exit status is not known", why);
}

/* Nobody will record this exit: the monitor is gone. */
static void settle(struct engine *g, struct container_entry *c)
{
	struct err ignored = {};
	bool same_boot = str_eq(c->state.boot, g->containers.boot);
	own(fd) int lock = container_change_state(c, &ignored);
	bool ended = says_restarting(&c->state);
	if (lock < 0 || !(says_running(&c->state) || ended) || container_state_is_alive(&g->containers, &c->state) ||
		container_state_has_monitor(&g->containers, &c->state))
		return;
	if (same_boot)
		container_end(g, c);
	char now[NUM_TEXT];
	c->state.status = (char *)(uintptr_t)(c->state.auto_remove ? "removing" : "exited");
	c->state.pid = c->state.monitor_pid = 0;
	if (ended) {
		c->state.error = arena_dup(&c->arena, same_boot ? "its monitor was killed: it does not come back by itself" : "");
	} else {
		lose(c, same_boot ? "its monitor was killed" : "the machine was restarted while it ran");
		c->state.finished_at = arena_dup(&c->arena, num_format_time(num_now_ns(), now));
	}
	if (connect_has_any(g, c))
		connect_release(g, c->id);
	/* In this order: a start that sees the new state makes the run directory again. */
	(void)!path_remove_tree(g->containers.run, c->id, &ignored);
	(void)!container_save_state(c->dir, &c->state, false, &ignored);
	if (!ended)
		event_end(g, c);
}

/* By another verb: a start that has just failed, perhaps, which says so in a moment. */
static bool is_held(const struct container_entry *c)
{
	struct err busy = {};
	own(fd) int lock = c->lock < 0 ? path_lock(c->dir, "lock", true, false, &busy) : -1;
	return c->lock < 0 && lock < 0 && busy.kind == ERR_CONFLICT;
}

const char *container_status(struct engine *g, struct container_entry *c)
{
	struct err ignored = {};
	for (int i = 0; says_running(&c->state) && !container_state_is_alive(&g->containers, &c->state); i++) {
		if (!container_state_has_monitor(&g->containers, &c->state) && !is_held(c)) {
			settle(g, c);
			break;
		}
		/* It, or who holds the container, is about to write: a matter of milliseconds. */
		nanosleep(&(struct timespec){.tv_nsec = i < 20 ? 500000 : 10000000}, NULL);
		if (container_reload_state(c, &ignored) < 0)
			return "removing";
		if (i > 500)
			break;
	}
	if (says_restarting(&c->state) && !container_state_has_monitor(&g->containers, &c->state))
		settle(g, c);
	if (str_eq(c->state.status, "removing") && !container_state_has_monitor(&g->containers, &c->state))
		erase_left(g, c);
	return c->state.status ? c->state.status : "created";
}

/* Who does not get the lock finds an update that goes on. */
static int recover_update(struct engine *g, int flags, struct container_entry *c, struct err *e)
{
	struct err busy = {};
	own(fd) int lock = c->lock >= 0 ? -1 : path_lock(c->dir, "lock", true, false, &busy);
	if ((lock < 0 && c->lock < 0) || !update_journal_is_there(c->dir))
		return 0;
	if (update_recover(g, c->id, e) < 0)
		return -1;
	char id[sizeof c->id];
	memcpy(id, c->id, sizeof id);
	int kept = take_fd(c->lock);
	container_entry_drop(c);
	*c = (struct container_entry){.dir = -1, .lock = -1};
	if (containers_load(&g->containers, id, flags & ~ENTRY_LOCK, c, e) < 0) {
		fd_drop(&kept);
		return -1;
	}
	c->lock = kept;
	return 0;
}

int container_get(struct engine *g, const char *text, int flags, struct container_entry *ret, struct err *e)
{
	char id[65];
	if (containers_find(&g->containers, text, id, e) < 0)
		return -1;
	if (containers_load(&g->containers, id, flags, ret, e) < 0)
		return e->kind == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "no such container: %.200s", text) : -1;
	if (str_eq(container_status(g, ret), "removing") && !path_exists(ret->dir, "config.json")) {
		container_entry_drop(ret);
		return err_set(e, ERR_NOT_FOUND, "no such container: %.200s", text);
	}
	if (update_journal_is_there(ret->dir) && recover_update(g, flags, ret, e) < 0) {
		container_entry_drop(ret);
		return -1;
	}
	/* A plain user's rules are in a namespace where nobody else is. */
	if (says_running(&ret->state) && ret->state.networks.n && !private_net_is_needed(g))
		network_heal(g);
	return 0;
}

int container_get_running(struct engine *g, const char *text, struct container_entry *ret, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (container_get(g, text, 0, &c, e) < 0)
		return -1;
	if (says_restarting(&c.state))
		return err_set(e, ERR_CONFLICT, "container %.200s is restarting: wait until it runs, or stop it", text);
	if (!says_running(&c.state))
		return err_set(e, ERR_CONFLICT, "container %.200s is not running", text);
	*ret = c;
	c = (struct container_entry){.dir = -1, .lock = -1};
	return 0;
}

/* A pidfd that is proven to be the container's first process. */
static int open_process(struct engine *g, struct container_entry *c, struct err *e)
{
	own(fd) int fd = c->state.pid > 0 ? (int)syscall(SYS_pidfd_open, (pid_t)c->state.pid, 0) : -1;
	if (fd < 0 && c->state.pid > 0 && errno != ESRCH)
		return err_sys(e, "container %.12s: its process", c->id);
	if (fd < 0 || !container_state_is_alive(&g->containers, &c->state))
		return err_set(e, ERR_CONFLICT, "container %.200s is not running", container_label(c));
	return take_fd(fd);
}

static int freeze(struct container_entry *c, bool frozen, struct err *e)
{
	struct cgroup cg = {.v2 = -1};
	if (cgroup_open(c->state.cgroup, &cg, e) < 0)
		return -1;
	int r = cgroup_freeze(&cg, frozen, e);
	cgroup_drop(&cg);
	return r;
}

int container_signal(struct engine *g, struct container_entry *c, int sig, struct err *e)
{
	own(fd) int fd = open_process(g, c, e);
	if (fd < 0)
		return -1;
	if (syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) < 0 && errno != ESRCH)
		return err_sys(e, "signal container %.200s", container_label(c));
	/* A frozen process dies when it is thawed. */
	struct err gone = {};
	if (sig == SIGKILL && str_eq(c->state.status, "paused"))
		(void)!freeze(c, false, &gone);
	return 0;
}

static int left_ms(int64_t until_ns)
{
	if (until_ns == INT64_MAX)
		return -1;
	int64_t left = until_ns - num_monotonic_ns();
	return left <= 0 ? 0 : left > (int64_t)INT_MAX * 1000000 ? INT_MAX : (int)((left + 999999) / 1000000);
}

/* Until the process that waits to start it again is gone: it was started, or is not to come back. False: time is up. */
static bool await_restart(struct engine *g, struct container_entry *c, int64_t until)
{
	struct err gone = {};
	while (says_restarting(&c->state)) {
		own(fd) int fd = container_state_has_monitor(&g->containers, &c->state) ? proc_pidfd_open((pid_t)c->state.monitor_pid) : -1;
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n = fd < 0 ? 1 : poll(&p, 1, left_ms(until));
		if (n == 0)
			return false;
		if (n > 0 && container_reload_state(c, &gone) < 0)
			return true;
		if (fd < 0)
			container_status(g, c);
	}
	return true;
}

/* Through the monitor (its last frame tells the status, even of a container that is removed then), else by the pidfd. */
int container_wait(struct engine *g, struct container_entry *c, int64_t timeout_ns, int *ret_status, struct err *e)
{
	int64_t until = timeout_ns < 0 ? INT64_MAX : num_monotonic_ns() + timeout_ns;
	struct err gone = {};
	if (!await_restart(g, c, until))
		return 0;
	own(fd) int run = containers_run_dir(&g->containers, c->id, false, &gone);
	own(fd) int sock = run < 0 ? -1 : attach_connect(run, 0, &gone);
	int status = -1;
	if (sock >= 0) {
		unsigned char h[ATTACH_HEADER + 4];
		struct pollfd p = {.fd = sock, .events = POLLIN};
		int n;
		do
			n = poll(&p, 1, left_ms(until));
		while (n < 0 && errno == EINTR);
		if (n == 0)
			return 0;
		if (fd_read_full(sock, h, sizeof h) == sizeof h && h[0] == ATTACH_EXIT)
			status = h[8] << 24 | h[9] << 16 | h[10] << 8 | h[11];
	}
	own(fd) int fd = status >= 0 ? -1 : open_process(g, c, &gone);
	if (fd >= 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n;
		do
			n = poll(&p, 1, left_ms(until));
		while (n < 0 && errno == EINTR);
		if (n == 0)
			return 0;
	}
	if (container_reload_state(c, &gone) == 0)
		container_status(g, c);
	else if (gone.sys && gone.sys != ENOENT)
		return *e = gone, -1;
	else if (status < 0 && !event_exit_status(g, c->id, 0, &status))
		lose(c, "it was removed meanwhile");
	if (ret_status)
		*ret_status = status >= 0 ? status : (int)c->state.exit_code;
	return 1;
}

/* It is not to come back by its restart policy. */
static void note_stop(struct container_entry *c)
{
	struct err ignored = {};
	own(fd) int lock = container_change_state(c, &ignored);
	if (lock < 0 || !says_running(&c->state))
		return;
	c->state.stopped_by_user = true;
	(void)!container_save_state(c->dir, &c->state, false, &ignored);
}

int container_kill(struct engine *g, struct container_entry *c, int sig, struct err *e)
{
	const char *own_signal = c->record.config.stop_signal;
	struct err ignored = {};
	int stop = SIGTERM;
	if (!str_is_empty(own_signal) && signal_parse(own_signal, &stop, &ignored) < 0)
		stop = SIGTERM;
	if (sig == SIGKILL || sig == stop)
		note_stop(c);
	if (container_signal(g, c, sig, e) < 0)
		return -1;
	event_signal(g, c, sig);
	if (sig != SIGKILL)
		return 0;
	int r = container_wait(g, c, KILL_NS, NULL, e);
	return r == 0 ? err_set(e, ERR_TIMEOUT, "container %.200s did not end after SIGKILL", container_label(c)) : r < 0 ? -1 : 0;
}

int container_stop_seconds(const struct container_config *c)
{
	return c->stop_timeout.set ? (int)c->stop_timeout.v : STOP_SECONDS;
}

int container_stop(struct engine *g, struct container_entry *c, int sig, int timeout_s, struct err *e)
{
	if (says_restarting(&c->state) && restart_cancel(g, c)) {
		event_container(g, c, "stop");
		return 0;
	}
	if (!says_running(&c->state))
		return 0;
	const struct container_config *cf = &c->record.config;
	if (!sig && (str_is_empty(cf->stop_signal) || signal_parse(cf->stop_signal, &sig, e) < 0))
		sig = SIGTERM;
	if (timeout_s == INT_MIN)
		timeout_s = container_stop_seconds(cf);
	if (str_eq(c->state.status, "paused") && container_pause(g, c, false, e) < 0)
		return -1;
	note_stop(c);
	struct err gone = {};
	if (container_signal(g, c, sig, &gone) < 0)
		return gone.kind == ERR_CONFLICT ? 0 : (*e = gone, -1);
	event_signal(g, c, sig);
	int r = container_wait(g, c, timeout_s < 0 ? -1 : (int64_t)timeout_s * 1000000000, NULL, e);
	if (r < 0)
		return -1;
	if (r == 0 && container_kill(g, c, SIGKILL, &gone) < 0 && gone.kind != ERR_CONFLICT)
		return *e = gone, -1;
	event_container(g, c, "stop");
	return 0;
}

int container_start_named(struct engine *g, const char *text, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (container_get(g, text, ENTRY_LOCK, &c, e) < 0)
		return -1;
	if (str_eq(container_status(g, &c), "paused"))
		return err_set(e, ERR_CONFLICT, "container %.200s is paused: unpause it", text);
	if (says_running(&c.state) || says_restarting(&c.state))
		return 0;
	return container_launch(g, &c, -1, 0, e) < 0 ? -1 : 1;
}

/* Is it to go when it ends? Who starts it again says so anew. */
static int set_auto_remove(struct container_entry *c, bool on, struct err *e)
{
	own(fd) int lock = container_change_state(c, e);
	if (lock < 0)
		return -1;
	c->state.auto_remove = on;
	return container_save_state(c->dir, &c->state, false, e);
}

int container_restart(struct engine *g, const char *text, int sig, int timeout_s, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1}, again = {.dir = -1, .lock = -1};
	struct err ignored = {};
	if (container_get(g, text, 0, &c, e) < 0 || (c.record.host.auto_remove && set_auto_remove(&c, false, e) < 0))
		return -1;
	if (container_stop(g, &c, sig, timeout_s, e) < 0) {
		if (c.record.host.auto_remove)
			(void)!set_auto_remove(&c, true, &ignored);
		return -1;
	}
	if (container_get(g, c.id, ENTRY_LOCK, &again, e) < 0)
		return -1;
	/* Another one who restarts it was first: since we were asked it was stopped, and started. */
	(void)container_status(g, &again);
	if (says_running(&again.state))
		return 0;
	if (container_launch(g, &again, -1, 0, e) < 0)
		return -1;
	event_container(g, &again, "restart");
	return 0;
}

/* Frozen by who was killed with it in hand, and not by a pause. */
static bool is_stuck(const struct container_entry *c)
{
	struct err ignored = {};
	struct cgroup cg = {.v2 = -1};
	bool stuck = str_eq(c->state.status, "running") && !str_is_empty(c->state.cgroup) && cgroup_open(c->state.cgroup, &cg, &ignored) == 0 &&
		cgroup_is_frozen(&cg);
	cgroup_drop(&cg);
	return stuck;
}

/* alone: nobody else can be at it who freezes it for a moment. */
static int change_pause(struct engine *g, struct container_entry *c, bool paused, bool alone, struct err *e)
{
	container_status(g, c);
	/* Two at once are told apart by the lock; the monitor waits at it, too, when the container ends just now. */
	own(fd) int lock = container_change_state(c, e);
	if (lock < 0)
		return -1;
	const char *status = c->state.status;
	if (paused && str_eq(status, "paused"))
		return err_set(e, ERR_CONFLICT, "container %.200s is already paused", container_label(c));
	if (!str_eq(status, paused ? "running" : "paused") && (paused || !alone || !is_stuck(c)))
		return err_set(e, ERR_CONFLICT, "container %.200s is not %s", container_label(c), paused ? "running" : "paused");
	if (str_is_empty(c->state.cgroup))
		return err_set(e, ERR_UNSUPPORTED, "container %.200s has no cgroup of its own, so it cannot be paused", container_label(c));
	if (freeze(c, paused, e) < 0)
		return e->kind == ERR_CONFLICT || e->kind == ERR_NOT_FOUND || !container_state_is_alive(&g->containers, &c->state)
			? err_set(e, ERR_CONFLICT, "container %.12s is not running", c->id) : -1;
	c->state.status = (char *)(uintptr_t)(paused ? "paused" : "running");
	if (paused)
		c->state.paused_ns = num_monotonic_ns();
	if (container_save_state(c->dir, &c->state, false, e) < 0)
		return -1;
	event_container(g, c, paused ? "pause" : "unpause");
	return 0;
}

/* Who has the container's lock is alone. */
int container_pause(struct engine *g, struct container_entry *c, bool paused, struct err *e)
{
	return change_pause(g, c, paused, c->lock >= 0, e);
}

static const char pause_word[] = "paused by me";

bool pause_is_word(const void *p, size_t n)
{
	return n == sizeof pause_word && memcmp(p, pause_word, sizeof pause_word) == 0;
}

int pause_hold(struct engine *g, const struct container_entry *c, struct err *e)
{
	int p[2];
	own(fd) int run = containers_run_dir(&g->containers, c->id, false, e);
	own(fd) int sock = run < 0 ? -1 : attach_connect_words(run, e);
	if (sock < 0 || fd_pipe(p, e) < 0)
		return -1;
	own(fd) int theirs = p[0], ours = p[1];
	if (fcntl(theirs, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, "pipe");
	return attach_word(sock, pause_word, sizeof pause_word, theirs, e) < 0 ? -1 : take_fd(ours);
}

void pause_over(int *hold)
{
	if (*hold >= 0)
		(void)!write(*hold, "", 1);
	fd_drop(hold);
}

void pause_served(struct engine *g, struct container_entry *c, int *fd)
{
	char over;
	struct err ignored = {};
	ssize_t n = *fd < 0 ? -1 : read(*fd, &over, 1);
	if (n < 0)
		return;
	fd_drop(fd);
	/* Who was at it is gone, perhaps between the freezer and the record. */
	if (n == 0)
		(void)!change_pause(g, c, false, true, &ignored);
}

/* Its monitor looks at the state again before it frees the name: the one that is in there then is it. */
static int save_name(struct container_entry *c, const char *text, const char *name, struct err *e)
{
	struct err ignored = {};
	char *old = c->record.name;
	own(fd) int lock = container_change_state(c, e);
	if (lock < 0)
		return -1;
	if (str_eq(c->state.status, "removing"))
		return err_set(e, ERR_NOT_FOUND, "no such container: %.200s", text);
	c->record.name = arena_printf(&c->arena, "/%s", name);
	c->state.name = c->record.name + 1;
	connect_name_anew(c);
	if (container_save_record(c, true, e) < 0)
		return -1;
	if (container_save_state(c->dir, &c->state, false, e) == 0)
		return 0;
	c->record.name = old;
	(void)!container_save_record(c, true, &ignored);
	return -1;
}

int container_rename(struct engine *g, const char *text, const char *name, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (*name == '/')
		name++;
	if (!container_name_is_valid(name))
		return err_set(e, ERR_USAGE, "invalid container name \"%s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, at least two", name);
	if (container_get(g, text, ENTRY_LOCK, &c, e) < 0)
		return -1;
	if (str_eq(c.record.name + 1, name))
		return err_set(e, ERR_USAGE, "container %.200s already has the name \"%s\"", container_label(&c), name);
	if (containers_take_name(&g->containers, name, c.id, e) < 0)
		return -1;
	own(mem) char *old = mem_dup(c.record.name + 1);
	if (save_name(&c, text, name, e) < 0) {
		containers_free_name(&g->containers, name, c.id);
		return -1;
	}
	containers_free_name(&g->containers, old, c.id);
	struct err why = {};
	if (connect_rename(g, &c, old, &why) < 0)
		engine_warn(g, "container %s: its networks know it as %s until it starts again: %s", name, old, why.text);
	own(mem) char *before = mem_printf("/%s", old);
	event_container(g, &c, "rename", "oldName", before);
	return 0;
}

int container_forget(struct engine *g, struct container_entry *c, struct err *e)
{
	struct err ignored = {};
	bool freed = c->record.name && containers_free_name(&g->containers, c->record.name + 1, c->id);
	/* Renamed since the record was read; or since the state was, while we waited for the lock. */
	if (!str_is_empty(c->state.name) && containers_free_name(&g->containers, c->state.name, c->id))
		freed = true;
	if (!freed && container_reload_state(c, &ignored) == 0 && !str_is_empty(c->state.name))
		freed = containers_free_name(&g->containers, c->state.name, c->id);
	if (containers_forget(&g->containers, c->id, e) < 0)
		return -1;
	/* Once: who comes to it again finds that it has no name. */
	if (freed)
		event_container(g, c, "destroy");
	return 0;
}

/* What led to it in its pod's networks leads nowhere now. */
static void forget_in_pod(struct engine *g, const struct container_entry *c)
{
	struct err ignored = {};
	for (size_t i = 0; !str_is_empty(c->record.host.pod) && c->record.name && i < c->state.networks.n; i++)
		if (engine_need_networks(g, &ignored) == 0)
			(void)!endpoint_drop_name(&g->networks, c->state.networks.v[i].network_id, c->record.host.pod, c->record.name + 1, &ignored);
}

int container_erase(struct engine *g, struct container_entry *c, bool volumes, struct err *e)
{
	forget_in_pod(g, c);
	/* Whoever connected it may have been killed before the state told of it. */
	connect_release(g, c->id);
	/* Before the record, which alone knows them: who is cut off here can begin again. */
	if (volumes)
		mounts_forget(g, c);
	if (container_forget(g, c, e) < 0)
		return -1;
	if (!c->record.host.rootfs && (engine_need_snap(g, e) < 0 || snap_remove(&g->snap, c->dir, e) < 0))
		return -1;
	return containers_remove(&g->containers, c->id, e);
}

/* Errors that stay. */
static bool is_damage(int code)
{
	static const int codes[] = {0, EIO, EISDIR, ELOOP, EFBIG, EUCLEAN, EBADMSG};
	for (size_t i = 0; i < countof(codes); i++)
		if (codes[i] == code)
			return true;
	return false;
}

static const char end_word[] = "end for good";

bool end_is_word(const void *p, size_t n)
{
	return n == sizeof end_word && memcmp(p, end_word, sizeof end_word) == 0;
}

/* Of one whose state is lost: its monitor knows what it runs, and where. */
static void end_by_monitor(struct engine *g, struct container_entry *c)
{
	struct err ignored = {};
	own(fd) int run = containers_run_dir(&g->containers, c->id, false, &ignored);
	own(fd) int sock = run < 0 ? -1 : attach_connect_words(run, &ignored);
	if (sock >= 0 && attach_word(sock, end_word, sizeof end_word, -1, &ignored) == 0)
		(void)!container_wait(g, c, KILL_NS, NULL, &ignored);
}

/* By force also one whose record is damaged, which nobody could use nor remove: its state says what there is to end. Or the other way
 * round: then its monitor, if there is one, and what its record says that it is called in cgroups. */
static int get_for_removal(struct engine *g, const char *text, bool force, struct container_entry *ret, struct err *e)
{
	struct err ignored = {};
	char id[65];
	if (container_get(g, text, ENTRY_LOCK, ret, e) == 0)
		return 0;
	if (!force || e->kind == ERR_NOT_FOUND || !is_damage(e->sys) || containers_find(&g->containers, text, id, &ignored) < 0)
		return -1;
	if (containers_load(&g->containers, id, ENTRY_LOCK | ENTRY_LOST_STATE, ret, &ignored) == 0) {
		engine_warn(g, "%s: it is removed without", e->text);
		end_by_monitor(g, ret);
		return 0;
	}
	if (containers_load(&g->containers, id, ENTRY_LOCK | ENTRY_STATE_ONLY, ret, &ignored) < 0)
		return -1;
	engine_warn(g, "%s: it is removed without; volumes that it alone has stay", e->text);
	(void)container_status(g, ret);
	return 0;
}

int container_delete(struct engine *g, const char *text, bool force, bool volumes, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (get_for_removal(g, text, force, &c, e) < 0)
		return -1;
	if (says_restarting(&c.state) && force)
		restart_cancel(g, &c);
	if (says_running(&c.state) || says_restarting(&c.state)) {
		if (!force)
			return err_set(e, ERR_CONFLICT,
				"container %.200s is %s: stop it first, or remove it with -f", container_label(&c), c.state.status);
		struct err gone = {};
		/* Removed by us, not by its monitor, which waits for our lock: --rm does not race with this. */
		if (container_kill(g, &c, SIGKILL, &gone) < 0 && gone.kind != ERR_CONFLICT)
			return *e = gone, -1;
	}
	container_end(g, &c);
	return container_erase(g, &c, volumes, e);
}
