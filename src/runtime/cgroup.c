/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup: one container's groups in every hierarchy of the machine: made, entered, limited, found again.
 *
 * On v1 a group is made where it is of use: memory, cpuacct and blkio for statistics and OOM kills, devices for its rules,
 * the others when a limit asks for them; freezing, killing and listing are the v2 tree's business where there is one (hybrid)
 * and the freezer's and pids' where there is none. Each one costs a directory and a write. The process itself writes
 * "0" to `tasks`: for one's own single thread the kernel skips the lock for which a write of any other pid waits up to
 * 15 ms (an RCU grace period). On v2 there is one directory, and clone3 puts the process there.
 *
 * Directories are made here and nowhere else, and only these are removed. Each carries a mark (an extended attribute), so that
 * what a killed command left behind can be told from what somebody prepared for a container, and from another container's
 * parent group of the same name. The mark is a help where nothing was written down: where it cannot be set, what is there
 * counts as somebody else's.
 */
#include "runtime/cgroup.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "runtime/cgroup_limits.h"
#include "runtime/cgroup_systemd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char mark[] = "user.hull";

static bool is_marked(int dir)
{
	return fgetxattr(dir, mark, NULL, 0) >= 0;
}

/* Each hierarchy once: combined controllers share the directory of their first. */
static bool is_first(const struct cgroupfs *fs, int row)
{
	return fs->row[row].fd >= 0 && fs->row[row].same_as == row;
}

int cgroup_first_of(int row)
{
	const struct cgroupfs *fs = cgroupfs_get();
	return fs->row[row].fd < 0 ? row : fs->row[row].same_as;
}

int cgroup_open_row(const struct cgroup *c, int row)
{
	const struct cgroupfs *fs = cgroupfs_get();
	int first = cgroup_first_of(row);
	if (fs->row[row].fd < 0 || !cgroup_has_row(c, first))
		return -1;
	return openat(fs->row[first].fd, cgroup_below(c), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum cgroup_mode cgroup_machine_mode(void)
{
	const struct cgroupfs *fs = cgroupfs_get();
	if (fs->unified)
		return CGROUP_V2;
	bool v1 = false;
	for (int i = 0; i < CGROUPFS_SYSTEMD; i++)
		v1 |= fs->row[i].fd >= 0;
	if (!v1)
		return CGROUP_NONE;
	return fs->row[CGROUPFS_V2].fd >= 0 ? CGROUP_HYBRID : CGROUP_V1;
}

bool cgroup_has_controller(const char *name)
{
	const struct cgroupfs *fs = cgroupfs_get();
	if (!fs->unified) {
		for (int i = 0; i < CGROUPFS_V2; i++)
			if (fs->row[i].fd >= 0 && strcmp(cgroupfs_name(i), strcmp(name, "io") == 0 ? "blkio" : name) == 0)
				return true;
		return false;
	}
	own(buf) struct buf b = BUF(4096);
	own(strv) struct strv words = {};
	struct err ignored = {};
	if (path_read(fs->row[CGROUPFS_V2].fd, "cgroup.controllers", &b, &ignored) < 0)
		return false;
	own(mem) char *text = mem_dup(buf_text(&b));
	strv_split(&words, str_trim(text), ' ');
	return strv_has(&words, name) || str_eq(name, "devices") || str_eq(name, "freezer");
}

/* A new cpuset group is empty and takes no process before it has CPUs and memory: its parent's. */
static void inherit_cpuset(int root, const char *path)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	own(mem) char *at = mem_dup(path);
	for (char *p = at; p; p = strchr(p + 1, '/')) {
		/* each group on the way, from the outermost */
		char *end = strchr(p + 1, '/');
		char saved = end ? *end : 0;
		if (end)
			*end = 0;
		own(fd) int dir = openat(root, at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		own(fd) int up = dir < 0 ? -1 : openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		for (size_t i = 0; up >= 0 && i < countof(files); i++) {
			own(buf) struct buf have = BUF(65536);
			own(buf) struct buf parent = BUF(65536);
			struct err ignored = {};
			if (path_read(dir, files[i], &have, &ignored) == 0 && have.len <= 1 &&
				path_read(up, files[i], &parent, &ignored) == 0)
				(void)!path_put(dir, files[i], buf_text(&parent), &ignored);
		}
		if (end)
			*end = saved;
	}
}

static void has_made(struct cgroup *c, int row, int dir)
{
	c->rows |= 1u << row;
	c->made |= 1u << row;
	if (dir >= 0)
		fsetxattr(dir, mark, "1", 1, 0);
}

/* A group of that name is there: what a killed command left of us is made anew, so that none of its limits stays; what somebody
 * else made is used as it is. */
static int take_over(struct cgroup *c, int row, int root, struct err *e)
{
	own(fd) int dir = openat(root, cgroup_below(c), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "cgroup %s (%s)", c->path, cgroupfs_name(row));
	struct u32v pids = {};
	cgroup_add_pids(dir, &pids);
	free(pids.v);
	if (pids.n)
		return err_set(e, ERR_EXISTS, "cgroup %s is in use already: the container's cgroup is not empty: %zu process(es) found", c->path,
			pids.n);
	if (!is_marked(dir) || cgroup_remove_tree(root, cgroup_below(c)) < 0) {
		c->rows |= 1u << row;
		return 0;
	}
	if (mkdirat(root, cgroup_below(c), 0755) < 0)
		return err_sys(e, "make cgroup %s (%s)", c->path, cgroupfs_name(row));
	own(fd) int fresh = openat(root, cgroup_below(c), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	has_made(c, row, fresh);
	return 0;
}

static int make_dir(struct cgroup *c, int row, int root, struct err *e)
{
	int r = mkdirat(root, cgroup_below(c), 0755);
	if (r < 0 && errno == ENOENT) {
		own(mem) char *parent = mem_dup(cgroup_below(c));
		char *slash = strrchr(parent, '/');
		if (slash)
			*slash = 0;
		if (path_mkdirs(root, parent, 0755, e) < 0)
			return -1;
		r = mkdirat(root, cgroup_below(c), 0755);
	}
	if (r < 0 && errno == EEXIST)
		return take_over(c, row, root, e);
	if (r < 0)
		return err_sys(e, "make cgroup %s (%s)", c->path, cgroupfs_name(row));
	own(fd) int dir = openat(root, cgroup_below(c), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	has_made(c, row, dir);
	return 0;
}

static bool asks_for_limits(const struct spec_resources *r)
{
	return r && (r->memory || r->cpu || r->pids_limit.set || r->block_io || r->hugepages.n || r->network || r->unified.n || r->rdma);
}

/* Is the v1 hierarchy needed? */
static bool is_wanted(int row, const struct spec_resources *r)
{
	bool v2 = cgroupfs_get()->row[CGROUPFS_V2].fd >= 0;
	switch ((enum cgroupfs_row)row) {
	case CGROUPFS_MEMORY: case CGROUPFS_CPUACCT: case CGROUPFS_BLKIO: case CGROUPFS_V2: return true;
	case CGROUPFS_DEVICES: return r && r->devices.n;
	case CGROUPFS_FREEZER: return !v2;
	case CGROUPFS_PIDS: return !v2 || (r && r->pids_limit.set);
	case CGROUPFS_CPU: return r && r->cpu;
	case CGROUPFS_CPUSET: return r && r->cpu && (r->cpu->cpus || r->cpu->mems);
	case CGROUPFS_HUGETLB: return r && r->hugepages.n;
	case CGROUPFS_NET_CLS: return r && r->network && r->network->class_id.set;
	case CGROUPFS_NET_PRIO: return r && r->network && r->network->priorities.n;
	case CGROUPFS_RDMA: return r && r->rdma;
	/* systemd kills what a user's session left behind by this hierarchy. */
	case CGROUPFS_SYSTEMD: return path_exists(AT_FDCWD, "/run/systemd/system");
	case CGROUPFS_PERF: case CGROUPFS_ROWS: break;
	}
	return false;
}

static int move_there(const struct cgroup *c, int row, pid_t pid, struct err *e)
{
	own(fd) int dir = cgroup_open_row(c, row);
	char text[16];
	snprintf(text, sizeof text, "%d", (int)pid);
	return dir < 0 || path_put(dir, "cgroup.procs", text, e) < 0 ? err_sys(e, "enter cgroup %s (%s)", c->path, cgroupfs_name(row)) : 0;
}

static int adopt_row(struct cgroup *c, int row, pid_t pid, struct err *e)
{
	int root = cgroupfs_get()->row[row].fd;
	bool made = mkdirat(root, cgroup_below(c), 0755) == 0;
	if (!made && errno == ENOENT) {
		own(mem) char *parent = mem_dup(cgroup_below(c));
		char *slash = strrchr(parent, '/');
		if (slash)
			*slash = 0;
		if (path_mkdirs(root, parent, 0755, e) < 0)
			return -1;
		made = mkdirat(root, cgroup_below(c), 0755) == 0;
	}
	if (!made && errno != EEXIST)
		return err_sys(e, "make cgroup %s (%s)", c->path, cgroupfs_name(row));
	c->rows |= 1u << row;
	c->made |= made ? 1u << row : 0;
	if (cgroupfs_get()->row[CGROUPFS_CPUSET].fd >= 0 && cgroupfs_get()->row[CGROUPFS_CPUSET].same_as == row)
		inherit_cpuset(root, cgroup_below(c));
	return move_there(c, row, pid, e);
}

int cgroup_adopt(struct cgroup *c, const struct spec_resources *r, pid_t pid, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (fs->row[i].fd >= 0 && is_wanted(i, r) && !cgroup_has_row(c, cgroup_first_of(i)) && adopt_row(c, cgroup_first_of(i), pid, e) < 0)
			return -1;
	if (cgroup_has_row(c, CGROUPFS_V2))
		c->v2 = cgroup_open_row(c, CGROUPFS_V2);
	if (fs->unified || !r)
		return 0;
	own(fd) int dir = cgroup_open_row(c, CGROUPFS_DEVICES);
	return cgroup_v1_devices(dir, r, e);
}

static int set_limits(const struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	if (!r)
		return 0;
	if (cgroupfs_get()->unified) {
		own(fd) int dir = cgroup_open_row(c, CGROUPFS_V2);
		return cgroup_v2_limit(dir, r, e);
	}
	int dirs[CGROUPFS_ROWS];
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		dirs[i] = cgroup_open_row(c, i);
	int result = cgroup_v1_limit(dirs, r, e);
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		fd_drop(&dirs[i]);
	return result;
}

static int make_row(struct cgroup *c, int row, const struct spec_resources *r, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	int first = cgroup_first_of(row);
	if (fs->row[row].fd < 0 || cgroup_has_row(c, first) || !is_wanted(row, r))
		return 0;
	if (make_dir(c, first, fs->row[first].fd, e) < 0)
		return -1;
	if (fs->row[CGROUPFS_CPUSET].fd >= 0 && fs->row[CGROUPFS_CPUSET].same_as == first)
		inherit_cpuset(fs->row[first].fd, cgroup_below(c));
	return 0;
}

/* A process that came into a frozen group would never get to its first step. On a hybrid machine the v1 freezer is looked at, too,
 * although we do not use it. */
static int refuse_frozen(const struct cgroup *c, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	char file[sizeof c->path + 16];
	uint64_t frozen = 0;
	snprintf(file, sizeof file, "%s/freezer.state", cgroup_below(c));
	own(buf) struct buf state = BUF(64);
	struct err ignored = {};
	bool v1 = fs->row[CGROUPFS_FREEZER].fd >= 0 && path_read(fs->row[CGROUPFS_FREEZER].fd, file, &state, &ignored) == 0 &&
		  !str_has_prefix(buf_text(&state), "THAWED");
	bool v2 = c->v2 >= 0 && ((cgroupfs_read(c->v2, "cgroup.events", "frozen", &frozen) && frozen) ||
				    (cgroupfs_read(c->v2, "cgroup.freeze", NULL, &frozen) && frozen));
	return v1 || v2 ? err_set(e, ERR_CONFLICT, "cgroup %s: the container's cgroup unexpectedly frozen", c->path) : 0;
}

static int make_all(struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (make_row(c, i, r, e) < 0)
			return -1;
	if (cgroup_has_row(c, CGROUPFS_V2))
		c->v2 = cgroup_open_row(c, CGROUPFS_V2);
	if (refuse_frozen(c, e) < 0)
		return -1;
	/* Switched on once, for all containers: their common parent stays. */
	if (fs->unified && c->v2 >= 0 && !cgroup_v2_is_enabled(c->v2, r))
		cgroup_v2_enable(fs->row[CGROUPFS_V2].fd, c->path);
	if (fs->unified || !r || !c->rows)
		return 0;
	own(fd) int devices = cgroup_open_row(c, CGROUPFS_DEVICES);
	return cgroup_v1_devices(devices, r, e);
}

int cgroup_create(const char *path, const char *id, const struct spec_resources *r, struct cgroup *ret, struct err *e)
{
	struct cgroup c = {.v2 = -1};
	if (cgroup_resolve(path, id, c.path, sizeof c.path, e) < 0)
		return -1;
	if (make_all(&c, r, e) == 0) {
		if (!c.rows)
			c.path[0] = 0;
		if (c.rows || !asks_for_limits(r))
			return *ret = c, 0;
		return err_set(e, ERR_UNSUPPORTED, "limits need control groups: none are mounted at /sys/fs/cgroup");
	}
	struct err ignored = {};
	c.rows = c.made; /* what was there before is left as it was */
	(void)!cgroup_remove(&c, &ignored);
	bool refused = e->sys == EACCES || e->sys == EPERM || e->sys == EROFS;
	if (refused && !asks_for_limits(r)) {
		*ret = (struct cgroup){.v2 = -1};
		return 0;
	}
	return refused ? err_set(e, ERR_DENIED, "limits need a cgroup that belongs to you: %s cannot be made here", c.path) : -1;
}

int cgroup_limit(const struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	return c->rows ? set_limits(c, r, e) : 0;
}

static_assert(CGROUP_TASKS == (int)CGROUPFS_ROWS, "one fd a hierarchy");

int cgroup_open_tasks(const struct cgroup *c, int tasks[static CGROUP_TASKS], struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	for (int i = 0; i < CGROUP_TASKS; i++)
		tasks[i] = -1;
	for (int i = 0; i < CGROUPFS_V2; i++) {
		char file[sizeof c->path + 16];
		if (!cgroup_has_row(c, i))
			continue;
		snprintf(file, sizeof file, "%s/tasks", cgroup_below(c));
		tasks[i] = openat(fs->row[i].fd, file, O_WRONLY | O_CLOEXEC);
		if (tasks[i] < 0) {
			err_sys_(e, "cgroup %s (%s)", c->path, cgroupfs_name(i));
			for (int k = 0; k < i; k++)
				fd_drop(&tasks[k]);
			return -1;
		}
	}
	return 0;
}

int cgroup_enter(const int tasks[static CGROUP_TASKS], struct err *e)
{
	for (int i = 0; i < CGROUP_TASKS; i++)
		if (tasks[i] >= 0 && write(tasks[i], "0", 1) < 0)
			return err_sys(e, "enter the %s cgroup", cgroupfs_name(i));
	return 0;
}

/* All processes of the container into one more group; those born meanwhile are found by the next round. */
static int move_all(const struct cgroup *c, int row, struct err *e)
{
	own(fd) int dir = cgroup_open_row(c, row);
	own(fd) int procs = dir < 0 ? -1 : openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (procs < 0)
		return err_sys(e, "cgroup %s (%s)", c->path, cgroupfs_name(row));
	struct cgroup others = *c;
	others.rows &= ~(1u << row);
	for (int round = 0; round < 3; round++) {
		struct u32v pids = {};
		if (cgroup_pids(&others, &pids, e) < 0)
			return -1;
		for (size_t i = 0; i < pids.n; i++) {
			char text[16];
			int n = snprintf(text, sizeof text, "%u", pids.v[i]);
			if (write(procs, text, (size_t)n) < 0 && errno != ESRCH) {
				free(pids.v);
				return err_sys(e, "enter cgroup %s (%s)", c->path, cgroupfs_name(row));
			}
		}
		free(pids.v);
	}
	return 0;
}

/* Between "deny all" and the rules that allow, nothing could be opened: nobody runs meanwhile. */
static int update_devices_v1(const struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	own(fd) int dir = cgroup_open_row(c, CGROUPFS_DEVICES);
	struct cgroup_hold hold = {.fd = -1};
	if (r->devices.n)
		cgroup_hold(c, &hold);
	struct err still = {};
	int result = cgroup_v1_devices(dir, r, e);
	if (cgroup_let_go(&hold, &still) == 0)
		return result;
	return result < 0 ? -1 : (*e = still, -1);
}

int cgroup_update(struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	if (str_is_empty(c->path) || !c->rows)
		return err_set(e, ERR_UNSUPPORTED, "the container has no cgroup of its own");
	if (*c->scope && cgroup_systemd_set(c, r, e) < 0)
		return -1;
	for (int i = 0; i < CGROUPFS_V2; i++) {
		uint32_t before = c->rows;
		if (make_row(c, i, r, e) < 0)
			return -1;
		if (c->rows != before && move_all(c, cgroup_first_of(i), e) < 0)
			return -1;
	}
	if (!fs->unified && update_devices_v1(c, r, e) < 0)
		return -1;
	own(fd) int dir = fs->unified ? cgroup_open_row(c, CGROUPFS_V2) : -1;
	if (dir >= 0 && !cgroup_v2_is_enabled(dir, r))
		cgroup_v2_enable(fs->row[CGROUPFS_V2].fd, c->path);
	return set_limits(c, r, e);
}

void cgroup_sweep(const char *path)
{
	const struct cgroupfs *fs = cgroupfs_get();
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (fs->row[i].fd >= 0 && fs->row[i].same_as == i)
			unlinkat(fs->row[i].fd, path + strspn(path, "/"), AT_REMOVEDIR);
}

void cgroup_drop(struct cgroup *c)
{
	fd_drop(&c->v2);
}

/* What is named for a container's id is nobody else's, also where a kill came between making a group and marking it. */
static bool is_id(const char *path)
{
	const char *name = path_base(path);
	return strlen(name) == 64 && num_is_hex(name, 64);
}

int cgroup_open(const char *path, struct cgroup *ret, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	struct cgroup c = {.v2 = -1};
	if (cgroup_resolve(path, path, c.path, sizeof c.path, e) < 0)
		return -1;
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		own(fd) int dir = is_first(fs, i) ? openat(fs->row[i].fd, cgroup_below(&c), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
		if (dir < 0)
			continue;
		c.rows |= 1u << i;
		if (is_marked(dir))
			c.made |= 1u << i;
	}
	if (!c.rows)
		return err_set(e, ERR_NOT_FOUND, "cgroup %s: not there", path);
	/* Without any mark (a kernel that cannot keep it) they all count as ours. */
	c.rows = c.made = c.made && !is_id(c.path) ? c.made : c.rows;
	if (cgroup_has_row(&c, CGROUPFS_V2))
		c.v2 = cgroup_open_row(&c, CGROUPFS_V2);
	*ret = c;
	return 0;
}
