/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_v1: limits as files of the version 1 controllers (kernel, Documentation/admin-guide/cgroup-v1).
 *
 * 0 leaves a limit as it is, as runc has it, except where it is a value of its own (processes, burst, idle).
 */
#include "runtime/cgroup_limits.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define MEMORY(file, what, member, flags) {(file), (what), offset_of(struct spec_memory, member), (flags)}
static const struct cgroup_number memory_limit = MEMORY("memory.limit_in_bytes", "the memory limit", limit, CGROUP_SIGNED),
	memory_swap = MEMORY("memory.memsw.limit_in_bytes", "the swap limit", swap, CGROUP_SIGNED),
	memory_others[] = {MEMORY("memory.soft_limit_in_bytes", "the memory reservation", reservation, CGROUP_SIGNED),
		MEMORY("memory.kmem.tcp.limit_in_bytes", "the limit of TCP buffers", kernel_tcp, CGROUP_SIGNED)};

#define CPU(file, what, member, flags) {(file), (what), offset_of(struct spec_cpu, member), (flags)}
static const struct cgroup_number cpu_shares = CPU("cpu.shares", "CPU shares", shares, 0),
	cpu_idle = CPU("cpu.idle", "CPU idle", idle, CGROUP_SIGNED | CGROUP_ZERO),
	cpu_bandwidth[] = {CPU("cpu.cfs_period_us", "the CPU period", period, 0),
		CPU("cpu.cfs_quota_us", "the CPU quota", quota, CGROUP_SIGNED),
		CPU("cpu.cfs_burst_us", "the CPU burst", burst, CGROUP_ZERO)},
	cpu_real_time[] = {CPU("cpu.rt_period_us", "the real-time period", rt_period, 0),
		CPU("cpu.rt_runtime_us", "the real-time runtime", rt_runtime, CGROUP_SIGNED)};

static struct cgroup_write write_of(const struct cgroup_number *n, const void *from)
{
	struct cgroup_write w = {.what = n->what, .file = n->file};
	cgroup_number_text(n, from, w.value);
	return w;
}

static int put_bound(int dir, const char *controller, const struct cgroup_number *rows, size_t n, const void *from, struct err *e)
{
	struct cgroup_write w[4] = {};
	for (size_t i = 0; i < n && i < countof(w); i++)
		w[i] = write_of(&rows[i], from);
	return cgroup_put_bound(dir, controller, w, n, e);
}

/* The kernel says no more than "busy" when it cannot take enough away. */
static int explain_busy(int dir, const struct spec_memory *m, struct err *e)
{
	uint64_t usage = 0, peak = 0;
	if (e->sys != EBUSY)
		return -1;
	cgroupfs_read(dir, "memory.usage_in_bytes", NULL, &usage);
	cgroupfs_read(dir, "memory.max_usage_in_bytes", NULL, &peak);
	return err_set(e, ERR_CONFLICT, "unable to set memory limit to %lld (current usage: %llu, peak usage: %llu)", (long long)m->limit.v,
		(unsigned long long)usage, (unsigned long long)peak);
}

static int limit_memory(int dir, const struct spec_memory *m, struct err *e)
{
	/* The limit of memory and that of memory with swap bound each other: which has to give way depends on what was there. */
	struct cgroup_write w[2] = {write_of(&memory_limit, m), write_of(&memory_swap, m)};
	if (cgroup_check_usage(dir, m, "memory.usage_in_bytes", e) < 0)
		return -1;
	/* Without a word about swap the unlimited is unlimited in both. */
	if (m->limit.set && m->limit.v == -1 && !w[1].value[0])
		strcpy(w[1].value, "-1");
	if (w[1].value[0] && dir >= 0 && faccessat(dir, memory_swap.file, F_OK, 0) < 0)
		w[1].value[0] = 0;
	if (cgroup_put_bound(dir, "memory", w, countof(w), e) < 0)
		return explain_busy(dir, m, e);
	for (size_t i = 0; i < countof(memory_others); i++)
		if (cgroup_put_number(dir, "memory", &memory_others[i], m, e) < 0)
			return -1;
	if (m->swappiness.set && m->swappiness.v != UINT64_MAX) {
		if (m->swappiness.v > 100)
			return err_set(e, ERR_USAGE, "invalid swappiness %llu: it must be from 0 to 100", (unsigned long long)m->swappiness.v);
		if (cgroup_put(dir, "memory", "swappiness", "memory.swappiness", e, "%llu", (unsigned long long)m->swappiness.v) < 0)
			return -1;
	}
	uint64_t disabled = 0;
	cgroupfs_read(dir, "memory.oom_control", "oom_kill_disable", &disabled);
	if (m->disable_oom_killer.set && m->disable_oom_killer.v != !!disabled)
		return cgroup_put(dir, "memory", "disabling the OOM killer", "memory.oom_control", e, "%d", m->disable_oom_killer.v);
	return 0;
}

/* Groups on the way have no real-time runtime of their own, and then those below them can have none. dir: of the group itself. */
static void open_real_time(int dir, const struct spec_cpu *c)
{
	uint64_t runtime;
	struct err ignored = {};
	own(fd) int up = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!c->rt_runtime.set || c->rt_runtime.v <= 0 || up < 0 || !cgroupfs_read(up, "cpu.rt_runtime_us", NULL, &runtime) || runtime)
		return;
	open_real_time(up, c);
	(void)!put_bound(up, "cpu", cpu_real_time, countof(cpu_real_time), c, &ignored);
}

static int limit_cpu(const int dirs[], const struct spec_cpu *c, struct err *e)
{
	int cpu = dirs[CGROUPFS_CPU], set = dirs[CGROUPFS_CPUSET];
	bool idle = c->idle.set && c->idle.v;
	/* An idle group has no shares that could be changed. */
	if (!idle && cgroup_put_number(cpu, "cpu", &cpu_idle, c, e) < 0)
		return -1;
	if (cgroup_put_number(cpu, "cpu", &cpu_shares, c, e) < 0 ||
		put_bound(cpu, "cpu", cpu_bandwidth, countof(cpu_bandwidth), c, e) < 0)
		return -1;
	if (cpu >= 0)
		open_real_time(cpu, c);
	if (put_bound(cpu, "cpu", cpu_real_time, countof(cpu_real_time), c, e) < 0)
		return -1;
	if (idle && cgroup_put_number(cpu, "cpu", &cpu_idle, c, e) < 0)
		return -1;
	if (!str_is_empty(c->cpus) && cgroup_put(set, "cpuset", "the set of CPUs", "cpuset.cpus", e, "%s", c->cpus) < 0)
		return -1;
	if (!str_is_empty(c->mems) && cgroup_put(set, "cpuset", "the set of memory nodes", "cpuset.mems", e, "%s", c->mems) < 0)
		return -1;
	return 0;
}

static int throttle(int dir, const struct spec_throttle_list *l, const char *file, struct err *e)
{
	for (size_t i = 0; i < l->n; i++)
		if (cgroup_put(dir, "blkio", "a block device's rate", file, e, "%lld:%lld %llu", (long long)l->v[i].major,
			(long long)l->v[i].minor, (unsigned long long)l->v[i].rate) < 0)
			return -1;
	return 0;
}

/* The scheduler's own file where it has one. */
static const char *weight_file(int dir, const char *bfq, const char *other)
{
	return faccessat(dir, bfq, F_OK, 0) == 0 ? bfq : other;
}

static int limit_weights(int dir, const struct spec_block_io *io, struct err *e)
{
	const char *file = weight_file(dir, "blkio.bfq.weight", "blkio.weight");
	if (io->weight.set && io->weight.v && cgroup_put(dir, "blkio", "the block I/O weight", file, e, "%llu", (unsigned long long)io->weight.v) < 0)
		return -1;
	if (io->leaf_weight.set && io->leaf_weight.v &&
		cgroup_put(dir, "blkio", "the leaf weight", "blkio.leaf_weight", e, "%llu", (unsigned long long)io->leaf_weight.v) < 0)
		return -1;
	file = weight_file(dir, "blkio.bfq.weight_device", "blkio.weight_device");
	for (size_t i = 0; i < io->weight_devices.n; i++) {
		const struct spec_weight_device *d = &io->weight_devices.v[i];
		if (d->weight.set && d->weight.v && cgroup_put(dir, "blkio", "a device's I/O weight", file, e, "%lld:%lld %llu",
			(long long)d->major, (long long)d->minor, (unsigned long long)d->weight.v) < 0)
			return -1;
		if (d->leaf_weight.set && d->leaf_weight.v && cgroup_put(dir, "blkio", "a device's leaf weight", "blkio.leaf_weight_device", e,
			"%lld:%lld %llu", (long long)d->major, (long long)d->minor, (unsigned long long)d->leaf_weight.v) < 0)
			return -1;
	}
	return 0;
}

static int limit_block_io(int dir, const struct spec_block_io *io, struct err *e)
{
	if (limit_weights(dir, io, e) < 0)
		return -1;
	if (throttle(dir, &io->read_bps, "blkio.throttle.read_bps_device", e) < 0 ||
		throttle(dir, &io->write_bps, "blkio.throttle.write_bps_device", e) < 0 ||
		throttle(dir, &io->read_iops, "blkio.throttle.read_iops_device", e) < 0)
		return -1;
	return throttle(dir, &io->write_iops, "blkio.throttle.write_iops_device", e);
}

static bool is_everything(const struct spec_device_rule *d)
{
	return str_is_empty(d->type) || str_eq(d->type, "a");
}

static int put_rule(const int files[2], const struct spec_device_rule *d, struct err *e)
{
	char ma[24] = "*", mi[24] = "*", rule[80];
	if (d->major.set && d->major.v >= 0)
		snprintf(ma, sizeof ma, "%lld", (long long)d->major.v);
	if (d->minor.set && d->minor.v >= 0)
		snprintf(mi, sizeof mi, "%lld", (long long)d->minor.v);
	int n = snprintf(rule, sizeof rule, "%.1s %s:%s %.8s", str_is_empty(d->type) ? "a" : d->type, ma, mi, d->access ? d->access : "rwm");
	if (is_everything(d))
		n = snprintf(rule, sizeof rule, "a");
	return write(files[d->allow], rule, (size_t)n) < 0 ? err_sys(e, "device rule \"%s\"", rule) : 0;
}

int cgroup_v1_devices(int dir, const struct spec_resources *r, struct err *e)
{
	if (!r->devices.n)
		return 0;
	own(fd) int deny = dir < 0 ? -1 : openat(dir, "devices.deny", O_WRONLY | O_CLOEXEC);
	own(fd) int allow = dir < 0 ? -1 : openat(dir, "devices.allow", O_WRONLY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, ERR_UNSUPPORTED, "device rules cannot be set: the devices controller is not available here");
	if (deny < 0 || allow < 0)
		return err_sys(e, "device rules");
	const int files[2] = {deny, allow};
	/* What no rule speaks of is not allowed, as on v2. */
	static const struct spec_device_rule nothing = {.allow = false};
	if (!is_everything(&r->devices.v[0]) && put_rule(files, &nothing, e) < 0)
		return -1;
	for (size_t i = 0; i < r->devices.n; i++)
		if (put_rule(files, &r->devices.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < cgroup_default_devices_n; i++)
		if (put_rule(files, &cgroup_default_devices[i], e) < 0)
			return -1;
	return 0;
}

static int limit_network(const int dirs[], const struct spec_network *n, struct err *e)
{
	if (n->class_id.set && cgroup_put(dirs[CGROUPFS_NET_CLS], "net_cls", "the network class", "net_cls.classid", e, "%llu",
		(unsigned long long)n->class_id.v) < 0)
		return -1;
	for (size_t i = 0; i < n->priorities.n; i++) {
		const char *name = n->priorities.v[i].name;
		if (!path_is_name(name) || strpbrk(name, " \t\n"))
			return err_set(e, ERR_USAGE, "invalid network interface \"%.100s\"", name);
		if (cgroup_put(dirs[CGROUPFS_NET_PRIO], "net_prio", "a network priority", "net_prio.ifpriomap", e, "%s %u", name,
			n->priorities.v[i].priority) < 0)
			return -1;
	}
	return 0;
}

int cgroup_v1_limit(const int dirs[], const struct spec_resources *r, struct err *e)
{
	static const struct cgroup_number pids = {"pids.max", "the limit of processes", offset_of(struct spec_resources, pids_limit), CGROUP_LIMIT};
	if (r->memory && limit_memory(dirs[CGROUPFS_MEMORY], r->memory, e) < 0)
		return -1;
	if (r->cpu && limit_cpu(dirs, r->cpu, e) < 0)
		return -1;
	if (cgroup_put_number(dirs[CGROUPFS_PIDS], "pids", &pids, r, e) < 0)
		return -1;
	if (r->block_io && limit_block_io(dirs[CGROUPFS_BLKIO], r->block_io, e) < 0)
		return -1;
	if (cgroup_limit_hugepages(dirs[CGROUPFS_HUGETLB], r, true, e) < 0)
		return -1;
	if (r->network && limit_network(dirs, r->network, e) < 0)
		return -1;
	if (r->unified.n)
		return err_set(e, ERR_UNSUPPORTED, "linux.resources.unified: this machine has no unified cgroups");
	return cgroup_limit_rdma(dirs[CGROUPFS_RDMA], r, e);
}
