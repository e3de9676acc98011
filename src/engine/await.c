/* SPDX-License-Identifier: Apache-2.0 */
/*
 * await: the directory is watched before the state is read, so no change is missed; and so is the monitor, which writes it: one that was killed
 * writes nothing, and what it wrote of the container's health is no longer so. The end of a container that runs is told by its monitor
 * (container_wait), which knows it also when the container is removed at once.
 */
#include "engine/await.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/events.h"
#include "engine/health.h"
#include "sys/proc.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

static const struct word {
	const char *text;
	enum await what;
} words[] = {
	{"stopped", AWAIT_STOPPED}, {"exited", AWAIT_STOPPED}, {"not-running", AWAIT_STOPPED}, {"next-exit", AWAIT_NEXT_EXIT}, {"removed", AWAIT_REMOVED},
	{"running", AWAIT_RUNNING}, {"paused", AWAIT_PAUSED}, {"healthy", AWAIT_HEALTHY}, {"unhealthy", AWAIT_UNHEALTHY},
};

int await_parse(const char *text, enum await *ret, struct err *e)
{
	for (size_t i = 0; i < countof(words); i++)
		if (str_eq(text, words[i].text)) {
			*ret = words[i].what;
			return 0;
		}
	return err_set(e, ERR_USAGE, "invalid condition \"%.60s\": stopped, next-exit, removed, running, paused, healthy and unhealthy are known", text);
}

static const char *word_of(enum await what)
{
	for (size_t i = 0; i < countof(words); i++)
		if (words[i].what == what)
			return words[i].text;
	return "healthy";
}

static int watch(const struct container_entry *c, struct err *e)
{
	char path[48];
	snprintf(path, sizeof path, "/proc/self/fd/%d", c->dir);
	own(fd) int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0 || inotify_add_watch(fd, path, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF) < 0)
		return err_sys(e, "watch container %.12s", c->id);
	return take_fd(fd);
}

/* The monitor, by a pidfd; -1: none lives. */
static int open_monitor(struct engine *g, const struct container_entry *c)
{
	own(fd) int fd = c->state.monitor_pid > 0 ? proc_pidfd_open((pid_t)c->state.monitor_pid) : -1;
	return container_state_has_monitor(&g->containers, &c->state) ? take_fd(fd) : -1;
}

/* What of the time is left, in poll's milliseconds; 0: none. */
static int left_ms(int64_t deadline)
{
	int64_t ms = deadline < 0 ? -1 : (deadline - num_monotonic_ns() + 999999) / 1000000;
	return deadline < 0 ? -1 : ms < 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms;
}

/* A change, or the time is up. */
static int next(int fd, int monitor, int64_t deadline, struct err *e)
{
	char events[4096];
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = monitor, .events = POLLIN}};
	int n;
	do
		n = poll(p, countof(p), left_ms(deadline));
	while (n < 0 && errno == EINTR);
	if (n < 0 || (p[0].revents && read(fd, events, sizeof events) < 0 && errno != EINTR && errno != EAGAIN))
		return err_sys(e, "wait for the container");
	return 0;
}

static bool is_gone(const struct container_entry *c)
{
	return !path_exists(c->dir, "config.json");
}

static bool is_live(struct engine *g, struct container_entry *c)
{
	const char *status = container_status(g, c);
	return str_eq(status, "running") || str_eq(status, "paused") || str_eq(status, "restarting");
}

/* 1: so it is; 0: not yet. */
static int look(struct engine *g, struct container_entry *c, enum await what, struct err *e)
{
	struct err unread = {};
	const char *status = container_reload_state(c, &unread) < 0 ? "" : container_status(g, c), *health = health_now(g, &c->state);
	if (is_gone(c))
		return err_set(e, ERR_CONFLICT, "container %.200s was removed", container_label(c));
	if (what == AWAIT_PAUSED || what == AWAIT_RUNNING)
		return str_eq(status, what == AWAIT_PAUSED ? "paused" : "running");
	if (!health_is_checked(&c->record.config))
		return err_set(e, ERR_CONFLICT, "container %.200s has no health check", container_label(c));
	if (str_eq(health, what == AWAIT_UNHEALTHY ? "unhealthy" : "healthy"))
		return 1;
	if (what == AWAIT_WELL && str_eq(health, "unhealthy") && !str_eq(c->record.host.health_on_failure, "restart") && is_live(g, c))
		return err_set(e, ERR_CONFLICT, "container %.200s is unhealthy: `hull inspect` shows what its checks printed", container_label(c));
	if ((str_eq(status, "running") || str_eq(status, "paused")) && !container_state_has_monitor(&g->containers, &c->state))
		return err_set(e, ERR_CONFLICT, "container %.200s: its monitor was killed, and nobody checks its health", container_label(c));
	if (str_eq(status, "exited"))
		return err_set(e, ERR_CONFLICT, "container %.200s has ended with status %lld", container_label(c), (long long)c->state.exit_code);
	return 0;
}

static int too_late(struct container_entry *c, enum await what, struct err *e)
{
	return err_set(e, ERR_TIMEOUT, "container %.200s is not %s in the time it was given%s", container_label(c), word_of(what),
		what == AWAIT_HEALTHY || what == AWAIT_WELL ? ": `hull inspect` shows what its checks printed" : "");
}

static int until(struct engine *g, struct container_entry *c, enum await what, int64_t deadline, struct err *e)
{
	own(fd) int fd = watch(c, e);
	if (fd < 0)
		return -1;
	for (;;) {
		struct err unread = {};
		own(fd) int monitor = container_reload_state(c, &unread) < 0 ? -1 : open_monitor(g, c);
		int r = look(g, c, what, e);
		if (r != 0)
			return r < 0 ? -1 : 0;
		if (left_ms(deadline) == 0)
			return too_late(c, what, e);
		if (next(fd, monitor, deadline, e) < 0)
			return -1;
	}
}

/* The next end, or that it is gone. A short one may have come and gone between two looks: then its state, else the events, know how it ended. */
static int until_end(struct engine *g, struct container_entry *c, enum await what, int64_t deadline, int *ret_status, struct err *e)
{
	own(mem) char *before = mem_dup(c->state.finished_at ? c->state.finished_at : "");
	const int64_t begun = num_now_ns();
	bool told = false;
	own(fd) int fd = watch(c, e);
	if (fd < 0)
		return -1;
	*ret_status = (int)c->state.exit_code;
	for (;;) {
		struct err unread = {};
		bool read = container_reload_state(c, &unread) == 0, live = read && is_live(g, c);
		if (is_gone(c)) {
			bool known = told || event_exit_status(g, c->id, what == AWAIT_NEXT_EXIT && *before ? begun : 0, ret_status);
			return known || what == AWAIT_REMOVED ? 0 : err_set(e, ERR_CONFLICT, "container %.200s was removed", container_label(c));
		}
		if (live) {
			int ended = container_wait(g, c, deadline < 0 ? -1 : left_ms(deadline) * 1000000LL, ret_status, e);
			if (ended <= 0)
				return ended < 0 ? -1 : too_late(c, what, e);
			if (what == AWAIT_NEXT_EXIT)
				return 0;
			told = true;
			continue;
		}
		if (read && !told)
			*ret_status = (int)c->state.exit_code;
		if (read && what == AWAIT_NEXT_EXIT && !str_is_empty(c->state.finished_at) && !str_eq(c->state.finished_at, before))
			return 0;
		if (left_ms(deadline) == 0)
			return too_late(c, what, e);
		own(fd) int monitor = read ? open_monitor(g, c) : -1;
		if (next(fd, monitor, deadline, e) < 0)
			return -1;
	}
}

int container_await(struct engine *g, struct container_entry *c, enum await what, int64_t timeout_ns, int *ret_status, struct err *e)
{
	const int64_t deadline = timeout_ns < 0 ? -1 : num_monotonic_ns() + timeout_ns;
	if (what == AWAIT_NEXT_EXIT || what == AWAIT_REMOVED)
		return until_end(g, c, what, deadline, ret_status, e);
	if (what != AWAIT_STOPPED)
		return until(g, c, what, deadline, e);
	int ended = container_wait(g, c, deadline < 0 ? -1 : left_ms(deadline) * 1000000LL, ret_status, e);
	return ended > 0 ? 0 : ended < 0 ? -1 : too_late(c, what, e);
}
