/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: a container that cannot start should not be made, so everything that can be told without starting it is
 * told here; one table for the numbers, one for the modes. What a profile file holds is taken into the record, as docker does: later
 * changes of the file do not change the container.
 */
#include "engine/request.h"

#include "base/num.h"
#include "base/path.h"
#include "engine/logs.h"
#include "engine/health.h"
#include "engine/network.h"
#include "engine/network_request.h"
#include "engine/spec.h"
#include "engine/user.h"
#include "sys/signals.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MEMORY_MIN = 6 << 20, NANO_CPUS_MIN = 10000000 /* a quota of 1 ms, the least there is */, PROFILE_MAX = 1 << 20 };

static char *fixed(const char *s)
{
	return (char *)(uintptr_t)s;
}

static int check_memory(const struct host_config *h, struct err *e)
{
	if (h->memory && h->memory < MEMORY_MIN)
		return err_set(e, ERR_USAGE, "invalid --memory: the least is 6MB");
	if (h->memory_swap > 0 && !h->memory)
		return err_set(e, ERR_USAGE, "--memory-swap needs --memory: it is the sum of memory and swap");
	if (h->memory_swap > 0 && h->memory_swap < h->memory)
		return err_set(e, ERR_USAGE, "--memory-swap must not be less than --memory: it is the sum of memory and swap");
	if (h->memory_reservation && h->memory_reservation < MEMORY_MIN)
		return err_set(e, ERR_USAGE, "invalid --memory-reservation: the least is 6MB");
	if (h->memory && h->memory_reservation > h->memory)
		return err_set(e, ERR_USAGE, "--memory-reservation must not be more than --memory");
	if (h->memory_swappiness.set && (h->memory_swappiness.v < -1 || h->memory_swappiness.v > 100))
		return err_set(e, ERR_USAGE, "invalid --memory-swappiness %lld: 0 to 100", (long long)h->memory_swappiness.v);
	return 0;
}

static int check_cpu(const struct host_config *h, struct err *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	if (h->nano_cpus < 0 || (cpus > 0 && h->nano_cpus > cpus * 1000000000LL))
		return err_set(e, ERR_USAGE, "invalid --cpus %.2f: this machine has %ld", (double)h->nano_cpus / 1e9, cpus);
	if (h->nano_cpus && h->nano_cpus < NANO_CPUS_MIN)
		return err_set(e, ERR_USAGE, "invalid --cpus: the least is 0.01");
	if (h->nano_cpus && (h->cpu_period || h->cpu_quota))
		return err_set(e, ERR_USAGE, "--cpus and %s exclude each other", h->cpu_period ? "--cpu-period" : "--cpu-quota");
	if (h->cpu_period && (h->cpu_period < 1000 || h->cpu_period > 1000000))
		return err_set(e, ERR_USAGE, "invalid --cpu-period %lld: 1000 to 1000000 microseconds", (long long)h->cpu_period);
	if (h->cpu_quota > 0 && h->cpu_quota < 1000)
		return err_set(e, ERR_USAGE, "invalid --cpu-quota %lld: at least 1000 microseconds", (long long)h->cpu_quota);
	if (h->cpu_shares < 0)
		return err_set(e, ERR_USAGE, "invalid --cpu-shares %lld: must not be negative", (long long)h->cpu_shares);
	return 0;
}

static int check_cpu_list(const char *text, const char *option, const char *unit, long max, struct err *e)
{
	own(strv) struct strv v = {};
	strv_split(&v, text ? text : "", ',');
	for (size_t i = 0; i < v.n; i++) {
		char *dash = strchr(v.v[i], '-');
		uint64_t first, last;
		struct err bad = {};
		if (dash)
			*dash = 0;
		bool good = num_u64(v.v[i], 65535, &first, option, &bad) == 0;
		last = first;
		good = good && (!dash || num_u64(dash + 1, 65535, &last, option, &bad) == 0) && first <= last;
		if (!good)
			return err_set(e, ERR_USAGE, "invalid %s \"%s\": as in 0-2,4", option, text);
		if (max > 0 && last >= (uint64_t)max)
			return err_set(e, ERR_USAGE, "invalid %s \"%s\": this machine has %s 0 to %ld", option, text, unit, max - 1);
	}
	return 0;
}

/* "0" or "0-3"; 0 when the kernel does not say. */
static long memory_nodes(void)
{
	own(buf) struct buf b = BUF(4096);
	struct err none = {};
	uint64_t last;
	if (path_read(AT_FDCWD, "/sys/devices/system/node/has_memory", &b, &none) < 0)
		return 0;
	own(mem) char *text = buf_take(&b);
	char *list = str_trim(text);
	size_t n = strlen(list);
	while (n && list[n - 1] >= '0' && list[n - 1] <= '9')
		n--;
	return num_u64(list + n, 65535, &last, "node", &none) < 0 ? 0 : (long)last + 1;
}

static int check_others(const struct container_record *r, struct err *e)
{
	const struct host_config *h = &r->host;
	if (h->blkio_weight && (h->blkio_weight < 10 || h->blkio_weight > 1000))
		return err_set(e, ERR_USAGE, "invalid --blkio-weight %llu: 10 to 1000, or 0 for none", (unsigned long long)h->blkio_weight);
	for (size_t i = 0; i < h->blkio_weight_device.n; i++)
		if (h->blkio_weight_device.v[i].weight && (h->blkio_weight_device.v[i].weight < 10 || h->blkio_weight_device.v[i].weight > 1000))
			return err_set(e, ERR_USAGE, "invalid --blkio-weight-device %s: 10 to 1000", h->blkio_weight_device.v[i].path);
	if (str_eq(h->sdnotify, "healthy") && !health_is_checked(&r->config))
		return err_set(e, ERR_USAGE, "--sdnotify healthy: the container has no health check: give --health-cmd");
	if (h->oom_score_adj < -1000 || h->oom_score_adj > 1000)
		return err_set(e, ERR_USAGE, "invalid --oom-score-adj %lld: -1000 to 1000", (long long)h->oom_score_adj);
	if (h->pids_limit.set && h->pids_limit.v < -1)
		return err_set(e, ERR_USAGE, "invalid --pids-limit %lld: a number, or -1 for no limit", (long long)h->pids_limit.v);
	if (h->shm_size < 0)
		return err_set(e, ERR_USAGE, "invalid --shm-size: must not be negative");
	if (h->shm_size && h->ipc_mode && (str_eq(h->ipc_mode, "host") || str_has_prefix(h->ipc_mode, "container:")) &&
		h->shm_size != 64 << 20)
		return err_set(e, ERR_USAGE, "--shm-size has no effect with --ipc %s", h->ipc_mode);
	if (r->config.working_dir && *r->config.working_dir && r->config.working_dir[0] != '/')
		return err_set(e, ERR_USAGE, "invalid working directory \"%s\": it must be absolute", r->config.working_dir);
	for (const char *p = h->umask; p && *p; p++)
		if (*p < '0' || *p > '7' || p - h->umask > 3)
			return err_set(e, ERR_USAGE, "invalid --umask \"%s\": octal, as in 0022", h->umask);
	int sig;
	if (!str_is_empty(r->config.stop_signal) && signal_parse(r->config.stop_signal, &sig, e) < 0)
		return err_wrap(e, "stop signal");
	if (check_cpu_list(h->cpuset_cpus, "--cpuset-cpus", "CPUs", sysconf(_SC_NPROCESSORS_CONF), e) < 0 ||
		check_cpu_list(h->cpuset_mems, "--cpuset-mems", "memory nodes", memory_nodes(), e) < 0)
		return -1;
	if (!str_is_empty(h->cgroup_parent) && strstr(h->cgroup_parent, ".."))
		return err_set(e, ERR_USAGE, "invalid --cgroup-parent \"%s\"", h->cgroup_parent);
	return 0;
}

static const char *const limit_names[] = {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
	"rss", "rtprio", "rttime", "sigpending", "stack", "as"};

static int check_ulimits(const struct host_config *h, struct err *e)
{
	for (size_t i = 0; i < h->ulimits.n; i++) {
		const struct ulimit *u = &h->ulimits.v[i];
		bool known = false;
		for (size_t k = 0; k < countof(limit_names); k++)
			known |= str_eq(u->name, limit_names[k]);
		if (!known)
			return err_set(e, ERR_USAGE, "invalid --ulimit \"%s\": no such limit", u->name ? u->name : "");
		if (u->hard != -1 && (u->soft == -1 || u->soft > u->hard))
			return err_set(e, ERR_USAGE, "invalid --ulimit %s: the soft limit is above the hard one", u->name);
	}
	return 0;
}

/* runtime-spec has no list; these are the ones that belong to a namespace (namespaces(7), docker's rule). */
static int check_sysctls(const struct host_config *h, struct err *e)
{
	static const char *const ipc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax",
		"kernel.shmmni", "kernel.shm_rmid_forced"};
	for (size_t i = 0; i < h->sysctls.n; i++) {
		const char *key = h->sysctls.v[i].key;
		bool is_ipc = str_has_prefix(key, "fs.mqueue."), is_net = str_has_prefix(key, "net.");
		for (size_t k = 0; k < countof(ipc); k++)
			is_ipc |= strcmp(ipc[k], key) == 0;
		if (strstr(key, "..") || strchr(key, '/') || (!is_ipc && !is_net && strcmp(key, "kernel.domainname") != 0))
			return err_set(e, ERR_USAGE, "--sysctl %s: not the container's own, it would change the machine", key);
		if (is_ipc && str_eq(h->ipc_mode, "host"))
			return err_set(e, ERR_USAGE, "--sysctl %s: not with --ipc host, it would change the machine", key);
		if (is_net && str_eq(h->network_mode, "host"))
			return err_set(e, ERR_USAGE, "--sysctl %s: not with --network host, it would change the machine", key);
		if (!is_ipc && !is_net && str_eq(h->uts_mode, "host"))
			return err_set(e, ERR_USAGE, "--sysctl %s: not with --uts host, it would change the machine", key);
	}
	return 0;
}

struct mode {
	const char *option;
	size_t at;            /* in struct host_config */
	const char *words;    /* blank separated */
	bool container, path; /* container:X, ns:/path */
};
static const struct mode modes[] = {
	{"--pid", offset_of(struct host_config, pid_mode), "host private", true, true},
	{"--ipc", offset_of(struct host_config, ipc_mode), "host private shareable none", true, true},
	{"--uts", offset_of(struct host_config, uts_mode), "host private", true, true},
	{"--cgroupns", offset_of(struct host_config, cgroupns_mode), "host private", true, true},
	{"--network", offset_of(struct host_config, network_mode), "host none", true, true},
};

static char **mode_of(struct host_config *h, const struct mode *m)
{
	return (char **)((char *)h + m->at);
}

static int check_modes(const struct container_record *r, struct err *e)
{
	for (size_t i = 0; i < countof(modes); i++) {
		const struct mode *m = &modes[i];
		const char *v = *(char *const *)((const char *)&r->host + m->at);
		own(strv) struct strv words = {};
		strv_split(&words, m->words, ' ');
		const char *peer = v && m->container ? str_after(v, "container:") : NULL;
		bool is_pod = v && r->host.pod && str_eq(str_after(v, "pod:"), r->host.pod);
		if (str_is_empty(v) || strv_has(&words, v) || !str_is_empty(peer) || is_pod ||
			(m->path && str_has_prefix(v, "ns:/")))
			continue;
		if (strcmp(m->option, "--network") == 0 && !strchr(v, ':') && network_name_is_valid(v))
			continue;
		if (strcmp(m->option, "--network") == 0)
			return err_set(e, ERR_USAGE, "network %s not found: a network's name, none, host, container:NAME and ns:PATH are known", v);
		return err_set(e, ERR_USAGE, "invalid %s \"%s\": %s%s are known", m->option, v, m->words, " container:NAME ns:PATH");
	}
	const struct host_config *h = &r->host;
	if (h->ports.n && str_eq(h->network_mode, "host"))
		return err_set(e, ERR_USAGE, "-p and --network host exclude each other: a port the container listens on is the machine's");
	if ((h->ports.n || h->publish_all) && h->network_mode && !network_is_joined(h->network_mode) && !str_eq(h->network_mode, "host") &&
		!str_eq(h->network_mode, "none"))
		return err_set(e, ERR_USAGE, "-p and --network %s exclude each other: the other one has the ports", h->network_mode);
	if (h->networks.n > 1 && !network_is_joined(h->network_mode))
		return err_set(e, ERR_USAGE, "--network %s and further networks exclude each other", h->network_mode);
	bool joins = h->network_mode && str_has_prefix(h->network_mode, "container:") && str_is_empty(h->pod);
	if (str_eq(h->uts_mode, "host") && (!str_is_empty(r->config.hostname) || !str_is_empty(r->config.domainname)))
		return err_set(e, ERR_USAGE, "--hostname and --uts host exclude each other");
	if (joins && (h->dns.n || h->extra_hosts.n))
		return err_set(e, ERR_USAGE, "%s and --network %s exclude each other", h->dns.n ? "--dns" : "--add-host", h->network_mode);
	return 0;
}

/* name:address, with = as podman and compose write it. */
static int check_hosts(const struct host_config *h, struct err *e)
{
	for (size_t i = 0; i < h->extra_hosts.n; i++) {
		const char *row = h->extra_hosts.v[i], *sep = strpbrk(row, ":=");
		if (!sep || sep == row || !sep[1] || strpbrk(row, " \t\n"))
			return err_set(e, ERR_USAGE, "invalid --add-host \"%s\": it is NAME:ADDRESS", row);
	}
	for (size_t i = 0; i < h->dns.n; i++)
		if (!*h->dns.v[i] || strspn(h->dns.v[i], "0123456789abcdefABCDEF.:%") != strlen(h->dns.v[i]))
			return err_set(e, ERR_USAGE, "invalid --dns \"%s\": it must be an address", h->dns.v[i]);
	return 0;
}

/* Devices and rules, told by building what they come to. */
static int check_devices(const struct container_record *r, struct err *e)
{
	const struct host_config *h = &r->host;
	if (!h->devices.n && !h->device_rules.n && !h->blkio_weight_device.n && !h->read_bps.n && !h->write_bps.n && !h->read_iops.n && !h->write_iops.n)
		return 0;
	struct arena scratch = {};
	struct spec s = {.linux_ = arena_alloc(&scratch, sizeof *s.linux_)};
	struct userns_maps none = {};
	struct container_entry c = {.record = *r};
	struct spec_build b = {.c = &c, .arena = &scratch, .root = -1, .maps = &none, .spec = &s};
	int result = spec_build_limits(&b, e);
	arena_drop(&scratch);
	return result;
}

static int check_networks(const struct host_config *h, struct err *e)
{
	for (size_t i = 0; i < h->networks.n; i++)
		if (network_request_check(&h->networks.v[i], e) < 0)
			return -1;
	return 0;
}

int request_check(const struct container_record *r, struct err *e)
{
	const struct host_config *h = &r->host;
	struct arena scratch = {};
	struct strv caps = {};
	int bad = check_memory(h, e) < 0 || check_cpu(h, e) < 0 || check_others(r, e) < 0 || check_ulimits(h, e) < 0 ||
		check_modes(r, e) < 0 || check_sysctls(h, e) < 0 || check_hosts(h, e) < 0 || logs_check(&h->log, e) < 0 ||
		spec_caps(&h->cap_add, &h->cap_drop, h->privileged, &scratch, &caps, e) < 0 || spec_check_security(&h->security_opt, e) < 0 ||
		check_devices(r, e) < 0 || check_networks(h, e) < 0 ||
		(r->config.user && user_check(r->config.user + str_has_prefix(r->config.user, "::"), e) < 0);
	arena_drop(&scratch);
	return bad ? -1 : 0;
}

static void fill(char **at, const char *settings, const char *preset)
{
	if (str_is_empty(*at))
		*at = fixed(!str_is_empty(settings) ? settings : preset);
}

static void fill_list(struct arena *a, struct strv *at, const struct strv *from)
{
	for (size_t i = 0; !at->n && i < from->n; i++)
		arena_strv_add(a, at, from->v[i]);
}

static int resolve_peers(struct engine *g, struct container_entry *c, struct err *e)
{
	for (size_t i = 0; i < countof(modes); i++) {
		char **at = mode_of(&c->record.host, &modes[i]);
		const char *name = *at ? str_after(*at, "container:") : NULL;
		char id[65];
		if (!name)
			continue;
		if (containers_find(&g->containers, name, id, e) < 0)
			return err_wrap(e, "%s", modes[i].option);
		*at = arena_printf(&c->arena, "container:%s", id);
	}
	struct strv named = c->record.host.requires;
	c->record.host.requires = (struct strv){};
	for (size_t i = 0; i < named.n; i++) {
		char id[65];
		if (containers_find(&g->containers, named.v[i], id, e) < 0)
			return err_wrap(e, "--requires");
		arena_strv_add(&c->arena, &c->record.host.requires, id);
	}
	return 0;
}

/* seccomp=FILE becomes seccomp={…}. */
static int read_profiles(struct container_entry *c, struct err *e)
{
	struct strv *v = &c->record.host.security_opt, copy = {};
	for (size_t i = 0; i < v->n; i++) {
		const char *path = str_after(v->v[i], "seccomp=");
		path = path ? path : str_after(v->v[i], "seccomp:");
		if (!path || *path == '{' || str_eq(path, "unconfined") || str_eq(path, "builtin") || str_eq(path, "default")) {
			arena_strv_add(&c->arena, &copy, v->v[i]);
			continue;
		}
		own(json) struct json *j = NULL;
		own(buf) struct buf b = BUF(PROFILE_MAX);
		if (json_read(AT_FDCWD, path, PROFILE_MAX, &j, e) < 0)
			return err_wrap(e, "--security-opt seccomp");
		json_format(j, 0, &b);
		if (buf_check(&b, e) < 0)
			return err_wrap(e, "--security-opt seccomp");
		own(mem) char *line = mem_printf("seccomp=%s", buf_text(&b));
		arena_strv_add(&c->arena, &copy, line);
	}
	*v = copy;
	return 0;
}

static int set_hostname(struct engine *g, struct container_entry *c, struct err *e)
{
	struct container_config *cf = &c->record.config;
	const struct host_config *h = &c->record.host;
	const char *peer = h->network_mode ? str_after(h->network_mode, "container:") : NULL;
	char name[HOST_NAME_MAX + 1] = "";
	if (!str_is_empty(cf->hostname) || str_eq(h->uts_mode, "host"))
		return 0;
	if (str_eq(h->network_mode, "host")) {
		if (gethostname(name, sizeof name - 1) < 0)
			return err_sys(e, "host name");
		cf->hostname = arena_dup(&c->arena, name);
	} else if (peer) {
		own(container_entry) struct container_entry other = {.dir = -1, .lock = -1};
		if (containers_load(&g->containers, peer, 0, &other, e) < 0)
			return err_wrap(e, "--network");
		cf->hostname = arena_dup(&c->arena, other.record.config.hostname);
		cf->domainname = arena_dup(&c->arena, other.record.config.domainname);
	} else {
		cf->hostname = arena_ndup(&c->arena, c->id, 12);
	}
	return 0;
}

/* Each named network is there, and has its full name from here on. */
static int choose_network(struct engine *g, struct container_entry *c, struct err *e)
{
	struct host_config *h = &c->record.host;
	const char *preset;
	if (str_is_empty(h->network_mode) || str_eq(h->network_mode, "default")) {
		if (network_default(g, &preset, e) < 0)
			return -1;
		if (h->ports.n && str_eq(preset, "none") && str_is_empty(h->network_mode))
			return err_set(e, ERR_UNSUPPORTED, "-p: the container has no network that could have ports: give one with --network");
		h->network_mode = arena_dup(&c->arena, preset);
	}
	if (!network_is_joined(h->network_mode))
		return 0;
	if (!network_is_possible())
		return err_set(e, ERR_UNSUPPORTED, "network %s: CAP_NET_ADMIN is missing: --network host and none work", h->network_mode);
	for (size_t i = 0; i < h->networks.n || i == 0; i++) {
		struct network w;
		char **name = h->networks.n ? &h->networks.v[i].network : &h->network_mode;
		if (!network_name_is_valid(*name))
			return err_set(e, ERR_USAGE, "invalid network name \"%.200s\"", *name);
		if (network_find(g, *name, &c->arena, &w, e) < 0)
			return -1;
		*name = w.name;
	}
	if (h->networks.n)
		h->network_mode = h->networks.v[0].network;
	return 0;
}

int request_complete(struct engine *g, struct container_entry *c, const struct settings *s, struct err *e)
{
	struct host_config *h = &c->record.host;
	struct arena *a = &c->arena;
	bool log_is_theirs = str_is_empty(h->log.type);
	fill(&h->log.type, s->log_driver, "json-file");
	for (size_t i = 0; log_is_theirs && i < s->log_opts.n; i++)
		if (!map_get(&h->log.config, s->log_opts.v[i].key))
			map_set(a, &h->log.config, s->log_opts.v[i].key, s->log_opts.v[i].value);
	if (choose_network(g, c, e) < 0)
		return -1;
	fill(&h->ipc_mode, s->ipc_mode, "private");
	fill(&h->cgroupns_mode, s->cgroupns_mode, "private");
	fill(&h->cgroup_parent, s->cgroup_parent, "");
	fill(&h->restart.name, NULL, "no");
	fill(&h->runtime, NULL, "hull");
	if (!h->shm_size)
		h->shm_size = s->shm_size ? s->shm_size : 64 << 20;
	if (!h->init.set && s->init)
		h->init = (struct opt_bool){true, true};
	fill_list(a, &h->dns, &s->dns);
	fill_list(a, &h->dns_options, &s->dns_options);
	fill_list(a, &h->dns_search, &s->dns_search);
	if (read_profiles(c, e) < 0 || resolve_peers(g, c, e) < 0)
		return -1;
	bool says_nnp = false;
	for (size_t i = 0; i < h->security_opt.n; i++)
		says_nnp |= str_has_prefix(h->security_opt.v[i], "no-new-privileges");
	if (s->no_new_privileges && !says_nnp)
		arena_strv_add(a, &h->security_opt, "no-new-privileges");
	return spec_default_paths(a, h, e) < 0 || set_hostname(g, c, e) < 0 ? -1 : 0;
}
