/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_stats: what the kernel counts in a container's groups, the same fields on both versions: all that `runc events` and
 * docker's statistics show. What this machine or this kernel does not count is zero or an empty list.
 */
#pragma once

#include "runtime/cgroup.h"

struct cgroup_pressure_line { double avg10, avg60, avg300; uint64_t total_us; };
/* PSI (kernel, Documentation/accounting/psi.rst): the part of the time in which some, or all, processes waited. */
struct cgroup_pressure { bool known; struct cgroup_pressure_line some, full; };

struct cgroup_u64v { uint64_t *v; size_t n; };
struct cgroup_count { char *key; uint64_t value; };
struct cgroup_counts { struct cgroup_count *v; size_t n; };

/* Bytes. limit: see cgroup_is_unlimited(). */
struct cgroup_memory_use { uint64_t usage, max, failcnt, limit; };
/* memory.events of v2: how often each has happened. */
struct cgroup_memory_events { uint64_t low, high, max, oom, oom_kill, oom_group_kill; };

struct cgroup_io { uint64_t major, minor; char *op; /* "Read", "Write", …; "": none */ uint64_t value; };
struct cgroup_io_list { struct cgroup_io *v; size_t n; };

struct cgroup_hugetlb { char *page_size; /* "2MB" */ uint64_t usage, max, failcnt; };
/* UINT64_MAX: unlimited. */
struct cgroup_rdma { char *device; uint64_t hca_handles, hca_objects; };
struct cgroup_rdma_list { struct cgroup_rdma *v; size_t n; };
struct cgroup_misc { char *key; uint64_t usage, events; };

struct cgroup_stats {
	struct arena arena;
	struct {
		uint64_t total_ns, user_ns, kernel_ns;
		struct cgroup_u64v percpu_ns, percpu_user_ns, percpu_kernel_ns; /* v1 */
		uint64_t periods, throttled_periods, throttled_ns, bursts, burst_ns;
		struct cgroup_pressure pressure;
	} cpu;
	struct {
		struct u32v cpus, mems;
		uint64_t cpu_exclusive, mem_hardwall, mem_exclusive, memory_migrate, memory_spread_page, memory_spread_slab,
			memory_pressure, sched_load_balance;
		int64_t sched_relax_domain_level;
	} cpuset;
	struct {
		struct cgroup_memory_use use, swap /* memory and swap together, as v1 counts */, swap_only, kernel, kernel_tcp;
		uint64_t cache, inactive_file;
		struct cgroup_counts raw; /* memory.stat */
		struct cgroup_memory_events events;
		struct cgroup_pressure pressure;
	} memory;
	struct { uint64_t current, limit; } pids; /* limit UINT64_MAX: none */
	struct {
		struct cgroup_io_list bytes, serviced, queued, service_time, wait_time, merged, time, sectors;
		uint64_t read_bytes, write_bytes; /* sums */
		struct cgroup_pressure pressure;
	} io;
	struct { struct cgroup_hugetlb *v; size_t n; } hugetlb;
	struct { struct cgroup_rdma_list limit, current; } rdma;
	struct { struct cgroup_misc *v; size_t n; } misc;
};

int cgroup_stats(const struct cgroup *c, struct cgroup_stats *ret, struct err *e) must_use;
void cgroup_stats_drop(struct cgroup_stats *s);
/* v2 says "max" (UINT64_MAX here), v1 the largest number of whole pages. */
static inline bool cgroup_is_unlimited(uint64_t bytes)
{
	return bytes >= 1ULL << 62;
}

/* A part of it: what one directory holds that is a group of v2, or is in the directories of a v1 group (dirs[enum cgroupfs_row], -1:
 * none). Fills *ret; for the tests of kernels that this machine does not run. */
void cgroup_stats_read_v2(int dir, struct cgroup_stats *ret);
void cgroup_stats_read_v1(const int dirs[], struct cgroup_stats *ret);
