/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_oom: see cgroup_oom.h.
 *
 * v2: inotify on memory.events, whose counters say how often; on cgroup.events, which says when the last process is gone; and on
 * the directory itself. v1: an eventfd that cgroup.event_control binds to memory.oom_control; the kernel adds one for each time, and one
 * more when the group is removed.
 */
#include "runtime/cgroup_oom.h"

#include "base/fd.h"
#include "runtime/cgroup_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

void cgroup_oom_drop(struct cgroup_oom *o)
{
	fd_drop(&o->fd);
	fd_drop(&o->dir);
}

static int watch(int inotify, int dir, const char *file, uint32_t mask)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dir, file);
	return inotify_add_watch(inotify, path, mask);
}

/* How often memory ran out: a limit above the group's that was reached shows as a kill alone. */
static uint64_t count_v2(struct cgroup_oom *o)
{
	uint64_t ooms = o->ooms, kills = o->kills;
	cgroupfs_read(o->dir, "memory.events", "oom", &ooms);
	cgroupfs_read(o->dir, "memory.events", "oom_kill", &kills);
	uint64_t more = ooms - o->ooms, killed = kills - o->kills;
	o->ooms = ooms;
	o->kills = kills;
	return more > killed ? more : killed;
}

static int no_controller(struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "memory that runs out cannot be watched: the memory controller is not available here");
}

int cgroup_oom_open_v2(int dir, struct cgroup_oom *ret, struct err *e)
{
	own(cgroup_oom) struct cgroup_oom o = CGROUP_OOM_EMPTY;
	o.v2 = true;
	o.dir = dir < 0 ? -1 : fcntl(dir, F_DUPFD_CLOEXEC, 3);
	o.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (o.fd < 0)
		return err_sys(e, "inotify");
	if (o.dir < 0 || watch(o.fd, o.dir, "memory.events", IN_MODIFY) < 0)
		return dir < 0 || errno == ENOENT ? no_controller(e) : err_sys(e, "watch memory.events");
	if (watch(o.fd, o.dir, "cgroup.events", IN_MODIFY) < 0 || watch(o.fd, o.dir, "", IN_DELETE_SELF) < 0)
		return err_sys(e, "watch cgroup.events");
	/* What was before is no news. */
	count_v2(&o);
	*ret = o;
	o = (struct cgroup_oom)CGROUP_OOM_EMPTY;
	return 0;
}

int cgroup_oom_open_v1(int dir, struct cgroup_oom *ret, struct err *e)
{
	own(cgroup_oom) struct cgroup_oom o = CGROUP_OOM_EMPTY;
	own(fd) int control = dir < 0 ? -1 : openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (control < 0)
		return no_controller(e);
	o.dir = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	o.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o.fd < 0 || o.dir < 0)
		return err_sys(e, "eventfd");
	if (cgroup_put(dir, "memory", "a watch on memory", "cgroup.event_control", e, "%d %d", o.fd, control) < 0)
		return -1;
	*ret = o;
	o = (struct cgroup_oom)CGROUP_OOM_EMPTY;
	return 0;
}

int cgroup_oom_open(const struct cgroup *c, struct cgroup_oom *ret, struct err *e)
{
	bool v2 = cgroupfs_get()->unified;
	own(fd) int dir = cgroup_open_row(c, v2 ? CGROUPFS_V2 : CGROUPFS_MEMORY);
	return v2 ? cgroup_oom_open_v2(dir, ret, e) : cgroup_oom_open_v1(dir, ret, e);
}

static bool read_v2(struct cgroup_oom *o, uint64_t *ret_times)
{
	char events[4096];
	uint64_t populated = 0;
	while (read(o->fd, events, sizeof events) > 0)
		;
	/* In this order: the last process may have been killed for want of memory. */
	bool alive = cgroupfs_read(o->dir, "cgroup.events", "populated", &populated) && populated;
	*ret_times = count_v2(o);
	return alive;
}

static bool read_v1(struct cgroup_oom *o, uint64_t *ret_times)
{
	uint64_t times = 0;
	if (read(o->fd, &times, sizeof times) != sizeof times)
		times = 0;
	bool alive = faccessat(o->dir, "memory.oom_control", F_OK, 0) == 0;
	*ret_times = times && !alive ? times - 1 : times;
	return alive;
}

bool cgroup_oom_read(struct cgroup_oom *o, uint64_t *ret_times)
{
	return o->v2 ? read_v2(o, ret_times) : read_v1(o, ret_times);
}
