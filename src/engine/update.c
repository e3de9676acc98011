/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update: the record with the change in it is checked as that of a new container; then the control groups are written, then the record: what
 * the kernel refuses is not kept. How it was before is in a journal meanwhile (update_journal.h): an update that is killed on the way is undone
 * by the next command on the container, whether it runs still or not.
 */
#include "engine/update.h"

#include "base/fd.h"
#include "engine/events.h"
#include "engine/health.h"
#include "engine/network.h"
#include "engine/request.h"
#include "engine/restart.h"
#include "engine/spec.h"

#include <signal.h>

static bool has_limits(const struct update_request *r)
{
	return r->memory.set || r->reservation.set || r->swap.set || r->pids.set || r->nano_cpus.set || r->shares.set || r->period.set || r->quota.set ||
		r->rt_period.set || r->rt_runtime.set || r->blkio_weight.set || r->cpuset_cpus || r->cpuset_mems;
}

static void take_number(const struct opt_i64 *from, int64_t *to)
{
	if (from->set)
		*to = from->v < 0 ? 0 : from->v;
}

static void change(struct container_entry *c, const struct update_request *r)
{
	struct host_config *h = &c->record.host;
	/* --cpus is a quota: the one that was said last holds. */
	if (r->nano_cpus.set)
		h->cpu_period = h->cpu_quota = 0;
	if (r->period.set || r->quota.set)
		h->nano_cpus = 0;
	/* docker: memory alone allows as much swap again, also when it is changed; a limit on both that was said stays. */
	take_number(&r->memory, &h->memory);
	take_number(&r->reservation, &h->memory_reservation);
	take_number(&r->nano_cpus, &h->nano_cpus);
	take_number(&r->shares, &h->cpu_shares);
	take_number(&r->period, &h->cpu_period);
	take_number(&r->quota, &h->cpu_quota);
	take_number(&r->rt_period, &h->cpu_rt_period);
	take_number(&r->rt_runtime, &h->cpu_rt_runtime);
	if (r->swap.set)
		h->memory_swap = r->swap.v;
	if (r->pids.set)
		h->pids_limit = (struct opt_i64){true, r->pids.v > 0 ? r->pids.v : -1};
	if (r->blkio_weight.set)
		h->blkio_weight = (uint64_t)r->blkio_weight.v;
	if (r->cpuset_cpus)
		h->cpuset_cpus = arena_dup(&c->arena, r->cpuset_cpus);
	if (r->cpuset_mems)
		h->cpuset_mems = arena_dup(&c->arena, r->cpuset_mems);
}

/* What was said to be unlimited; in a record it is what is not there. */
static void add_unlimited(struct arena *a, const struct update_request *r, const struct host_config *h, struct spec_resources *to)
{
	if (!to->memory && (r->memory.set || r->reservation.set || r->swap.set))
		to->memory = arena_alloc(a, sizeof *to->memory);
	if (!to->cpu && (r->nano_cpus.set || r->quota.set))
		to->cpu = arena_alloc(a, sizeof *to->cpu);
	if (r->memory.set && !h->memory)
		to->memory->limit = to->memory->swap = (struct opt_i64){true, -1};
	if (r->reservation.set && !h->memory_reservation)
		to->memory->reservation = (struct opt_i64){true, -1};
	if ((r->nano_cpus.set || r->quota.set) && !h->nano_cpus && !h->cpu_quota)
		to->cpu->quota = (struct opt_i64){true, -1};
}

static int write_groups(struct container_entry *c, const struct update_request *r, struct err *e)
{
	struct arena scratch = {};
	struct spec s = {.linux_ = arena_alloc(&scratch, sizeof *s.linux_)};
	struct userns_maps none = {};
	struct container_entry limits = {.record = c->record};
	struct host_config *h = &limits.record.host;
	struct spec_build b = {.c = &limits, .arena = &scratch, .root = -1, .maps = &none, .spec = &s};
	struct cgroup cg = {.v2 = -1};
	memset(&h->devices, 0, sizeof h->devices);
	h->device_rules = (struct strv){};
	h->read_bps = h->write_bps = h->read_iops = h->write_iops = (struct throttle_devices){};
	memset(&h->blkio_weight_device, 0, sizeof h->blkio_weight_device);
	int result = -1;
	if (str_is_empty(c->state.cgroup)) {
		result = err_set(e, ERR_UNSUPPORTED, "container %.200s has no cgroup of its own, so it cannot be limited", container_label(c));
	} else if (spec_build_limits(&b, e) == 0 && cgroup_open(c->state.cgroup, &cg, e) == 0) {
		struct spec_resources *to = s.linux_->resources;
		to->devices.n = 0;
		add_unlimited(&scratch, r, h, to);
		result = cgroup_update(&cg, to, e);
		if (result == 0 && !str_eq(cg.path, c->state.cgroup))
			c->state.cgroup = arena_dup(&c->arena, cg.path);
	}
	cgroup_drop(&cg);
	arena_drop(&scratch);
	return result;
}

static void change_health(struct container_entry *c, const struct container_health *asked)
{
	struct container_health *h = c->record.config.health;
	if (!h) {
		h = c->record.config.health = arena_alloc(&c->arena, sizeof *h);
		*h = (struct container_health){};
	}
	const struct { int64_t *at, v; } numbers[] = {{&h->interval, asked->interval}, {&h->timeout, asked->timeout}, {&h->start_period, asked->start_period},
		{&h->start_interval, asked->start_interval}, {&h->retries, asked->retries}};
	for (size_t i = 0; i < countof(numbers); i++)
		if (numbers[i].v)
			*numbers[i].at = numbers[i].v;
	if (asked->test.n)
		h->test = health_copy(&c->arena, asked)->test;
}

static int tell_health(struct engine *g, struct container_entry *c, struct err *e)
{
	bool runs = str_eq(c->state.status, "running") || str_eq(c->state.status, "paused");
	return runs && container_state_has_monitor(&g->containers, &c->state) ? health_tell(g, c, e) : 0;
}

static int set_restart(struct container_entry *c, const char *text, struct err *e)
{
	if (c->record.host.auto_remove && !str_eq(text, "no"))
		return err_set(e, ERR_USAGE, "container %.200s is removed when it ends (--rm): it cannot have a restart policy", container_label(c));
	return restart_parse(text, &c->arena, &c->record.host.restart, e);
}

static int save(struct container_entry *c, const struct update_request *r, struct err *e)
{
	own(fd) int lock = container_change_state(c, e);
	if (lock < 0)
		return -1;
	const char *cgroup = c->state.cgroup;
	bool runs = str_eq(c->state.status, "running") || str_eq(c->state.status, "paused");
	if (runs && has_limits(r) && write_groups(c, r, e) < 0)
		return -1;
	if (container_save_record(c, true, e) < 0)
		return -1;
	if (!r->restart && str_eq(cgroup, c->state.cgroup))
		return 0;
	c->state.restart = container_restart_text(c);
	return container_save_state(c->dir, &c->state, false, e);
}

/* How far an update came, for who undoes it. */
struct progress { struct update_live *things; struct update_journal journal; bool begun, limited, told, lost; };

static int apply(struct engine *g, struct container_entry *c, const struct update_request *r, struct progress *p, struct err *e)
{
	bool of_health = r->health || r->health_on_failure;
	p->begun = r->restart || has_limits(r) || of_health || update_things_any(&r->things);
	p->journal.limits = has_limits(r);
	p->journal.health = of_health;
	p->journal.ports = r->publish_add.n || r->publish_remove.n;
	if (update_journal_save(c->dir, &p->journal, e) < 0)
		return -1;
	if ((r->restart || has_limits(r) || of_health) && save(c, r, e) < 0)
		return -1;
	p->limited = true;
	p->told = of_health;
	if (of_health && tell_health(g, c, e) < 0)
		return -1;
	if (update_things_any(&r->things)) {
		p->things = update_live_new(g, c, &r->things, &p->journal);
		if (update_live_do(p->things, e) < 0)
			return -1;
	}
	if (p->journal.ports && ports_update(g, c, &r->publish_add, &r->publish_remove, &p->lost, e) < 0)
		return -1;
	int result = update_journal_remove(c->dir, e);
	p->lost = result < 0 && p->journal.ports;
	return result;
}

/* Device rules are written while nothing runs in the group: who is killed in between leaves it frozen. */
static int thaw(const struct container_entry *c, struct err *e)
{
	struct cgroup cg = {.v2 = -1};
	if (str_is_empty(c->state.cgroup) || !str_eq(c->state.status, "running"))
		return 0;
	int r = cgroup_open(c->state.cgroup, &cg, e) < 0 ? -1 : cgroup_is_frozen(&cg) ? cgroup_freeze(&cg, false, e) : 0;
	cgroup_drop(&cg);
	return r;
}

/* Backwards. The record says what is, also where the kernel does not take something back. */
static int undo(struct engine *g, const struct container_entry *c, struct container_entry *old, const struct update_request *r, struct progress *p,
	struct err *e)
{
	struct err ignored = {};
	if (!p->begun)
		return 0;
	int result = thaw(c, e);
	if (p->things && update_live_undo(p->things, old, e) < 0)
		result = -1;
	own(fd) int lock = container_change_state(old, e);
	if (lock < 0)
		return -1;
	bool runs = str_eq(old->state.status, "running") || str_eq(old->state.status, "paused");
	if (c->state.cgroup)
		old->state.cgroup = arena_dup(&old->arena, c->state.cgroup);
	if (runs && has_limits(r) && write_groups(old, r, p->limited ? e : &ignored) < 0 && p->limited)
		result = -1;
	old->state.restart = container_restart_text(old);
	old->state.mounts.v = old->record.mounts.v;
	old->state.mounts.n = old->record.mounts.n;
	if (container_save_record(old, true, e) < 0 || container_save_state(old->dir, &old->state, false, e) < 0)
		return -1;
	fd_drop(&lock);
	return p->told && tell_health(g, old, e) < 0 ? -1 : result;
}

/* Who interrupts it waits for it, and has all of it or nothing. */
static void keep_out(sigset_t *ret_before)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < countof(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, ret_before);
}

int container_update(struct engine *g, const char *text, const struct update_request *r, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (container_get(g, text, ENTRY_LOCK, &c, e) < 0)
		return -1;
	change(&c, r);
	own(container_entry) struct container_entry old = {.dir = -1, .lock = -1};
	if (containers_load(&g->containers, c.id, 0, &old, e) < 0)
		return -1;
	if (r->health)
		change_health(&c, r->health);
	if (r->health_on_failure)
		c.record.host.health_on_failure = arena_dup(&c.arena, r->health_on_failure);
	if ((r->restart && set_restart(&c, r->restart, e) < 0) || request_check(&c.record, e) < 0)
		return -1;
	struct progress p = {.journal = {.record = old.record, .state = old.state}};
	struct err left = {};
	sigset_t before;
	keep_out(&before);
	int result = apply(g, &c, r, &p, e);
	/* What could not be undone is tried again by the next command, while the journal is there. */
	if (result < 0 && (undo(g, &c, &old, r, &p, &left) < 0 || (!p.lost && update_journal_remove(c.dir, &left) < 0)))
		err_wrap(e, "not all of it could be undone (%.200s)", left.text);
	update_live_drop(&p.things);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (result < 0)
		return err_wrap(e, "update container %.200s", container_label(&c));
	event_container(g, &c, "update");
	return 0;
}

/* All of them: which ones an update changed is not asked. */
static int recover_limits(struct container_entry *c, struct err *e)
{
	const struct opt_i64 any = {true, -1};
	const struct update_request all = {.memory = any, .reservation = any, .swap = any, .nano_cpus = any, .quota = any, .pids = any};
	return write_groups(c, &all, e);
}

static int recover(struct engine *g, struct container_entry *c, struct update_journal *j, struct err *e)
{
	bool runs = (str_eq(c->state.status, "running") || str_eq(c->state.status, "paused")) && c->state.pid == j->state.pid &&
		c->state.start_time == j->state.start_time;
	struct err why = {};
	c->record = j->record;
	c->state.published.v = j->state.published.v;
	c->state.published.n = j->state.published.n;
	if ((runs && thaw(c, &why) < 0) || update_live_recover(g, c, j, runs, &why) < 0 || (runs && j->limits && recover_limits(c, &why) < 0) ||
		(runs && j->ports && ports_recover(g, c, &why) < 0))
		engine_warn(g, "container %s: an update of it that was killed is not all undone: %s", container_label(c), why.text);
	__typeof__(c->state.published) published = c->state.published;
	const char *cgroup = c->state.cgroup;
	own(fd) int lock = container_change_state(c, e);
	if (lock < 0)
		return -1;
	if (runs) {
		c->state.published = published;
		c->state.cgroup = arena_dup(&c->arena, cgroup);
	}
	c->state.ports = j->state.ports;
	c->state.mounts.v = c->record.mounts.v;
	c->state.mounts.n = c->record.mounts.n;
	c->state.restart = container_restart_text(c);
	if (container_save_record(c, true, e) < 0 || container_save_state(c->dir, &c->state, false, e) < 0)
		return -1;
	fd_drop(&lock);
	if (j->health && tell_health(g, c, &why) < 0)
		engine_warn(g, "container %s: %s", container_label(c), why.text);
	return update_journal_remove(c->dir, e);
}

int update_recover(struct engine *g, const char *id, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct update_journal j = {};
	sigset_t before;
	if (containers_load(&g->containers, id, 0, &c, e) < 0)
		return -1;
	keep_out(&before);
	int r = update_journal_read(c.dir, &c.arena, &j, e) < 0 ? -1 : recover(g, &c, &j, e);
	sigprocmask(SIG_SETMASK, &before, NULL);
	update_journal_drop(&j);
	return r < 0 ? err_wrap(e, "container %.200s: undo an update that was killed", container_label(&c)) : 0;
}
