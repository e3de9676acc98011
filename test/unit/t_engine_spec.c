/* SPDX-License-Identifier: Apache-2.0 */
/* From a record to the OCI configuration: what each option comes to. */
#include "engine/spec.h"

#include "engine/request.h"
#include "runtime/seccomp.h"
#include "t_engine.h"

#include <inttypes.h>

struct built { struct arena arena; struct spec spec; struct userns_maps maps; int run_dir; };

static struct spec *build(struct bench *b, struct built *out)
{
	struct container_record *r = &b->c.record;
	const struct settings *s = engine_settings(&b->g, &b->e);
	assert_non_null(s);
	if (!r->path)
		r->path = word("/bin/true");
	assert_int_equal(request_complete(&b->g, &b->c, s, &b->e), 0);
	assert_int_equal(request_check(r, &b->e), 0);
	struct spec_build sb = {.g = &b->g, .c = &b->c, .arena = &out->arena, .root = b->root, .maps = &out->maps, .spec = &out->spec,
		.run_dir = containers_run_dir(&b->g.containers, b->c.id, true, &b->e)};
	out->run_dir = sb.run_dir;
	if (spec_build(&sb, &b->e) < 0)
		return NULL;
	return &out->spec;
}

static struct spec *must(struct bench *b, struct built *out)
{
	struct spec *s = build(b, out);
	if (!s)
		fail_msg("%s", b->e.text);
	return s;
}

static const struct spec_mount *mount_at(const struct spec *s, const char *destination)
{
	const struct spec_mount *found = NULL;
	for (size_t i = 0; i < s->mounts.n; i++)
		if (str_eq(s->mounts.v[i].destination, destination))
			found = &s->mounts.v[i];
	return found;
}

static size_t place_of(const struct spec *s, const char *destination)
{
	const struct spec_mount *m = mount_at(s, destination);
	assert_non_null(m);
	return (size_t)(m - s->mounts.v);
}

static const char *env(const struct spec *s, const char *name)
{
	return strv_env_get(&s->process->env, name);
}

static void defaults(void **state)
{
	struct bench *b = *state;
	struct built out = {};
	struct spec *s = must(b, &out);
	static const char *const types[] = {"pid", "ipc", "uts", "network", "cgroup", "mount"};
	for (size_t i = 0; i < countof(types); i++) {
		assert_non_null(spec_namespace(s, types[i]));
		assert_null(spec_namespace(s, types[i])->path);
	}
	assert_null(spec_namespace(s, "user"));
	assert_string_equal(s->hostname, "aaaaaaaaaaaa");
	assert_string_equal(s->process->cwd, "/");
	assert_string_equal(s->process->args.v[0], "/bin/true");
	assert_string_equal(env(s, "PATH"), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	assert_string_equal(env(s, "HOME"), "/root");
	assert_string_equal(env(s, "HOSTNAME"), "aaaaaaaaaaaa");
	assert_null(env(s, "TERM"));
	assert_int_equal(s->process->caps->bounding.n, 14);
	assert_int_equal(s->process->caps->ambient.n, 0);
	assert_false(s->process->no_new_privileges);
	assert_true(seccomp_is_builtin(s->linux_->seccomp));
	assert_true(strv_has(&s->linux_->masked_paths, "/proc/kcore"));
	assert_true(strv_has(&s->linux_->readonly_paths, "/proc/sys"));
	assert_null(s->linux_->resources->memory);
	assert_null(s->linux_->resources->cpu);
	assert_false(s->linux_->resources->devices.v[0].allow);
	assert_non_null(strstr(s->linux_->cgroups_path, b->c.id));
	assert_true(strv_has(&mount_at(s, "/sys")->options, "ro"));
	assert_true(strv_has(&mount_at(s, "/dev/shm")->options, "size=67108864"));
	assert_non_null(mount_at(s, "/etc/hosts"));
	assert_true(place_of(s, "/dev") < place_of(s, "/dev/pts"));
	assert_true(place_of(s, "/sys") < place_of(s, "/sys/fs/cgroup"));
	arena_drop(&out.arena);
}

static void the_process(void **state)
{
	struct bench *b = *state;
	struct built out = {};
	struct container_record *r = &b->c.record;
	r->path = word("sh");
	arena_strv_add(&b->c.arena, &r->args, "-c");
	arena_strv_add(&b->c.arena, &r->args, "a b");
	r->config.user = word("web");
	r->config.working_dir = word("/srv");
	r->config.tty = true;
	r->config.hostname = word("h");
	r->config.domainname = word("d");
	arena_strv_add(&b->c.arena, &r->config.env, "PATH=/only");
	arena_strv_add(&b->c.arena, &r->config.env, "X=1");
	arena_strv_add(&b->c.arena, &r->host.group_add, "video");
	arena_strv_add(&b->c.arena, &r->host.group_add, "4711");
	r->host.umask = word("0077");
	r->host.oom_score_adj = 321;
	*arena_push(&b->c.arena, &r->host.ulimits) = (struct ulimit){word("nofile"), 456, 123};
	*arena_push(&b->c.arena, &r->host.ulimits) = (struct ulimit){word("core"), -1, -1};
	struct spec *s = must(b, &out);
	struct spec_process *p = s->process;
	assert_int_equal(p->args.n, 3);
	assert_string_equal(p->args.v[2], "a b");
	assert_true(p->terminal);
	assert_int_equal(p->user.uid, 33);
	assert_int_equal(p->user.gid, 34);
	static const uint32_t groups[] = {34, 29, 44, 4711};
	assert_int_equal(p->user.groups.n, countof(groups));
	assert_memory_equal(p->user.groups.v, groups, sizeof groups);
	assert_true(p->user.umask.set && p->user.umask.v == 077);
	assert_string_equal(p->cwd, "/srv");
	assert_string_equal(env(s, "PATH"), "/only");
	assert_string_equal(env(s, "HOME"), "/srv/web");
	assert_string_equal(env(s, "TERM"), "xterm");
	assert_string_equal(env(s, "HOSTNAME"), "h");
	assert_string_equal(s->hostname, "h");
	assert_string_equal(s->domainname, "d");
	assert_true(p->oom_score_adj.set && p->oom_score_adj.v == 321);
	assert_string_equal(p->rlimits.v[0].type, "RLIMIT_NOFILE");
	assert_true(p->rlimits.v[0].soft == 123 && p->rlimits.v[0].hard == 456);
	assert_true(p->rlimits.v[1].hard == UINT64_MAX);
	arena_drop(&out.arena);
}

static void limits(void **state)
{
	struct bench *b = *state;
	struct built out = {};
	struct host_config *h = &b->c.record.host;
	h->memory = 64 << 20;
	h->memory_reservation = 32 << 20;
	h->nano_cpus = 500000000;
	h->cpu_shares = 512;
	h->cpuset_cpus = word("0");
	h->pids_limit = (struct opt_i64){true, 10};
	h->blkio_weight = 300;
	h->cgroup_parent = word("grp");
	struct spec_resources *r = must(b, &out)->linux_->resources;
	assert_int_equal(r->memory->limit.v, 64 << 20);
	assert_int_equal(r->memory->swap.v, 128 << 20);
	assert_int_equal(r->memory->reservation.v, 32 << 20);
	assert_int_equal(r->cpu->quota.v, 50000);
	assert_int_equal(r->cpu->period.v, 100000);
	assert_int_equal(r->cpu->shares.v, 512);
	assert_string_equal(r->cpu->cpus, "0");
	assert_int_equal(r->pids_limit.v, 10);
	assert_int_equal(r->block_io->weight.v, 300);
	assert_true(str_has_prefix(out.spec.linux_->cgroups_path, "/grp/"));
	arena_drop(&out.arena);
}

static void modes(void **state)
{
	struct bench *b = *state;
	struct built out = {};
	struct host_config *h = &b->c.record.host;
	h->pid_mode = h->ipc_mode = h->uts_mode = h->cgroupns_mode = word("host");
	h->network_mode = word("ns:/run/netns/blue");
	struct spec *s = must(b, &out);
	assert_null(spec_namespace(s, "pid"));
	assert_null(spec_namespace(s, "ipc"));
	assert_null(spec_namespace(s, "uts"));
	assert_null(spec_namespace(s, "cgroup"));
	assert_string_equal(spec_namespace(s, "network")->path, "/run/netns/blue");
	assert_null(s->hostname);
	assert_string_equal(mount_at(s, "/dev/shm")->source, "/dev/shm");
	arena_drop(&out.arena);
}

static void a_peer_that_is_not_running(void **state)
{
	struct bench *b = *state;
	struct built out = {};
	b->c.record.host.network_mode = word("container:nobody");
	const struct settings *s = engine_settings(&b->g, &b->e);
	b->c.record.path = word("/bin/true");
	assert_int_equal(request_complete(&b->g, &b->c, s, &b->e), -1);
	assert_int_equal(b->e.kind, ERR_NOT_FOUND);
	arena_drop(&out.arena);
}

static void security(void **state)
{
	struct bench *b = *state;
	struct built out = {};
	struct arena *a = &b->c.arena;
	struct host_config *h = &b->c.record.host;
	arena_strv_add(a, &h->cap_drop, "ALL");
	arena_strv_add(a, &h->cap_add, "net_admin");
	arena_strv_add(a, &h->cap_add, "CAP_CHOWN");
	arena_strv_add(a, &h->security_opt, "no-new-privileges");
	arena_strv_add(a, &h->security_opt, "seccomp=unconfined");
	arena_strv_add(a, &h->security_opt, "systempaths=unconfined");
	h->read_only = true;
	struct spec *s = must(b, &out);
	assert_int_equal(s->process->caps->effective.n, 2);
	assert_true(strv_has(&s->process->caps->effective, "CAP_NET_ADMIN"));
	assert_true(s->process->no_new_privileges);
	assert_null(s->linux_->seccomp);
	assert_int_equal(s->linux_->masked_paths.n, 0);
	assert_int_equal(s->linux_->readonly_paths.n, 0);
	assert_true(s->root->readonly);
	assert_true(strv_has(&mount_at(s, "/etc/hosts")->options, "ro"));
	arena_drop(&out.arena);
}

static void a_profile_is_kept_as_it_was(void **state)
{
	struct bench *b = *state;
	struct built out = {};
	char option[100];
	bench_put(b->root, "profile.json", "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}]}");
	snprintf(option, sizeof option, "seccomp=%s/rootfs/profile.json", b->path);
	arena_strv_add(&b->c.arena, &b->c.record.host.security_opt, option);
	struct spec *s = must(b, &out);
	assert_string_equal(s->linux_->seccomp->default_action, "SCMP_ACT_ERRNO");
	assert_true(str_has_prefix(b->c.record.host.security_opt.v[0], "seccomp={"));
	arena_drop(&out.arena);
}

static void privileged(void **state)
{
	struct bench *b = *state;
	struct built out = {};
	b->c.record.host.privileged = true;
	struct spec *s = must(b, &out);
	assert_true(s->process->caps->bounding.n > 35);
	assert_null(s->linux_->seccomp);
	assert_int_equal(s->linux_->masked_paths.n, 0);
	assert_true(s->linux_->resources->devices.v[0].allow);
	assert_true(strv_has(&mount_at(s, "/sys")->options, "rw"));
	arena_drop(&out.arena);
}

static void mounts_in_order(void **state)
{
	struct bench *b = *state;
	struct built out = {};
	struct container_record *r = &b->c.record;
	*arena_push(&b->c.arena, &r->mounts) = (struct mount_point){.type = word("bind"), .source = word("/srv/a"),
		.destination = word("/x/y/z"), .rw = false, .recursive_ro = true};
	*arena_push(&b->c.arena, &r->mounts) = (struct mount_point){.type = word("bind"), .source = word("/srv/b"), .destination = word("/x"), .rw = true,
		.propagation = word("rshared")};
	*arena_push(&b->c.arena, &r->mounts) = (struct mount_point){.type = word("bind"), .source = word("/srv/hosts"),
		.destination = word("/etc/hosts"), .rw = true};
	map_set(&b->c.arena, &r->host.tmpfs, "/x/y", "size=1m,exec");
	struct spec *s = must(b, &out);
	assert_true(place_of(s, "/x") < place_of(s, "/x/y"));
	assert_true(place_of(s, "/x/y") < place_of(s, "/x/y/z"));
	assert_true(strv_has(&mount_at(s, "/x/y/z")->options, "rro"));
	assert_true(strv_has(&mount_at(s, "/x")->options, "rshared"));
	assert_true(strv_has(&mount_at(s, "/x/y")->options, "size=1m"));
	assert_true(strv_has(&mount_at(s, "/x/y")->options, "nosuid"));
	assert_string_equal(mount_at(s, "/etc/hosts")->source, "/srv/hosts");
	arena_drop(&out.arena);
}

static void files_of_etc(void **state)
{
	struct bench *b = *state;
	struct built out = {};
	struct host_config *h = &b->c.record.host;
	arena_strv_add(&b->c.arena, &h->extra_hosts, "db:10.1.2.3");
	arena_strv_add(&b->c.arena, &h->extra_hosts, "six=fd00::1");
	arena_strv_add(&b->c.arena, &h->dns, "192.0.2.1");
	arena_strv_add(&b->c.arena, &h->dns_search, "lan.example");
	must(b, &out);
	own(buf) struct buf hosts = BUF(65536);
	own(buf) struct buf resolv = BUF(65536);
	assert_int_equal(path_read(out.run_dir, "hosts", &hosts, &b->e), 0);
	assert_int_equal(path_read(out.run_dir, "resolv.conf", &resolv, &b->e), 0);
	assert_non_null(strstr(buf_text(&hosts), "10.1.2.3\tdb\n"));
	assert_non_null(strstr(buf_text(&hosts), "fd00::1\tsix\n"));
	assert_non_null(strstr(buf_text(&hosts), "\taaaaaaaaaaaa\n"));
	assert_non_null(strstr(buf_text(&resolv), "nameserver 192.0.2.1\n"));
	assert_non_null(strstr(buf_text(&resolv), "search lan.example\n"));
	arena_drop(&out.arena);
}

static void ids_outside_of_the_map(void **state)
{
	struct bench *b = *state;
	struct built out = {};
	b->c.record.uid_map = b->c.record.gid_map = word("0:100000:10");
	b->c.record.config.user = word("web");
	assert_int_equal(userns_parse(&b->c.record, &out.maps, &b->e), 0);
	assert_null(build(b, &out));
	assert_int_equal(b->e.kind, ERR_USAGE);
	userns_maps_drop(&out.maps);
	arena_drop(&out.arena);
}

static void devices(void **state)
{
	struct bench *b = *state;
	struct built out = {};
	*arena_push(&b->c.arena, &b->c.record.host.devices) = (struct device_mapping){word("/dev/null"), word("/dev/nothing"), word("r")};
	arena_strv_add(&b->c.arena, &b->c.record.host.device_rules, "c 42:* rwm");
	struct spec *s = must(b, &out);
	assert_int_equal(s->linux_->devices.n, 1);
	assert_string_equal(s->linux_->devices.v[0].path, "/dev/nothing");
	assert_int_equal(s->linux_->devices.v[0].major.v, 1);
	const struct spec_device_rule *last = &s->linux_->resources->devices.v[s->linux_->resources->devices.n - 1];
	assert_true(last->allow && last->major.v == 42 && !last->minor.set);
	assert_string_equal(last[-1].access, "r");
	arena_drop(&out.arena);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {T(defaults), T(the_process), T(limits), T(modes), T(a_peer_that_is_not_running), T(security),
		T(a_profile_is_kept_as_it_was), T(privileged), T(mounts_in_order), T(files_of_etc), T(ids_outside_of_the_map), T(devices)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
