/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_limits: resources (config-linux.md, "Control groups") and devices.
 */
#include "engine/spec.h"

#include "base/num.h"
#include "base/path.h"
#include "engine/cdi.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void set_u(struct opt_u64 *to, int64_t v)
{
	if (v)
		*to = (struct opt_u64){true, (uint64_t)v};
}

static void set_i(struct opt_i64 *to, int64_t v)
{
	if (v)
		*to = (struct opt_i64){true, v};
}

static void add_memory(struct spec_build *b, struct spec_resources *r)
{
	const struct host_config *h = &b->c->record.host;
	if (!h->memory && !h->memory_reservation && !h->memory_swap && !h->memory_swappiness.set && !h->oom_kill_disable.set)
		return;
	struct spec_memory *m = r->memory = arena_alloc(b->arena, sizeof *m);
	set_i(&m->limit, h->memory);
	set_i(&m->reservation, h->memory_reservation);
	/* docker: memory alone allows as much swap again */
	set_i(&m->swap, h->memory_swap ? h->memory_swap : h->memory > 0 ? h->memory * 2 : 0);
	if (h->memory_swappiness.set && h->memory_swappiness.v >= 0)
		m->swappiness = (struct opt_u64){true, (uint64_t)h->memory_swappiness.v};
	if (h->oom_kill_disable.set && h->oom_kill_disable.v)
		m->disable_oom_killer = h->oom_kill_disable;
}

static void add_cpu(struct spec_build *b, struct spec_resources *r)
{
	const struct host_config *h = &b->c->record.host;
	if (!h->cpu_shares && !h->cpu_quota && !h->cpu_period && !h->nano_cpus && !h->cpu_rt_period && !h->cpu_rt_runtime &&
		str_is_empty(h->cpuset_cpus) && str_is_empty(h->cpuset_mems))
		return;
	struct spec_cpu *c = r->cpu = arena_alloc(b->arena, sizeof *c);
	set_u(&c->shares, h->cpu_shares);
	set_u(&c->period, h->nano_cpus ? 100000 : h->cpu_period);
	set_i(&c->quota, h->nano_cpus ? h->nano_cpus / 10000 : h->cpu_quota);
	set_u(&c->rt_period, h->cpu_rt_period);
	set_i(&c->rt_runtime, h->cpu_rt_runtime);
	c->cpus = str_is_empty(h->cpuset_cpus) ? NULL : h->cpuset_cpus;
	c->mems = str_is_empty(h->cpuset_mems) ? NULL : h->cpuset_mems;
}

static int stat_device(const char *path, bool block_only, struct stat *st, struct err *e)
{
	if (stat(path, st) < 0)
		return err_sys(e, "device %s", path);
	if (!S_ISBLK(st->st_mode) && (block_only || !S_ISCHR(st->st_mode)))
		return err_set(e, ERR_USAGE, "device %s: not a %sdevice", path, block_only ? "block " : "");
	return 0;
}

static int add_throttle(struct spec_build *b, const struct throttle_devices *from, struct spec_throttle_list *to, struct err *e)
{
	for (size_t i = 0; i < from->n; i++) {
		struct stat st;
		if (stat_device(from->v[i].path, true, &st, e) < 0)
			return -1;
		*arena_push(b->arena, to) = (struct spec_throttle_device){major(st.st_rdev), minor(st.st_rdev), from->v[i].rate};
	}
	return 0;
}

static int add_block_io(struct spec_build *b, struct spec_resources *r, struct err *e)
{
	const struct host_config *h = &b->c->record.host;
	if (!h->blkio_weight && !h->blkio_weight_device.n && !h->read_bps.n && !h->write_bps.n && !h->read_iops.n && !h->write_iops.n)
		return 0;
	struct spec_block_io *io = r->block_io = arena_alloc(b->arena, sizeof *io);
	set_u(&io->weight, (int64_t)h->blkio_weight);
	for (size_t i = 0; i < h->blkio_weight_device.n; i++) {
		struct stat st;
		if (stat_device(h->blkio_weight_device.v[i].path, true, &st, e) < 0)
			return -1;
		*arena_push(b->arena, &io->weight_devices) = (struct spec_weight_device){major(st.st_rdev), minor(st.st_rdev),
			{true, h->blkio_weight_device.v[i].weight}, {}};
	}
	if (add_throttle(b, &h->read_bps, &io->read_bps, e) < 0 || add_throttle(b, &h->write_bps, &io->write_bps, e) < 0)
		return -1;
	return add_throttle(b, &h->read_iops, &io->read_iops, e) < 0 || add_throttle(b, &h->write_iops, &io->write_iops, e) < 0 ? -1 : 0;
}

static void add_rule(struct spec_build *b, struct spec_resources *r, bool allow, const char *type, int64_t ma, int64_t mi, const char *access)
{
	struct spec_device_rule *d = arena_push(b->arena, &r->devices);
	*d = (struct spec_device_rule){.allow = allow, .type = arena_dup(b->arena, type), .access = arena_dup(b->arena, access)};
	if (ma >= 0)
		d->major = (struct opt_i64){true, ma};
	if (mi >= 0)
		d->minor = (struct opt_i64){true, mi};
}

static void add_node(struct spec_build *b, struct spec_resources *r, const char *path, const struct stat *st, const char *access)
{
	const char *type = S_ISBLK(st->st_mode) ? "b" : "c";
	struct spec_device *d = arena_push(b->arena, &b->spec->linux_->devices);
	*d = (struct spec_device){.type = arena_dup(b->arena, type), .path = arena_dup(b->arena, path),
		.major = {true, major(st->st_rdev)}, .minor = {true, minor(st->st_rdev)},
		.mode = {true, st->st_mode & 07777}, .uid = {true, st->st_uid}, .gid = {true, st->st_gid}};
	if (b->maps->nuids)
		d->uid.set = d->gid.set = false;
	/* Who is privileged has a rule for all of them: there may be hundreds. */
	if (!b->privileged)
		add_rule(b, r, true, type, major(st->st_rdev), minor(st->st_rdev), access);
}

/* --device with a directory gives all devices below it. */
static int add_device_tree(struct spec_build *b, struct spec_resources *r, const char *host, const char *inside,
	const char *access, int depth, struct err *e)
{
	struct stat st;
	if (stat(host, &st) < 0)
		return err_sys(e, "device %s", host);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		add_node(b, r, inside, &st, access);
		return 0;
	}
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "device %s: not a device node", host);
	DIR *d = depth < 8 ? opendir(host) : NULL;
	for (struct dirent *ent; d && (ent = readdir(d));) {
		if (ent->d_name[0] == '.' || ent->d_type == DT_LNK || ent->d_type == DT_REG)
			continue;
		own(mem) char *below = path_join(host, ent->d_name);
		own(mem) char *to = path_join(inside, ent->d_name);
		/* A node that went away meanwhile is none to give; pts and shm have mounts of their own. */
		bool is_ours = str_eq(to, "/dev/pts") || str_eq(to, "/dev/shm") || str_eq(to, "/dev/console");
		struct err gone = {};
		if (!is_ours && (ent->d_type == DT_CHR || ent->d_type == DT_BLK || ent->d_type == DT_DIR))
			(void)!add_device_tree(b, r, below, to, access, depth + 1, &gone);
	}
	if (d)
		closedir(d);
	return 0;
}

static int add_device_rule(struct spec_build *b, struct spec_resources *r, const char *text, struct err *e)
{
	char type, ma[16], mi[16], access[8];
	int used = 0;
	if (sscanf(text, "%c %15[0-9*]:%15[0-9*] %7[rwm]%n", &type, ma, mi, access, &used) != 4 || text[used] || !strchr("abc", type))
		return err_set(e, ERR_USAGE, "invalid --device-cgroup-rule \"%s\": as in 'c 42:* rmw'", text);
	int64_t major_ = -1, minor_ = -1;
	if (*ma != '*' && num_i64(ma, 0, UINT32_MAX, &major_, "device major", e) < 0)
		return -1;
	if (*mi != '*' && num_i64(mi, 0, UINT32_MAX, &minor_, "device minor", e) < 0)
		return -1;
	add_rule(b, r, true, (char[]){type, 0}, major_, minor_, access);
	return 0;
}

/* What every container may use (runtime-spec, "Default Devices"), as docker allows it. */
static const struct {
	const char *type;
	int major, minor;
	const char *access;
} default_rules[] = {
	{"c", -1, -1, "m"}, {"b", -1, -1, "m"}, {"c", 1, 3, "rwm"}, {"c", 1, 5, "rwm"}, {"c", 1, 7, "rwm"}, {"c", 1, 8, "rwm"},
	{"c", 1, 9, "rwm"}, {"c", 5, 0, "rwm"}, {"c", 5, 1, "rwm"}, {"c", 5, 2, "rwm"}, {"c", 136, -1, "rwm"},
};

static int add_devices(struct spec_build *b, struct spec_resources *r, struct err *e)
{
	const struct host_config *h = &b->c->record.host;
	if (b->privileged) {
		add_rule(b, r, true, "a", -1, -1, "rwm");
		if (!b->g->rootless)
			return add_device_tree(b, r, "/dev", "/dev", "rwm", 0, e);
	}
	if (!b->privileged) {
		add_rule(b, r, false, "a", -1, -1, "rwm");
		for (size_t i = 0; i < countof(default_rules); i++)
			add_rule(b, r, true, default_rules[i].type, default_rules[i].major, default_rules[i].minor, default_rules[i].access);
	}
	for (size_t i = 0; i < h->devices.n; i++) {
		const struct device_mapping *d = &h->devices.v[i];
		if (add_device_tree(b, r, d->host, d->container, str_is_empty(d->permissions) ? "rwm" : d->permissions, 0, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < h->device_rules.n; i++)
		if (add_device_rule(b, r, h->device_rules.v[i], e) < 0)
			return -1;
	return 0;
}

/* By name: what they need besides nodes too. */
static int add_requested(struct spec_build *b, struct err *e)
{
	const struct host_config *h = &b->c->record.host;
	for (size_t i = 0; b->g && i < h->device_requests.n; i++)
		for (size_t k = 0; k < h->device_requests.v[i].ids.n; k++)
			if (cdi_apply(b, h->device_requests.v[i].ids.v[k], e) < 0)
				return -1;
	return 0;
}

/* On v1 a container has a group only where it needs one; where its pod has a limit it needs one below the pod's, which limits it no further. */
static void follow_pod(struct spec_build *b, struct spec_resources *r)
{
	const struct host_config *pod = &b->pod->record.host;
	bool has_cpu = pod->cpu_shares || pod->cpu_quota || pod->cpu_period || pod->nano_cpus;
	bool has_set = !str_is_empty(pod->cpuset_cpus) || !str_is_empty(pod->cpuset_mems);
	if (pod->pids_limit.set && !r->pids_limit.set)
		r->pids_limit = (struct opt_i64){true, -1};
	if ((has_cpu || has_set) && !r->cpu)
		r->cpu = arena_alloc(b->arena, sizeof *r->cpu);
	if (has_cpu && !r->cpu->quota.set)
		r->cpu->quota = (struct opt_i64){true, -1};
	if (has_set && str_is_empty(r->cpu->cpus))
		r->cpu->cpus = str_is_empty(pod->cpuset_cpus) ? NULL : pod->cpuset_cpus;
	if (has_set && str_is_empty(r->cpu->mems))
		r->cpu->mems = str_is_empty(pod->cpuset_mems) ? NULL : pod->cpuset_mems;
}

int spec_build_limits(struct spec_build *b, struct err *e)
{
	const struct host_config *h = &b->c->record.host;
	struct spec_resources *r = b->spec->linux_->resources = arena_alloc(b->arena, sizeof *r);
	add_memory(b, r);
	add_cpu(b, r);
	if (h->pids_limit.set && h->pids_limit.v)
		r->pids_limit = h->pids_limit;
	if (b->pod)
		follow_pod(b, r);
	/* A plain user's lies below the group that was delegated to him, which the runtime finds: a path that does not begin at the top.
	 * Without an engine it is a check of values. */
	char *path = container_cgroup_path(b->arena, b->c);
	const char *in_pod = str_is_empty(h->pod) ? NULL : str_after(path, "/hull/");
	if (b->g && b->g->rootless)
		path = str_is_empty(h->cgroup_parent) ? arena_dup(b->arena, "") : arena_dup(b->arena, in_pod ? in_pod : path + strspn(path, "/"));
	b->spec->linux_->cgroups_path = path;
	return add_block_io(b, r, e) < 0 || add_devices(b, r, e) < 0 || add_requested(b, e) < 0 ? -1 : 0;
}
