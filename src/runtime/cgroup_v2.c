/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_v2: limits as files of the unified hierarchy (kernel, Documentation/admin-guide/cgroup-v2.rst).
 *
 * The configuration speaks v1's language: CPU shares and weights of block I/O are converted, memory is taken off a limit of memory
 * with swap. 0 leaves a limit as it is, as runc has it, except where it is a value of its own (processes, burst, idle).
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
uint64_t cgroup_cpu_weight(uint64_t shares)
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

/* io.weight (1..10000) from a block I/O weight (10..1000). */
uint64_t cgroup_io_weight(uint64_t weight)
{
	return 1 + (weight - 10) * 9999 / 990;
}

#define MEMORY(file, what, member) {(file), (what), offset_of(struct spec_memory, member), CGROUP_SIGNED | CGROUP_MAX}
static const struct cgroup_number memory_limit = MEMORY("memory.max", "the memory limit", limit),
	memory_reservation = MEMORY("memory.low", "the memory reservation", reservation);

/* The specification's limit of swap counts memory too, this kernel's does not: the memory limit that is going to be in force is taken off.
 * ret "": nothing to write. */
static int swap_text(int dir, const struct spec_memory *m, char ret[static 24], struct err *e)
{
	bool limit = m->limit.set && m->limit.v, swap = m->swap.set && m->swap.v;
	uint64_t max = CGROUPFS_MAX, swap_max = CGROUPFS_MAX;
	*ret = 0;
	cgroupfs_read(dir, "memory.max", NULL, &max);
	cgroupfs_read(dir, "memory.swap.max", NULL, &swap_max);
	if ((swap && m->swap.v < 0) || (!swap && limit && m->limit.v < 0)) {
		strcpy(ret, "max");
		return 0;
	}
	/* Memory alone is changed: what both together may take stays. */
	uint64_t both = swap ? (uint64_t)m->swap.v : max == CGROUPFS_MAX || swap_max == CGROUPFS_MAX ? CGROUPFS_MAX : max + swap_max;
	if (!(swap || limit) || both == CGROUPFS_MAX)
		return 0;
	uint64_t memory = limit ? m->limit.v < 0 ? 0 : (uint64_t)m->limit.v : max;
	if (memory == CGROUPFS_MAX)
		return err_set(e, ERR_USAGE, "unable to set swap limit without memory limit");
	if (both < memory)
		return err_set(e, ERR_USAGE, "the swap limit counts memory and swap together: memory+swap limit should be >= memory limit");
	snprintf(ret, 24, "%llu", (unsigned long long)(both - memory));
	return 0;
}

static int limit_memory(int dir, const struct spec_memory *m, struct err *e)
{
	char swap[24];
	if (m->swappiness.set && m->swappiness.v != UINT64_MAX)
		return err_set(e, ERR_UNSUPPORTED, "swappiness cannot be set: unified cgroups do not have it");
	if (m->disable_oom_killer.set && m->disable_oom_killer.v)
		return err_set(e, ERR_UNSUPPORTED, "the OOM killer cannot be disabled: unified cgroups do not have that");
	if (cgroup_check_usage(dir, m, "memory.current", e) < 0 || swap_text(dir, m, swap, e) < 0)
		return -1;
	/* A kernel without swap accounting has no such file. */
	if (*swap && dir >= 0 && faccessat(dir, "memory.swap.max", F_OK, 0) == 0 &&
		cgroup_put_text(dir, "memory", "the swap limit", "memory.swap.max", swap, e) < 0)
		return -1;
	if (cgroup_put_number(dir, "memory", &memory_limit, m, e) < 0)
		return -1;
	return cgroup_put_number(dir, "memory", &memory_reservation, m, e);
}

/* "quota period"; of one that is not given what is there stays: the kernel keeps the period by itself. */
static void bandwidth_text(int dir, const struct spec_cpu *c, char ret[static 48])
{
	bool period = c->period.set && c->period.v, quota = c->quota.set && c->quota.v;
	char amount[24] = "max";
	uint64_t now;
	*ret = 0;
	if (!period && !quota)
		return;
	if (quota && c->quota.v > 0)
		snprintf(amount, sizeof amount, "%lld", (long long)c->quota.v);
	else if (!quota && cgroupfs_read(dir, "cpu.max", NULL, &now) && now != CGROUPFS_MAX)
		snprintf(amount, sizeof amount, "%llu", (unsigned long long)now);
	if (period)
		snprintf(ret, 48, "%s %llu", amount, (unsigned long long)c->period.v);
	else
		snprintf(ret, 48, "%s", amount);
}

static int limit_cpu(int dir, const struct spec_cpu *c, struct err *e)
{
	bool idle = c->idle.set && c->idle.v;
	if (c->rt_runtime.set && c->rt_runtime.v)
		return err_set(e, ERR_UNSUPPORTED, "the real-time runtime cannot be set: unified cgroups do not have it");
	/* An idle group has no weight that could be changed. */
	if (c->idle.set && !idle && cgroup_put(dir, "cpu", "CPU idle", "cpu.idle", e, "0") < 0)
		return -1;
	if (c->shares.set && c->shares.v &&
		cgroup_put(dir, "cpu", "CPU shares", "cpu.weight", e, "%llu", (unsigned long long)cgroup_cpu_weight(c->shares.v)) < 0)
		return -1;
	struct cgroup_write w[2] = {{.what = "the CPU quota", .file = "cpu.max"}, {.what = "the CPU burst", .file = "cpu.max.burst"}};
	bandwidth_text(dir, c, w[0].value);
	if (c->burst.set)
		snprintf(w[1].value, sizeof w[1].value, "%llu", (unsigned long long)c->burst.v);
	if (cgroup_put_bound(dir, "cpu", w, countof(w), e) < 0)
		return -1;
	if (idle && cgroup_put(dir, "cpu", "CPU idle", "cpu.idle", e, "%lld", (long long)c->idle.v) < 0)
		return -1;
	if (!str_is_empty(c->cpus) && cgroup_put(dir, "cpuset", "the set of CPUs", "cpuset.cpus", e, "%s", c->cpus) < 0)
		return -1;
	return str_is_empty(c->mems) ? 0 : cgroup_put(dir, "cpuset", "the set of memory nodes", "cpuset.mems", e, "%s", c->mems);
}

static int throttle(int dir, const struct spec_throttle_list *l, const char *key, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		char rate[24] = "max";
		if (l->v[i].rate)
			snprintf(rate, sizeof rate, "%llu", (unsigned long long)l->v[i].rate);
		if (cgroup_put(dir, "io", "a block device's rate", "io.max", e, "%lld:%lld %s=%s", (long long)l->v[i].major,
			(long long)l->v[i].minor, key, rate) < 0)
			return -1;
	}
	return 0;
}

/* BFQ takes 1..1000 as it is, io.weight 1..10000. */
static int put_weight(int dir, const char *what, const char *device, const struct opt_u64 *weight, struct err *e)
{
	bool bfq = faccessat(dir, "io.bfq.weight", F_OK, 0) == 0;
	if (!weight->set || !weight->v)
		return 0;
	if (weight->v < 10 || weight->v > 1000)
		return err_set(e, ERR_USAGE, "%s: %llu must be from 10 to 1000", what, (unsigned long long)weight->v);
	uint64_t w = bfq ? weight->v : cgroup_io_weight(weight->v);
	return cgroup_put(dir, "io", what, bfq ? "io.bfq.weight" : "io.weight", e, "%s%llu", device, (unsigned long long)w);
}

static int limit_block_io(int dir, const struct spec_block_io *io, struct err *e)
{
	bool leaf = io->leaf_weight.set && io->leaf_weight.v;
	if (put_weight(dir, "the block I/O weight", "", &io->weight, e) < 0)
		return -1;
	for (size_t i = 0; i < io->weight_devices.n; i++) {
		const struct spec_weight_device *d = &io->weight_devices.v[i];
		char device[48];
		snprintf(device, sizeof device, "%lld:%lld ", (long long)d->major, (long long)d->minor);
		if (put_weight(dir, "a device's I/O weight", device, &d->weight, e) < 0)
			return -1;
		leaf |= d->leaf_weight.set && d->leaf_weight.v;
	}
	if (leaf)
		return err_set(e, ERR_UNSUPPORTED, "the leaf weight cannot be set: unified cgroups do not have it");
	if (throttle(dir, &io->read_bps, "rbps", e) < 0 || throttle(dir, &io->write_bps, "wbps", e) < 0 ||
		throttle(dir, &io->read_iops, "riops", e) < 0)
		return -1;
	return throttle(dir, &io->write_iops, "wiops", e);
}

/* Any file of the group, whether we know it or not. A file that takes one line at a time gets each in a write of its own. */
static int put_unified(int dir, const char *key, const char *value, struct err *e)
{
	char controller[64];
	size_t n = strcspn(key, ".");
	if (!path_is_name(key) || n == 0 || !key[n] || n >= sizeof controller)
		return err_set(e, ERR_USAGE, "linux.resources.unified: \"%.100s\" is not the name of a controller's file", key);
	snprintf(controller, sizeof controller, "%.*s", (int)n, key);
	own(mem) char *copy = mem_dup(value);
	char *rest = copy;
	do {
		char *line = strsep(&rest, "\n");
		if (*line || !rest) {
			if (cgroup_put_text(dir, controller, key, key, line, e) < 0)
				return err_wrap(e, "linux.resources.unified");
		}
	} while (rest && *rest);
	return 0;
}

int cgroup_v2_limit(int dir, const struct spec_resources *r, struct err *e)
{
	static const struct cgroup_number pids = {"pids.max", "the limit of processes", offset_of(struct spec_resources, pids_limit), CGROUP_LIMIT};
	const struct spec_network *net = r->network;
	if (net && ((net->class_id.set && net->class_id.v) || net->priorities.n))
		return err_set(e, ERR_UNSUPPORTED, "linux.resources.network: unified cgroups do not have net_cls and net_prio");
	if (cgroup_put_number(dir, "pids", &pids, r, e) < 0)
		return -1;
	if (r->memory && limit_memory(dir, r->memory, e) < 0)
		return -1;
	if (r->cpu && limit_cpu(dir, r->cpu, e) < 0)
		return -1;
	if (r->block_io && limit_block_io(dir, r->block_io, e) < 0)
		return -1;
	if (cgroup_limit_hugepages(dir, r, false, e) < 0 || cgroup_limit_rdma(dir, r, e) < 0)
		return -1;
	for (size_t i = 0; i < r->unified.n; i++)
		if (put_unified(dir, r->unified.v[i].key, r->unified.v[i].value, e) < 0)
			return -1;
	return cgroup_devices_attach(dir, r, e);
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

static bool lacks(const struct strv *have, const char *controller, bool wanted)
{
	return wanted && !strv_has(have, controller);
}

bool cgroup_v2_is_enabled(int dir, const struct spec_resources *r)
{
	own(strv) struct strv have = {};
	read_words(dir, "cgroup.controllers", &have);
	/* Statistics. */
	if (lacks(&have, "memory", true) || lacks(&have, "cpu", true) || lacks(&have, "pids", true) || lacks(&have, "io", true))
		return false;
	if (r && (lacks(&have, "cpuset", r->cpu && (r->cpu->cpus || r->cpu->mems)) || lacks(&have, "hugetlb", r->hugepages.n) ||
			 lacks(&have, "rdma", r->rdma)))
		return false;
	for (size_t i = 0; r && i < r->unified.n; i++) {
		const char *key = r->unified.v[i].key;
		char controller[32];
		snprintf(controller, sizeof controller, "%.*s", (int)strcspn(key, "."), key);
		if (lacks(&have, controller, strcmp(controller, "cgroup") != 0))
			return false;
	}
	return true;
}

void cgroup_v2_enable_below(int dir)
{
	own(strv) struct strv have = {};
	own(strv) struct strv on = {};
	read_words(dir, "cgroup.subtree_control", &on);
	read_words(dir, "cgroup.controllers", &have);
	for (size_t i = 0; i < have.n; i++) {
		/* One that cannot be had is missed only when a limit needs it: then the limit's file is missing. */
		struct err ignored = {};
		own(mem) char *word = mem_printf("+%s", have.v[i]);
		if (!strv_has(&on, have.v[i]))
			(void)!path_put(dir, "cgroup.subtree_control", word, &ignored);
	}
}

/* A controller is there in a group when every group above it has it in its subtree_control. */
void cgroup_v2_enable(int root, const char *path)
{
	own(mem) char *at = mem_printf("./%s", path + (*path == '/'));
	for (char *p = at + 1; p; p = strchr(p + 1, '/')) {
		char saved = *p;
		*p = 0;
		own(fd) int dir = openat(root, at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		*p = saved;
		if (dir < 0)
			break;
		cgroup_v2_enable_below(dir);
	}
}
