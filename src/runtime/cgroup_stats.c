/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_stats: numbers from files. A row of a table says which file, which key in it, and where the number goes; lists (CPUs,
 * devices, page sizes) have a small reader each. Formats: kernel, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
 */
#include "runtime/cgroup_stats.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/cgroup_limits.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct number {
	const char *file, *key; /* key NULL: the file is one number */
	size_t at;              /* in struct cgroup_stats, a uint64_t */
	unsigned factor;        /* 0: as it is */
};
#define NUMBER(file, key, member)          {(file), (key), offset_of(struct cgroup_stats, member), 0}
#define THOUSANDS(file, key, member)       {(file), (key), offset_of(struct cgroup_stats, member), 1000}
#define USE_V1(name, member) \
	NUMBER(name ".usage_in_bytes", NULL, member.usage), NUMBER(name ".max_usage_in_bytes", NULL, member.max), \
	NUMBER(name ".failcnt", NULL, member.failcnt), NUMBER(name ".limit_in_bytes", NULL, member.limit)

static const struct number v2_numbers[] = {
	THOUSANDS("cpu.stat", "usage_usec", cpu.total_ns), THOUSANDS("cpu.stat", "user_usec", cpu.user_ns),
	THOUSANDS("cpu.stat", "system_usec", cpu.kernel_ns), NUMBER("cpu.stat", "nr_periods", cpu.periods),
	NUMBER("cpu.stat", "nr_throttled", cpu.throttled_periods), THOUSANDS("cpu.stat", "throttled_usec", cpu.throttled_ns),
	NUMBER("cpu.stat", "nr_bursts", cpu.bursts), THOUSANDS("cpu.stat", "burst_usec", cpu.burst_ns),
	NUMBER("memory.current", NULL, memory.use.usage), NUMBER("memory.max", NULL, memory.use.limit),
	NUMBER("memory.peak", NULL, memory.use.max), NUMBER("memory.events", "max", memory.use.failcnt),
	NUMBER("memory.swap.current", NULL, memory.swap_only.usage), NUMBER("memory.swap.max", NULL, memory.swap_only.limit),
	NUMBER("memory.swap.peak", NULL, memory.swap_only.max), NUMBER("memory.swap.events", "max", memory.swap_only.failcnt),
	NUMBER("memory.events", "low", memory.events.low), NUMBER("memory.events", "high", memory.events.high),
	NUMBER("memory.events", "max", memory.events.max), NUMBER("memory.events", "oom", memory.events.oom),
	NUMBER("memory.events", "oom_kill", memory.events.oom_kill),
	NUMBER("memory.events", "oom_group_kill", memory.events.oom_group_kill),
	NUMBER("pids.current", NULL, pids.current), NUMBER("pids.max", NULL, pids.limit),
};

static const struct number v1_memory[] = {USE_V1("memory", memory.use), USE_V1("memory.memsw", memory.swap),
	USE_V1("memory.kmem", memory.kernel), USE_V1("memory.kmem.tcp", memory.kernel_tcp),
	NUMBER("memory.oom_control", "oom_kill", memory.events.oom_kill)};
static const struct number v1_cpu[] = {NUMBER("cpu.stat", "nr_periods", cpu.periods),
	NUMBER("cpu.stat", "nr_throttled", cpu.throttled_periods), NUMBER("cpu.stat", "throttled_time", cpu.throttled_ns),
	NUMBER("cpu.stat", "nr_bursts", cpu.bursts), NUMBER("cpu.stat", "burst_time", cpu.burst_ns)};
static const struct number v1_cpuacct[] = {NUMBER("cpuacct.usage", NULL, cpu.total_ns),
	NUMBER("cpuacct.usage_user", NULL, cpu.user_ns), NUMBER("cpuacct.usage_sys", NULL, cpu.kernel_ns)};
static const struct number v1_pids[] = {NUMBER("pids.current", NULL, pids.current), NUMBER("pids.max", NULL, pids.limit)};
static const struct number v1_cpuset[] = {NUMBER("cpuset.cpu_exclusive", NULL, cpuset.cpu_exclusive),
	NUMBER("cpuset.mem_hardwall", NULL, cpuset.mem_hardwall), NUMBER("cpuset.mem_exclusive", NULL, cpuset.mem_exclusive),
	NUMBER("cpuset.memory_migrate", NULL, cpuset.memory_migrate),
	NUMBER("cpuset.memory_spread_page", NULL, cpuset.memory_spread_page),
	NUMBER("cpuset.memory_spread_slab", NULL, cpuset.memory_spread_slab),
	NUMBER("cpuset.memory_pressure", NULL, cpuset.memory_pressure),
	NUMBER("cpuset.sched_load_balance", NULL, cpuset.sched_load_balance)};

static bool read_file(int dir, const char *file, struct buf *ret)
{
	struct err ignored = {};
	*ret = BUF(4 << 20);
	return dir >= 0 && path_read(dir, file, ret, &ignored) == 0;
}

static void read_numbers(int dir, const struct number *rows, size_t n, struct cgroup_stats *s)
{
	own(buf) struct buf b = {};
	const char *open = NULL;
	for (size_t i = 0; i < n; i++) {
		uint64_t *to = (uint64_t *)(void *)((char *)s + rows[i].at);
		/* Rows of one file stand together: it is read once, and its numbers are of one moment. */
		if (!str_eq(open, rows[i].file)) {
			buf_drop(&b);
			open = rows[i].file;
			if (!read_file(dir, open, &b))
				buf_drop(&b);
		}
		if (cgroupfs_find(buf_text(&b), rows[i].key, to) && rows[i].factor && *to != CGROUPFS_MAX)
			*to *= rows[i].factor;
	}
}

static char *next_line(char **at)
{
	char *line;
	do
		line = strsep(at, "\n");
	while (line && !*line);
	return line;
}

/* Words are apart by blanks. */
static char *next_word(char **line)
{
	char *word;
	do
		word = strsep(line, " ");
	while (word && !*word);
	return word;
}

static void read_pressure(int dir, const char *file, struct cgroup_pressure *ret)
{
	own(buf) struct buf b = {};
	if (!read_file(dir, file, &b))
		return;
	char *at = b.data;
	for (char *line; (line = next_line(&at));) {
		bool full = str_has_prefix(line, "full");
		struct cgroup_pressure_line *p = full ? &ret->full : &ret->some;
		unsigned long long total = 0;
		if (sscanf(line + 4, " avg10=%lf avg60=%lf avg300=%lf total=%llu", &p->avg10, &p->avg60, &p->avg300, &total) == 4)
			ret->known = true;
		p->total_us = total;
	}
}

static void read_counts(int dir, const char *file, struct arena *a, struct cgroup_counts *ret)
{
	own(buf) struct buf b = {};
	if (!read_file(dir, file, &b))
		return;
	char *at = b.data;
	for (char *line; (line = next_line(&at));) {
		char *key = next_word(&line), *value = next_word(&line);
		if (!value || !isdigit((unsigned char)*value))
			continue;
		struct cgroup_count *c = arena_push(a, ret);
		*c = (struct cgroup_count){arena_dup(a, key), strtoull(value, NULL, 10)};
	}
}

static uint64_t count_of(const struct cgroup_counts *l, const char *key)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].key, key) == 0)
			return l->v[i].value;
	return 0;
}

static void add_io(struct arena *a, struct cgroup_io_list *l, const char *device, const char *op, const char *value)
{
	unsigned long long major, minor;
	if (!value || sscanf(device, "%llu:%llu", &major, &minor) != 2)
		return;
	struct cgroup_io *io = arena_push(a, l);
	*io = (struct cgroup_io){major, minor, arena_dup(a, op), strtoull(value, NULL, 10)};
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 …", as v1 calls it. */
static void read_io_v2(int dir, struct cgroup_stats *s)
{
	static const struct {
		const char *word, *op;
		size_t at;
	} rows[] = {{"rbytes=", "Read", offset_of(struct cgroup_stats, io.bytes)}, {"wbytes=", "Write", offset_of(struct cgroup_stats, io.bytes)},
		{"rios=", "Read", offset_of(struct cgroup_stats, io.serviced)}, {"wios=", "Write", offset_of(struct cgroup_stats, io.serviced)}};
	own(buf) struct buf b = {};
	if (!read_file(dir, "io.stat", &b))
		return;
	char *at = b.data;
	for (char *line; (line = next_line(&at));) {
		char *device = next_word(&line);
		for (char *word; (word = next_word(&line));)
			for (size_t i = 0; i < countof(rows); i++)
				if (str_has_prefix(word, rows[i].word))
					add_io(&s->arena, (struct cgroup_io_list *)(void *)((char *)s + rows[i].at), device, rows[i].op,
						word + strlen(rows[i].word));
	}
}

/* "8:0 Read 4096" or "8:0 4096"; the last line sums up. */
static bool read_io_file(int dir, const char *file, struct arena *a, struct cgroup_io_list *ret)
{
	own(buf) struct buf b = {};
	if (!read_file(dir, file, &b))
		return false;
	char *at = b.data;
	for (char *line; (line = next_line(&at));) {
		char *device = next_word(&line), *op = next_word(&line), *value = next_word(&line);
		if (value || (op && isdigit((unsigned char)*op)))
			add_io(a, ret, device, value ? op : "", value ? value : op);
	}
	return ret->n;
}

/* Which scheduler counts depends on the kernel and the device: the first family that has counted anything is taken. */
static void read_io_v1(int dir, struct cgroup_stats *s)
{
	static const char *const families[] = {"blkio.bfq.", "blkio.", "blkio.throttle."};
	static const struct {
		const char *name;
		size_t at;
	} rows[] = {{"io_service_bytes", offset_of(struct cgroup_stats, io.bytes)}, {"io_serviced", offset_of(struct cgroup_stats, io.serviced)},
		{"io_queued", offset_of(struct cgroup_stats, io.queued)}, {"io_service_time", offset_of(struct cgroup_stats, io.service_time)},
		{"io_wait_time", offset_of(struct cgroup_stats, io.wait_time)}, {"io_merged", offset_of(struct cgroup_stats, io.merged)},
		{"time", offset_of(struct cgroup_stats, io.time)}, {"sectors", offset_of(struct cgroup_stats, io.sectors)}};
	bool found = false;
	for (size_t f = 0; f < countof(families) && !found; f++)
		for (size_t i = 0; i < countof(rows); i++) {
			struct cgroup_io_list *to = (struct cgroup_io_list *)(void *)((char *)s + rows[i].at);
			char file[64];
			snprintf(file, sizeof file, "%s%s_recursive", families[f], rows[i].name);
			bool counted = read_io_file(dir, file, &s->arena, to);
			snprintf(file, sizeof file, "%s%s", families[f], rows[i].name);
			found |= counted || read_io_file(dir, file, &s->arena, to);
		}
}

static void sum_io(struct cgroup_stats *s)
{
	for (size_t i = 0; i < s->io.bytes.n; i++) {
		const struct cgroup_io *io = &s->io.bytes.v[i];
		s->io.read_bytes += str_eq(io->op, "Read") ? io->value : 0;
		s->io.write_bytes += str_eq(io->op, "Write") ? io->value : 0;
	}
}

/* "0-3,7" */
static void read_set(int dir, const char *file, struct arena *a, struct u32v *ret)
{
	own(buf) struct buf b = {};
	if (!read_file(dir, file, &b))
		return;
	for (const char *p = buf_text(&b); isdigit((unsigned char)*p);) {
		char *end;
		unsigned long from = strtoul(p, &end, 10), to = *end == '-' ? strtoul(end + 1, &end, 10) : from;
		for (unsigned long i = from; i <= to && i < 65536; i++) {
			uint32_t *v = arena_push(a, ret);
			*v = (uint32_t)i;
		}
		p = end + (*end == ',');
	}
}

/* "ns ns …" of all CPUs; or a table with a head: "cpu user system", the column by its name. */
static void read_percpu(int dir, const char *file, int column, struct arena *a, struct cgroup_u64v *ret)
{
	own(buf) struct buf b = {};
	if (!read_file(dir, file, &b))
		return;
	char *at = b.data;
	for (char *line; (line = next_line(&at));) {
		if (column && !isdigit((unsigned char)*line))
			continue;
		char *word = next_word(&line);
		for (int i = 0; i < column; i++)
			word = next_word(&line);
		for (; word; word = column ? NULL : next_word(&line)) {
			uint64_t *v = arena_push(a, ret);
			*v = strtoull(word, NULL, 10);
		}
	}
}

static void read_hugetlb(int dir, bool v1, struct cgroup_stats *s)
{
	own(strv) struct strv files = {};
	struct err ignored = {};
	const char *usage = v1 ? ".usage_in_bytes" : ".current";
	if (dir < 0 || path_list(dir, ".", &files, &ignored) < 0)
		return;
	strv_sort(&files);
	for (size_t i = 0; i < files.n; i++) {
		const char *size = str_after(files.v[i], "hugetlb.");
		char file[300];
		if (!size || !str_has_suffix(size, usage) || strstr(size, ".rsvd."))
			continue;
		struct cgroup_hugetlb *h = arena_push(&s->arena, &s->hugetlb);
		h->page_size = arena_ndup(&s->arena, size, strlen(size) - strlen(usage));
		cgroupfs_read(dir, files.v[i], NULL, &h->usage);
		snprintf(file, sizeof file, "hugetlb.%.100s.%s", h->page_size, v1 ? "failcnt" : "events");
		cgroupfs_read(dir, file, v1 ? NULL : "max", &h->failcnt);
		snprintf(file, sizeof file, "hugetlb.%.100s.max_usage_in_bytes", h->page_size);
		if (v1)
			cgroupfs_read(dir, file, NULL, &h->max);
	}
}

/* "mlx4_0 hca_handle=2 hca_object=2000", with max for no limit */
static void read_rdma(int dir, const char *file, struct arena *a, struct cgroup_rdma_list *ret)
{
	own(buf) struct buf b = {};
	if (!read_file(dir, file, &b))
		return;
	char *at = b.data;
	for (char *line; (line = next_line(&at));) {
		struct cgroup_rdma *r = arena_push(a, ret);
		r->device = arena_dup(a, next_word(&line));
		for (char *word; (word = next_word(&line));) {
			const char *handles = str_after(word, "hca_handle="), *objects = str_after(word, "hca_object=");
			if (handles)
				cgroupfs_find(handles, NULL, &r->hca_handles);
			if (objects)
				cgroupfs_find(objects, NULL, &r->hca_objects);
		}
	}
}

static void read_misc(int dir, struct cgroup_stats *s)
{
	struct cgroup_counts usage = {}, events = {};
	read_counts(dir, "misc.current", &s->arena, &usage);
	read_counts(dir, "misc.events", &s->arena, &events);
	for (size_t i = 0; i < usage.n; i++) {
		struct cgroup_misc *m = arena_push(&s->arena, &s->misc);
		char key[200];
		snprintf(key, sizeof key, "%.190s.max", usage.v[i].key);
		*m = (struct cgroup_misc){usage.v[i].key, usage.v[i].value, count_of(&events, key)};
	}
}

void cgroup_stats_read_v2(int dir, struct cgroup_stats *s)
{
	s->pids.limit = CGROUPFS_MAX;
	read_numbers(dir, v2_numbers, countof(v2_numbers), s);
	read_counts(dir, "memory.stat", &s->arena, &s->memory.raw);
	s->memory.cache = count_of(&s->memory.raw, "file");
	s->memory.inactive_file = count_of(&s->memory.raw, "inactive_file");
	s->memory.kernel.usage = count_of(&s->memory.raw, "kernel");
	struct cgroup_memory_use *both = &s->memory.swap;
	const struct cgroup_memory_use *mem = &s->memory.use, *only = &s->memory.swap_only;
	*both = *only;
	both->max = 0; /* the two peaks are not of one moment */
	both->usage += mem->usage;
	both->limit = only->limit == CGROUPFS_MAX || mem->limit == CGROUPFS_MAX ? CGROUPFS_MAX : only->limit + mem->limit;
	read_io_v2(dir, s);
	sum_io(s);
	read_set(dir, "cpuset.cpus.effective", &s->arena, &s->cpuset.cpus);
	read_set(dir, "cpuset.mems.effective", &s->arena, &s->cpuset.mems);
	read_hugetlb(dir, false, s);
	read_rdma(dir, "rdma.max", &s->arena, &s->rdma.limit);
	read_rdma(dir, "rdma.current", &s->arena, &s->rdma.current);
	read_misc(dir, s);
	read_pressure(dir, "cpu.pressure", &s->cpu.pressure);
	read_pressure(dir, "memory.pressure", &s->memory.pressure);
	read_pressure(dir, "io.pressure", &s->io.pressure);
}

void cgroup_stats_read_v1(const int dirs[], struct cgroup_stats *s)
{
	int mem = dirs[CGROUPFS_MEMORY], acct = dirs[CGROUPFS_CPUACCT], set = dirs[CGROUPFS_CPUSET];
	own(buf) struct buf level = {};
	s->pids.limit = CGROUPFS_MAX;
	read_numbers(mem, v1_memory, countof(v1_memory), s);
	read_numbers(dirs[CGROUPFS_CPU], v1_cpu, countof(v1_cpu), s);
	read_numbers(acct, v1_cpuacct, countof(v1_cpuacct), s);
	read_numbers(dirs[CGROUPFS_PIDS], v1_pids, countof(v1_pids), s);
	read_numbers(set, v1_cpuset, countof(v1_cpuset), s);
	read_counts(mem, "memory.stat", &s->arena, &s->memory.raw);
	s->memory.cache = count_of(&s->memory.raw, "cache");
	s->memory.inactive_file = count_of(&s->memory.raw, "total_inactive_file");
	/* Without swap accounting the kernel has no numbers for both together. */
	if (s->memory.swap.limit)
		s->memory.swap_only.usage = s->memory.swap.usage > s->memory.use.usage ? s->memory.swap.usage - s->memory.use.usage : 0;
	read_percpu(acct, "cpuacct.usage_percpu", 0, &s->arena, &s->cpu.percpu_ns);
	read_percpu(acct, "cpuacct.usage_all", 1, &s->arena, &s->cpu.percpu_user_ns);
	read_percpu(acct, "cpuacct.usage_all", 2, &s->arena, &s->cpu.percpu_kernel_ns);
	read_io_v1(dirs[CGROUPFS_BLKIO], s);
	sum_io(s);
	read_set(set, "cpuset.cpus", &s->arena, &s->cpuset.cpus);
	read_set(set, "cpuset.mems", &s->arena, &s->cpuset.mems);
	if (read_file(set, "cpuset.sched_relax_domain_level", &level))
		s->cpuset.sched_relax_domain_level = strtoll(buf_text(&level), NULL, 10);
	read_hugetlb(dirs[CGROUPFS_HUGETLB], true, s);
	read_rdma(dirs[CGROUPFS_RDMA], "rdma.max", &s->arena, &s->rdma.limit);
	read_rdma(dirs[CGROUPFS_RDMA], "rdma.current", &s->arena, &s->rdma.current);
	/* On a hybrid machine the v2 tree tells the pressure. */
	read_pressure(dirs[CGROUPFS_V2], "cpu.pressure", &s->cpu.pressure);
	read_pressure(dirs[CGROUPFS_V2], "memory.pressure", &s->memory.pressure);
	read_pressure(dirs[CGROUPFS_V2], "io.pressure", &s->io.pressure);
}

int cgroup_stats(const struct cgroup *c, struct cgroup_stats *ret, struct err *e)
{
	own(cgroup_stats) struct cgroup_stats s = {};
	struct u32v listed = {};
	int dirs[CGROUPFS_ROWS];
	if (!c->rows)
		return err_set(e, ERR_NOT_FOUND, "the container has no cgroup of its own");
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		dirs[i] = cgroup_open_row(c, i);
	if (cgroupfs_get()->unified)
		cgroup_stats_read_v2(dirs[CGROUPFS_V2], &s);
	else
		cgroup_stats_read_v1(dirs, &s);
	/* Without a pids group of its own its processes are counted. */
	if (!s.pids.current && cgroup_pids(c, &listed, e) == 0)
		s.pids.current = listed.n;
	free(listed.v);
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		fd_drop(&dirs[i]);
	*ret = s;
	s = (struct cgroup_stats){};
	return 0;
}

void cgroup_stats_drop(struct cgroup_stats *s)
{
	arena_drop(&s->arena);
	*s = (struct cgroup_stats){};
}

uint64_t cgroup_oom_kills(const struct cgroup *c)
{
	bool v1 = !cgroupfs_get()->unified;
	uint64_t kills = 0;
	own(fd) int dir = cgroup_open_row(c, v1 ? CGROUPFS_MEMORY : CGROUPFS_V2);
	cgroupfs_read(dir, v1 ? "memory.oom_control" : "memory.events", "oom_kill", &kills);
	return kills;
}
