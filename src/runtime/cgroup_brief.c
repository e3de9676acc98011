/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_brief: a table of files for each version, each with the function that reads it; a look reads the ones that are open. See cgroup_brief.h. */
#include "runtime/cgroup_brief.h"

#include "base/fd.h"
#include "runtime/cgroup_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_MOST = 65536 };
#define AT(member) offset_of(struct cgroup_brief_numbers, member)

static void put(void *to, size_t at, uint64_t v)
{
	*(uint64_t *)(void *)((char *)to + at) = v;
}

static void read_number(const char *text, const char *key, size_t at, unsigned factor, struct cgroup_brief_numbers *to)
{
	uint64_t v;
	if (cgroupfs_find(text, key, &v))
		put(to, at, v == CGROUPFS_MAX ? v : v * factor);
}

static void read_cpu_v2(const char *text, struct cgroup_brief_numbers *to)
{
	read_number(text, "usage_usec", AT(cpu_ns), 1000, to);
	read_number(text, "throttled_usec", AT(throttled_ns), 1000, to);
}

static void read_cpu_v1(const char *text, struct cgroup_brief_numbers *to)
{
	read_number(text, "throttled_time", AT(throttled_ns), 1, to);
}

static void read_cpuacct(const char *text, struct cgroup_brief_numbers *to)
{
	read_number(text, NULL, AT(cpu_ns), 1, to);
}

static void read_memory(const char *text, struct cgroup_brief_numbers *to)
{
	read_number(text, NULL, AT(memory), 1, to);
}

static void read_limit(const char *text, struct cgroup_brief_numbers *to)
{
	read_number(text, NULL, AT(memory_limit), 1, to);
}

static void read_cache_v2(const char *text, struct cgroup_brief_numbers *to)
{
	read_number(text, "inactive_file", AT(inactive_file), 1, to);
}

static void read_cache_v1(const char *text, struct cgroup_brief_numbers *to)
{
	read_number(text, "total_inactive_file", AT(inactive_file), 1, to);
}

static void read_pids(const char *text, struct cgroup_brief_numbers *to)
{
	read_number(text, NULL, AT(pids), 1, to);
}

/* Where no controller counts them: a line a thread. */
static void count_lines(const char *text, struct cgroup_brief_numbers *to)
{
	for (const char *p = to->pids ? NULL : strchr(text, '\n'); p; p = strchr(p + 1, '\n'))
		to->pids++;
}

/* "8:0 rbytes=4096 wbytes=0 …", a line a device. */
static void read_io_v2(const char *text, struct cgroup_brief_numbers *to)
{
	for (const char *p = text; (p = strstr(p, "bytes=")); p += 6)
		if (p > text && (p[-1] == 'r' || p[-1] == 'w'))
			*(p[-1] == 'r' ? &to->read_bytes : &to->write_bytes) += strtoull(p + 6, NULL, 10);
}

/* "8:0 Read 4096", and so on; a sum of all, "Total 4096", at the end. The recursive file comes first; where it has counted, the other adds nothing. */
static void read_io_v1(const char *text, struct cgroup_brief_numbers *to)
{
	if (to->read_bytes || to->write_bytes)
		return;
	for (const char *p = text; p && *p; p = (p = strchr(p, '\n')) ? p + 1 : NULL) {
		const char *op = strchr(p, ' ');
		if (op && strncmp(op, " Read ", 6) == 0)
			to->read_bytes += strtoull(op + 6, NULL, 10);
		if (op && strncmp(op, " Write ", 7) == 0)
			to->write_bytes += strtoull(op + 7, NULL, 10);
	}
}

static double some_of(const char *text, struct cgroup_brief_numbers *to)
{
	double v = 0;
	if (sscanf(text, "some avg10=%lf", &v) == 1)
		to->has_pressure = true;
	return v;
}

static void read_cpu_pressure(const char *text, struct cgroup_brief_numbers *to) { to->cpu_pressure = some_of(text, to); }
static void read_memory_pressure(const char *text, struct cgroup_brief_numbers *to) { to->memory_pressure = some_of(text, to); }
static void read_io_pressure(const char *text, struct cgroup_brief_numbers *to) { to->io_pressure = some_of(text, to); }

struct file {
	int row;
	const char *name;
	void (*read)(const char *text, struct cgroup_brief_numbers *to);
};
static const struct file v2[CGROUP_BRIEF_FILES] = {{CGROUPFS_V2, "cpu.stat", read_cpu_v2}, {CGROUPFS_V2, "memory.current", read_memory},
	{CGROUPFS_V2, "memory.max", read_limit}, {CGROUPFS_V2, "memory.stat", read_cache_v2}, {CGROUPFS_V2, "pids.current", read_pids},
	{CGROUPFS_V2, "io.stat", read_io_v2}, {CGROUPFS_V2, "cpu.pressure", read_cpu_pressure}, {CGROUPFS_V2, "memory.pressure", read_memory_pressure},
	{CGROUPFS_V2, "io.pressure", read_io_pressure}};
/* Pressure is counted on v2 alone, and there by the tree that a hybrid machine has besides: for that cgroup_stats() is there. */
static const struct file v1[CGROUP_BRIEF_FILES] = {{CGROUPFS_CPUACCT, "cpuacct.usage", read_cpuacct}, {CGROUPFS_CPU, "cpu.stat", read_cpu_v1},
	{CGROUPFS_MEMORY, "memory.usage_in_bytes", read_memory}, {CGROUPFS_MEMORY, "memory.limit_in_bytes", read_limit},
	{CGROUPFS_MEMORY, "memory.stat", read_cache_v1}, {CGROUPFS_PIDS, "pids.current", read_pids},
	{CGROUPFS_CPUACCT, "tasks", count_lines}, {CGROUPFS_BLKIO, "blkio.throttle.io_service_bytes_recursive", read_io_v1}, {CGROUPFS_V2, "cpu.pressure", read_cpu_pressure},
	{CGROUPFS_V2, "memory.pressure", read_memory_pressure}, {CGROUPFS_V2, "io.pressure", read_io_pressure}};

static const struct file *files(void)
{
	return cgroupfs_get()->unified ? v2 : v1;
}

void cgroup_brief_drop(struct cgroup_brief *b)
{
	for (int i = 0; i < CGROUP_BRIEF_FILES; i++)
		fd_drop(&b->fd[i]);
}

int cgroup_brief_open(const struct cgroup *c, struct cgroup_brief *ret, struct err *e)
{
	int row = -1, dir = -1;
	for (int i = 0; i < CGROUP_BRIEF_FILES; i++)
		ret->fd[i] = -1;
	if (!c->rows)
		return err_set(e, ERR_NOT_FOUND, "the container has no cgroup of its own");
	for (int i = 0; i < CGROUP_BRIEF_FILES; i++) {
		const struct file *f = &files()[i];
		if (!f->name)
			continue;
		if (f->row != row) {
			fd_drop(&dir);
			dir = cgroup_open_row(c, row = f->row);
		}
		ret->fd[i] = dir < 0 ? -1 : openat(dir, f->name, O_RDONLY | O_CLOEXEC);
		if (ret->fd[i] < 0 && errno == EMFILE) {
			fd_drop(&dir);
			cgroup_brief_drop(ret);
			errno = EMFILE;
			return err_sys(e, "the files of a cgroup");
		}
	}
	fd_drop(&dir);
	return 0;
}

bool cgroup_brief_read(const struct cgroup_brief *b, struct cgroup_brief_numbers *ret)
{
	char text[TEXT_MOST];
	*ret = (struct cgroup_brief_numbers){};
	for (int i = 0; i < CGROUP_BRIEF_FILES; i++) {
		if (b->fd[i] < 0)
			continue;
		ssize_t n = pread(b->fd[i], text, sizeof text - 1, 0);
		if (n < 0 && errno == ENODEV)
			return false;
		if (n <= 0)
			continue;
		text[n] = 0;
		files()[i].read(text, ret);
	}
	return true;
}
