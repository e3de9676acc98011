/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_place: see cgroup_place.h. A path is resolved by the kernel beneath the container's own group (openat2), so that no
 * spelling of it leads anywhere else.
 */
#include "runtime/cgroup_place.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/cgroup_limits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static_assert(CGROUP_TASKS == (int)CGROUPFS_ROWS && CGROUP_TASKS == 15, "CGROUP_PLACE_EMPTY has one -1 a hierarchy");

void cgroup_place_drop(struct cgroup_place *p)
{
	for (int i = 0; i < CGROUP_TASKS; i++)
		fd_drop(&p->tasks[i]);
	fd_drop(&p->v2);
}

/* The group `path` of one hierarchy. -2: none of that name. */
static int open_below(const struct cgroup *c, int row, const char *path, struct err *e)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	own(fd) int group = openat(cgroupfs_get()->row[row].fd, c->path + 1, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (group < 0)
		return err_sys(e, "cgroup %s (%s)", c->path, cgroupfs_name(row));
	path += strspn(path, "/");
	int fd = (int)syscall(SYS_openat2, group, *path ? path : ".", &how, sizeof how);
	if (fd >= 0)
		return fd;
	if (errno == EXDEV)
		return err_set(e, ERR_USAGE, "--cgroup %s is not a sub cgroup path: it leads out of the container's own group", path);
	return errno == ENOENT || errno == ENOTDIR ? -2 : err_sys(e, "--cgroup %s (%s)", path, cgroupfs_name(row));
}

/* 1 when it is taken, 0 when there is no such group. */
static int take_row(const struct cgroup *c, int row, const char *path, struct cgroup_place *p, struct err *e)
{
	own(fd) int dir = open_below(c, row, path, e);
	if (dir < 0)
		return dir == -2 ? 0 : -1;
	if (row == CGROUPFS_V2) {
		fd_drop(&p->v2);
		p->v2 = take_fd(dir);
		return 1;
	}
	fd_drop(&p->tasks[row]);
	p->tasks[row] = openat(dir, "tasks", O_WRONLY | O_CLOEXEC);
	return p->tasks[row] < 0 ? err_sys(e, "--cgroup %s (%s)", path, cgroupfs_name(row)) : 1;
}

static int find_row(const char *controller, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	if (strcmp(controller, "name=systemd") == 0)
		controller = "systemd";
	for (int i = 0; !fs->unified && i < CGROUPFS_V2; i++)
		if (strcmp(cgroupfs_name(i), controller) == 0 && fs->row[i].fd >= 0)
			return fs->row[i].same_as;
	return err_set(e, ERR_USAGE, "--cgroup: unknown controller %.40s", controller);
}

static int take_controllers(const struct cgroup *c, const char *names, const char *path, struct cgroup_place *p, uint32_t *named, struct err *e)
{
	own(strv) struct strv list = {};
	strv_split(&list, names, ',');
	for (size_t i = 0; i < list.n; i++) {
		int row = find_row(list.v[i], e);
		if (row < 0)
			return -1;
		if (*named & 1u << row)
			return err_set(e, ERR_USAGE, "--cgroup: more than one group for %s", list.v[i]);
		*named |= 1u << row;
		int r = cgroup_has_row(c, row) ? take_row(c, row, path, p, e) : 0;
		if (r <= 0)
			return r < 0 ? -1 : err_set(e, ERR_NOT_FOUND, "--cgroup %s:%s: the container has no such group", list.v[i], path);
	}
	return 0;
}

static int take_all(const struct cgroup *c, const char *path, struct cgroup_place *p, struct err *e)
{
	int found = 0;
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		int r = cgroup_has_row(c, i) ? take_row(c, i, path, p, e) : 0;
		if (r < 0)
			return -1;
		found += r;
	}
	return found ? 0 : err_set(e, ERR_NOT_FOUND, "--cgroup %s: the container has no such group", path);
}

int cgroup_place_open(const struct cgroup *c, const struct strv *words, struct cgroup_place *ret, struct err *e)
{
	own(cgroup_place) struct cgroup_place p = CGROUP_PLACE_EMPTY;
	uint32_t named = 0;
	if (str_is_empty(c->path) || !c->rows)
		return err_set(e, ERR_UNSUPPORTED, "--cgroup: the container has no control group of its own");
	if (cgroup_open_tasks(c, p.tasks, e) < 0)
		return -1;
	p.v2 = c->v2 < 0 ? -1 : fcntl(c->v2, F_DUPFD_CLOEXEC, 3);
	for (size_t i = 0; i < words->n; i++) {
		const char *colon = strchr(words->v[i], ':');
		own(mem) char *names = colon ? mem_ndup(words->v[i], (size_t)(colon - words->v[i])) : NULL;
		if (!colon && words->n > 1)
			return err_set(e, ERR_USAGE, "--cgroup %s: with several of them each needs a controller: CONTROLLER:PATH", words->v[i]);
		if (colon && *names ? take_controllers(c, names, colon + 1, &p, &named, e) < 0 : take_all(c, colon ? colon + 1 : words->v[i], &p, e) < 0)
			return -1;
	}
	*ret = p;
	p = (struct cgroup_place)CGROUP_PLACE_EMPTY;
	return 0;
}

int cgroup_place_beside(const struct cgroup *c, pid_t pid, struct cgroup_place *ret, struct err *e)
{
	char file[40];
	own(buf) struct buf b = BUF(64 << 10);
	own(cgroup_place) struct cgroup_place p = CGROUP_PLACE_EMPTY;
	snprintf(file, sizeof file, "/proc/%d/cgroup", (int)pid);
	if (path_read(AT_FDCWD, file, &b, e) < 0 || cgroup_open_tasks(c, p.tasks, e) < 0)
		return -1;
	char *at = strstr(b.data, "0::");
	char *end = at ? strchr(at, '\n') : NULL;
	if (end)
		*end = 0;
	const char *below = end ? str_after(at + 3, c->path) : NULL;
	if (!below || (*below && *below != '/'))
		return err_set(e, ERR_CONFLICT, "the container's process has left the container's control group");
	int r = take_row(c, CGROUPFS_V2, below, &p, e);
	if (r <= 0)
		return r < 0 ? -1 : err_set(e, ERR_CONFLICT, "the container's process has left the container's control group");
	*ret = p;
	p = (struct cgroup_place)CGROUP_PLACE_EMPTY;
	return 0;
}
