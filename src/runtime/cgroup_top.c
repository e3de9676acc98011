/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_top: on v1 a group is in several hierarchies, each of which knows a part; on v2 one directory knows all. Each hierarchy is walked
 * once; its numbers go to the row of that path.
 *
 * Of processes counts what is in the group and below it, as for all other numbers; where pids are not counted (the controller is not
 * there, the root), the lists of processes are.
 */
#include "runtime/cgroup_top.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "runtime/cgroup_named.h"

#include <stdio.h>
#include <stdlib.h>

void group_uses_drop(struct group_uses *u)
{
	arena_drop(&u->arena);
	*u = (struct group_uses){};
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct group_use *)a)->path, ((const struct group_use *)b)->path);
}

static struct group_use *row_of(struct group_uses *u, const char *path)
{
	for (size_t i = u->n; i-- > 0;)
		if (strcmp(u->v[i].path, path) == 0)
			return &u->v[i];
	struct { struct group_use *v; size_t n; } rows = {u->v, u->n};
	struct group_use *r = arena_push(&u->arena, &rows);
	u->v = rows.v;
	u->n = rows.n;
	*r = (struct group_use){.path = arena_dup(&u->arena, path), .tasks = GROUP_UNKNOWN, .cpu_ns = GROUP_UNKNOWN, .memory = GROUP_UNKNOWN,
		.read_bytes = GROUP_UNKNOWN, .written_bytes = GROUP_UNKNOWN, .cpu_percent = -1, .read_rate = -1, .write_rate = -1};
	return r;
}

/* Sums what follows each device's word: "8:0 Read 4096", or "8:0 rbytes=4096 wbytes=0 …". */
static void sum_io(int dir, const char *file, const char *read_word, const char *write_word, struct group_use *r)
{
	own(buf) struct buf b = BUF(1 << 20);
	struct err ignored = {};
	if (path_read(dir, file, &b, &ignored) < 0)
		return;
	const char *words[2] = {read_word, write_word};
	uint64_t sums[2] = {};
	for (int i = 0; i < 2; i++)
		for (const char *at = buf_text(&b); (at = strstr(at, words[i])); at += strlen(words[i]))
			sums[i] += strtoull(at + strlen(words[i]), NULL, 10);
	r->read_bytes = sums[0];
	r->written_bytes = sums[1];
}

static void count_tasks(int dir, struct group_use *r)
{
	uint64_t n;
	if (cgroupfs_read(dir, "pids.current", NULL, &n)) {
		r->tasks = n;
		return;
	}
	struct u32v pids = {};
	cgroup_add_pids(dir, &pids);
	if (r->tasks == GROUP_UNKNOWN || pids.n > r->tasks)
		r->tasks = pids.n;
	free(pids.v);
}

static int look(void *arg, int row, int dir, const char *path, struct err *e unused)
{
	struct group_use *r = row_of(arg, path);
	uint64_t n;
	const struct cgroupfs *fs = cgroupfs_get();
	bool has_pids = !fs->unified && fs->row[CGROUPFS_PIDS].fd >= 0;
	if (cgroupfs_read(dir, "cpuacct.usage", NULL, &n))
		r->cpu_ns = n;
	else if (row == CGROUPFS_V2 && r->cpu_ns == GROUP_UNKNOWN && cgroupfs_read(dir, "cpu.stat", "usage_usec", &n))
		r->cpu_ns = n * 1000;
	if (cgroupfs_read(dir, row == CGROUPFS_V2 ? "memory.current" : "memory.usage_in_bytes", NULL, &n))
		r->memory = n;
	if (row == CGROUPFS_V2)
		sum_io(dir, "io.stat", "rbytes=", "wbytes=", r);
	else if (row == cgroup_first_of(CGROUPFS_BLKIO))
		sum_io(dir, "blkio.throttle.io_service_bytes_recursive", "Read ", "Write ", r);
	/* Once is enough where the pids controller counts. */
	if (!has_pids || row == cgroup_first_of(CGROUPFS_PIDS) || r->tasks == GROUP_UNKNOWN)
		count_tasks(dir, r);
	return 0;
}

int group_uses_read(const char *from, int depth, struct group_uses *ret, struct err *e)
{
	own(group_uses) struct group_uses u = {.at_ns = num_monotonic_ns()};
	uint32_t rows = cgroup_named_all();
	if (!rows)
		return err_set(e, ERR_UNSUPPORTED, "there are no control groups here");
	/* pids last: its number counts. */
	for (int i = CGROUPFS_ROWS; i-- > 0;)
		if (rows & 1u << i && cgroup_named_walk(i, from, depth, look, &u, e) < 0)
			return -1;
	if (!u.n)
		return err_set(e, ERR_NOT_FOUND, "no such cgroup: %.200s", from);
	qsort(u.v, u.n, sizeof *u.v, by_path);
	*ret = u;
	u = (struct group_uses){};
	return 0;
}

static double rate(uint64_t before, uint64_t now, double seconds)
{
	return before == GROUP_UNKNOWN || now == GROUP_UNKNOWN || seconds <= 0 ? -1 : now > before ? (double)(now - before) / seconds : 0;
}

void group_uses_compare(const struct group_uses *before, struct group_uses *now)
{
	double seconds = (double)(now->at_ns - before->at_ns) / 1e9;
	for (size_t i = 0; i < now->n; i++) {
		struct group_use *r = &now->v[i];
		const struct group_use *b = before->n ? bsearch(r, before->v, before->n, sizeof *r, by_path) : NULL;
		if (!b)
			continue;
		double cpu = rate(b->cpu_ns, r->cpu_ns, seconds);
		r->cpu_percent = cpu < 0 ? -1 : cpu / 1e7;
		r->read_rate = rate(b->read_bytes, r->read_bytes, seconds);
		r->write_rate = rate(b->written_bytes, r->written_bytes, seconds);
	}
}

static int descending(double a, double b)
{
	return a > b ? -1 : a < b;
}

static double known(uint64_t v)
{
	return v == GROUP_UNKNOWN ? -1 : (double)v;
}

/* Before there are rates, by the sums. */
static int by_cpu(const void *a, const void *b)
{
	const struct group_use *x = a, *y = b;
	int r = descending(x->cpu_percent, y->cpu_percent);
	r = r ? r : descending(known(x->cpu_ns), known(y->cpu_ns));
	return r ? r : by_path(a, b);
}

static int by_tasks(const void *a, const void *b)
{
	int r = descending(known(((const struct group_use *)a)->tasks), known(((const struct group_use *)b)->tasks));
	return r ? r : by_path(a, b);
}

static int by_memory(const void *a, const void *b)
{
	int r = descending(known(((const struct group_use *)a)->memory), known(((const struct group_use *)b)->memory));
	return r ? r : by_path(a, b);
}

static int by_io(const void *a, const void *b)
{
	const struct group_use *x = a, *y = b;
	int r = descending(x->read_rate + x->write_rate, y->read_rate + y->write_rate);
	r = r ? r : descending(known(x->read_bytes) + known(x->written_bytes), known(y->read_bytes) + known(y->written_bytes));
	return r ? r : by_path(a, b);
}

void group_uses_sort(struct group_uses *u, enum group_order by)
{
	static int (*const orders[])(const void *a, const void *b) = {[GROUP_BY_CPU] = by_cpu, [GROUP_BY_PATH] = by_path, [GROUP_BY_TASKS] = by_tasks,
		[GROUP_BY_MEMORY] = by_memory, [GROUP_BY_IO] = by_io};
	if (u->n)
		qsort(u->v, u->n, sizeof *u->v, orders[by]);
}
