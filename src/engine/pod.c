/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod: making, finding and removing them.
 *
 * A pod goes when it has no containers any more. Nobody makes one in it meanwhile: who makes a container holds the pod's lock, shared, until
 * the container's record is there; who removes the pod looks for containers with the lock for himself alone. Containers are removed before,
 * without that lock; so a new one may come in between, and then they are removed again.
 */
#include "engine/pod.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/events.h"
#include "engine/name.h"
#include "engine/network.h"
#include "engine/request.h"
#include "engine/userns.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAME_TRIES = 100, REMOVE_TRIES = 5 };
static const char *const shareable[] = {"cgroup", "ipc", "net", "pid", "uts"};

bool pod_shares(const struct container_entry *pod, const char *what)
{
	return strv_has(&pod->record.host.share, what);
}

static int check_share(const struct container_entry *c, struct err *e)
{
	const struct host_config *h = &c->record.host;
	for (size_t i = 0; i < h->share.n; i++) {
		bool known = false;
		for (size_t k = 0; k < countof(shareable); k++)
			known |= strcmp(shareable[k], h->share.v[i]) == 0;
		if (!known)
			return err_set(e, ERR_USAGE, "invalid --share \"%.60s\": cgroup, ipc, net, pid, uts and none are known", h->share.v[i]);
	}
	if (!pod_shares(c, "net") && (h->network_mode || h->networks.n || h->ports.n || h->dns.n || h->dns_search.n || h->dns_options.n || h->extra_hosts.n))
		return err_set(e, ERR_USAGE, "--network, --publish, --dns and --add-host need --share net: else each container has its own network");
	if (!pod_shares(c, "uts") && !str_is_empty(c->record.config.hostname))
		return err_set(e, ERR_USAGE, "--hostname needs --share uts: else each container has a name of its own");
	if (h->exit_policy && !str_eq(h->exit_policy, "continue") && !str_eq(h->exit_policy, "stop"))
		return err_set(e, ERR_USAGE, "invalid --exit-policy \"%.60s\": continue and stop are known", h->exit_policy);
	return 0;
}

static int take_name(struct engine *g, const char *given, struct container_entry *c, struct err *e)
{
	for (unsigned attempt = 0;; attempt++) {
		own(mem) char *name = given ? mem_dup(given) : name_random(attempt);
		if (!container_name_is_valid(name))
			return err_set(e, ERR_USAGE, "invalid pod name \"%.80s\": only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, at least two", name);
		if (containers_take_name(&g->pods, name, c->id, e) == 0) {
			c->record.name = arena_printf(&c->arena, "/%s", name);
			return 0;
		}
		if (given || e->kind != ERR_CONFLICT || attempt == NAME_TRIES)
			return -1;
	}
}

static int build(struct engine *g, const struct create_request *q, struct container_entry *c, int *userns, struct err *e)
{
	struct container_record *r = &c->record;
	char now[NUM_TEXT];
	const struct settings *settings = engine_settings(g, e);
	if (!settings || check_share(c, e) < 0 || take_name(g, q->name, c, e) < 0)
		return -1;
	r->id = c->id;
	r->created = arena_dup(&c->arena, num_format_time(num_now_ns(), now));
	r->platform = arena_dup(&c->arena, "linux");
	if (!pod_shares(c, "net"))
		r->host.network_mode = arena_dup(&c->arena, "none");
	if (str_is_empty(r->config.hostname) && pod_shares(c, "uts"))
		r->config.hostname = arena_ndup(&c->arena, r->name + 1, 64);
	if (!r->host.exit_policy)
		r->host.exit_policy = arena_dup(&c->arena, "continue");
	if (userns_choose(g, c, q->uid_map, q->gid_map, userns, e) < 0 || request_complete(g, c, settings, e) < 0 || request_check(r, e) < 0)
		return -1;
	return container_save_first_state(c, e) < 0 ? -1 : container_save_record(c, true, e);
}

int pod_new(struct engine *g, const struct create_request *q, char ret_id[65], struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	own(fd) int userns = -1;
	struct err ignored = {};
	num_random_id(c.id);
	c.record.host = *q->host;
	c.record.config = *q->config;
	if (engine_need_pods(g, e) < 0 || containers_make(&g->pods, c.id, &c.dir, &c.lock, e) < 0)
		return -1;
	if (build(g, q, &c, &userns, e) < 0) {
		if (c.record.name)
			containers_free_name(&g->pods, c.record.name + 1, c.id);
		(void)!containers_remove(&g->pods, c.id, &ignored);
		return -1;
	}
	event_pod(g, &c, "create");
	memcpy(ret_id, c.id, sizeof c.id);
	return 0;
}

int pod_members(struct engine *g, const char *id, bool running, struct strv *ret, struct err *e)
{
	struct member { char id[65]; int64_t created; };
	struct { struct member *v; size_t n; } all = {};
	own(arena) struct arena a = {};
	own(strv) struct strv ids = {};
	if (containers_ids(&g->containers, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		struct err gone = {};
		if (containers_peek(&g->containers, ids.v[i], &c, &gone) < 0 || !str_eq(c.state.pod, id))
			continue;
		const char *status = container_status(g, &c);
		if (running && !str_eq(status, "running") && !str_eq(status, "paused") && !str_eq(status, "restarting"))
			continue;
		struct member m = {.created = num_time_of(c.state.created)}, *at = arena_push(&a, &all);
		memcpy(m.id, c.id, sizeof m.id);
		for (; at > all.v && at[-1].created > m.created; at--)
			*at = at[-1];
		*at = m;
	}
	for (size_t i = 0; i < all.n; i++)
		strv_add(ret, all.v[i].id);
	return 0;
}

/* Its monitor may be gone: they use its address. Asked with the networks' lock held, so states are read as they stand. */
static bool has_live_member(struct engine *g, const struct container_entry *pod)
{
	struct err ignored = {};
	own(strv) struct strv ids = {};
	if (!str_eq(pod->state.status, "running") || containers_ids(&g->containers, false, &ids, &ignored) < 0)
		return false;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		if (containers_peek(&g->containers, ids.v[i], &c, &ignored) == 0 && str_eq(c.state.pod, pod->id) &&
			container_state_is_alive(&g->containers, &c.state))
			return true;
	}
	return false;
}

bool pod_has_network(struct engine *g, const char *id)
{
	struct err ignored = {};
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (engine_need_pods(g, &ignored) < 0)
		return true;
	if (containers_load(&g->pods, id, ENTRY_STATE_ONLY, &c, &ignored) < 0)
		return ignored.kind != ERR_NOT_FOUND;
	if (container_state_has_monitor(&g->pods, &c.state) || has_live_member(g, &c))
		return true;
	own(fd) int lock = path_lock(c.dir, "lock", true, false, &ignored);
	return lock < 0;
}

/* One that waits to be started again holds nothing. */
static bool is_held(struct engine *g, const char *id)
{
	struct err ignored = {};
	own(strv) struct strv ids = {};
	if (pod_members(g, id, true, &ids, &ignored) < 0)
		return true;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		if (containers_peek(&g->containers, ids.v[i], &c, &ignored) == 0 && !str_eq(c.state.status, "restarting"))
			return true;
	}
	return false;
}

/* Its monitor was killed, or the machine was started anew. With the pod's lock. What containers still use stays. */
static void settle(struct engine *g, struct container_entry *c)
{
	struct err ignored = {};
	if (!str_eq(c->state.status, "running") || container_state_has_monitor(&g->pods, &c->state) || is_held(g, c->id))
		return;
	/* Read again: another may have started it meanwhile. */
	own(fd) int state = container_change_state(c, &ignored);
	if (state < 0 || !str_eq(c->state.status, "running") || container_state_has_monitor(&g->pods, &c->state))
		return;
	connect_release(g, c->id);
	cgroup_sweep(c->state.cgroup ? c->state.cgroup : "");
	(void)!path_remove_tree(g->pods.run, c->id, &ignored);
	c->state.status = arena_dup(&c->arena, "exited");
	c->state.monitor_pid = 0;
	c->state.namespaces.n = c->state.namespace_ids.n = 0;
	(void)!container_save_state(c->dir, &c->state, false, &ignored);
}

int pod_get(struct engine *g, const char *text, int flags, struct container_entry *ret, struct err *e)
{
	char id[65];
	struct err ignored = {};
	if (engine_need_pods(g, e) < 0 || containers_find(&g->pods, text, id, e) < 0)
		return -1;
	if (containers_load(&g->pods, id, flags, ret, e) < 0)
		return e->kind == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "no such pod: %.200s", text) : -1;
	own(fd) int lock = ret->lock >= 0 ? -1 : path_lock(ret->dir, "lock", true, false, &ignored);
	if (ret->lock >= 0 || lock >= 0)
		settle(g, ret);
	return 0;
}

static int remove_members(struct engine *g, const struct container_entry *pod, bool force, struct err *e)
{
	own(strv) struct strv ids = {};
	if (pod_members(g, pod->id, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		struct err why = {};
		if (container_delete(g, ids.v[i], force, true, &why) < 0 && why.kind != ERR_NOT_FOUND)
			return *e = why, err_wrap(e, "pod %.200s", container_label(pod));
	}
	return 0;
}

/* 1: done, 0: there is a container again. */
static int remove_pod(struct engine *g, const char *text, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	own(strv) struct strv ids = {};
	if (pod_get(g, text, ENTRY_LOCK, &c, e) < 0 || pod_members(g, c.id, false, &ids, e) < 0)
		return -1;
	if (ids.n || container_state_has_monitor(&g->pods, &c.state))
		return 0;
	/* What a start that was killed had made of it: its state does not say so. */
	char path[480];
	struct err ignored = {};
	connect_release(g, c.id);
	if (!g->rootless && cgroup_resolve(container_cgroup_path(&c.arena, &c), c.id, path, sizeof path, &ignored) == 0)
		cgroup_sweep(path);
	containers_free_name(&g->pods, c.record.name + 1, c.id);
	event_pod(g, &c, "remove");
	return containers_remove(&g->pods, c.id, e) < 0 ? -1 : 1;
}

int pod_delete(struct engine *g, const char *text, bool force, struct err *e)
{
	char id[65];
	for (int i = 0; i < REMOVE_TRIES; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		own(strv) struct strv running = {};
		if (pod_get(g, i ? id : text, 0, &c, e) < 0 || pod_members(g, c.id, !force, &running, e) < 0)
			return -1;
		memcpy(id, c.id, sizeof id);
		if (!force && running.n)
			return err_set(e, ERR_CONFLICT, "pod %.200s has containers that run: stop it first, or remove it with -f", container_label(&c));
		if (remove_members(g, &c, force, e) < 0 || pod_end(g, c.id, e) < 0)
			return -1;
		container_entry_drop(&c);
		c = (struct container_entry){.dir = -1, .lock = -1};
		int r = remove_pod(g, id, e);
		if (r)
			return r < 0 ? -1 : 0;
	}
	return err_set(e, ERR_CONFLICT, "pod %.200s: containers are made in it again and again", text);
}
