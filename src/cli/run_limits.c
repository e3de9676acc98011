/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_limits: memory, CPU, block I/O, processes, ulimits and devices. Only the grammar of the values is known here; their
 * bounds are engine/request.c's.
 */
#include "cli/run_request.h"

#include "base/num.h"
#include "engine/cdi.h"
#include "engine/request.h"

#include <sys/stat.h>

static int numbers(const struct run_options *o, struct host_config *h, struct err *e)
{
	struct err why = {};
	if (o->cpus && num_cpus(o->cpus, &h->nano_cpus, &why) < 0)
		return err_set(e, ERR_USAGE, "invalid --cpus \"%.60s\": it is a number such as 0.5 or 2", o->cpus);
	h->memory = o->memory.v;
	h->memory_reservation = o->memory_reservation.v;
	h->memory_swap = o->memory_swap.v;
	if (o->memory_swappiness.set && o->memory_swappiness.v != -1)
		h->memory_swappiness = (struct opt_i64){true, o->memory_swappiness.v};
	if (o->oom_kill_disable)
		h->oom_kill_disable = (struct opt_bool){true, true};
	h->oom_score_adj = o->oom_score_adj.v;
	h->cpu_period = o->cpu_period.v;
	h->cpu_quota = o->cpu_quota.v;
	h->cpu_shares = o->cpu_shares.v;
	h->cpu_rt_period = o->cpu_rt_period.v;
	h->cpu_rt_runtime = o->cpu_rt_runtime.v;
	h->cpuset_cpus = o->cpuset_cpus;
	h->cpuset_mems = o->cpuset_mems;
	h->blkio_weight = (uint64_t)o->blkio_weight.v;
	if (o->pids_limit.set)
		h->pids_limit = (struct opt_i64){true, o->pids_limit.v ? o->pids_limit.v : -1};
	h->cgroup_parent = o->cgroup_parent;
	return 0;
}

/* PATH:VALUE of a block device; returns where VALUE begins and the path in the arena. */
static const char *block_device(struct arena *a, const char *option, const char *text, char **ret_path, struct err *e)
{
	const char *colon = strrchr(text, ':');
	if (!colon || colon == text || !colon[1] || *text != '/') {
		err_set_(e, ERR_USAGE, "invalid --%s \"%.200s\": as in /dev/sda:VALUE", option, text);
		return NULL;
	}
	struct stat st;
	*ret_path = arena_ndup(a, text, (size_t)(colon - text));
	if (stat(*ret_path, &st) < 0) {
		err_sys_(e, "--%s: %.200s", option, *ret_path);
		return NULL;
	}
	if (!S_ISBLK(st.st_mode)) {
		err_set_(e, ERR_USAGE, "--%s: %.200s is not a block device", option, *ret_path);
		return NULL;
	}
	return colon + 1;
}

static int throttle(struct arena *a, const char *option, const struct strv *list, bool bytes, struct throttle_devices *ret, struct err *e)
{
	for (size_t i = 0; i < list->n; i++) {
		struct throttle_device t = {};
		const char *value = block_device(a, option, list->v[i], &t.path, e);
		int64_t rate = 0;
		if (!value || (bytes ? num_size(value, false, &rate, "rate", e) : num_i64(value, 0, INT64_MAX, &rate, "rate", e)) < 0)
			return value ? err_wrap(e, "--%s", option) : -1;
		t.rate = (uint64_t)rate;
		*arena_push(a, ret) = t;
	}
	return 0;
}

static int block_io(const struct run_options *o, struct run_request *r, struct err *e)
{
	struct host_config *h = &r->host;
	struct arena *a = &r->arena;
	for (size_t i = 0; i < o->blkio_weight_device.n; i++) {
		struct weight_device w = {};
		int64_t v;
		const char *value = block_device(a, "blkio-weight-device", o->blkio_weight_device.v[i], &w.path, e);
		if (!value)
			return -1;
		if (num_i64(value, 10, 1000, &v, "weight", e) < 0)
			return err_wrap(e, "--blkio-weight-device");
		w.weight = (uint64_t)v;
		*arena_push(a, &h->blkio_weight_device) = w;
	}
	if (throttle(a, "device-read-bps", &o->read_bps, true, &h->read_bps, e) < 0 ||
		throttle(a, "device-write-bps", &o->write_bps, true, &h->write_bps, e) < 0)
		return -1;
	return throttle(a, "device-read-iops", &o->read_iops, false, &h->read_iops, e) < 0 ||
		throttle(a, "device-write-iops", &o->write_iops, false, &h->write_iops, e) < 0 ? -1 : 0;
}

int run_parse_ulimit(struct arena *a, const char *text, struct ulimit *ret, struct err *e)
{
	size_t n = strcspn(text, "=");
	if (!n || !text[n])
		return err_set(e, ERR_USAGE, "invalid --ulimit \"%.60s\": it is NAME=SOFT[:HARD], as in nofile=1024:2048", text);
	own(strv) struct strv v = {};
	strv_split(&v, text + n + 1, ':');
	struct ulimit u = {.name = arena_ndup(a, text, n)};
	if (v.n < 1 || v.n > 2 || num_i64(v.v[0], -1, INT64_MAX, &u.soft, "ulimit", e) < 0 ||
		num_i64(v.v[v.n - 1], -1, INT64_MAX, &u.hard, "ulimit", e) < 0)
		return err_set(e, ERR_USAGE, "invalid --ulimit \"%.60s\": the values are SOFT[:HARD], -1 for no limit", text);
	*ret = u;
	return 0;
}

static int ulimits(const struct run_options *o, struct run_request *r, struct err *e)
{
	for (size_t i = 0; i < o->ulimit.n; i++) {
		struct ulimit u = {};
		if (run_parse_ulimit(&r->arena, o->ulimit.v[i], &u, e) < 0)
			return -1;
		struct ulimit *at = NULL;
		for (size_t k = 0; k < r->host.ulimits.n; k++)
			if (strcmp(r->host.ulimits.v[k].name, u.name) == 0)
				at = &r->host.ulimits.v[k];
		if (!at)
			at = arena_push(&r->arena, &r->host.ulimits);
		*at = u;
	}
	return 0;
}

int run_request_limits(const struct run_options *o, struct run_request *r, struct err *e)
{
	return numbers(o, &r->host, e) < 0 || block_io(o, r, e) < 0 || ulimits(o, r, e) < 0 ? -1 : 0;
}

/* PATH, PATH:rwm, PATH:PATH, PATH:PATH:rwm */
static int one_device(struct arena *a, const char *text, struct device_mapping *ret, struct err *e)
{
	own(strv) struct strv f = {};
	strv_split(&f, text, ':');
	const char *access = "rwm", *inside = f.n ? f.v[0] : "";
	if (f.n == 3) {
		inside = f.v[1];
		access = f.v[2];
	} else if (f.n == 2 && f.v[1][0] == '/') {
		inside = f.v[1];
	} else if (f.n == 2) {
		access = f.v[1];
	}
	*ret = (struct device_mapping){arena_dup(a, f.n && f.n <= 3 ? f.v[0] : ""), arena_dup(a, inside), arena_dup(a, access)};
	if (request_check_device(ret, e) < 0)
		return -1;
	struct stat st;
	if (stat(f.v[0], &st) < 0)
		return err_sys(e, "--device: %.200s", f.v[0]);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode) && !S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "--device: %.200s is not a device", f.v[0]);
	return 0;
}

int run_request_devices(const struct run_options *o, struct run_request *r, struct err *e)
{
	struct device_request named = {.driver = arena_dup(&r->arena, "cdi")};
	for (size_t i = 0; i < o->device.n; i++) {
		struct device_mapping d = {};
		if (cdi_is_name(o->device.v[i], false)) {
			arena_strv_add(&r->arena, &named.ids, o->device.v[i]);
			continue;
		}
		if (one_device(&r->arena, o->device.v[i], &d, e) < 0)
			return -1;
		*arena_push(&r->arena, &r->host.devices) = d;
	}
	if (named.ids.n)
		*arena_push(&r->arena, &r->host.device_requests) = named;
	r->host.device_rules = o->device_cgroup_rule;
	return 0;
}
