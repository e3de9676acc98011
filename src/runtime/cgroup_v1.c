/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_v1: limits as files of the version 1 controllers (kernel, Documentation/admin-guide/cgroup-v1).
 */
#include "runtime/cgroup_limits.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/cgroupfs.h"

#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>

/* A memory limit and the limit of memory with swap bound each other: the one that has to give way goes first. */
static int limit_memory(int dir, const struct spec_memory *m, struct err *e)
{
	bool swap = m->swap.set && m->swap.v != 0;
	struct err first = {};
	if (m->limit.set && cgroup_put(dir, "memory", "the memory limit", "memory.limit_in_bytes", &first, "%lld", (long long)m->limit.v) < 0) {
		if (!swap || first.kind == ERR_UNSUPPORTED)
			return *e = first, -1;
		if (cgroup_put(dir, "memory", "the swap limit", "memory.memsw.limit_in_bytes", e, "%lld", (long long)m->swap.v) < 0 ||
			cgroup_put(dir, "memory", "the memory limit", "memory.limit_in_bytes", e, "%lld", (long long)m->limit.v) < 0)
			return -1;
		swap = false;
	}
	if (swap && faccessat(dir, "memory.memsw.limit_in_bytes", F_OK, 0) == 0 &&
		cgroup_put(dir, "memory", "the swap limit", "memory.memsw.limit_in_bytes", e, "%lld", (long long)m->swap.v) < 0)
		return -1;
	if (m->reservation.set && cgroup_put(dir, "memory", "the memory reservation", "memory.soft_limit_in_bytes", e, "%lld", (long long)m->reservation.v) < 0)
		return -1;
	if (m->swappiness.set && cgroup_put(dir, "memory", "swappiness", "memory.swappiness", e, "%llu", (unsigned long long)m->swappiness.v) < 0)
		return -1;
	if (m->disable_oom_killer.set && m->disable_oom_killer.v && cgroup_put(dir, "memory", "disabling the OOM killer", "memory.oom_control", e, "1") < 0)
		return -1;
	return 0;
}

static int limit_cpu(const int dirs[], const struct spec_cpu *c, struct err *e)
{
	int cpu = dirs[CGROUPFS_CPU], set = dirs[CGROUPFS_CPUSET];
	if (c->shares.set && cgroup_put(cpu, "cpu", "CPU shares", "cpu.shares", e, "%llu", (unsigned long long)c->shares.v) < 0)
		return -1;
	if (c->period.set && cgroup_put(cpu, "cpu", "the CPU period", "cpu.cfs_period_us", e, "%llu", (unsigned long long)c->period.v) < 0)
		return -1;
	if (c->quota.set && cgroup_put(cpu, "cpu", "the CPU quota", "cpu.cfs_quota_us", e, "%lld", (long long)c->quota.v) < 0)
		return -1;
	if (c->burst.set && cgroup_put(cpu, "cpu", "the CPU burst", "cpu.cfs_burst_us", e, "%llu", (unsigned long long)c->burst.v) < 0)
		return -1;
	if (c->rt_period.set && cgroup_put(cpu, "cpu", "the real-time period", "cpu.rt_period_us", e, "%llu", (unsigned long long)c->rt_period.v) < 0)
		return -1;
	if (c->rt_runtime.set && cgroup_put(cpu, "cpu", "the real-time runtime", "cpu.rt_runtime_us", e, "%lld", (long long)c->rt_runtime.v) < 0)
		return -1;
	if (c->idle.set && cgroup_put(cpu, "cpu", "CPU idle", "cpu.idle", e, "%lld", (long long)c->idle.v) < 0)
		return -1;
	if (c->cpus && cgroup_put(set, "cpuset", "the set of CPUs", "cpuset.cpus", e, "%s", c->cpus) < 0)
		return -1;
	if (c->mems && cgroup_put(set, "cpuset", "the set of memory nodes", "cpuset.mems", e, "%s", c->mems) < 0)
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

static int limit_block_io(int dir, const struct spec_block_io *io, struct err *e)
{
	const char *weight = faccessat(dir, "blkio.bfq.weight", F_OK, 0) == 0 ? "blkio.bfq.weight" : "blkio.weight";
	if (io->weight.set && cgroup_put(dir, "blkio", "the block I/O weight", weight, e, "%llu", (unsigned long long)io->weight.v) < 0)
		return -1;
	for (size_t i = 0; i < io->weight_devices.n; i++) {
		const struct spec_weight_device *d = &io->weight_devices.v[i];
		if (d->weight.set && cgroup_put(dir, "blkio", "a device's I/O weight", "blkio.weight_device", e, "%lld:%lld %llu",
			(long long)d->major, (long long)d->minor, (unsigned long long)d->weight.v) < 0)
			return -1;
	}
	if (throttle(dir, &io->read_bps, "blkio.throttle.read_bps_device", e) < 0 ||
		throttle(dir, &io->write_bps, "blkio.throttle.write_bps_device", e) < 0 ||
		throttle(dir, &io->read_iops, "blkio.throttle.read_iops_device", e) < 0)
		return -1;
	return throttle(dir, &io->write_iops, "blkio.throttle.write_iops_device", e);
}

static int put_rule(const int files[2], const struct spec_device_rule *d, struct err *e)
{
	char ma[24] = "*", mi[24] = "*", rule[80];
	if (d->major.set && d->major.v >= 0)
		snprintf(ma, sizeof ma, "%lld", (long long)d->major.v);
	if (d->minor.set && d->minor.v >= 0)
		snprintf(mi, sizeof mi, "%lld", (long long)d->minor.v);
	int n = snprintf(rule, sizeof rule, "%.1s %s:%s %.8s", str_is_empty(d->type) ? "a" : d->type, ma, mi, d->access ? d->access : "rwm");
	if (str_is_empty(d->type) || str_eq(d->type, "a"))
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
	for (size_t i = 0; i < n->priorities.n; i++)
		if (cgroup_put(dirs[CGROUPFS_NET_PRIO], "net_prio", "a network priority", "net_prio.ifpriomap", e, "%s %u",
			n->priorities.v[i].name, n->priorities.v[i].priority) < 0)
			return -1;
	return 0;
}

int cgroup_limit_rdma(int dir, const struct spec_resources *r, struct err *e)
{
	struct json_iter it = {};
	while (json_next(r->rdma, &it)) {
		const struct json *handles = json_get(it.value, "hcaHandles"), *objects = json_get(it.value, "hcaObjects");
		char h[40] = "", o[40] = "";
		if (handles)
			snprintf(h, sizeof h, " hca_handle=%llu", (unsigned long long)json_u64(handles));
		if (objects)
			snprintf(o, sizeof o, " hca_object=%llu", (unsigned long long)json_u64(objects));
		if (cgroup_put(dir, "rdma", "an RDMA limit", "rdma.max", e, "%.100s%s%s", it.key, h, o) < 0)
			return -1;
	}
	return 0;
}

int cgroup_v1_limit(const int dirs[], const struct spec_resources *r, struct err *e)
{
	if (r->memory && limit_memory(dirs[CGROUPFS_MEMORY], r->memory, e) < 0)
		return -1;
	if (r->cpu && limit_cpu(dirs, r->cpu, e) < 0)
		return -1;
	if (r->pids_limit.set) {
		if (r->pids_limit.v < 0 ? cgroup_put(dirs[CGROUPFS_PIDS], "pids", "the limit of processes", "pids.max", e, "max") < 0
					: cgroup_put(dirs[CGROUPFS_PIDS], "pids", "the limit of processes", "pids.max", e,
						  "%lld", (long long)r->pids_limit.v) < 0)
			return -1;
	}
	if (r->block_io && limit_block_io(dirs[CGROUPFS_BLKIO], r->block_io, e) < 0)
		return -1;
	for (size_t i = 0; i < r->hugepages.n; i++) {
		char file[80];
		snprintf(file, sizeof file, "hugetlb.%.40s.limit_in_bytes", r->hugepages.v[i].page_size);
		if (cgroup_put(dirs[CGROUPFS_HUGETLB], "hugetlb", "a limit of huge pages", file, e, "%llu", (unsigned long long)r->hugepages.v[i].limit) < 0)
			return -1;
	}
	if (r->network && limit_network(dirs, r->network, e) < 0)
		return -1;
	if (r->unified.n)
		return err_set(e, ERR_UNSUPPORTED, "linux.resources.unified: this machine has no unified cgroups");
	return cgroup_limit_rdma(dirs[CGROUPFS_RDMA], r, e);
}
