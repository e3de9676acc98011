/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd_unit: linux.resources as properties of a unit (systemd.resource-control(5), org.freedesktop.systemd1(5)). The groups' files
 * are written all the same, for systemd has properties for some of them only; what systemd does know it must be told, or it
 * would write its own values over ours.
 */
#include "runtime/systemd_unit.h"

#include "base/num.h"
#include "runtime/annotations.h"
#include "runtime/cgroup_limits.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KNOWS_QUOTA_PERIOD = 242, KNOWS_CPUSETS = 244, KNOWS_IDLE = 252, QUOTA_PERIOD = 100000 };

/* What is being made. */
struct table {
	struct arena *arena;
	struct systemd_properties *list;
	int version;
};

static void number(struct table *t, const char *name, uint64_t v)
{
	systemd_add_number(t->arena, t->list, name, "t", v);
}

int systemd_unit_base(struct arena *a, const struct spec *s, const char *id, const struct systemd_names *n, bool v2, pid_t pid,
	struct systemd_properties *l, struct err *e)
{
	static const char *const yes[] = {"Delegate", "MemoryAccounting", "CPUAccounting", "TasksAccounting"};
	systemd_add_text(a, l, "Description", arena_printf(a, "hull container %s", id));
	systemd_add_text(a, l, "Slice", n->slice);
	for (size_t i = 0; i < countof(yes); i++)
		systemd_add_number(a, l, yes[i], "b", true);
	systemd_add_number(a, l, v2 ? "IOAccounting" : "BlockIOAccounting", "b", true);
	systemd_add_number(a, l, "DefaultDependencies", "b", false);
	const char *together = s->linux_->resources && v2 ? map_get(&s->linux_->resources->unified, "memory.oom.group") : NULL;
	if (together)
		systemd_add_text(a, l, "OOMPolicy", atoi(together) ? "kill" : "continue");
	struct systemd_property *pids = systemd_add(a, l, "PIDs", "au");
	uint64_t *first = arena_push(a, &pids->numbers);
	*first = (uint64_t)pid;
	for (size_t i = 0; i < s->annotations.n; i++) {
		const char *name = str_after(s->annotations.v[i].key, annotation_key(ANNOTATION_SYSTEMD_PROPERTY));
		if (name && systemd_parse_property(a, name, s->annotations.v[i].value, l, e) < 0)
			return -1;
	}
	return 0;
}

static int bad_value(const char *key, const char *value, struct err *e)
{
	return err_set(e, ERR_USAGE, "%s: invalid value \"%.100s\"", key, value);
}

/* "0-3,7" as bytes, the first with the first eight; systemd takes no more than it has. */
static int bits(struct table *t, const char *name, const char *key, const char *set, struct err *e)
{
	enum { MOST = 8192 };
	bool on[MOST] = {};
	size_t top = 0;
	if (t->version < KNOWS_CPUSETS)
		return 0;
	const char *p = set + strspn(set, " \t\n");
	while (*p) {
		char *end;
		unsigned long from = strtoul(p, &end, 10), to = from;
		if (!isdigit((unsigned char)*p))
			return bad_value(key, set, e);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			to = strtoul(end + 1, &end, 10);
		if (to < from || to >= MOST || (*end && !strchr(", \t\n", *end)))
			return bad_value(key, set, e);
		for (unsigned long i = from; i <= to; i++)
			on[i] = true;
		top = to + 1 > top ? to + 1 : top;
		p = end + strspn(end, ", \t\n");
	}
	if (!top)
		return bad_value(key, set, e);
	struct systemd_property *property = systemd_add(t->arena, t->list, name, "ay");
	for (size_t byte = 0; byte * 8 < top; byte++) {
		uint64_t *v = arena_push(t->arena, &property->numbers);
		for (size_t i = 0; i < 8; i++)
			*v |= (uint64_t)on[byte * 8 + i] << i;
	}
	return 0;
}

/* quota <= 0: none. systemd counts in hundredths of a CPU: rounded up, so that a group below may have what was asked for. */
static void bandwidth(struct table *t, int64_t quota, uint64_t period)
{
	uint64_t per_second = UINT64_MAX;
	if (period && t->version >= KNOWS_QUOTA_PERIOD)
		number(t, "CPUQuotaPeriodUSec", period);
	if (quota > 0)
		per_second = ((uint64_t)quota * 1000000 / (period ? period : QUOTA_PERIOD) + 9999) / 10000 * 10000;
	number(t, "CPUQuotaPerSecUSec", per_second);
}

static void memory_of_v2(struct table *t, const struct spec_memory *m)
{
	bool limit = m->limit.set && m->limit.v, swap = m->swap.set && m->swap.v;
	if (limit)
		number(t, "MemoryMax", (uint64_t)m->limit.v);
	if (m->reservation.set && m->reservation.v)
		number(t, "MemoryLow", (uint64_t)m->reservation.v);
	if ((swap && m->swap.v < 0) || (!swap && limit && m->limit.v < 0))
		number(t, "MemorySwapMax", UINT64_MAX);
	else if (swap && limit)
		number(t, "MemorySwapMax", m->limit.v < 0 ? (uint64_t)m->swap.v : m->swap.v > m->limit.v ? (uint64_t)(m->swap.v - m->limit.v) : 0);
}

static int cpu(struct table *t, const struct spec_cpu *c, bool v2, struct err *e)
{
	bool idle = v2 && c->idle.set && c->idle.v == 1 && t->version >= KNOWS_IDLE;
	if (idle)
		number(t, "CPUWeight", 0);
	else if (c->shares.set && c->shares.v)
		number(t, v2 ? "CPUWeight" : "CPUShares", v2 ? cgroup_cpu_weight(c->shares.v) : c->shares.v);
	bool quota = c->quota.set && c->quota.v, period = c->period.set && c->period.v;
	if (quota || period)
		bandwidth(t, quota ? c->quota.v : 0, period ? c->period.v : 0);
	if (!v2)
		return 0;
	if (!str_is_empty(c->cpus) && bits(t, "AllowedCPUs", "the set of CPUs", c->cpus, e) < 0)
		return -1;
	return str_is_empty(c->mems) ? 0 : bits(t, "AllowedMemoryNodes", "the set of memory nodes", c->mems, e);
}

static void device_number(struct table *t, const char *name, int64_t major, int64_t minor, uint64_t v)
{
	struct systemd_property *p = systemd_add(t->arena, t->list, name, "a(st)");
	arena_strv_add(t->arena, &p->words, arena_printf(t->arena, "/dev/block/%lld:%lld", (long long)major, (long long)minor));
	uint64_t *to = arena_push(t->arena, &p->numbers);
	*to = v;
}

static uint64_t weight_of(const struct opt_u64 *w, bool v2)
{
	return v2 && w->v >= 10 ? cgroup_io_weight(w->v) : w->v;
}

static void block_io(struct table *t, const struct spec_block_io *io, bool v2)
{
	const struct {
		const struct spec_throttle_list *list;
		const char *v1, *v2;
	} rows[] = {{&io->read_bps, "BlockIOReadBandwidth", "IOReadBandwidthMax"}, {&io->write_bps, "BlockIOWriteBandwidth", "IOWriteBandwidthMax"},
		{&io->read_iops, NULL, "IOReadIOPSMax"}, {&io->write_iops, NULL, "IOWriteIOPSMax"}};
	if (io->weight.set && io->weight.v)
		number(t, v2 ? "IOWeight" : "BlockIOWeight", weight_of(&io->weight, v2));
	for (size_t i = 0; i < io->weight_devices.n; i++) {
		const struct spec_weight_device *d = &io->weight_devices.v[i];
		if (d->weight.set && d->weight.v)
			device_number(t, v2 ? "IODeviceWeight" : "BlockIODeviceWeight", d->major, d->minor, weight_of(&d->weight, v2));
	}
	for (size_t k = 0; k < countof(rows); k++) {
		const char *name = v2 ? rows[k].v2 : rows[k].v1;
		for (size_t i = 0; name && i < rows[k].list->n; i++) {
			const struct spec_throttle_device *d = &rows[k].list->v[i];
			device_number(t, name, d->major, d->minor, d->rate ? d->rate : UINT64_MAX);
		}
	}
}

static bool is_wild(const struct opt_i64 *n)
{
	return !n->set || n->v < 0;
}

static bool is_everything(const struct spec_device_rule *d)
{
	return (str_is_empty(d->type) || str_eq(d->type, "a")) && is_wild(&d->major) && is_wild(&d->minor);
}

static void allow(struct table *t, struct systemd_property *p, const struct spec_device_rule *d)
{
	static const char *const types[][2] = {{"c", "char"}, {"b", "block"}};
	for (size_t i = 0; i < countof(types); i++) {
		if (!str_is_empty(d->type) && !str_eq(d->type, "a") && !str_eq(d->type, types[i][0]))
			continue;
		char *name = is_wild(&d->major)   ? arena_printf(t->arena, "%s-*", types[i][1])
			     : is_wild(&d->minor) ? arena_printf(t->arena, "%s-%lld", types[i][1], (long long)d->major.v)
						  : arena_printf(t->arena, "/dev/%s/%lld:%lld", types[i][1], (long long)d->major.v, (long long)d->minor.v);
		arena_strv_add(t->arena, &p->words, name);
		arena_strv_add(t->arena, &p->words, d->access ? d->access : "rwm");
	}
}

/* systemd has a list of what is allowed and nothing else. Rules that it cannot express are in force by the group's files alone. */
static void devices(struct table *t, const struct spec_resources *r)
{
	size_t first = 0;
	bool all = false;
	if (!r->devices.n)
		return;
	for (size_t i = 0; i < r->devices.n; i++) {
		const struct spec_device_rule *d = &r->devices.v[i];
		bool none = !d->allow && is_everything(d);
		if (is_everything(d)) {
			first = i + 1;
			all = d->allow;
		} else if (!d->allow || (is_wild(&d->major) && !is_wild(&d->minor))) {
			all = true;
		}
		if (none)
			all = false;
	}
	systemd_add_text(t->arena, t->list, "DevicePolicy", all ? "auto" : "strict");
	struct systemd_property *p = systemd_add(t->arena, t->list, "DeviceAllow", "a(ss)");
	for (size_t i = first; !all && i < r->devices.n; i++)
		allow(t, p, &r->devices.v[i]);
	for (size_t i = 0; !all && i < cgroup_default_devices_n; i++)
		allow(t, p, &cgroup_default_devices[i]);
}

static int parse_limit(const char *key, const char *value, uint64_t *ret, struct err *e)
{
	struct err ignored = {};
	*ret = UINT64_MAX;
	return str_eq(value, "max") || num_u64(value, UINT64_MAX, ret, key, &ignored) == 0 ? 0 : bad_value(key, value, e);
}

static int cpu_max(struct table *t, const char *key, const char *value, struct err *e)
{
	own(strv) struct strv words = {};
	uint64_t quota, period = QUOTA_PERIOD;
	strv_split(&words, value, ' ');
	if (words.n < 1 || words.n > 2 || parse_limit(key, words.v[0], &quota, e) < 0 || (words.n == 2 && parse_limit(key, words.v[1], &period, e) < 0))
		return bad_value(key, value, e);
	bandwidth(t, quota > INT64_MAX ? 0 : (int64_t)quota, period);
	return 0;
}

/* "100", "default 100", "8:0 200", one a line. */
static int io_weight(struct table *t, const char *key, const char *value, struct err *e)
{
	own(strv) struct strv lines = {};
	strv_split(&lines, value, '\n');
	for (size_t i = 0; i < lines.n; i++) {
		long long major, minor;
		uint64_t w;
		const char *last = strrchr(lines.v[i], ' ');
		if (!*lines.v[i])
			continue;
		if (parse_limit(key, last ? last + 1 : lines.v[i], &w, e) < 0)
			return -1;
		if (sscanf(lines.v[i], "%lld:%lld ", &major, &minor) == 2)
			device_number(t, "IODeviceWeight", major, minor, w);
		else
			number(t, "IOWeight", w);
	}
	return 0;
}

static int idle_group(struct table *t, const char *key, const char *value, struct err *e)
{
	uint64_t v;
	if (parse_limit(key, value, &v, e) < 0)
		return -1;
	if (v == 1 && t->version >= KNOWS_IDLE)
		number(t, "CPUWeight", 0);
	return 0;
}

static int cpus(struct table *t, const char *key, const char *value, struct err *e)
{
	return bits(t, "AllowedCPUs", key, value, e);
}

static int mems(struct table *t, const char *key, const char *value, struct err *e)
{
	return bits(t, "AllowedMemoryNodes", key, value, e);
}

/* Files of linux.resources.unified that are properties; the others are only written. */
static const struct {
	const char *key, *property; /* a limit; or a function */
	int (*add)(struct table *t, const char *key, const char *value, struct err *e);
} unified_rows[] = {
	{"cpu.idle", NULL, idle_group}, {"cpu.max", NULL, cpu_max}, {"cpu.weight", "CPUWeight", NULL}, {"cpuset.cpus", NULL, cpus},
	{"cpuset.mems", NULL, mems}, {"io.weight", NULL, io_weight}, {"memory.high", "MemoryHigh", NULL}, {"memory.low", "MemoryLow", NULL},
	{"memory.max", "MemoryMax", NULL}, {"memory.min", "MemoryMin", NULL}, {"memory.swap.max", "MemorySwapMax", NULL}, {"memory.zswap.max", "MemoryZSwapMax", NULL}, {"pids.max", "TasksMax", NULL},
};

static int unified(struct table *t, const struct map *m, struct err *e)
{
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < countof(unified_rows); k++) {
			if (!str_eq(m->v[i].key, unified_rows[k].key))
				continue;
			own(mem) char *copy = mem_dup(m->v[i].value);
			const char *value = str_trim(copy);
			uint64_t v;
			if (unified_rows[k].add) {
				if (unified_rows[k].add(t, m->v[i].key, value, e) < 0)
					return err_wrap(e, "linux.resources.unified");
			} else if (parse_limit(m->v[i].key, value, &v, e) < 0) {
				return err_wrap(e, "linux.resources.unified");
			} else {
				number(t, unified_rows[k].property, v);
			}
		}
	return 0;
}

int systemd_unit_resources(struct arena *a, const struct spec_resources *r, bool v2, int version, struct systemd_properties *l, struct err *e)
{
	struct table t = {a, l, version};
	if (!v2)
		devices(&t, r);
	if (r->memory && v2)
		memory_of_v2(&t, r->memory);
	if (r->memory && !v2 && r->memory->limit.set && r->memory->limit.v)
		number(&t, "MemoryLimit", (uint64_t)r->memory->limit.v);
	if (r->cpu && cpu(&t, r->cpu, v2, e) < 0)
		return -1;
	/* To systemd no processes at all is not a limit. */
	if (r->pids_limit.set && r->pids_limit.v)
		number(&t, "TasksMax", r->pids_limit.v < 0 ? UINT64_MAX : (uint64_t)r->pids_limit.v);
	if (r->block_io)
		block_io(&t, r->block_io, v2);
	return v2 ? unified(&t, &r->unified, e) : 0;
}
