/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a container's groups are and whose they are: paths, groups that are there already, what is kept of them, and their end. As
 * the machine has them, with v1 alone, and with v2 alone (both in a mount namespace).
 */
#include "t_runtime_box.h"

#include "runtime/cgroup_limits.h"

#include <sched.h>

static void paths(void **state)
{
	(void)state;
	static const struct {
		const char *path, *expected;
	} rows[] = {{NULL, "/hull/web"}, {"", "/hull/web"}, {"/a/b", "/a/b"}, {"/a/b/", "/a/b"}, {"/a//b/./c", "/a/b/c"}, {"/a/../b", "/b"},
		{"/../../b", "/b"}, {"x", "/hull/x"}, {"x/y/", "/hull/x/y"}, {"../../x", "/hull/x"}, {"x/../../../y", "/hull/y"}, {"./x", "/hull/x"}};
	static const char *const bad[] = {"/", "/..", "..", ".", "a/..", "//", "/a/../.."};
	char path[480];
	struct err e = {};
	for (size_t i = 0; i < countof(rows); i++) {
		if (cgroup_resolve(rows[i].path, "web", path, sizeof path, &e) < 0)
			fail_msg("%s", e.text);
		assert_string_equal(path, rows[i].expected);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		e = (struct err){};
		assert_int_equal(cgroup_resolve(bad[i], "web", path, sizeof path, &e), -1);
		assert_int_equal(e.kind, ERR_USAGE);
	}
	char big[600];
	memset(big, 'a', sizeof big);
	big[sizeof big - 1] = 0;
	assert_int_equal(cgroup_resolve(big, "web", path, sizeof path, &e), -1);
}

static struct cgroup make(struct box *b, const char *path, const struct spec_resources *r)
{
	struct cgroup c = {.v2 = -1};
	b->e = (struct err){};
	if (cgroup_create(path, b->id, r, &c, &b->e) < 0)
		fail_msg("%s", b->e.text);
	return c;
}

static void not_made(struct box *b, const char *path, enum err_kind kind, const char *text)
{
	struct cgroup c = {.v2 = -1};
	b->e = (struct err){};
	assert_int_equal(cgroup_create(path, b->id, NULL, &c, &b->e), -1);
	if (b->e.kind != kind || !strstr(b->e.text, text))
		fail_msg("%d %s", b->e.kind, b->e.text);
}

/* A hierarchy in which every container has a group. */
static int some_row(void)
{
	return cgroupfs_get()->row[CGROUPFS_V2].fd >= 0 ? CGROUPFS_V2 : CGROUPFS_MEMORY;
}

static int root_of(int row)
{
	return cgroupfs_get()->row[row].fd;
}

static bool is_there(const struct cgroup *c, int row)
{
	return faccessat(root_of(row), c->path + 1, F_OK, 0) == 0;
}

/* Hull's own, empty: what a killed command left. It is made anew; what is in it goes. */
static void left_behind(void **state)
{
	struct box *b = *state;
	struct cgroup c = make(b, NULL, NULL);
	int row = some_row();
	own(fd) int old = cgroup_open_row(&c, row);
	assert_int_equal(mkdirat(old, "below", 0755), 0);
	cgroup_drop(&c);
	struct cgroup again = make(b, NULL, NULL);
	assert_int_equal(again.made, again.rows);
	assert_int_equal(faccessat(root_of(row), arena_printf(&b->arena, "hull/%s/below", b->id), F_OK, 0), -1);
	assert_int_equal(cgroup_remove(&again, &b->e), 0);
	cgroup_drop(&again);
}

/* Somebody's own: used, with what was set in it, and left. Groups the container makes in it go. */
static void of_somebody_else(void **state)
{
	struct box *b = *state;
	int row = some_row();
	const char *path = arena_printf(&b->arena, "hull-%s", b->id);
	assert_int_equal(mkdirat(root_of(row), path, 0755), 0);
	struct container c;
	own(fd) int out = -1;
	b->spec.linux_->cgroups_path = arena_printf(&b->arena, "/%s", path);
	args(b, "sleep", "60", NULL);
	if (launch(b, &c, &out) < 0)
		fail_msg("%s", b->e.text);
	assert_true(c.cgroup.rows & 1u << row);
	assert_false(c.cgroup.made & 1u << row);
	own(fd) int dir = cgroup_open_row(&c.cgroup, row);
	assert_int_equal(mkdirat(dir, "below", 0755), 0);
	/* A second one is not let in. */
	not_made(b, b->spec.linux_->cgroups_path, ERR_EXISTS, "container's cgroup is not empty: 1 process");
	kill(c.pid, SIGKILL);
	struct cgroup was = c.cgroup;
	reap(&c);
	assert_true(is_there(&was, row));
	assert_int_equal(faccessat(dir, "below", F_OK, 0), -1);
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (root_of(i) >= 0 && cgroupfs_get()->row[i].same_as == i && i != row)
			assert_false(is_there(&was, i));
	assert_int_equal(unlinkat(root_of(row), path, AT_REMOVEDIR), 0);
}

/* Who came into a frozen group would never come to anything. */
static void frozen_already(void **state)
{
	struct box *b = *state;
	static const struct {
		int row;
		const char *file, *value;
	} rows[] = {{CGROUPFS_V2, "cgroup.freeze", "1"}, {CGROUPFS_FREEZER, "freezer.state", "FROZEN"}};
	const char *name = arena_printf(&b->arena, "hull-%s", b->id), *below = arena_printf(&b->arena, "/hull-%s/web", b->id);
	for (size_t i = 0; i < countof(rows); i++) {
		int root = root_of(rows[i].row);
		if (root < 0)
			continue;
		assert_int_equal(mkdirat(root, name, 0755), 0);
		assert_int_equal(path_put(root, arena_printf(&b->arena, "%s/%s", name, rows[i].file), rows[i].value, &b->e), 0);
		not_made(b, arena_printf(&b->arena, "/%s", name), ERR_CONFLICT, "container's cgroup unexpectedly frozen");
		/* It is not ours: it stays. */
		assert_int_equal(faccessat(root, name, F_OK, 0), 0);
		if (rows[i].row == CGROUPFS_V2) {
			not_made(b, below, ERR_CONFLICT, "unexpectedly frozen");
			assert_int_equal(faccessat(root, below + 1, F_OK, 0), -1);
		}
		for (int k = 0; k < CGROUPFS_ROWS; k++)
			if (root_of(k) >= 0)
				unlinkat(root_of(k), name, AT_REMOVEDIR);
	}
}

static void is_kept(void **state)
{
	struct box *b = *state;
	struct cgroup c = make(b, NULL, NULL), again = {.v2 = -1};
	own(json) struct json *j = cgroup_format(&c);
	own(buf) struct buf text = {};
	own(json) struct json *back = NULL;
	json_format(j, 0, &text);
	assert_int_equal(json_parse(text.data, text.len, &back, &b->e), 0);
	assert_int_equal(cgroup_parse(back, &again, &b->e), 0);
	assert_string_equal(again.path, c.path);
	assert_int_equal(again.rows, c.rows);
	assert_int_equal(again.made, c.made);
	assert_int_equal(again.v2 >= 0, c.v2 >= 0);
	/* Another container's groups below it, in hierarchies where this one has none, are not its own: by what was written down, and by the mark. */
	static const int others[] = {CGROUPFS_CPUSET, CGROUPFS_CPU, CGROUPFS_PIDS};
	int row = -1;
	for (size_t i = 0; i < countof(others); i++)
		if (root_of(others[i]) >= 0 && !(c.rows & 1u << cgroup_first_of(others[i])))
			row = others[i];
	if (row >= 0)
		assert_int_equal(mkdirat(root_of(row), c.path + 1, 0755), 0);
	struct cgroup found = {.v2 = -1};
	assert_int_equal(cgroup_open(c.path, &found, &b->e), 0);
	assert_int_equal(found.rows, c.rows);
	cgroup_drop(&found);
	cgroup_drop(&c);
	assert_int_equal(cgroup_remove(&again, &b->e), 0);
	if (row >= 0) {
		assert_true(is_there(&c, row));
		assert_int_equal(unlinkat(root_of(row), c.path + 1, AT_REMOVEDIR), 0);
	}
	static const char *const bad[] = {"{}", "{\"path\":\"/\",\"in\":[\"memory\",\"unified\"]}", "{\"path\":\"/a/../b\",\"in\":[\"memory\",\"unified\"]}",
		"{\"path\":\"a\",\"in\":[\"memory\",\"unified\"]}", "[]"};
	for (size_t i = 0; i < countof(bad); i++) {
		own(json) struct json *wrong = NULL;
		assert_int_equal(json_parse(bad[i], strlen(bad[i]), &wrong, &b->e), 0);
		assert_int_equal(cgroup_parse(wrong, &again, &b->e), -1);
		assert_int_equal(b->e.kind, ERR_CORRUPT);
	}
}

static void freezes(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	script(b, "while :; do echo x; sleep 0.01; done");
	assert_int_equal(launch(b, &c, &out), 0);
	for (int i = 0; i < 3; i++) {
		if (cgroup_freeze(&c.cgroup, true, &b->e) < 0)
			fail_msg("%s", b->e.text);
		assert_true(cgroup_is_frozen(&c.cgroup));
		assert_int_equal(cgroup_freeze(&c.cgroup, false, &b->e), 0);
		assert_false(cgroup_is_frozen(&c.cgroup));
	}
	assert_int_equal(cgroup_freeze(&c.cgroup, true, &b->e), 0);
	assert_int_equal(cgroup_kill(&c.cgroup, SIGKILL, &b->e), 0);
	assert_int_equal(reap(&c), 137);
}

/* Nobody reaps them but us, and they are many. */
static void kills_everyone(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	char up[3];
	drop_namespace(b, "pid");
	script(b, "i=0; while [ $i -lt 40 ]; do (while :; do sh -c true; done) > /dev/null 2>&1 & i=$((i + 1)); done; echo up; wait");
	assert_int_equal(launch(b, &c, &out), 0);
	assert_int_equal(fd_read_full(out, up, 3), 3);
	assert_int_equal(cgroup_freeze(&c.cgroup, true, &b->e), 0);
	assert_int_equal(cgroup_kill(&c.cgroup, SIGKILL, &b->e), 0);
	assert_int_equal(reap(&c), 137);
	reap_orphans();
}

/* Frozen by somebody, with nobody in it any more. */
static void removed_when_frozen(void **state)
{
	struct box *b = *state;
	struct cgroup c = make(b, NULL, NULL);
	own(fd) int dir = cgroup_open_row(&c, some_row() == CGROUPFS_V2 ? CGROUPFS_V2 : CGROUPFS_FREEZER);
	assert_int_equal(some_row() == CGROUPFS_V2 ? path_put(dir, "cgroup.freeze", "1", &b->e) : path_put(dir, "freezer.state", "FROZEN", &b->e), 0);
	assert_int_equal(cgroup_remove(&c, &b->e), 0);
	assert_int_equal(c.rows, 0);
	/* Once more: missing is success. */
	assert_int_equal(cgroup_remove(&c, &b->e), 0);
}

static int mount_v1(void)
{
	static const char *const names[] = {"cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio"};
	if (mount("tmpfs", "/mnt", "tmpfs", 0, NULL) < 0)
		return -1;
	for (size_t i = 0; i < countof(names); i++) {
		char from[64], to[64];
		snprintf(from, sizeof from, "/sys/fs/cgroup/%s", names[i]);
		snprintf(to, sizeof to, "/mnt/%s", names[i]);
		if (access(from, F_OK) == 0 && (mkdir(to, 0755) < 0 || mount(from, to, NULL, MS_BIND, NULL) < 0))
			return -1;
	}
	return mount("/mnt", "/sys/fs/cgroup", NULL, MS_MOVE, NULL);
}

static void again_in(const char *view, int (*arrange)(void))
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || arrange() < 0)
			_exit(99);
		execl("/proc/self/exe", "t_runtime_cgroup_groups", view, NULL);
		_exit(98);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int mount_v2(void)
{
	return mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL);
}

static void v1_alone(void **state)
{
	(void)state;
	if (cgroup_machine_mode() != CGROUP_HYBRID || !cgroup_has_controller("freezer"))
		skip();
	again_in("v1", mount_v1);
}

static void v2_alone(void **state)
{
	(void)state;
	if (cgroup_machine_mode() == CGROUP_V2)
		skip();
	again_in("v2", mount_v2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {BOX_TEST(left_behind), BOX_TEST(of_somebody_else), BOX_TEST(frozen_already), BOX_TEST(is_kept),
		BOX_TEST(freezes), BOX_TEST(kills_everyone), BOX_TEST(removed_when_frozen)};
	const struct CMUnitTest views[] = {cmocka_unit_test(paths), cmocka_unit_test(v1_alone), cmocka_unit_test(v2_alone)};
	int status = box_main();
	if (status)
		return status;
	int failed = cmocka_run_group_tests_name(argc > 1 ? argv[1] : "machine", tests, NULL, NULL);
	return failed || argc > 1 ? failed : cmocka_run_group_tests_name("views", views, NULL, NULL);
}
