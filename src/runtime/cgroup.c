/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup: one container's groups in every hierarchy of the machine.
 *
 * On v1 a group is made where it is of use: memory, cpuacct and blkio for statistics and OOM kills, devices for its rules,
 * the others when a limit asks for them; freezing, killing and listing are the v2 tree's business where there is one (hybrid)
 * and the freezer's and pids' where there is none. Each one costs a directory and a write. The process itself writes
 * "0" to `tasks`: for one's own single thread the kernel skips the lock for which a write of any other pid waits up to
 * 15 ms (an RCU grace period). On v2 there is one directory, and clone3 puts the process there.
 *
 * Directories are made here and nowhere else, and only these are removed: `made` has a bit per hierarchy.
 * Opening one again from its path (another process did make it) takes the bits from what is there.
 */
#include "runtime/cgroup.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "runtime/cgroup_limits.h"
#include "sys/cgroupfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <assert.h>

enum { REMOVE_TRIES = 400, FREEZE_TRIES = 400 };

static void pause_us(long us)
{
	nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static bool has_row(const struct cgroup *c, int row)
{
	return c->made & 1u << row;
}

static const char *below(const struct cgroup *c)
{
	return c->path + 1; /* the path is absolute; hierarchies are opened by fd */
}

/* Each hierarchy once: combined controllers share the directory of their first. */
static bool is_first(const struct cgroupfs *fs, int row)
{
	return fs->row[row].fd >= 0 && fs->row[row].same_as == row;
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

int cgroup_put(int dir, const char *controller, const char *what, const char *file, struct err *e, const char *fmt, ...)
{
	char value[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	own(fd) int fd = dir < 0 ? -1 : openat(dir, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && (dir < 0 || errno == ENOENT))
		return err_set(e, ERR_UNSUPPORTED, "%s cannot be set: the %s controller%s is not available here", what, controller,
			dir < 0 ? "" : "'s file for it");
	if (fd < 0)
		return err_sys(e, "set %s: %s", what, file);
	if (write(fd, value, strlen(value)) < 0) {
		int saved = errno;
		err_sys(e, "set %s: write %s to %s", what, value, file);
		if (saved == EINVAL || saved == ERANGE || saved == ENODEV)
			e->kind = ERR_USAGE;
		return -1;
	}
	return 0;
}

static int check_path(const char *path, struct err *e)
{
	own(mem) char *clean = path_clean(path);
	if (*path != '/' || strcmp(clean, path) != 0 || strcmp(clean, "/") == 0)
		return err_set(e, ERR_USAGE, "invalid cgroup path \"%.200s\": it must be absolute, without . and ..", path);
	if (strlen(path) >= sizeof((struct cgroup *)0)->path)
		return err_set(e, ERR_USAGE, "cgroup path of %zu bytes: too long", strlen(path));
	return 0;
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

/* An empty group of the same name is what a killed command left behind. */
static int make_dir(struct cgroup *c, int row, int root, struct err *e)
{
	int r = mkdirat(root, below(c), 0755);
	if (r < 0 && errno == ENOENT) {
		own(mem) char *parent = mem_dup(below(c));
		char *slash = strrchr(parent, '/');
		if (slash)
			*slash = 0;
		if (path_mkdirs(root, parent, 0755, e) < 0)
			return -1;
		r = mkdirat(root, below(c), 0755);
	} else if (r < 0 && errno == EEXIST && unlinkat(root, below(c), AT_REMOVEDIR) == 0) {
		r = mkdirat(root, below(c), 0755);
	}
	if (r < 0 && (errno == EEXIST || errno == EBUSY))
		return err_set(e, ERR_EXISTS, "cgroup %s is in use already", c->path);
	if (r < 0)
		return err_sys(e, "make cgroup %s (%s)", c->path, cgroupfs_name(row));
	c->made |= 1u << row;
	return 0;
}

/* The row whose directory stands for this one's (combined controllers). */
static int first_of(const struct cgroupfs *fs, int row)
{
	return fs->row[row].fd < 0 ? row : fs->row[row].same_as;
}

static int open_group(const struct cgroup *c, int row)
{
	const struct cgroupfs *fs = cgroupfs_get();
	int first = first_of(fs, row);
	if (fs->row[row].fd < 0 || !has_row(c, first))
		return -1;
	return openat(fs->row[first].fd, below(c), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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

static int set_limits(const struct cgroup *c, const struct spec_resources *r, bool update, struct err *e)
{
	if (!r)
		return 0;
	if (cgroupfs_get()->unified) {
		own(fd) int dir = open_group(c, CGROUPFS_V2);
		return cgroup_v2_limit(dir, r, update, e);
	}
	int dirs[CGROUPFS_ROWS];
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		dirs[i] = open_group(c, i);
	int result = cgroup_v1_limit(dirs, r, e);
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		fd_drop(&dirs[i]);
	return result;
}

static int make_row(struct cgroup *c, int row, const struct spec_resources *r, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	int first = first_of(fs, row);
	if (fs->row[row].fd < 0 || has_row(c, first) || !is_wanted(row, r))
		return 0;
	if (make_dir(c, first, fs->row[first].fd, e) < 0)
		return -1;
	if (fs->row[CGROUPFS_CPUSET].fd >= 0 && fs->row[CGROUPFS_CPUSET].same_as == first)
		inherit_cpuset(fs->row[first].fd, below(c));
	return 0;
}

static int make_all(struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (make_row(c, i, r, e) < 0)
			return -1;
	if (has_row(c, CGROUPFS_V2))
		c->v2 = open_group(c, CGROUPFS_V2);
	/* Switched on once, for all containers: their common parent stays. */
	if (fs->unified && c->v2 >= 0 && faccessat(c->v2, "memory.current", F_OK, 0) < 0)
		cgroup_v2_enable(fs->row[CGROUPFS_V2].fd, c->path);
	if (fs->unified || !r || !c->made)
		return 0;
	own(fd) int devices = open_group(c, CGROUPFS_DEVICES);
	return cgroup_v1_devices(devices, r, e);
}

/* Root of a user namespace is a plain user outside of it. */
static bool is_root_of_the_machine(void)
{
	static const ino_t first = 0xeffffffd; /* PROC_USER_INIT_INO of the kernel's linux/proc_ns.h */
	struct stat st;
	return geteuid() == 0 && stat("/proc/self/ns/user", &st) == 0 && st.st_ino == first;
}

/* A plain user on v2: the group above the one we are in, when it is his (systemd's user@.service delegates it). */
static void delegated_path(const char *id, char *ret, size_t size)
{
	own(buf) struct buf b = BUF(65536);
	struct err ignored = {};
	snprintf(ret, size, "/hull/%s", id);
	if (is_root_of_the_machine() || !cgroupfs_get()->unified || path_read(AT_FDCWD, "/proc/self/cgroup", &b, &ignored) < 0)
		return;
	char *at = strstr(b.data, "0::/");
	char *end = at ? strchr(at, '\n') : NULL;
	if (!end)
		return;
	*end = 0;
	char *slash = strrchr(at, '/');
	*slash = 0;
	struct stat st;
	const char *parent = at + 3;
	if (*parent == '/' && fstatat(cgroupfs_get()->row[CGROUPFS_V2].fd, parent + 1, &st, 0) == 0 && st.st_uid == geteuid())
		snprintf(ret, size, "%s/hull/%s", parent, id);
}

int cgroup_create(const char *path, const char *id, const struct spec_resources *r, struct cgroup *ret, struct err *e)
{
	struct cgroup c = {.v2 = -1};
	if (str_is_empty(path)) {
		delegated_path(id, c.path, sizeof c.path);
	} else {
		own(mem) char *whole = mem_printf("%s%s", *path == '/' ? "" : "/", path);
		if (check_path(whole, e) < 0)
			return -1;
		snprintf(c.path, sizeof c.path, "%s", whole);
	}
	if (make_all(&c, r, e) == 0) {
		if (!c.made)
			c.path[0] = 0;
		if (c.made || !asks_for_limits(r))
			return *ret = c, 0;
		return err_set(e, ERR_UNSUPPORTED, "limits need control groups: none are mounted at /sys/fs/cgroup");
	}
	struct err ignored = {};
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
	return c->made ? set_limits(c, r, false, e) : 0;
}

static_assert(CGROUP_TASKS == (int)CGROUPFS_ROWS, "one fd a hierarchy");

int cgroup_open_tasks(const struct cgroup *c, int tasks[static CGROUP_TASKS], struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	for (int i = 0; i < CGROUP_TASKS; i++)
		tasks[i] = -1;
	for (int i = 0; i < CGROUPFS_V2; i++) {
		char file[sizeof c->path + 16];
		if (!has_row(c, i))
			continue;
		snprintf(file, sizeof file, "%s/tasks", below(c));
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
	own(fd) int dir = open_group(c, row);
	own(fd) int procs = dir < 0 ? -1 : openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (procs < 0)
		return err_sys(e, "cgroup %s (%s)", c->path, cgroupfs_name(row));
	struct cgroup others = *c;
	others.made &= ~(1u << row);
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

int cgroup_update(const struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	if (str_is_empty(c->path) || !c->made)
		return err_set(e, ERR_UNSUPPORTED, "the container has no cgroup of its own");
	struct cgroup more = *c;
	for (int i = 0; i < CGROUPFS_V2; i++) {
		uint32_t before = more.made;
		if (make_row(&more, i, r, e) < 0)
			return -1;
		if (more.made != before && move_all(&more, first_of(cgroupfs_get(), i), e) < 0)
			return -1;
	}
	return set_limits(&more, r, true, e);
}

static bool reads(int dir, const char *file, const char *word)
{
	own(buf) struct buf b = BUF(65536);
	struct err ignored = {};
	return path_read(dir, file, &b, &ignored) == 0 && strstr(buf_text(&b), word);
}

bool cgroup_is_frozen(const struct cgroup *c)
{
	bool v1 = !has_row(c, CGROUPFS_V2);
	own(fd) int dir = open_group(c, v1 ? CGROUPFS_FREEZER : CGROUPFS_V2);
	return dir >= 0 && (v1 ? reads(dir, "freezer.state", "FROZEN") : reads(dir, "cgroup.events", "frozen 1"));
}

static bool has_processes(const struct cgroup *c)
{
	struct u32v pids = {};
	struct err ignored = {};
	bool yes = cgroup_pids(c, &pids, &ignored) == 0 && pids.n;
	free(pids.v);
	return yes;
}

int cgroup_freeze(const struct cgroup *c, bool frozen, struct err *e)
{
	bool v1 = !has_row(c, CGROUPFS_V2);
	own(fd) int dir = open_group(c, v1 ? CGROUPFS_FREEZER : CGROUPFS_V2);
	if (dir < 0)
		return err_set(e, ERR_UNSUPPORTED, "freeze: the freezer is not available here");
	const char *file = v1 ? "freezer.state" : "cgroup.freeze", *word = v1 ? frozen ? "FROZEN" : "THAWED" : frozen ? "1" : "0";
	for (int i = 0; i < FREEZE_TRIES; i++) {
		/* v1 may stay FREEZING while processes are born: asking again helps it on. */
		if ((i == 0 || v1) && path_put(dir, file, word, e) < 0)
			return err_wrap(e, "freeze");
		if (cgroup_is_frozen(c) == frozen)
			return 0;
		/* It ends just now, and whoever sees to that may be waiting for us. */
		if (frozen && i >= 10 && !has_processes(c))
			return err_set(e, ERR_CONFLICT, "cgroup %s has no processes any more", c->path);
		pause_us(i < 10 ? 50 : i < 30 ? 1000 : 5000);
	}
	struct err ignored = {};
	if (frozen)
		(void)!path_put(dir, file, v1 ? "THAWED" : "0", &ignored);
	return err_set(e, ERR_TIMEOUT, "cgroup %s did not %s", c->path, frozen ? "freeze" : "thaw");
}

static int first_row(const struct cgroup *c)
{
	static const int order[] = {CGROUPFS_V2, CGROUPFS_PIDS, CGROUPFS_FREEZER, CGROUPFS_MEMORY, CGROUPFS_CPUACCT, CGROUPFS_CPU, CGROUPFS_SYSTEMD};
	for (size_t i = 0; i < countof(order); i++)
		if (has_row(c, order[i]))
			return order[i];
	return -1;
}

static void add_pids(int dir, struct u32v *ret, int depth)
{
	own(buf) struct buf b = BUF(16 << 20);
	struct err ignored = {};
	if (path_read(dir, "cgroup.procs", &b, &ignored) < 0)
		return;
	for (char *p = b.data; p && *p;) {
		char *end;
		unsigned long pid = strtoul(p, &end, 10);
		if (end == p)
			break;
		p = end;
		if (pid) {
			ret->v = mem_grow(ret->v, (ret->n + 1) * sizeof *ret->v);
			ret->v[ret->n++] = (uint32_t)pid;
		}
		p += strspn(p, "\n");
	}
	DIR *d = depth < 16 ? fdopendir(fcntl(dir, F_DUPFD_CLOEXEC, 3)) : NULL;
	for (struct dirent *ent; d && (ent = readdir(d));)
		if (ent->d_type == DT_DIR && ent->d_name[0] != '.') {
			own(fd) int sub = openat(dir, ent->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (sub >= 0)
				add_pids(sub, ret, depth + 1);
		}
	if (d)
		closedir(d);
}

int cgroup_pids(const struct cgroup *c, struct u32v *ret, struct err *e)
{
	int row = first_row(c);
	own(fd) int dir = row < 0 ? -1 : open_group(c, row);
	if (dir < 0)
		return err_set(e, ERR_NOT_FOUND, "cgroup %s: not there", c->path);
	add_pids(dir, ret, 0);
	return 0;
}

int cgroup_kill(const struct cgroup *c, int sig, struct err *e)
{
	struct err ignored = {};
	if (str_is_empty(c->path) || !c->made)
		return 0;
	if (has_row(c, CGROUPFS_V2) && sig == SIGKILL) {
		own(fd) int dir = open_group(c, CGROUPFS_V2);
		if (dir < 0 || path_put(dir, "cgroup.kill", "1", &ignored) == 0)
			return 0;
	}
	/* Until a round finds nobody: forks race with us. The dead of a frozen group die when it thaws. */
	for (int round = 0; round < 100; round++) {
		struct u32v pids = {};
		if (cgroup_pids(c, &pids, e) < 0)
			return e->kind == ERR_NOT_FOUND ? 0 : -1;
		for (size_t i = 0; i < pids.n; i++)
			kill((pid_t)pids.v[i], sig);
		size_t n = pids.n;
		free(pids.v);
		if (round == 0 && sig == SIGKILL && cgroup_is_frozen(c))
			(void)!cgroup_freeze(c, false, &ignored);
		if (n == 0 || sig != SIGKILL)
			return 0;
		pause_us(round < 10 ? 100 : 5000);
	}
	return 0;
}

static uint64_t read_number(int dir, const char *file, const char *key)
{
	own(buf) struct buf b = BUF(1 << 20);
	struct err ignored = {};
	if (dir < 0 || path_read(dir, file, &b, &ignored) < 0)
		return 0;
	size_t n = key ? strlen(key) : 0;
	for (const char *p = buf_text(&b); p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
		if (!key)
			return strncmp(p, "max", 3) == 0 ? UINT64_MAX : strtoull(p, NULL, 10);
		if (strncmp(p, key, n) == 0 && p[n] == ' ')
			return strtoull(p + n + 1, NULL, 10);
	}
	return 0;
}

uint64_t cgroup_oom_kills(const struct cgroup *c)
{
	bool v1 = !cgroupfs_get()->unified;
	own(fd) int dir = open_group(c, v1 ? CGROUPFS_MEMORY : CGROUPFS_V2);
	return v1 ? read_number(dir, "memory.oom_control", "oom_kill") : read_number(dir, "memory.events", "oom_kill");
}

/* Sums the numbers behind `word` in lines such as "8:0 Read 4096" and "8:0 rbytes=4096 wbytes=0". */
static uint64_t sum_words(int dir, const char *file, const char *word)
{
	own(buf) struct buf b = BUF(1 << 20);
	struct err ignored = {};
	uint64_t sum = 0;
	if (dir < 0 || path_read(dir, file, &b, &ignored) < 0)
		return 0;
	for (const char *p = strstr(buf_text(&b), word); p; p = strstr(p + 1, word))
		sum += strtoull(p + strlen(word), NULL, 10);
	return sum;
}

static void stats_v1(const struct cgroup *c, struct cgroup_stats *s)
{
	own(fd) int mem = open_group(c, CGROUPFS_MEMORY);
	own(fd) int acct = open_group(c, CGROUPFS_CPUACCT);
	own(fd) int cpu = open_group(c, CGROUPFS_CPU);
	own(fd) int pids = open_group(c, CGROUPFS_PIDS);
	s->memory_usage = read_number(mem, "memory.usage_in_bytes", NULL);
	s->memory_limit = read_number(mem, "memory.limit_in_bytes", NULL);
	s->memory_max_usage = read_number(mem, "memory.max_usage_in_bytes", NULL);
	s->memory_inactive_file = read_number(mem, "memory.stat", "total_inactive_file");
	s->memory_failcnt = read_number(mem, "memory.failcnt", NULL);
	s->cpu_total_ns = read_number(acct, "cpuacct.usage", NULL);
	s->cpu_user_ns = read_number(acct, "cpuacct.usage_user", NULL);
	s->cpu_system_ns = read_number(acct, "cpuacct.usage_sys", NULL);
	s->cpu_periods = read_number(cpu, "cpu.stat", "nr_periods");
	s->cpu_throttled = read_number(cpu, "cpu.stat", "nr_throttled");
	s->cpu_throttled_ns = read_number(cpu, "cpu.stat", "throttled_time");
	own(fd) int io = open_group(c, CGROUPFS_BLKIO);
	s->io_read_bytes = sum_words(io, "blkio.throttle.io_service_bytes", " Read ");
	s->io_write_bytes = sum_words(io, "blkio.throttle.io_service_bytes", " Write ");
	if (s->memory_limit >= 1ULL << 62)
		s->memory_limit = UINT64_MAX;
	struct u32v listed = {};
	struct err ignored = {};
	if (pids < 0 && cgroup_pids(c, &listed, &ignored) == 0) {
		s->pids_current = listed.n;
		s->pids_limit = UINT64_MAX;
		free(listed.v);
		return;
	}
	s->pids_current = read_number(pids, "pids.current", NULL);
	s->pids_limit = read_number(pids, "pids.max", NULL);
}

int cgroup_stats(const struct cgroup *c, struct cgroup_stats *ret, struct err *e)
{
	struct cgroup_stats s = {};
	if (!c->made)
		return err_set(e, ERR_NOT_FOUND, "the container has no cgroup of its own");
	if (!cgroupfs_get()->unified) {
		stats_v1(c, &s);
	} else {
		own(fd) int dir = open_group(c, CGROUPFS_V2);
		s.memory_usage = read_number(dir, "memory.current", NULL);
		s.memory_limit = read_number(dir, "memory.max", NULL);
		s.memory_max_usage = read_number(dir, "memory.peak", NULL);
		s.memory_inactive_file = read_number(dir, "memory.stat", "inactive_file");
		s.memory_failcnt = read_number(dir, "memory.events", "max");
		s.cpu_total_ns = read_number(dir, "cpu.stat", "usage_usec") * 1000;
		s.cpu_user_ns = read_number(dir, "cpu.stat", "user_usec") * 1000;
		s.cpu_system_ns = read_number(dir, "cpu.stat", "system_usec") * 1000;
		s.cpu_periods = read_number(dir, "cpu.stat", "nr_periods");
		s.cpu_throttled = read_number(dir, "cpu.stat", "nr_throttled");
		s.cpu_throttled_ns = read_number(dir, "cpu.stat", "throttled_usec") * 1000;
		s.pids_current = read_number(dir, "pids.current", NULL);
		s.pids_limit = read_number(dir, "pids.max", NULL);
		s.io_read_bytes = sum_words(dir, "io.stat", " rbytes=");
		s.io_write_bytes = sum_words(dir, "io.stat", " wbytes=");
	}
	*ret = s;
	return 0;
}

/* Groups that the container made below its own go first. */
static int remove_group(int at, const char *path, int depth)
{
	if (unlinkat(at, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	own(fd) int dir = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dir < 0 || depth > 16 ? NULL : fdopendir(fcntl(dir, F_DUPFD_CLOEXEC, 3));
	for (struct dirent *ent; d && (ent = readdir(d));)
		if (ent->d_type == DT_DIR && ent->d_name[0] != '.')
			(void)!remove_group(dir, ent->d_name, depth + 1);
	if (d)
		closedir(d);
	return unlinkat(at, path, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

int cgroup_remove(struct cgroup *c, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	fd_drop(&c->v2);
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		for (int k = 0; has_row(c, i); k++) {
			if (remove_group(fs->row[i].fd, below(c), 0) == 0) {
				c->made &= ~(1u << i);
				break;
			}
			/* A dying process leaves its group a moment after it was reaped. */
			if (errno != EBUSY || k == REMOVE_TRIES)
				return err_sys(e, "remove cgroup %s (%s)", c->path, cgroupfs_name(i));
			pause_us(k < 10 ? 50 : k < 30 ? 1000 : 5000);
		}
	}
	return 0;
}

void cgroup_drop(struct cgroup *c)
{
	fd_drop(&c->v2);
}

int cgroup_open(const char *path, struct cgroup *ret, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	struct cgroup c = {.v2 = -1};
	if (check_path(path, e) < 0)
		return -1;
	snprintf(c.path, sizeof c.path, "%s", path);
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (is_first(fs, i) && faccessat(fs->row[i].fd, below(&c), F_OK, 0) == 0)
			c.made |= 1u << i;
	if (!c.made)
		return err_set(e, ERR_NOT_FOUND, "cgroup %s: not there", path);
	if (has_row(&c, CGROUPFS_V2))
		c.v2 = open_group(&c, CGROUPFS_V2);
	*ret = c;
	return 0;
}
