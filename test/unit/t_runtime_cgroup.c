/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, freezing, killing, statistics; on the machine's own hierarchies, and on a v2 tree alone (in a mount namespace). */
#include "t_runtime_box.h"
#include "t_runtime_unified.h"

#include "runtime/cgroup_stats.h"

#include <sys/xattr.h>

static const char *read_limit(const struct container *c, const char *v1, const char *v2)
{
	static char text[256];
	char path[700];
	bool unified = cgroup_machine_mode() == CGROUP_V2;
	own(buf) struct buf b = {};
	struct err e = {};
	snprintf(path, sizeof path, unified ? "/sys/fs/cgroup%s/%s" : "/sys/fs/cgroup/%.20s%s/%s", unified ? c->cgroup.path : v1,
		unified ? v2 : c->cgroup.path, unified ? "" : strchr(v1, '/') + 1);
	if (!unified)
		snprintf(path, sizeof path, "/sys/fs/cgroup/%.*s%s/%s", (int)strcspn(v1, "/"), v1, c->cgroup.path, strchr(v1, '/') + 1);
	if (path_read(AT_FDCWD, path, &b, &e) < 0)
		fail_msg("%s", e.text);
	snprintf(text, sizeof text, "%s", buf_text(&b));
	text[strcspn(text, "\n")] = 0;
	return text;
}

static void needs(const char *controller)
{
	if (!cgroup_has_controller(controller))
		skip();
}

static void limits_are_set(void **state)
{
	struct box *b = *state;
	struct spec_resources *r = b->spec.linux_->resources;
	struct spec_memory m = {.limit = {true, 64 << 20}, .reservation = {true, 32 << 20}, .swap = {true, 64 << 20}};
	struct spec_cpu cpu = {.shares = {true, 512}, .quota = {true, 50000}, .period = {true, 100000}, .cpus = arena_dup(&b->arena, "0"),
		.mems = arena_dup(&b->arena, "0")};
	struct container c;
	own(fd) int out = -1;
	needs("memory");
	needs("cpuset");
	needs("pids");
	r->memory = &m;
	r->cpu = &cpu;
	r->pids_limit = (struct opt_i64){true, 20};
	script(b, "nproc; cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max; sleep 60");
	if (launch(b, &c, &out) < 0)
		fail_msg("%s", b->e.text);
	assert_string_equal(read_limit(&c, "memory/memory.limit_in_bytes", "memory.max"), "67108864");
	assert_string_equal(read_limit(&c, "memory/memory.soft_limit_in_bytes", "memory.low"), "33554432");
	assert_string_equal(read_limit(&c, "cpu/cpu.shares", "cpu.weight"), cgroup_machine_mode() == CGROUP_V2 ? "59" : "512");
	assert_string_equal(read_limit(&c, "cpu/cpu.cfs_quota_us", "cpu.max"), cgroup_machine_mode() == CGROUP_V2 ? "50000 100000" : "50000");
	assert_string_equal(read_limit(&c, "cpuset/cpuset.cpus", "cpuset.cpus"), "0");
	assert_string_equal(read_limit(&c, "pids/pids.max", "pids.max"), "20");
	char text[11] = "";
	assert_int_equal(fd_read_full(out, text, 10), 10);
	assert_string_equal(text, "1\n67108864");
	own(cgroup_stats) struct cgroup_stats s = {};
	assert_int_equal(cgroup_stats(&c.cgroup, &s, &b->e), 0);
	assert_int_equal(s.memory.use.limit, 64 << 20);
	assert_int_equal(s.pids.limit, 20);
	assert_true(s.pids.current >= 1 && s.pids.current <= 2);
	assert_true(s.memory.use.usage > 0 && s.memory.raw.n > 10 && s.cpu.total_ns > 0);
	assert_int_equal(s.cpuset.cpus.n, 1);
	/* update: others, and a limit the container did not have. */
	struct spec_memory more = {.limit = {true, 128 << 20}, .swap = {true, -1}};
	struct spec_resources u = {.memory = &more, .pids_limit = {true, -1}};
	if (cgroup_update(&c.cgroup, &u, &b->e) < 0)
		fail_msg("%s", b->e.text);
	assert_string_equal(read_limit(&c, "memory/memory.limit_in_bytes", "memory.max"), "134217728");
	assert_string_equal(read_limit(&c, "pids/pids.max", "pids.max"), "max");
	kill(c.pid, SIGKILL);
	reap(&c);
}

static void updates_make_groups(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	needs("pids");
	needs("cpu");
	script(b, "sleep 60 & echo up; sleep 60; true");
	assert_int_equal(launch(b, &c, &out), 0);
	char up[3];
	assert_int_equal(fd_read_full(out, up, 3), 3);
	struct spec_cpu cpu = {.shares = {true, 2000}};
	struct spec_resources u = {.pids_limit = {true, 7}, .cpu = &cpu};
	/* Found again by its path alone, as another command does. */
	struct cgroup g;
	assert_int_equal(cgroup_open(c.cgroup.path, &g, &b->e), 0);
	assert_int_equal(cgroup_update(&g, &u, &b->e), 0);
	cgroup_drop(&g);
	assert_string_equal(read_limit(&c, "pids/pids.max", "pids.max"), "7");
	for (int i = 0; i < 3000 && strcmp(read_limit(&c, "pids/pids.current", "pids.current"), "3") != 0; i++)
		usleep(10000);
	assert_string_equal(read_limit(&c, "pids/pids.current", "pids.current"), "3");
	/* What it made goes with the container, too: remove by its path. */
	cgroup_drop(&c.cgroup);
	assert_int_equal(cgroup_open(arena_dup(&b->arena, c.cgroup.path), &c.cgroup, &b->e), 0);
	kill(c.pid, SIGKILL);
	reap(&c);
}

static void fork_bomb(void **state)
{
	struct box *b = *state;
	needs("pids");
	b->spec.linux_->resources->pids_limit = (struct opt_i64){true, 10};
	struct container c;
	own(fd) int out = -1;
	script(b, "bomb() { bomb | bomb & }; bomb; sleep 60");
	assert_int_equal(launch(b, &c, &out), 0);
	usleep(300000);
	struct u32v pids = {};
	assert_int_equal(cgroup_pids(&c.cgroup, &pids, &b->e), 0);
	assert_true(pids.n <= 10);
	free(pids.v);
	assert_int_equal(cgroup_kill(&c.cgroup, SIGKILL, &b->e), 0);
	assert_int_equal(reap(&c), 137);
}

static void out_of_memory(void **state)
{
	struct box *b = *state;
	struct spec_memory m = {.limit = {true, 16 << 20}, .swap = {true, 16 << 20}};
	struct container c;
	own(fd) int out = -1;
	needs("memory");
	b->spec.linux_->resources->memory = &m;
	script(b, "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done");
	assert_int_equal(launch(b, &c, &out), 0);
	int status;
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(info.si_code, CLD_KILLED);
	/* Asked for before the group goes. */
	assert_true(cgroup_oom_kills(&c.cgroup) > 0);
	status = reap(&c);
	assert_int_equal(status, 137);
	/* A kill by hand is none. */
	m.limit.v = m.swap.v = 64 << 20;
	args(b, "sleep", "60", NULL);
	fd_drop(&out);
	assert_int_equal(launch(b, &c, &out), 0);
	kill(c.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(cgroup_oom_kills(&c.cgroup), 0);
	reap(&c);
}

/* Starting takes little of the container's own memory. */
static void tiny_memory(void **state)
{
	struct box *b = *state;
	struct spec_memory m = {.limit = {true, 1 << 20}, .swap = {true, 1 << 20}};
	needs("memory");
	b->spec.linux_->resources->memory = &m;
	args(b, "true", NULL);
	assert_int_equal(run(b), 0);
	/* Too small even for that: said, and nothing is left. */
	m.limit.v = m.swap.v = 4096;
	int status = run(b);
	assert_true(status == 137 || status == -1);
	expect_nothing_left(b);
}

static void freezes(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	if (cgroup_machine_mode() == CGROUP_NONE)
		skip();
	script(b, "while :; do echo x; sleep 0.01; done");
	assert_int_equal(launch(b, &c, &out), 0);
	assert_false(cgroup_is_frozen(&c.cgroup));
	if (cgroup_freeze(&c.cgroup, true, &b->e) < 0)
		fail_msg("%s", b->e.text);
	assert_true(cgroup_is_frozen(&c.cgroup));
	char text[65536];
	fd_set_nonblock(out, true);
	while (read(out, text, sizeof text) > 0)
		;
	usleep(100000);
	assert_int_equal(read(out, text, sizeof text), -1);
	assert_int_equal(cgroup_freeze(&c.cgroup, false, &b->e), 0);
	fd_set_nonblock(out, false);
	assert_true(read(out, text, sizeof text) > 0);
	/* A frozen one can be killed. */
	assert_int_equal(cgroup_freeze(&c.cgroup, true, &b->e), 0);
	assert_int_equal(cgroup_kill(&c.cgroup, SIGKILL, &b->e), 0);
	assert_int_equal(reap(&c), 137);
}

static void signals_everyone(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	/* Without a PID namespace nobody dies with the first process: the group tells who is left. */
	drop_namespace(b, "pid");
	script(b, "sleep 60 > /dev/null 2>&1 & exit 3");
	assert_int_equal(launch(b, &c, &out), 0);
	buf_reset(&b->out);
	assert_int_equal(fd_read_to_end(out, &b->out), 0);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)c.pid, &info, WEXITED | WNOWAIT), 0);
	struct u32v pids = {};
	assert_int_equal(cgroup_pids(&c.cgroup, &pids, &b->e), 0);
	assert_true(pids.n >= 1);
	pid_t left = 0;
	for (size_t i = 0; i < pids.n; i++)
		if ((pid_t)pids.v[i] != c.pid)
			left = (pid_t)pids.v[i];
	free(pids.v);
	assert_true(left > 0);
	assert_int_equal(reap(&c), 3);
	assert_int_equal(container_start_time(left), 0);
	reap_orphans();
}

static void what_cannot_be_had(void **state)
{
	struct box *b = *state;
	struct spec_resources *r = b->spec.linux_->resources;
	struct spec_hugepage page = {.page_size = arena_dup(&b->arena, "3MB"), .limit = 1};
	script(b, "true");
	r->hugepages.v = &page;
	r->hugepages.n = 1;
	refused(b, ERR_UNSUPPORTED, "huge pages cannot be set");
	r->hugepages.n = 0;
	if (cgroup_machine_mode() != CGROUP_V2) {
		struct spec_network n = {.class_id = {true, 5}};
		r->network = cgroup_has_controller("net_cls") ? NULL : &n;
		if (r->network)
			refused(b, ERR_UNSUPPORTED, "the network class cannot be set: the net_cls controller is not available here");
		r->network = NULL;
		map_set(&b->arena, &r->unified, "memory.high", "1");
		refused(b, ERR_UNSUPPORTED, "unified");
		r->unified = (struct map){};
	}
}

static void bad_values(void **state)
{
	struct box *b = *state;
	struct spec_cpu cpu = {.cpus = arena_dup(&b->arena, "0-4000")};
	needs("cpuset");
	script(b, "true");
	b->spec.linux_->resources->cpu = &cpu;
	refused(b, ERR_USAGE, "set the set of CPUs: write 0-4000");
	cpu = (struct spec_cpu){.quota = {true, 1}};
	refused(b, ERR_USAGE, "set the CPU quota");
}

static void paths(void **state)
{
	struct box *b = *state;
	static const char *const bad[] = {"/", "..", "/..", "/a/.."};
	script(b, "true");
	for (size_t i = 0; i < countof(bad); i++) {
		b->spec.linux_->cgroups_path = arena_dup(&b->arena, bad[i]);
		refused(b, ERR_USAGE, "invalid cgroup path");
	}
	/* A parent that was missing stays, as docker's does. */
	b->spec.linux_->cgroups_path = arena_printf(&b->arena, "/hull/x/../parent-%s/leaf/", b->id);
	assert_int_equal(run(b), 0);
	const struct cgroupfs *fs = cgroupfs_get();
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (fs->row[i].fd >= 0) {
			char path[128];
			snprintf(path, sizeof path, "hull/parent-%s", b->id);
			unlinkat(fs->row[i].fd, path, AT_REMOVEDIR);
		}
	/* A group somebody is in is not taken over. */
	struct container c;
	own(fd) int out = -1;
	b->spec.linux_->cgroups_path = NULL;
	args(b, "sleep", "60", NULL);
	assert_int_equal(launch(b, &c, &out), 0);
	assert_int_equal(run(b), -1);
	assert_int_equal(b->e.kind, ERR_EXISTS);
	assert_int_equal(kill(c.pid, SIGKILL), 0);
	assert_int_equal(reap(&c), 137);
}

static void sub_groups(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	char path[700];
	args(b, "sleep", "60", NULL);
	assert_int_equal(launch(b, &c, &out), 0);
	/* What systemd in a container makes. */
	const struct cgroupfs *fs = cgroupfs_get();
	int row = fs->row[CGROUPFS_V2].fd >= 0 ? CGROUPFS_V2 : CGROUPFS_MEMORY;
	snprintf(path, sizeof path, "%s/a", c.cgroup.path + 1);
	assert_int_equal(mkdirat(fs->row[row].fd, path, 0755), 0);
	snprintf(path, sizeof path, "%s/a/b", c.cgroup.path + 1);
	assert_int_equal(mkdirat(fs->row[row].fd, path, 0755), 0);
	snprintf(path, sizeof path, "%s/a/b/cgroup.procs", c.cgroup.path + 1);
	char pid[16];
	snprintf(pid, sizeof pid, "%d", (int)c.pid);
	assert_int_equal(path_put(fs->row[row].fd, path, pid, &b->e), 0);
	struct u32v pids = {};
	assert_int_equal(cgroup_pids(&c.cgroup, &pids, &b->e), 0);
	assert_int_equal(pids.n, 1);
	free(pids.v);
	assert_int_equal(cgroup_kill(&c.cgroup, SIGKILL, &b->e), 0);
	assert_int_equal(reap(&c), 137);
}

/* Killed between making a group and marking it: all are the container's when they are named for its id, else the marked alone. */
static void unmarked(void **state)
{
	struct box *b = *state;
	const struct cgroupfs *fs = cgroupfs_get();
	char id[80], path[100];
	for (int named = 0; named < 2; named++) {
		struct cgroup c = {.v2 = -1}, again = {.v2 = -1};
		memset(id, 'e', sizeof id);
		/* Its own, whoever else runs this test. */
		snprintf(id + 64 - strlen(b->id), sizeof id - 64 + strlen(b->id), "%s", b->id);
		for (char *p = id; *p; p++)
			*p = strchr("0123456789abcdef", *p) ? *p : 'e';
		snprintf(path, sizeof path, "/hull/%s%s", named ? "" : "x", id);
		assert_int_equal(cgroup_create(path, id, NULL, &c, &b->e), 0);
		unsigned rows = c.rows, first = rows & -rows;
		if (rows == first) {
			assert_int_equal(cgroup_remove(&c, &b->e), 0);
			cgroup_drop(&c);
			skip();
		}
		own(fd) int dir = openat(fs->row[__builtin_ctz(first)].fd, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		bool has_marks = fremovexattr(dir, "user.hull") == 0;
		cgroup_drop(&c);
		assert_int_equal(cgroup_open(path, &again, &b->e), 0);
		assert_int_equal(again.rows, has_marks && !named ? rows & ~first : rows);
		again.rows = again.made = rows;
		assert_int_equal(cgroup_remove(&again, &b->e), 0);
		cgroup_drop(&again);
	}
}

/* The child joins its groups by itself and opens /dev/null before the parent has set the other limits. */
static void devices_come_first(void **state)
{
	struct box *b = *state;
	struct err e = {};
	own(cgroup) struct cgroup c = {.v2 = -1};
	if (!cgroup_has_controller("devices") || cgroup_machine_mode() == CGROUP_V2)
		skip();
	struct spec_device_rule *r = list_add(b, &b->spec.linux_->resources->devices, sizeof *r);
	*r = (struct spec_device_rule){.allow = false, .access = arena_dup(&b->arena, "rwm")};
	char path[300];
	snprintf(path, sizeof path, "/hull/%s", b->id);
	assert_int_equal(cgroup_create(path, b->id, b->spec.linux_->resources, &c, &e), 0);
	snprintf(path, sizeof path, "/sys/fs/cgroup/devices%s", c.path);
	own(fd) int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own(buf) struct buf list = BUF(65536);
	assert_int_equal(path_read(dir, "devices.list", &list, &e), 0);
	assert_null(strstr(buf_text(&list), "a *:*"));
	assert_non_null(strstr(buf_text(&list), "c 1:3 rwm"));
	assert_int_equal(cgroup_remove(&c, &e), 0);
}

static void unified_view(void **state)
{
	struct box *b = *state;
	assert_int_equal(cgroup_machine_mode(), CGROUP_V2);
	assert_string_equal(shell(b, "cat /proc/self/cgroup | grep '^0'; ls /sys/fs/cgroup | grep -c cgroup.procs; cat /sys/fs/cgroup/cgroup.procs | "
		"head -1; mkdir /sys/fs/cgroup/x 2>&1 | grep -c Read-only; grep -c ' /sys/fs/cgroup .*cgroup2' /proc/self/mountinfo"),
		"0::/\n1\n1\n1\n1");
	/* Device rules are a program there. */
	assert_string_equal(shell(b, "mknod /dev/mem c 1 1 && head -c 1 /dev/mem 2>&1 | grep -c 'not permitted'; mknod /dev/n c 1 3 && echo x > /dev/n; "
		"mknod /dev/k c 1 11; echo x 2>/dev/null > /dev/k || echo no"), "1\nno");
	struct spec_device_rule *r = list_add(b, &b->spec.linux_->resources->devices, sizeof *r);
	*r = (struct spec_device_rule){.allow = true, .type = arena_dup(&b->arena, "c"), .major = {true, 1}, .minor = {true, 250},
		.access = arena_dup(&b->arena, "r")};
	assert_string_equal(shell(b, "mknod /dev/k c 1 250; (cat < /dev/k) 2>&1 | grep -o 'No such device'; (echo > /dev/k) 2>&1 | grep -o 'not permitted'"),
		"No such device\nnot permitted");
	drop_namespace(b, "cgroup");
	char line[128];
	snprintf(line, sizeof line, "0::/hull/%s", b->id);
	assert_string_equal(shell(b, "grep '^0' /proc/self/cgroup"), line);
	snprintf(line, sizeof line, "ls -d /sys/fs/cgroup/hull/%s > /dev/null", b->id);
	shell(b, line);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {BOX_TEST(limits_are_set), BOX_TEST(updates_make_groups), BOX_TEST(fork_bomb), BOX_TEST(out_of_memory),
		BOX_TEST(tiny_memory), BOX_TEST(freezes), BOX_TEST(signals_everyone), BOX_TEST(what_cannot_be_had), BOX_TEST(bad_values), BOX_TEST(paths),
		BOX_TEST(sub_groups), BOX_TEST(unmarked), BOX_TEST(devices_come_first), cmocka_unit_test(unified)};
	const struct CMUnitTest again[] = {BOX_TEST(unified_view), BOX_TEST(freezes), BOX_TEST(signals_everyone), BOX_TEST(what_cannot_be_had),
		BOX_TEST(paths), BOX_TEST(sub_groups)};
	if (argc > 1 && strcmp(argv[1], "unified") == 0)
		return cmocka_run_group_tests_name("unified", again, NULL, NULL);
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
