/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats: the cgroup's counters, and /proc/PID/net/dev for the interfaces of its first process's network namespace.
 */
#include "engine/stats.h"

#include "base/fd.h"
#include "base/num.h"
#include "net/network.h"
#include "runtime/cgroup_brief.h"
#include "runtime/container.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { DEV_MAX = 1 << 16 };

/* "  eth0: rx-bytes packets errs drop fifo frame compressed multicast tx-bytes …" (proc(5)). */
static void add_interface(const char *line, struct container_sample *s)
{
	const char *colon = strchr(line, ':');
	unsigned long long rx, tx;
	if (!colon || str_has_prefix(line + strspn(line, " "), "lo:"))
		return;
	if (sscanf(colon + 1, "%llu %*u %*u %*u %*u %*u %*u %*u %llu", &rx, &tx) == 2) {
		s->rx += rx;
		s->tx += tx;
	}
}

/* A container of which files are open: as long as its state.json is the same file, nothing but numbers has changed. */
struct watched {
	char id[65];
	struct timespec written;
	ino_t inode;
	struct cgroup_brief group;
	int interfaces; /* its /proc/PID/net/dev, -1: they are the machine's */
	struct container_sample last;
};
struct sampler {
	struct engine *g;
	struct { struct watched *v; size_t n; } all;
};

struct sampler *sampler_new(struct engine *g)
{
	struct sampler *s = mem_alloc(sizeof *s);
	struct rlimit files;
	*s = (struct sampler){.g = g};
	/* Ten files a container. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)!setrlimit(RLIMIT_NOFILE, &files);
	}
	return s;
}

static void watched_drop(struct watched *w)
{
	cgroup_brief_drop(&w->group);
	fd_drop(&w->interfaces);
}

void sampler_drop(struct sampler **s)
{
	if (!*s)
		return;
	for (size_t i = 0; i < (*s)->all.n; i++)
		watched_drop(&(*s)->all.v[i]);
	mem_drop(&(*s)->all.v);
	mem_drop(s);
}

static void read_interfaces(int fd, struct container_sample *s)
{
	if (fd < 0)
		return;
	own(mem) char *text = mem_alloc(DEV_MAX);
	ssize_t n = pread(fd, text, DEV_MAX - 1, 0);
	char *rest = text;
	if (n <= 0)
		return;
	text[n] = 0;
	for (char *line; (line = strsep(&rest, "\n"));)
		add_interface(line, s);
}

static uint64_t machine_memory(void)
{
	static uint64_t all; /* asked for once: the kernel counts much for it */
	struct sysinfo si = {};
	if (!all && sysinfo(&si) == 0)
		all = (uint64_t)si.totalram * si.mem_unit;
	return all;
}

static void take_counters(const struct cgroup_brief_numbers *from, struct container_sample *s)
{
	uint64_t all = machine_memory(), cache = from->inactive_file;
	s->cpu_ns = from->cpu_ns;
	s->throttled_ns = from->throttled_ns;
	s->memory = from->memory > cache ? from->memory - cache : 0;
	s->memory_limit = from->memory_limit && from->memory_limit < all ? from->memory_limit : all;
	s->read = from->read_bytes;
	s->written = from->write_bytes;
	s->pids = from->pids;
	s->has_pressure = from->has_pressure;
	s->cpu_pressure = from->cpu_pressure;
	s->memory_pressure = from->memory_pressure;
	s->io_pressure = from->io_pressure;
}

/* Where no controller counts them. */
static uint64_t count_processes(const struct cgroup *cg, pid_t first)
{
	struct u32v pids = {};
	struct err ignored = {};
	uint64_t n = container_pids(cg, first, &pids, &ignored) < 0 ? 0 : pids.n;
	free(pids.v);
	return n;
}

static struct watched *find(struct sampler *s, const char *id)
{
	for (size_t i = 0; i < s->all.n; i++)
		if (strcmp(s->all.v[i].id, id) == 0)
			return &s->all.v[i];
	return NULL;
}

static bool stat_state(struct sampler *s, const char *id, struct stat *ret)
{
	char path[80];
	snprintf(path, sizeof path, "%s/state.json", id);
	return fstatat(s->g->containers.root, path, ret, AT_SYMLINK_NOFOLLOW) == 0;
}

/* False: something has changed; it is looked at anew. */
static bool look_again(struct sampler *s, struct watched *w, struct container_sample *ret)
{
	struct stat st;
	struct cgroup_brief_numbers n;
	if (!stat_state(s, w->id, &st) || st.st_ino != w->inode || st.st_mtim.tv_sec != w->written.tv_sec || st.st_mtim.tv_nsec != w->written.tv_nsec)
		return false;
	*ret = (struct container_sample){.at_ns = num_monotonic_ns(), .created_ns = w->last.created_ns, .runs = true};
	if (!cgroup_brief_read(&w->group, &n) || !n.pids)
		return false;
	memcpy(ret->id, w->last.id, sizeof ret->id);
	memcpy(ret->name, w->last.name, sizeof ret->name);
	take_counters(&n, ret);
	read_interfaces(w->interfaces, ret);
	return true;
}

static void forget(struct sampler *s, struct watched *w)
{
	if (!w)
		return;
	watched_drop(w);
	*w = s->all.v[--s->all.n];
}

static void keep(struct sampler *s, const struct watched *w)
{
	s->all.v = mem_grow(s->all.v, (s->all.n + 1) * sizeof *w);
	s->all.v[s->all.n++] = *w;
}

static int look(const struct container_entry *c, struct watched *w, struct container_sample *ret, struct err *e)
{
	char path[48];
	struct cgroup cg = {.v2 = -1};
	struct cgroup_brief_numbers n = {};
	if (!str_is_empty(c->state.cgroup)) {
		int r = cgroup_open(c->state.cgroup, &cg, e);
		if (r == 0)
			r = cgroup_brief_open(&cg, &w->group, e);
		if (r == 0 && !cgroup_brief_read(&w->group, &n))
			r = err_set(e, ERR_NOT_FOUND, "its cgroup is gone");
		if (r < 0) {
			cgroup_drop(&cg);
			return -1;
		}
	}
	snprintf(path, sizeof path, "/proc/%lld/net/dev", (long long)c->state.pid);
	w->interfaces = str_eq(c->state.network_mode, "host") ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	ret->runs = true;
	take_counters(&n, ret);
	read_interfaces(w->interfaces, ret);
	if (!ret->pids)
		ret->pids = count_processes(&cg, (pid_t)c->state.pid);
	cgroup_drop(&cg);
	return 0;
}

int sampler_look(struct sampler *s, const char *id, struct container_sample *ret, struct err *e)
{
	struct watched *known = find(s, id), w = {.interfaces = -1};
	struct stat st;
	if (known && look_again(s, known, ret))
		return 0;
	forget(s, known);
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	for (int i = 0; i < CGROUP_BRIEF_FILES; i++)
		w.group.fd[i] = -1;
	bool has_state = stat_state(s, id, &st);
	if (container_get(s->g, id, ENTRY_STATE_ONLY, &c, e) < 0)
		return -1;
	*ret = (struct container_sample){.at_ns = num_monotonic_ns(), .created_ns = num_time_of(c.state.created)};
	memcpy(ret->id, c.id, sizeof ret->id);
	snprintf(ret->name, sizeof ret->name, "%s", c.state.name ? c.state.name : "");
	if (!str_eq(c.state.status, "running") && !str_eq(c.state.status, "paused"))
		return 0;
	int r = look(&c, &w, ret, e);
	if (r == 0 && has_state && !str_is_empty(c.state.cgroup)) {
		memcpy(w.id, c.id, sizeof w.id);
		w.written = st.st_mtim;
		w.inode = st.st_ino;
		w.last = *ret;
		keep(s, &w);
		return 0;
	}
	watched_drop(&w);
	/* It ended while we looked. */
	if (r < 0 && !container_state_is_alive(&s->g->containers, &c.state))
		return *e = (struct err){}, 0;
	return r < 0 ? err_wrap(e, "container %.200s", container_label(&c)) : 0;
}
