/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats_json: rows of tables, in runc's order (its types.Stats). A key that runc leaves out when it is zero or empty is left out.
 */
#include "oci/stats_json.h"

enum kind {
	NUMBER, /* uint64_t */
	SIGNED, /* int64_t */
	LIMIT,  /* uint64_t: UINT64_MAX means none, which runc prints as 0 */
	LIST64, /* struct cgroup_u64v */
	LIST32, /* struct u32v */
	IO,     /* struct cgroup_io_list */
	PRESSURE,
	OBJECT, /* rows, of the same struct */
};
enum { OMIT_EMPTY = 1 };
struct row {
	const char *key;
	enum kind kind;
	size_t at;
	int flags;
	const struct row *rows;
	size_t n;
};
#define ROW(key, kind, member, flags) {(key), (kind), offset_of(struct cgroup_stats, member), (flags), NULL, 0}
#define SUB(key, table)               {(key), OBJECT, 0, 0, (table), countof(table)}

static const struct row cpu_usage[] = {ROW("total", NUMBER, cpu.total_ns, OMIT_EMPTY), ROW("percpu", LIST64, cpu.percpu_ns, OMIT_EMPTY),
	ROW("percpu_kernel", LIST64, cpu.percpu_kernel_ns, OMIT_EMPTY), ROW("percpu_user", LIST64, cpu.percpu_user_ns, OMIT_EMPTY),
	ROW("kernel", NUMBER, cpu.kernel_ns, 0), ROW("user", NUMBER, cpu.user_ns, 0)};
static const struct row cpu_throttling[] = {ROW("periods", NUMBER, cpu.periods, OMIT_EMPTY),
	ROW("throttledPeriods", NUMBER, cpu.throttled_periods, OMIT_EMPTY), ROW("throttledTime", NUMBER, cpu.throttled_ns, OMIT_EMPTY)};
static const struct row cpu[] = {SUB("usage", cpu_usage), SUB("throttling", cpu_throttling), ROW("psi", PRESSURE, cpu.pressure, OMIT_EMPTY)};

static const struct row cpuset[] = {ROW("cpus", LIST32, cpuset.cpus, OMIT_EMPTY), ROW("cpu_exclusive", NUMBER, cpuset.cpu_exclusive, 0),
	ROW("mems", LIST32, cpuset.mems, OMIT_EMPTY), ROW("mem_hardwall", NUMBER, cpuset.mem_hardwall, 0),
	ROW("mem_exclusive", NUMBER, cpuset.mem_exclusive, 0), ROW("memory_migrate", NUMBER, cpuset.memory_migrate, 0),
	ROW("memory_spread_page", NUMBER, cpuset.memory_spread_page, 0), ROW("memory_spread_slab", NUMBER, cpuset.memory_spread_slab, 0),
	ROW("memory_pressure", NUMBER, cpuset.memory_pressure, 0), ROW("sched_load_balance", NUMBER, cpuset.sched_load_balance, 0),
	ROW("sched_relax_domain_level", SIGNED, cpuset.sched_relax_domain_level, 0)};

#define MEMORY_USE(name, member) \
	static const struct row name[] = {ROW("limit", NUMBER, memory.member.limit, 0), ROW("usage", NUMBER, memory.member.usage, OMIT_EMPTY), \
		ROW("max", NUMBER, memory.member.max, OMIT_EMPTY), ROW("failcnt", NUMBER, memory.member.failcnt, 0)}
MEMORY_USE(memory_use, use);
MEMORY_USE(memory_swap, swap);
MEMORY_USE(memory_kernel, kernel);
MEMORY_USE(memory_kernel_tcp, kernel_tcp);
static const struct row memory[] = {ROW("cache", NUMBER, memory.cache, OMIT_EMPTY), SUB("usage", memory_use), SUB("swap", memory_swap),
	SUB("kernel", memory_kernel), SUB("kernelTCP", memory_kernel_tcp)};

static const struct row pids[] = {ROW("current", NUMBER, pids.current, OMIT_EMPTY), ROW("limit", LIMIT, pids.limit, OMIT_EMPTY)};

static const struct row io[] = {ROW("ioServiceBytesRecursive", IO, io.bytes, OMIT_EMPTY), ROW("ioServicedRecursive", IO, io.serviced, OMIT_EMPTY),
	ROW("ioQueueRecursive", IO, io.queued, OMIT_EMPTY), ROW("ioServiceTimeRecursive", IO, io.service_time, OMIT_EMPTY),
	ROW("ioWaitTimeRecursive", IO, io.wait_time, OMIT_EMPTY), ROW("ioMergedRecursive", IO, io.merged, OMIT_EMPTY),
	ROW("ioTimeRecursive", IO, io.time, OMIT_EMPTY), ROW("sectorsRecursive", IO, io.sectors, OMIT_EMPTY),
	ROW("psi", PRESSURE, io.pressure, OMIT_EMPTY)};

static void set_number(struct json *to, const char *key, uint64_t v, int flags)
{
	if (v || !(flags & OMIT_EMPTY))
		json_set(to, key, json_new_u64(v));
}

static struct json *pressure_line(const struct cgroup_pressure_line *l)
{
	struct json *j = json_new_object();
	json_set(j, "avg10", json_new_double(l->avg10));
	json_set(j, "avg60", json_new_double(l->avg60));
	json_set(j, "avg300", json_new_double(l->avg300));
	json_set(j, "total", json_new_u64(l->total_us));
	return j;
}

static void set_pressure(struct json *to, const char *key, const struct cgroup_pressure *p)
{
	if (!p->known)
		return;
	struct json *j = json_new_object();
	json_set(j, "some", pressure_line(&p->some));
	json_set(j, "full", pressure_line(&p->full));
	json_set(to, key, j);
}

static void set_io(struct json *to, const char *key, const struct cgroup_io_list *l)
{
	if (!l->n)
		return;
	struct json *list = json_new_array();
	for (size_t i = 0; i < l->n; i++) {
		struct json *j = json_new_object();
		set_number(j, "major", l->v[i].major, OMIT_EMPTY);
		set_number(j, "minor", l->v[i].minor, OMIT_EMPTY);
		if (!str_is_empty(l->v[i].op))
			json_set_str(j, "op", l->v[i].op);
		set_number(j, "value", l->v[i].value, OMIT_EMPTY);
		json_add(list, j);
	}
	json_set(to, key, list);
}

static void set_list(struct json *to, const struct row *r, const void *at)
{
	const struct cgroup_u64v *wide = at;
	const struct u32v *narrow = at;
	size_t n = r->kind == LIST64 ? wide->n : narrow->n;
	struct json *list = n ? json_new_array() : NULL;
	for (size_t i = 0; i < n; i++)
		json_add(list, json_new_u64(r->kind == LIST64 ? wide->v[i] : narrow->v[i]));
	if (list)
		json_set(to, r->key, list);
}

static void set_rows(struct json *to, const struct row *rows, size_t n, const struct cgroup_stats *s)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		const void *at = (const char *)s + r->at;
		const uint64_t *number = at;
		struct json *sub;
		switch (r->kind) {
		case NUMBER: set_number(to, r->key, *number, r->flags); break;
		case LIMIT: set_number(to, r->key, *number == UINT64_MAX ? 0 : *number, r->flags); break;
		case SIGNED: json_set(to, r->key, json_new_i64(*(const int64_t *)at)); break;
		case LIST64: case LIST32: set_list(to, r, at); break;
		case IO: set_io(to, r->key, at); break;
		case PRESSURE: set_pressure(to, r->key, at); break;
		case OBJECT:
			sub = json_new_object();
			set_rows(sub, r->rows, r->n, s);
			json_set(to, r->key, sub);
			break;
		}
	}
}

static struct json *object(const struct row *rows, size_t n, const struct cgroup_stats *s)
{
	struct json *j = json_new_object();
	set_rows(j, rows, n, s);
	return j;
}

static struct json *hugetlb(const struct cgroup_stats *s)
{
	struct json *j = json_new_object();
	for (size_t i = 0; i < s->hugetlb.n; i++) {
		struct json *size = json_new_object();
		set_number(size, "usage", s->hugetlb.v[i].usage, OMIT_EMPTY);
		set_number(size, "max", s->hugetlb.v[i].max, OMIT_EMPTY);
		set_number(size, "failcnt", s->hugetlb.v[i].failcnt, 0);
		json_set(j, s->hugetlb.v[i].page_size, size);
	}
	return j;
}

struct json *oci_stats_json(const struct cgroup_stats *s)
{
	struct json *j = json_new_object(), *mem = object(memory, countof(memory), s);
	json_set(j, "cpu", object(cpu, countof(cpu), s));
	json_set(j, "cpuset", object(cpuset, countof(cpuset), s));
	if (s->memory.raw.n) {
		struct json *raw = json_new_object();
		for (size_t i = 0; i < s->memory.raw.n; i++)
			json_set(raw, s->memory.raw.v[i].key, json_new_u64(s->memory.raw.v[i].value));
		json_set(mem, "raw", raw);
	}
	set_pressure(mem, "psi", &s->memory.pressure);
	json_set(j, "memory", mem);
	json_set(j, "pids", object(pids, countof(pids), s));
	json_set(j, "blkio", object(io, countof(io), s));
	json_set(j, "hugetlb", hugetlb(s));
	/* Not of the control groups: whoever has them sets them. */
	json_set(j, "intel_rdt", json_new_object());
	json_set(j, "network_interfaces", NULL);
	return j;
}
