/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_crowd: the processes of groups by name: into one, out of one, frozen, killed.
 */
#include "runtime/cgroup_named.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 10 };

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static const char *name_of(int row)
{
	return cgroupfs_name((enum cgroupfs_row)row);
}

static int not_the_root(const struct cgroup_named *g, const char *what, struct err *e)
{
	return g->path[1] ? 0 : err_set(e, ERR_CONFLICT, "cgroup /: the whole machine is not to be %s", what);
}

static int put_pid(int dir, pid_t pid, const char *path, int row, struct err *e)
{
	char text[16];
	struct err why = {};
	snprintf(text, sizeof text, "%d", (int)pid);
	if (path_put(dir, "cgroup.procs", text, &why) == 0)
		return 0;
	if (why.sys == ESRCH)
		return err_set(e, ERR_NOT_FOUND, "process %d: no such process", (int)pid);
	if (why.sys == EBUSY)
		return err_set(e, ERR_CONFLICT, "cgroup %.200s (%s) takes no processes: its controllers are given to groups below it", path, name_of(row));
	if (why.sys == ENOSPC)
		return err_set(e, ERR_CONFLICT, "cgroup %.200s (%s) takes no processes before cpuset.cpus and cpuset.mems are set", path, name_of(row));
	if (why.sys == EINVAL)
		return err_set(e, ERR_DENIED, "process %d cannot be moved: it is the kernel's own", (int)pid);
	*e = why;
	return err_wrap(e, "process %d into cgroup %.200s (%s)", (int)pid, path, name_of(row));
}

int cgroup_named_enter(const struct cgroup_named *g, pid_t pid, struct err *e)
{
	uint32_t rows;
	if (pid && kill(pid, 0) < 0 && errno == ESRCH)
		return err_set(e, ERR_NOT_FOUND, "process %d: no such process", (int)pid);
	if (cgroup_named_find(g, &rows, e) < 0)
		return -1;
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		own(fd) int dir = rows & 1u << i ? cgroup_named_open(g, i, e) : -1;
		if (rows & 1u << i && (dir < 0 || put_pid(dir, pid, g->path, i, e) < 0))
			return -1;
	}
	return 0;
}

/* The group above takes them. Who is born meanwhile is found in the next round. */
static int move_up(int dir, int row, const char *path, struct err *e)
{
	own(fd) int parent = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return err_sys(e, "cgroup above %.200s", path);
	for (int round = 0; round < 100; round++) {
		own(buf) struct buf b = BUF(16 << 20);
		if (path_read(dir, "cgroup.procs", &b, e) < 0)
			return -1;
		size_t found = 0;
		for (char *p = b.data, *end; p && *p; p = end) {
			pid_t pid = (pid_t)strtol(p, &end, 10);
			struct err why = {};
			if (end == p)
				break;
			end += strspn(end, "\n");
			found++;
			if (pid && put_pid(parent, pid, "above it", row, &why) < 0 && why.kind != ERR_NOT_FOUND)
				return err_set(e, ERR_CONFLICT, "cgroup %.200s (%s) has processes that the group above it does not take: end them first",
					path, name_of(row));
		}
		if (!found)
			return 0;
	}
	return 0;
}

struct removal { struct strv paths; };

static int collect(void *arg, int row unused, int dir unused, const char *path, struct err *e unused)
{
	strv_add(&((struct removal *)arg)->paths, path);
	return 0;
}

static int remove_one(int row, const char *path, struct err *e)
{
	const struct cgroup_named g = {.path = (char *)(uintptr_t)path};
	int root = cgroupfs_get()->row[row].fd;
	for (int64_t until = 0;;) {
		own(fd) int dir = cgroup_named_open(&g, row, e);
		if (dir < 0)
			return e->kind == ERR_NOT_FOUND ? 0 : -1;
		if (move_up(dir, row, path, e) < 0)
			return -1;
		if (unlinkat(root, path + 1, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		until = until ? until : num_monotonic_ns() + PATIENCE_S * 1000000000LL;
		/* Who was killed a moment ago leaves a moment later. */
		if (errno != EBUSY || num_monotonic_ns() > until)
			return err_sys(e, "remove cgroup %.200s (%s)", path, name_of(row));
		pause_ms(5);
	}
}

static int remove_row(const struct cgroup_named *g, int row, bool recursive, struct err *e)
{
	struct removal r = {};
	int ok = cgroup_named_walk(row, g->path, recursive ? -1 : 1, collect, &r, e);
	if (ok == 0 && !recursive && r.paths.n > 1)
		ok = err_set(e, ERR_CONFLICT, "cgroup %.200s (%s) has groups below it: -r removes them too", g->path, name_of(row));
	for (size_t i = r.paths.n; ok == 0 && i-- > 0;)
		ok = remove_one(row, r.paths.v[i], e);
	strv_drop(&r.paths);
	return ok;
}

int cgroup_named_remove(const struct cgroup_named *g, bool recursive, struct err *e)
{
	uint32_t rows;
	if (not_the_root(g, "removed", e) < 0 || cgroup_named_find(g, &rows, e) < 0)
		return -1;
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (rows & 1u << i && remove_row(g, i, recursive, e) < 0)
			return -1;
	return 0;
}

static size_t signal_row(int dir, int sig)
{
	struct u32v pids = {};
	size_t n = 0;
	cgroup_add_pids(dir, &pids);
	for (size_t i = 0; i < pids.n; i++)
		n += kill((pid_t)pids.v[i], sig) == 0;
	free(pids.v);
	return n;
}

/* Until nobody is left: forks race with us. */
static int kill_row(const struct cgroup_named *g, int row, struct err *e)
{
	struct err ignored = {};
	own(fd) int dir = cgroup_named_open(g, row, e);
	if (dir < 0)
		return -1;
	if (row == CGROUPFS_V2 && path_put(dir, "cgroup.kill", "1", &ignored) == 0)
		return 0;
	int64_t until = num_monotonic_ns() + PATIENCE_S * 1000000000LL;
	size_t left;
	while ((left = signal_row(dir, SIGKILL)) && num_monotonic_ns() < until) {
		/* What is frozen dies when it thaws. */
		if (row == cgroup_first_of(CGROUPFS_FREEZER))
			(void)!path_put(dir, "freezer.state", "THAWED", &ignored);
		pause_ms(2);
	}
	return left ? err_set(e, ERR_TIMEOUT, "cgroup %.200s (%s): %zu processes do not end (frozen?)", g->path, name_of(row), left) : 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* A process that is in the group in several hierarchies gets the signal once. */
static int signal_once(const struct cgroup_named *g, uint32_t rows, int sig, struct err *e)
{
	struct u32v pids = {};
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		own(fd) int dir = rows & 1u << i ? cgroup_named_open(g, i, e) : -1;
		if (dir >= 0)
			cgroup_add_pids(dir, &pids);
	}
	if (pids.n)
		qsort(pids.v, pids.n, sizeof *pids.v, by_number);
	for (size_t i = 0; i < pids.n; i++)
		if (i == 0 || pids.v[i] != pids.v[i - 1])
			kill((pid_t)pids.v[i], sig);
	free(pids.v);
	return 0;
}

int cgroup_named_signal(const struct cgroup_named *g, int sig, struct err *e)
{
	uint32_t rows;
	if (not_the_root(g, "killed", e) < 0 || cgroup_named_find(g, &rows, e) < 0)
		return -1;
	if (sig != SIGKILL)
		return signal_once(g, rows, sig, e);
	/* The freezer first, which lets those die that the others wait for. */
	int freezer = cgroup_first_of(CGROUPFS_FREEZER);
	if (rows & 1u << freezer && kill_row(g, freezer, e) < 0)
		return -1;
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (rows & 1u << i && i != freezer && kill_row(g, i, e) < 0)
			return -1;
	return 0;
}

static bool is_frozen(int dir, bool v1)
{
	own(buf) struct buf b = BUF(4096);
	struct err ignored = {};
	uint64_t frozen = 0;
	if (v1)
		return path_read(dir, "freezer.state", &b, &ignored) == 0 && str_has_prefix(buf_text(&b), "FROZEN");
	return cgroupfs_read(dir, "cgroup.events", "frozen", &frozen) && frozen;
}

static int freeze_row(const struct cgroup_named *g, int row, bool frozen, struct err *e)
{
	bool v1 = row != CGROUPFS_V2;
	own(fd) int dir = cgroup_named_open(g, row, e);
	if (dir < 0)
		return -1;
	int64_t until = num_monotonic_ns() + PATIENCE_S * 1000000000LL;
	for (int i = 0; num_monotonic_ns() < until; i++) {
		/* v1 may stay FREEZING while processes are born: asking again helps it on. */
		if ((i == 0 || v1) && path_put(dir, v1 ? "freezer.state" : "cgroup.freeze", v1 ? frozen ? "FROZEN" : "THAWED" : frozen ? "1" : "0", e) < 0)
			return err_wrap(e, "cgroup %.200s", g->path);
		if (is_frozen(dir, v1) == frozen)
			return 0;
		pause_ms(i < 10 ? 1 : 10);
	}
	if (!frozen)
		return err_set(e, ERR_CONFLICT, "cgroup %.200s stays frozen: a group above it is", g->path);
	struct err ignored = {};
	(void)!path_put(dir, v1 ? "freezer.state" : "cgroup.freeze", v1 ? "THAWED" : "0", &ignored);
	return err_set(e, ERR_TIMEOUT, "cgroup %.200s did not freeze", g->path);
}

int cgroup_named_freeze(const struct cgroup_named *g, bool frozen, struct err *e)
{
	int freezer = cgroup_first_of(CGROUPFS_FREEZER);
	uint32_t rows, can = (cgroupfs_get()->row[CGROUPFS_FREEZER].fd >= 0 ? 1u << freezer : 0) | 1u << CGROUPFS_V2;
	if (not_the_root(g, "frozen", e) < 0 || cgroup_named_find(g, &rows, e) < 0)
		return -1;
	if (!(rows & can))
		return err_set(e, ERR_UNSUPPORTED, "cgroup %.200s cannot be frozen: there is no such group in the freezer's hierarchy", g->path);
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (rows & can & 1u << i && freeze_row(g, i, frozen, e) < 0)
			return -1;
	return 0;
}
