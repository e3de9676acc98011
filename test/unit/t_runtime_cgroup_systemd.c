/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers in scopes of systemd, which is a process of the test's (t_systemd.h): with v2 alone, and as the machine's hierarchies
 * are. In a mount namespace.
 */
#include "t_runtime_box.h"

#include "t_systemd.h"

#include "runtime/cgroup_limits.h"
#include "runtime/cgroup_systemd.h"
#include "sys/systemd.h"

#include <sched.h>

static struct fake fake;

/* Names of this test's own. */
static const char *scope_of(struct box *b)
{
	return arena_printf(&b->arena, "p-%s.scope", b->id);
}

/* Several of these tests run side by side. */
static const char *slice_of(const struct box *b)
{
	static char slice[64];
	snprintf(slice, sizeof slice, "hull%s.slice", b->id + 2);
	return slice;
}

static void use_systemd(struct box *b)
{
	b->create.cgroup_manager = CGROUP_MANAGER_SYSTEMD;
	b->spec.linux_->cgroups_path = arena_printf(&b->arena, "%s:p:%s", slice_of(b), b->id);
	free(fake_take(&fake));
}

static void remove_slice(const struct box *b)
{
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		int root = cgroupfs_get()->row[i].fd;
		if (root >= 0 && unlinkat(root, slice_of(b), AT_REMOVEDIR) < 0 && errno != ENOENT)
			fail_msg("%s/%s: something is left", cgroupfs_name((enum cgroupfs_row)i), slice_of(b));
	}
}

static void launched(struct box *b, struct container *c, int *out)
{
	if (launch(b, c, out) < 0)
		fail_msg("%s", b->e.text);
}

static void ended(const struct box *b, struct container *c)
{
	kill(c->pid, SIGKILL);
	assert_int_equal(reap(c), 137);
	remove_slice(b);
}

static bool has_line(const char *log, const char *line)
{
	const char *at = strstr(log, line);
	return at && (at == log || at[-1] == '\n') && at[strlen(line)] == '\n';
}

static void in_a_scope(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	bool v2 = cgroup_machine_mode() == CGROUP_V2;
	use_systemd(b);
	map_set(&b->arena, &b->spec.annotations, "org.systemd.property.TimeoutStopSec", "7");
	script(b, "grep ^0 /proc/self/cgroup; ls -d /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs 2>/dev/null | head -n 1 | wc -l; sleep 60");
	launched(b, &c, &out);
	char text[8] = "";
	assert_int_equal(fd_read_full(out, text, 7), 7);
	assert_string_equal(text, "0::/\n1\n");
	own(mem) char *log = fake_take(&fake);
	const char *scope = scope_of(b);
	assert_true(has_line(log, arena_printf(&b->arena, "StartTransientUnit %s replace", scope)));
	assert_true(has_line(log, arena_printf(&b->arena, "PIDs au %d", (int)c.pid)));
	assert_true(has_line(log, arena_printf(&b->arena, "Slice s %s", slice_of(b))));
	assert_true(has_line(log, "Delegate b true"));
	assert_true(has_line(log, "TimeoutStopUSec t 7000000"));
	assert_string_equal(c.cgroup.scope, scope);
	assert_string_equal(c.cgroup.path, arena_printf(&b->arena, "/%s/%s%s", slice_of(b), scope, v2 ? "/container" : ""));
	/* Its processes are in all its groups, and are found, frozen and killed there. */
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		struct u32v pids = {};
		own(fd) int dir = cgroup_has_row(&c.cgroup, i) ? cgroup_open_row(&c.cgroup, i) : -1;
		if (dir >= 0)
			cgroup_add_pids(dir, &pids);
		assert_true(dir < 0 || (pids.n && pids.v[0] == (uint32_t)c.pid));
		free(pids.v);
	}
	assert_int_equal(cgroup_freeze(&c.cgroup, true, &b->e), 0);
	assert_int_equal(cgroup_freeze(&c.cgroup, false, &b->e), 0);
	assert_int_equal(cgroup_kill(&c.cgroup, SIGKILL, &b->e), 0);
	char *path = arena_dup(&b->arena, c.cgroup.path);
	assert_int_equal(reap(&c), 137);
	own(mem) char *end = fake_take(&fake);
	assert_true(has_line(end, arena_printf(&b->arena, "StopUnit %s replace", scope)));
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		assert_false(cgroupfs_get()->row[i].fd >= 0 && faccessat(cgroupfs_get()->row[i].fd, path + 1, F_OK, 0) == 0);
	remove_slice(b);
}

static void limits(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	struct spec_resources *r = b->spec.linux_->resources;
	struct spec_memory m = {.limit = {true, 64 << 20}};
	if (cgroup_machine_mode() == CGROUP_V2 || !cgroup_has_controller("memory") || !cgroup_has_controller("pids"))
		skip();
	use_systemd(b);
	r->memory = &m;
	r->pids_limit = (struct opt_i64){true, 20};
	args(b, "sleep", "60", NULL);
	launched(b, &c, &out);
	own(mem) char *log = fake_take(&fake);
	assert_true(has_line(log, "MemoryLimit t 67108864"));
	assert_true(has_line(log, "TasksMax t 20"));
	assert_true(has_line(log, "DevicePolicy s strict"));
	uint64_t v = 0;
	own(fd) int dir = cgroup_open_row(&c.cgroup, CGROUPFS_MEMORY);
	own(fd) int pids = cgroup_open_row(&c.cgroup, CGROUPFS_PIDS);
	assert_true(cgroupfs_read(dir, "memory.limit_in_bytes", NULL, &v) && v == 64 << 20);
	assert_true(cgroupfs_read(pids, "pids.max", NULL, &v) && v == 20);
	struct spec_resources u = {.pids_limit = {true, 30}};
	assert_int_equal(cgroup_update(&c.cgroup, &u, &b->e), 0);
	own(mem) char *set = fake_take(&fake);
	assert_string_equal(set, arena_printf(&b->arena, "SetUnitProperties %s\nTasksMax t 30\n", scope_of(b)));
	assert_true(cgroupfs_read(pids, "pids.max", NULL, &v) && v == 30);
	ended(b, &c);
}

static void subgroups(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	static const struct { const char *name, *below; } rows[] = {{"", ""}, {"x", "/x"}, {"x/y", "/x/y"}};
	use_systemd(b);
	args(b, "sleep", "60", NULL);
	for (size_t i = 0; i < countof(rows); i++) {
		map_set(&b->arena, &b->spec.annotations, "run.oci.systemd.subgroup", rows[i].name);
		launched(b, &c, &out);
		assert_string_equal(c.cgroup.path, arena_printf(&b->arena, "/%s/%s%s", slice_of(b), scope_of(b), rows[i].below));
		ended(b, &c);
		fd_drop(&out);
	}
	static const char *const bad[] = {"/x", "../x", "x/..", ".", "x//y"};
	for (size_t i = 0; i < countof(bad); i++) {
		map_set(&b->arena, &b->spec.annotations, "run.oci.systemd.subgroup", bad[i]);
		refused(b, ERR_USAGE, "does not name a group below");
	}
}

/* One more below, for the user of the container. */
static void delegated(void **state)
{
	struct box *b = *state;
	if (cgroup_machine_mode() != CGROUP_V2)
		skip();
	static struct idmap_row row = {0, 100000, 65536};
	use_systemd(b);
	add_namespace(b, "user", NULL);
	b->spec.linux_->uids.v = b->spec.linux_->gids.v = &row;
	b->spec.linux_->uids.n = b->spec.linux_->gids.n = 1;
	assert_int_equal(chown(b->dir, 100000, 100000), 0);
	map_set(&b->arena, &b->spec.annotations, "run.oci.delegate-cgroup", "mine");
	for (size_t i = 0; i < b->spec.mounts.n; i++)
		if (str_eq(b->spec.mounts.v[i].type, "cgroup"))
			b->spec.mounts.v[i].options = (struct strv){};
	assert_string_equal(shell(b, "grep ^0 /proc/self/cgroup; mkdir /sys/fs/cgroup/mine/x && echo $$ > /sys/fs/cgroup/mine/x/cgroup.procs && "
		"grep ^0 /proc/self/cgroup"), "0::/mine\n0::/mine/x");
	remove_slice(b);
}

/* Another's unit is neither taken nor stopped. */
static void taken(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	use_systemd(b);
	args(b, "sleep", "60", NULL);
	launched(b, &c, &out);
	free(fake_take(&fake));
	assert_int_equal(run(b), -1);
	assert_int_equal(b->e.kind, ERR_EXISTS);
	own(mem) char *log = fake_take(&fake);
	assert_null(strstr(log, "StopUnit"));
	assert_int_equal(kill(c.pid, 0), 0);
	/* What is kept of it ends the scope, too. */
	own(json) struct json *j = cgroup_format(&c.cgroup);
	struct cgroup again = {.v2 = -1};
	assert_int_equal(cgroup_parse(j, &again, &b->e), 0);
	assert_string_equal(again.scope, c.cgroup.scope);
	kill(c.pid, SIGKILL);
	assert_int_equal(waitpid(c.pid, NULL, 0), c.pid);
	assert_int_equal(cgroup_remove(&again, &b->e), 0);
	own(mem) char *end = fake_take(&fake);
	assert_true(has_line(end, arena_printf(&b->arena, "StopUnit %s replace", scope_of(b))));
	container_drop(&c);
	remove_slice(b);
}

static void refusals(void **state)
{
	struct box *b = *state;
	use_systemd(b);
	script(b, "true");
	b->spec.linux_->cgroups_path = arena_dup(&b->arena, "/a/b");
	refused(b, ERR_USAGE, "expected cgroupsPath to be of format");
	use_systemd(b);
	map_set(&b->arena, &b->spec.annotations, "org.systemd.property.Abc", "{");
	refused(b, ERR_USAGE, "annotation org.systemd.property.Abc");
	own(mem) char *log = fake_take(&fake);
	assert_string_equal(log, "");
}

static void where_it_is(void **state)
{
	(void)state;
	static const struct { const char *text; bool unified; const char *path; } rows[] = {{"0::/a/b.scope\n", true, "/a/b.scope"},
		{"1:name=systemd:/x\n0::/a/b.scope\n", true, "/a/b.scope"}, {"2:memory:/m/x.scope\n1:name=systemd:/s/x.scope\n0::/\n", false, "/s/x.scope"},
		{"2:memory:/m/x.scope\n0::/\n", false, "/m/x.scope"}, {"0::/\n", true, NULL}, {"", true, NULL}, {"0::/a\n", false, NULL}};
	char path[64];
	struct err e = {};
	for (size_t i = 0; i < countof(rows); i++) {
		int r = cgroup_systemd_find(rows[i].text, rows[i].unified, path, sizeof path, &e);
		assert_int_equal(r, rows[i].path ? 0 : -1);
		if (rows[i].path)
			assert_string_equal(path, rows[i].path);
	}
}

static void without_systemd(void **state)
{
	struct box *b = *state;
	if (systemd_is_running())
		skip();
	b->create.cgroup_manager = CGROUP_MANAGER_SYSTEMD;
	script(b, "true");
	refused(b, ERR_UNSUPPORTED, "systemd does not run here");
}

static int mount_v2(void)
{
	return mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL);
}

static int mount_nothing(void)
{
	return 0;
}

static void again_in(const char *view, int (*arrange)(void))
{
	if (!fake_is_there())
		skip();
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || arrange() < 0)
			_exit(99);
		_exit(fake_exec("t_runtime_cgroup_systemd", view));
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void v2_alone(void **state)
{
	(void)state;
	again_in("v2", cgroup_machine_mode() == CGROUP_V2 ? mount_nothing : mount_v2);
}

static void as_it_is(void **state)
{
	(void)state;
	if (cgroup_machine_mode() == CGROUP_V2 || cgroupfs_get()->row[CGROUPFS_MEMORY].fd < 0)
		skip();
	again_in("machine", mount_nothing);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest views[] = {cmocka_unit_test(where_it_is), BOX_TEST(without_systemd), cmocka_unit_test(v2_alone),
		cmocka_unit_test(as_it_is)};
	const struct CMUnitTest tests[] = {BOX_TEST(in_a_scope), BOX_TEST(limits), BOX_TEST(subgroups), BOX_TEST(delegated), BOX_TEST(taken),
		BOX_TEST(refusals)};
	int status = box_main();
	if (status)
		return status;
	if (argc == 1)
		return cmocka_run_group_tests_name("views", views, NULL, NULL);
	snprintf(fake.dir, sizeof fake.dir, "%s", getenv("HULL_TEST_SYSTEMD"));
	return cmocka_run_group_tests_name(argv[1], tests, NULL, NULL);
}
