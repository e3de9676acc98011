/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats: the cgroup's counters, and /proc/PID/net/dev for the interfaces of its first process's network namespace.
 */
#include "engine/stats.h"

#include "base/fd.h"
#include "base/num.h"
#include "net/network.h"
#include "runtime/cgroup_stats.h"
#include "runtime/container.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>

enum { DEV_MAX = 1 << 20 };

/* "  eth0: rx-bytes packets errs drop fifo frame compressed multicast tx-bytes …" (proc(5)). */
static void add_interface(const char *line, struct container_sample *s)
{
	const char *colon = strchr(line, ':');
	unsigned long long rx, tx;
	if (!colon || str_has_prefix(line + strspn(line, " "), "lo:"))
		return;
	if (sscanf(colon + 1, "%llu %*u %*u %*u %*u %*u %*u %*u %llu", &rx, &tx) == 2) {
		s->rx += rx;
		s->tx += tx;
	}
}

static void read_interfaces(const struct container_entry *c, struct container_sample *s)
{
	char path[48];
	own(buf) struct buf b = BUF(DEV_MAX);
	if (str_eq(c->state.network_mode, "host"))
		return;
	snprintf(path, sizeof path, "/proc/%lld/net/dev", (long long)c->state.pid);
	own(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_to_end(fd, &b) < 0)
		return;
	own(strv) struct strv lines = {};
	strv_split(&lines, buf_text(&b), '\n');
	for (size_t i = 0; i < lines.n; i++)
		add_interface(lines.v[i], s);
}

static uint64_t machine_memory(void)
{
	static uint64_t all; /* asked for once: the kernel counts much for it */
	struct sysinfo si = {};
	if (!all && sysinfo(&si) == 0)
		all = (uint64_t)si.totalram * si.mem_unit;
	return all;
}

static void take_counters(const struct cgroup_stats *from, struct container_sample *s)
{
	uint64_t all = machine_memory(), cache = from->memory.inactive_file;
	s->cpu_ns = from->cpu.total_ns;
	s->throttled_ns = from->cpu.throttled_ns;
	s->memory = from->memory.use.usage > cache ? from->memory.use.usage - cache : 0;
	s->memory_limit = from->memory.use.limit && from->memory.use.limit < all ? from->memory.use.limit : all;
	s->read = from->io.read_bytes;
	s->written = from->io.write_bytes;
	s->pids = from->pids.current;
	s->has_pressure = from->cpu.pressure.known;
	s->cpu_pressure = from->cpu.pressure.some.avg10;
	s->memory_pressure = from->memory.pressure.some.avg10;
	s->io_pressure = from->io.pressure.some.avg10;
}

/* Where no controller counts them. */
static uint64_t count_processes(const struct cgroup *cg, pid_t first)
{
	struct u32v pids = {};
	struct err ignored = {};
	uint64_t n = container_pids(cg, first, &pids, &ignored) < 0 ? 0 : pids.n;
	free(pids.v);
	return n;
}

int container_sample(struct engine *g, struct container_entry *c, struct container_sample *ret, struct err *e)
{
	struct cgroup cg = {.v2 = -1};
	struct cgroup_stats stats = {};
	const char *status = container_status(g, c);
	*ret = (struct container_sample){.at_ns = num_monotonic_ns()};
	memcpy(ret->id, c->id, sizeof ret->id);
	snprintf(ret->name, sizeof ret->name, "%s", c->state.name ? c->state.name : "");
	if (!str_eq(status, "running") && !str_eq(status, "paused"))
		return 0;
	int r = 0;
	if (!str_is_empty(c->state.cgroup)) {
		r = cgroup_open(c->state.cgroup, &cg, e);
		if (r == 0)
			r = cgroup_stats_brief(&cg, &stats, e);
	}
	if (r == 0) {
		ret->runs = true;
		take_counters(&stats, ret);
		read_interfaces(c, ret);
		if (!ret->pids)
			ret->pids = count_processes(&cg, (pid_t)c->state.pid);
	}
	cgroup_stats_drop(&stats);
	cgroup_drop(&cg);
	/* It ended while we looked. */
	if (r < 0 && !container_state_is_alive(&g->containers, &c->state))
		return *e = (struct err){}, 0;
	return r < 0 ? err_wrap(e, "container %.200s", container_label(c)) : 0;
}
