/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_procs: the processes in a container's groups: listed, frozen, killed; and the groups removed when they are gone.
 *
 * Whoever waits here waits for something: on v2 for cgroup.events to change (the kernel wakes a poll on it), on v1 for the pidfd of
 * a process that is still listed. Only where the kernel tells nobody (v1's freezer) time is slept away in small pieces. Every wait has an
 * end, far away, for a machine that is very busy.
 */
#include "runtime/cgroup_limits.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "runtime/cgroup_systemd.h"
#include "sys/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH_MAX = 16, PATIENCE_S = 20, GLANCE_MS = 50 };

static int64_t patience(void)
{
	return num_monotonic_ns() + PATIENCE_S * 1000000000LL;
}

static void pause_us(long us)
{
	nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

int cgroup_listing_row(const struct cgroup *c)
{
	static const int order[] = {CGROUPFS_V2, CGROUPFS_PIDS, CGROUPFS_FREEZER, CGROUPFS_MEMORY, CGROUPFS_CPUACCT, CGROUPFS_CPU, CGROUPFS_SYSTEMD};
	for (size_t i = 0; i < countof(order); i++)
		if (cgroup_has_row(c, order[i]))
			return order[i];
	return -1;
}

static void add_listed(int dir, struct u32v *ret)
{
	own(buf) struct buf b = BUF(16 << 20);
	struct err ignored = {};
	/* The list of a threaded group cannot be read; its threads can. */
	if (path_read(dir, "cgroup.procs", &b, &ignored) < 0 && path_read(dir, "cgroup.threads", &b, &ignored) < 0)
		return;
	for (char *p = b.data; p && *p;) {
		char *end;
		unsigned long pid = strtoul(p, &end, 10);
		if (end == p)
			break;
		p = end + strspn(end, "\n");
		if (pid) {
			ret->v = mem_grow(ret->v, (ret->n + 1) * sizeof *ret->v);
			ret->v[ret->n++] = (uint32_t)pid;
		}
	}
}

static void add_pids(int dir, struct u32v *ret, int depth)
{
	add_listed(dir, ret);
	DIR *d = depth < DEPTH_MAX ? fdopendir(fcntl(dir, F_DUPFD_CLOEXEC, 3)) : NULL;
	for (struct dirent *ent; d && (ent = readdir(d));)
		if (ent->d_type == DT_DIR && ent->d_name[0] != '.') {
			own(fd) int sub = openat(dir, ent->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (sub >= 0)
				add_pids(sub, ret, depth + 1);
		}
	if (d)
		closedir(d);
}

void cgroup_add_pids(int dir, struct u32v *ret)
{
	add_pids(dir, ret, 0);
}

int cgroup_pids(const struct cgroup *c, struct u32v *ret, struct err *e)
{
	int row = cgroup_listing_row(c);
	own(fd) int dir = row < 0 ? -1 : cgroup_open_row(c, row);
	if (dir < 0)
		return err_set(e, ERR_NOT_FOUND, "cgroup %s: not there", c->path);
	add_pids(dir, ret, 0);
	return 0;
}

static bool has_processes(const struct cgroup *c)
{
	struct u32v pids = {};
	struct err ignored = {};
	bool yes = cgroup_pids(c, &pids, &ignored) == 0 && pids.n;
	free(pids.v);
	return yes;
}

/* A v2 group's events as they are now; the next poll for POLLPRI on fd returns when they have changed since. */
static bool events_say(int fd, const char *key, uint64_t value)
{
	char text[256];
	uint64_t now = 0;
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	text[n > 0 ? n : 0] = 0;
	return cgroupfs_find(text, key, &now) && now == value;
}

static void wait_events(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLPRI};
	(void)!poll(&p, 1, GLANCE_MS);
}

static bool is_frozen_v1(int dir)
{
	own(buf) struct buf b = BUF(64);
	struct err ignored = {};
	return path_read(dir, "freezer.state", &b, &ignored) == 0 && str_has_prefix(buf_text(&b), "FROZEN");
}

/* The directory in which the container is frozen, or -1. */
static int open_freezer(const struct cgroup *c, bool *ret_v1)
{
	*ret_v1 = !cgroup_has_row(c, CGROUPFS_V2);
	return cgroup_open_row(c, *ret_v1 ? CGROUPFS_FREEZER : CGROUPFS_V2);
}

bool cgroup_is_frozen(const struct cgroup *c)
{
	bool v1;
	uint64_t frozen;
	own(fd) int dir = open_freezer(c, &v1);
	return dir >= 0 && (v1 ? is_frozen_v1(dir) : cgroupfs_read(dir, "cgroup.events", "frozen", &frozen) && frozen);
}

static int put_freezer(int dir, bool v1, bool frozen, struct err *e)
{
	return v1 ? path_put(dir, "freezer.state", frozen ? "FROZEN" : "THAWED", e) : path_put(dir, "cgroup.freeze", frozen ? "1" : "0", e);
}

/* The file that freezes, open: so who froze can thaw, whatever else fails meanwhile. */
static int open_control(const struct cgroup *c, bool *ret_v1)
{
	own(fd) int dir = open_freezer(c, ret_v1);
	return dir < 0 ? -1 : openat(dir, *ret_v1 ? "freezer.state" : "cgroup.freeze", O_WRONLY | O_CLOEXEC);
}

static int put_control(int control, bool v1, bool frozen, struct err *e)
{
	const char *word = v1 ? frozen ? "FROZEN" : "THAWED" : frozen ? "1" : "0";
	ssize_t n;
	do
		n = write(control, word, strlen(word));
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(e, "freeze") : 0;
}

int cgroup_freeze(const struct cgroup *c, bool frozen, struct err *e)
{
	bool v1;
	own(fd) int dir = open_freezer(c, &v1);
	own(fd) int events = dir < 0 || v1 ? -1 : openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (dir < 0)
		return err_set(e, ERR_UNSUPPORTED, "freeze: the freezer is not available here");
	own(fd) int control = open_control(c, &v1);
	if (control < 0)
		return err_sys(e, "freeze");
	int64_t until = patience();
	for (int i = 0; num_monotonic_ns() < until; i++) {
		/* v1 may stay FREEZING while processes are born: asking again helps it on. */
		if ((i == 0 || v1) && put_control(control, v1, frozen, e) < 0)
			return -1;
		if (v1 ? is_frozen_v1(dir) == frozen : events_say(events, "frozen", frozen))
			return 0;
		/* It ends just now, and whoever sees to that may be waiting for us. */
		if (frozen && i >= (v1 ? 10 : 1) && !has_processes(c))
			return err_set(e, ERR_CONFLICT, "cgroup %s has no processes any more", c->path);
		if (v1)
			pause_us(i < 10 ? 50 : i < 30 ? 1000 : 5000);
		else
			wait_events(events);
	}
	struct err ignored = {};
	if (frozen)
		(void)!put_control(control, v1, false, &ignored);
	return err_set(e, ERR_TIMEOUT, "cgroup %s did not %s", c->path, frozen ? "freeze" : "thaw");
}

void cgroup_hold(const struct cgroup *c, struct cgroup_hold *ret)
{
	struct err ignored = {};
	*ret = (struct cgroup_hold){.fd = -1};
	if (cgroup_is_frozen(c))
		return;
	ret->fd = open_control(c, &ret->v1);
	if (ret->fd >= 0 && cgroup_freeze(c, true, &ignored) < 0)
		(void)!cgroup_let_go(ret, &ignored);
}

int cgroup_let_go(struct cgroup_hold *h, struct err *e)
{
	int r = h->fd >= 0 ? put_control(h->fd, h->v1, false, e) : 0;
	fd_drop(&h->fd);
	return r;
}

/* Waits a moment for one of them to be gone. */
static void wait_gone(const struct u32v *pids)
{
	own(fd) int pidfd = pids->n ? proc_pidfd_open((pid_t)pids->v[0]) : -1;
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	if (pidfd >= 0)
		(void)!poll(&p, 1, GLANCE_MS);
	/* Its last thread has left by then, or is about to. */
	pause_us(200);
}

/* Until a round finds nobody: forks race with us, which a freezer stops. The dead of a frozen group die when it thaws. */
static int kill_listed(const struct cgroup *c, struct err *e)
{
	bool v1;
	own(fd) int freezer = open_freezer(c, &v1);
	struct err ignored = {};
	int64_t until = patience();
	for (int round = 0; num_monotonic_ns() < until; round++) {
		struct u32v pids = {};
		if (freezer >= 0 && round > 0)
			(void)!put_freezer(freezer, v1, true, &ignored);
		if (cgroup_pids(c, &pids, e) < 0)
			return e->kind == ERR_NOT_FOUND ? 0 : -1;
		for (size_t i = 0; i < pids.n; i++)
			kill((pid_t)pids.v[i], SIGKILL);
		if (freezer >= 0)
			(void)!put_freezer(freezer, v1, false, &ignored);
		size_t n = pids.n;
		if (n && round > 0)
			wait_gone(&pids);
		free(pids.v);
		if (n == 0)
			return 0;
	}
	return 0;
}

int cgroup_kill(const struct cgroup *c, int sig, struct err *e)
{
	struct err ignored = {};
	struct u32v pids = {};
	if (str_is_empty(c->path) || !c->rows)
		return 0;
	if (sig == SIGKILL) {
		own(fd) int dir = cgroup_has_row(c, CGROUPFS_V2) ? cgroup_open_row(c, CGROUPFS_V2) : -1;
		if (cgroup_has_row(c, CGROUPFS_V2) && (dir < 0 || path_put(dir, "cgroup.kill", "1", &ignored) == 0))
			return 0;
		return kill_listed(c, e);
	}
	if (cgroup_pids(c, &pids, e) < 0)
		return e->kind == ERR_NOT_FOUND ? 0 : -1;
	for (size_t i = 0; i < pids.n; i++)
		kill((pid_t)pids.v[i], sig);
	free(pids.v);
	return 0;
}

/* Groups that the container made below its own. */
static int remove_below(int dir, int depth)
{
	int r = 0, why = 0;
	DIR *d = dir < 0 || depth > DEPTH_MAX ? NULL : fdopendir(fcntl(dir, F_DUPFD_CLOEXEC, 3));
	for (struct dirent *ent; d && (ent = readdir(d));) {
		if (ent->d_type != DT_DIR || ent->d_name[0] == '.' || unlinkat(dir, ent->d_name, AT_REMOVEDIR) == 0)
			continue;
		own(fd) int sub = openat(dir, ent->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (remove_below(sub, depth + 1) < 0 || (unlinkat(dir, ent->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)) {
			r = -1;
			why = errno;
		}
	}
	if (d)
		closedir(d);
	errno = why;
	return r;
}

int cgroup_remove_tree(int at, const char *path)
{
	if (unlinkat(at, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	int why = errno;
	own(fd) int dir = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || remove_below(dir, 0) < 0) {
		errno = dir < 0 ? why : errno;
		return -1;
	}
	return unlinkat(at, path, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

/* A dying process leaves its group a moment after it was reaped. */
static void wait_empty(int dir, bool v2)
{
	own(fd) int events = v2 ? openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC) : -1;
	struct u32v pids = {};
	if (events >= 0 && events_say(events, "populated", 1)) {
		wait_events(events);
		return;
	}
	add_pids(dir, &pids, 0);
	wait_gone(&pids);
	free(pids.v);
}

/* The group in one hierarchy, or what is below it. */
static int remove_row(const struct cgroup *c, int row)
{
	int root = cgroupfs_get()->row[row].fd;
	bool ours = c->made & 1u << row;
	/* Mostly it is empty: then no file is opened, and one that has no descriptors left can take it away too. */
	if (ours && (unlinkat(root, cgroup_below(c), AT_REMOVEDIR) == 0 || errno == ENOENT))
		return 0;
	for (int64_t until = 0;;) {
		own(fd) int dir = openat(root, cgroup_below(c), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0 || (ours ? cgroup_remove_tree(root, cgroup_below(c)) : remove_below(dir, 0)) == 0)
			return dir < 0 && errno != ENOENT ? -1 : 0;
		if (errno != EBUSY)
			return -1;
		until = until ? until : patience();
		if (num_monotonic_ns() > until) {
			errno = EBUSY;
			return -1;
		}
		wait_empty(dir, row == CGROUPFS_V2);
	}
}

/* Up to the scope and with it: what systemd does not know of is not taken away by it. */
static void remove_above(const struct cgroup *c, int row)
{
	own(mem) char *at = mem_dup(cgroup_below(c));
	for (char *slash; *c->scope && strcmp(path_base(at), c->scope) != 0 && (slash = strrchr(at, '/'));) {
		*slash = 0;
		if (unlinkat(cgroupfs_get()->row[row].fd, at, AT_REMOVEDIR) < 0)
			break;
	}
}

static void thaw(const struct cgroup *c)
{
	bool v1;
	struct err ignored = {};
	own(fd) int dir = open_freezer(c, &v1);
	if (dir >= 0)
		(void)!put_freezer(dir, v1, false, &ignored);
}

int cgroup_remove(struct cgroup *c, struct err *e)
{
	fd_drop(&c->v2);
	if (c->rows && cgroup_is_frozen(c))
		thaw(c);
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		if (!cgroup_has_row(c, i))
			continue;
		if (remove_row(c, i) < 0)
			return err_sys(e, "remove cgroup %s (%s)", c->path, cgroupfs_name((enum cgroupfs_row)i));
		remove_above(c, i);
		c->rows &= ~(1u << i);
		c->made &= ~(1u << i);
	}
	return *c->scope ? cgroup_systemd_stop(c, e) : 0;
}
