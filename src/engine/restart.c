/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restart: who decides is the state, under its lock: the user's stop writes stopped_by_user before it sends a signal, and turns
 * "restarting" into "exited"; the monitor looks at it when the container has ended and again just before it writes "running".
 */
#include "engine/restart.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "sys/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_MS = 100, MOST_MS = 60000 };
static const int64_t STEADY_NS = 10LL * 1000000000;

int restart_check(const struct restart_policy *p, struct err *e)
{
	static const char *const names[] = {"no", "on-failure", "always", "unless-stopped"};
	bool known = false;
	for (size_t i = 0; i < countof(names); i++)
		known |= str_eq(names[i], p->name);
	if (!known)
		return err_set(e, ERR_USAGE, "invalid --restart \"%.60s\": no, on-failure[:n], always and unless-stopped are known", p->name);
	if (p->maximum_retries && strcmp(p->name, "on-failure") != 0)
		return err_set(e, ERR_USAGE, "invalid --restart \"%.60s\": only on-failure takes a number of retries", p->name);
	if (p->maximum_retries < 0 || p->maximum_retries > INT32_MAX)
		return err_set(e, ERR_USAGE, "invalid --restart on-failure: the number of retries cannot be %lld", (long long)p->maximum_retries);
	return 0;
}

int restart_parse(const char *text, struct arena *a, struct restart_policy *ret, struct err *e)
{
	const char *colon = strchr(text, ':');
	struct restart_policy p = {.name = colon ? arena_ndup(a, text, (size_t)(colon - text)) : arena_dup(a, text)};
	if (restart_check(&p, e) < 0)
		return -1;
	if (colon && strcmp(p.name, "on-failure") != 0)
		return err_set(e, ERR_USAGE, "invalid --restart \"%.60s\": only on-failure takes a number of retries", text);
	if (colon && num_i64(colon + 1, 0, INT32_MAX, &p.maximum_retries, "--restart on-failure", e) < 0)
		return -1;
	*ret = p;
	return 0;
}

/* "on-failure:3" as first_state() wrote it. */
static bool wants(const struct container_state *s, int64_t status)
{
	const char *rest = str_is_empty(s->restart) ? NULL : str_after(s->restart, "on-failure");
	int64_t most = rest && *rest == ':' ? strtoll(rest + 1, NULL, 10) : 0;
	if (str_is_empty(s->restart))
		return false;
	return !rest || (status != 0 && (most == 0 || s->restart_count < most));
}

bool restart_is_due(struct container_state *s, int status, int64_t ran_ns, bool must)
{
	if (s->stopped_by_user || !(must || wants(s, status)))
		return false;
	int64_t next = ran_ns >= STEADY_NS || s->restart_delay <= 0 ? FIRST_MS : s->restart_delay * 2;
	s->restart_delay = next < MOST_MS ? next : MOST_MS;
	return true;
}

static bool is_ours(const struct container_entry *c)
{
	return str_eq(c->state.status, "restarting") && c->state.monitor_pid == getpid();
}

/* Ours, with its lock and the record as it is now. */
static bool load(struct engine *g, const char *id, int flags, struct container_entry *ret)
{
	struct err gone = {};
	return containers_load(&g->containers, id, flags, ret, &gone) == 0 && is_ours(ret);
}

void restart_serve(struct engine *g, const char *id)
{
	signal(SIGTERM, SIG_DFL);
	for (;;) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		struct err why = {};
		int64_t ms = load(g, id, ENTRY_STATE_ONLY, &c) ? c.state.restart_delay : -1;
		if (ms < 0)
			return;
		container_entry_drop(&c);
		struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
		while (nanosleep(&left, &left) < 0 && errno == EINTR)
			;
		/* On a failure the state says whether there is a next time. */
		if (!load(g, id, ENTRY_LOCK, &c) || container_launch(g, &c, -1, 0, &why) == 0)
			return;
	}
}

bool restart_cancel(struct engine *g, struct container_entry *c)
{
	struct err ignored = {};
	own(fd) int lock = container_change_state(c, &ignored);
	if (lock < 0 || !str_eq(c->state.status, "restarting"))
		return false;
	own(fd) int waiter = container_state_has_monitor(&g->containers, &c->state) ? proc_pidfd_open((pid_t)c->state.monitor_pid) : -1;
	if (waiter >= 0 && container_state_has_monitor(&g->containers, &c->state))
		proc_pidfd_signal(waiter, SIGTERM);
	c->state.status = arena_dup(&c->arena, "exited");
	c->state.monitor_pid = 0;
	c->state.stopped_by_user = true;
	(void)!path_remove_tree(g->containers.run, c->id, &ignored);
	return container_save_state(c->dir, &c->state, false, &ignored) == 0;
}

static bool is_promised(const struct container_state *s)
{
	bool always = str_eq(s->restart, "always");
	return str_eq(s->status, "exited") && (always || (!s->stopped_by_user && wants(s, s->exit_code)));
}

int restart_promised(struct engine *g, struct strv *ret_names, struct err *e)
{
	own(strv) struct strv ids = {};
	if (containers_ids(&g->containers, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		struct err gone = {};
		if (containers_load(&g->containers, ids.v[i], ENTRY_STATE_ONLY, &c, &gone) < 0)
			continue;
		container_status(g, &c);
		if (is_promised(&c.state))
			strv_add(ret_names, container_label(&c));
	}
	return 0;
}
