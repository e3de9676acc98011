/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_v2: limits as files of the unified hierarchy (kernel, Documentation/admin-guide/cgroup-v2.rst).
 */
#include "runtime/cgroup_limits.h"

#include "base/fd.h"
#include "base/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* The natural logarithm and its inverse for what is needed below, to some 1e-12: libm would be one more library to load
 * at every start. */
static double log_of(double x)
{
	double whole = 0, z, power, sum = 0;
	for (; x >= 2; x /= 2)
		whole++;
	z = power = (x - 1) / (x + 1);
	for (int i = 1; i < 60; i += 2, power *= z * z)
		sum += power / i;
	return 2 * sum + whole * 0.69314718055994530942;
}

static double exp_of(double y)
{
	double term = 1, sum = 1;
	y /= 64;
	for (int i = 1; i < 20; i++)
		sum += term *= y / i;
	for (int i = 0; i < 6; i++)
		sum *= sum;
	return sum;
}

/* cpu.weight (1..10000, 100 is the default) from shares (2..262144, 1024 is the default): the curve through the three
 * points that both scales share, as runc and crun have it since 2025. */
static uint64_t weight_of(uint64_t shares)
{
	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	double l = log_of((double)shares) / log_of(2);
	double weight = exp_of(((l * l + 125 * l) / 612.0 - 7.0 / 34.0) * log_of(10));
	/* Rounded up, but a whole number stays one. */
	return (uint64_t)(weight - 1e-7) + 1;
}

static int limit_memory(int dir, const struct spec_memory *m, struct err *e)
{
	if (m->limit.set && (m->limit.v < 0 ? cgroup_put(dir, "memory", "the memory limit", "memory.max", e, "max")
					    : cgroup_put(dir, "memory", "the memory limit", "memory.max", e, "%lld", (long long)m->limit.v)) < 0)
		return -1;
	if (m->swap.set && m->swap.v < 0) {
		if (cgroup_put(dir, "memory", "the swap limit", "memory.swap.max", e, "max") < 0)
			return -1;
	} else if (m->swap.set && m->swap.v) {
		/* The specification's swap counts memory too; a kernel without swap accounting has no such file. */
		int64_t swap = m->limit.set && m->limit.v > 0 ? m->swap.v - m->limit.v : m->swap.v;
		if (swap < 0)
			return err_set(e, ERR_USAGE, "the swap limit counts memory and swap together: it cannot be below the memory limit");
		if (faccessat(dir, "memory.swap.max", F_OK, 0) == 0 &&
			cgroup_put(dir, "memory", "the swap limit", "memory.swap.max", e, "%lld", (long long)swap) < 0)
			return -1;
	}
	if (m->swappiness.set)
		return err_set(e, ERR_UNSUPPORTED, "swappiness cannot be set: unified cgroups do not have it");
	if (m->disable_oom_killer.set && m->disable_oom_killer.v)
		return err_set(e, ERR_UNSUPPORTED, "the OOM killer cannot be disabled: unified cgroups do not have that");
	if (m->reservation.set && cgroup_put(dir, "memory", "the memory reservation", "memory.low", e, "%lld", (long long)m->reservation.v) < 0)
		return -1;
	return 0;
}

static int limit_cpu(int dir, const struct spec_cpu *c, struct err *e)
{
	if (c->shares.set && c->shares.v && cgroup_put(dir, "cpu", "CPU shares", "cpu.weight", e, "%llu", (unsigned long long)weight_of(c->shares.v)) < 0)
		return -1;
	if (c->quota.set || c->period.set) {
		unsigned long long period = c->period.set && c->period.v ? c->period.v : 100000;
		int r = c->quota.set && c->quota.v > 0
			? cgroup_put(dir, "cpu", "the CPU quota", "cpu.max", e, "%lld %llu", (long long)c->quota.v, period)
			: cgroup_put(dir, "cpu", "the CPU quota", "cpu.max", e, "max %llu", period);
		if (r < 0)
			return -1;
	}
	if (c->burst.set && cgroup_put(dir, "cpu", "the CPU burst", "cpu.max.burst", e, "%llu", (unsigned long long)c->burst.v) < 0)
		return -1;
	if (c->idle.set && cgroup_put(dir, "cpu", "CPU idle", "cpu.idle", e, "%lld", (long long)c->idle.v) < 0)
		return -1;
	if (c->cpus && cgroup_put(dir, "cpuset", "the set of CPUs", "cpuset.cpus", e, "%s", c->cpus) < 0)
		return -1;
	return c->mems ? cgroup_put(dir, "cpuset", "the set of memory nodes", "cpuset.mems", e, "%s", c->mems) : 0;
}

static int throttle(int dir, const struct spec_throttle_list *l, const char *key, struct err *e)
{
	for (size_t i = 0; i < l->n; i++)
		if (cgroup_put(dir, "io", "a block device's rate", "io.max", e, "%lld:%lld %s=%llu", (long long)l->v[i].major,
			(long long)l->v[i].minor, key, (unsigned long long)l->v[i].rate) < 0)
			return -1;
	return 0;
}

static int limit_block_io(int dir, const struct spec_block_io *io, struct err *e)
{
	if (io->weight.set) {
		/* BFQ takes 1..1000 as it is, io.weight 1..10000. */
		bool bfq = faccessat(dir, "io.bfq.weight", F_OK, 0) == 0;
		uint64_t w = bfq ? io->weight.v : 1 + (io->weight.v - 10) * 9999 / 990;
		if (cgroup_put(dir, "io", "the block I/O weight", bfq ? "io.bfq.weight" : "io.weight", e, "%llu", (unsigned long long)w) < 0)
			return -1;
	}
	if (throttle(dir, &io->read_bps, "rbps", e) < 0 || throttle(dir, &io->write_bps, "wbps", e) < 0 ||
		throttle(dir, &io->read_iops, "riops", e) < 0)
		return -1;
	return throttle(dir, &io->write_iops, "wiops", e);
}

int cgroup_v2_limit(int dir, const struct spec_resources *r, bool update, struct err *e)
{
	if (r->memory && limit_memory(dir, r->memory, e) < 0)
		return -1;
	if (r->cpu && limit_cpu(dir, r->cpu, e) < 0)
		return -1;
	if (r->pids_limit.set && (r->pids_limit.v < 0 ? cgroup_put(dir, "pids", "the limit of processes", "pids.max", e, "max")
						      : cgroup_put(dir, "pids", "the limit of processes", "pids.max", e,
							"%lld", (long long)r->pids_limit.v)) < 0)
		return -1;
	if (r->block_io && limit_block_io(dir, r->block_io, e) < 0)
		return -1;
	for (size_t i = 0; i < r->hugepages.n; i++) {
		char file[80];
		snprintf(file, sizeof file, "hugetlb.%.40s.max", r->hugepages.v[i].page_size);
		if (cgroup_put(dir, "hugetlb", "a limit of huge pages", file, e, "%llu", (unsigned long long)r->hugepages.v[i].limit) < 0)
			return -1;
	}
	for (size_t i = 0; i < r->unified.n; i++) {
		if (!path_is_name(r->unified.v[i].key))
			return err_set(e, ERR_USAGE, "linux.resources.unified: \"%s\" is not the name of a file", r->unified.v[i].key);
		if (cgroup_put(dir, "unified", r->unified.v[i].key, r->unified.v[i].key, e, "%s", r->unified.v[i].value) < 0)
			return -1;
	}
	if (r->network)
		return err_set(e, ERR_UNSUPPORTED, "linux.resources.network: unified cgroups do not have net_cls and net_prio");
	if (cgroup_limit_rdma(dir, r, e) < 0)
		return -1;
	return update ? 0 : cgroup_devices_attach(dir, r, e);
}

static void read_words(int dir, const char *file, struct strv *ret)
{
	own(buf) struct buf b = BUF(4096);
	struct err ignored = {};
	if (path_read(dir, file, &b, &ignored) == 0) {
		own(mem) char *text = mem_dup(buf_text(&b));
		strv_split(ret, str_trim(text), ' ');
	}
}

/* A controller is there in a group when every group above it has it in its subtree_control. */
void cgroup_v2_enable(int root, const char *path)
{
	static const char *const wanted[] = {"cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma"};
	own(mem) char *at = mem_printf("./%s", path + (*path == '/'));
	for (char *p = at + 1; p; p = strchr(p + 1, '/')) {
		char saved = *p;
		*p = 0;
		own(fd) int dir = openat(root, at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		*p = saved;
		own(strv) struct strv have = {};
		own(strv) struct strv on = {};
		if (dir < 0)
			break;
		read_words(dir, "cgroup.subtree_control", &on);
		read_words(dir, "cgroup.controllers", &have);
		for (size_t i = 0; i < countof(wanted); i++) {
			/* One that cannot be had is missed only when a limit needs it: then the limit's file is missing. */
			struct err ignored = {};
			char word[20];
			snprintf(word, sizeof word, "+%s", wanted[i]);
			if (strv_has(&have, wanted[i]) && !strv_has(&on, wanted[i]))
				(void)!path_put(dir, "cgroup.subtree_control", word, &ignored);
		}
	}
}
