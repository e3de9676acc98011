/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats_docs: what a container uses, as docker's ContainerStats: memory.stat's own keys are in it, which are others on v1 and v2, and by which
 * clients tell the two. What nobody counts here is 0 or null, as there.
 */
#include "engine/stats_docs.h"

#include "base/num.h"
#include "base/path.h"
#include "runtime/cgroup_stats.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { FILE_MOST = 1 << 20 };

static void set_u64(struct json *j, const char *key, uint64_t v)
{
	json_set(j, key, json_new_u64(v));
}

/* CPU time of the machine: user nice system idle iowait irq softirq of /proc/stat, in ns. */
static uint64_t machine_cpu_ns(void)
{
	own(buf) struct buf text = BUF(FILE_MOST);
	struct err ignored = {};
	unsigned long long v[7], all = 0;
	long ticks = sysconf(_SC_CLK_TCK);
	if (path_read(AT_FDCWD, "/proc/stat", &text, &ignored) < 0 ||
		sscanf(buf_text(&text), "cpu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6]) != 7)
		return 0;
	for (size_t i = 0; i < countof(v); i++)
		all += v[i];
	return ticks > 0 ? all * (1000000000ULL / (unsigned long)ticks) : 0;
}

static struct json *cpu_json(const struct cgroup_stats *s, bool runs)
{
	struct json *j = json_new_object(), *use = json_new_object(), *throttled = json_new_object();
	set_u64(use, "total_usage", s->cpu.total_ns);
	if (s->cpu.percpu_ns.n) {
		struct json *each = json_new_array();
		for (size_t i = 0; i < s->cpu.percpu_ns.n; i++)
			json_add(each, json_new_u64(s->cpu.percpu_ns.v[i]));
		json_set(use, "percpu_usage", each);
	}
	set_u64(use, "usage_in_kernelmode", s->cpu.kernel_ns);
	set_u64(use, "usage_in_usermode", s->cpu.user_ns);
	json_set(j, "cpu_usage", use);
	if (runs) {
		set_u64(j, "system_cpu_usage", machine_cpu_ns());
		set_u64(j, "online_cpus", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	}
	set_u64(throttled, "periods", s->cpu.periods);
	set_u64(throttled, "throttled_periods", s->cpu.throttled_periods);
	set_u64(throttled, "throttled_time", s->cpu.throttled_ns);
	json_set(j, "throttling_data", throttled);
	return j;
}

static struct json *memory_json(const struct cgroup_stats *s, bool runs)
{
	struct json *j = json_new_object(), *raw = json_new_object();
	struct sysinfo machine = {};
	if (!runs) {
		json_drop(&raw);
		return j;
	}
	uint64_t all = sysinfo(&machine) == 0 ? (uint64_t)machine.totalram * machine.mem_unit : 0, limit = s->memory.use.limit;
	for (size_t i = 0; i < s->memory.raw.n; i++)
		set_u64(raw, s->memory.raw.v[i].key, s->memory.raw.v[i].value);
	set_u64(j, "usage", s->memory.use.usage);
	if (s->memory.use.max)
		set_u64(j, "max_usage", s->memory.use.max);
	json_set(j, "stats", raw);
	if (s->memory.use.failcnt)
		set_u64(j, "failcnt", s->memory.use.failcnt);
	set_u64(j, "limit", limit && limit < all ? limit : all);
	return j;
}

static struct json *io_list(const struct cgroup_io_list *l)
{
	struct json *j = l->n ? json_new_array() : NULL;
	for (size_t i = 0; i < l->n; i++) {
		struct json *row = json_new_object();
		set_u64(row, "major", l->v[i].major);
		set_u64(row, "minor", l->v[i].minor);
		json_set_str(row, "op", l->v[i].op);
		set_u64(row, "value", l->v[i].value);
		json_add(j, row);
	}
	return j;
}

static struct json *io_json(const struct cgroup_stats *s)
{
	struct json *j = json_new_object();
	const struct { const char *key; const struct cgroup_io_list *from; } lists[] = {{"io_service_bytes_recursive", &s->io.bytes},
		{"io_serviced_recursive", &s->io.serviced}, {"io_queue_recursive", &s->io.queued}, {"io_service_time_recursive", &s->io.service_time},
		{"io_wait_time_recursive", &s->io.wait_time}, {"io_merged_recursive", &s->io.merged}, {"io_time_recursive", &s->io.time},
		{"sectors_recursive", &s->io.sectors}};
	for (size_t i = 0; i < countof(lists); i++)
		json_set(j, lists[i].key, io_list(lists[i].from));
	return j;
}

/* "  eth0: rx-bytes packets errs drop fifo frame compressed multicast tx-bytes packets errs drop …" (proc(5)). */
static void add_interface(const char *line, struct json *to)
{
	static const char *const keys[] = {"rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"};
	const char *colon = strchr(line, ':'), *name = line + strspn(line, " ");
	unsigned long long v[8];
	if (!colon || str_has_prefix(name, "lo:") || sscanf(colon + 1, "%llu %llu %llu %llu %*u %*u %*u %*u %llu %llu %llu %llu", &v[0], &v[1], &v[2],
		&v[3], &v[4], &v[5], &v[6], &v[7]) != 8)
		return;
	own(mem) char *key = mem_ndup(name, (size_t)(colon - name));
	struct json *j = json_new_object();
	for (size_t i = 0; i < countof(keys); i++)
		set_u64(j, keys[i], v[i]);
	json_set(to, key, j);
}

static struct json *networks_json(const struct container_entry *c)
{
	own(buf) struct buf text = BUF(FILE_MOST);
	struct err ignored = {};
	char path[48];
	snprintf(path, sizeof path, "/proc/%lld/net/dev", (long long)c->state.pid);
	if (str_eq(c->state.network_mode, "host") || path_read(AT_FDCWD, path, &text, &ignored) < 0)
		return NULL;
	struct json *j = json_new_object();
	own(mem) char *copy = mem_dup(buf_text(&text));
	char *rest = copy;
	for (char *line; (line = strsep(&rest, "\n"));)
		add_interface(line, j);
	return j;
}

struct json *stats_document(struct engine *g, struct container_entry *c, struct err *e)
{
	const char *status = container_status(g, c);
	bool runs = str_eq(status, "running") || str_eq(status, "paused");
	struct cgroup_stats s = {};
	struct cgroup cg = {.v2 = -1};
	char now[NUM_TEXT];
	if (runs && !str_is_empty(c->state.cgroup) && (cgroup_open(c->state.cgroup, &cg, e) < 0 || cgroup_stats(&cg, &s, e) < 0)) {
		cgroup_drop(&cg);
		/* It ended while we looked. */
		if (container_state_is_alive(&g->containers, &c->state)) {
			cgroup_stats_drop(&s);
			return err_wrap(e, "container %.200s", container_label(c)), NULL;
		}
		*e = (struct err){};
		runs = false;
	}
	struct json *j = json_new_object(), *pids = json_new_object();
	own(mem) char *name = mem_printf("/%s", c->state.name ? c->state.name : "");
	json_set_str(j, "name", name);
	json_set_str(j, "id", c->id);
	json_set_str(j, "read", runs ? num_format_time(num_now_ns(), now) : "0001-01-01T00:00:00Z");
	if (s.pids.current) {
		set_u64(pids, "current", s.pids.current);
		set_u64(pids, "limit", s.pids.limit);
	}
	json_set(j, "pids_stats", pids);
	json_set(j, "blkio_stats", io_json(&s));
	set_u64(j, "num_procs", 0);
	json_set(j, "storage_stats", json_new_object());
	json_set(j, "cpu_stats", cpu_json(&s, runs));
	json_set(j, "memory_stats", memory_json(&s, runs));
	struct json *networks = runs ? networks_json(c) : NULL;
	if (networks)
		json_set(j, "networks", networks);
	cgroup_stats_drop(&s);
	cgroup_drop(&cg);
	return j;
}
