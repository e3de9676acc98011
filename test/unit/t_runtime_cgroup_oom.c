/* SPDX-License-Identifier: Apache-2.0 */
/* News of memory that ran out: of a v2 group as files, and of a container on this machine, until its group is gone. */
#include "t_runtime_box.h"

#include "t_runtime_group.h"

#include "runtime/cgroup_oom.h"

static void wait_news(const struct cgroup_oom *o)
{
	struct pollfd p = {.fd = o->fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 30000), 1);
}

static bool has_news(const struct cgroup_oom *o)
{
	struct pollfd p = {.fd = o->fd, .events = POLLIN};
	return poll(&p, 1, 0) > 0;
}

static void counters_of_v2(void **state)
{
	struct group *g = *state;
	own(cgroup_oom) struct cgroup_oom o = CGROUP_OOM_EMPTY;
	uint64_t times;
	assert_int_equal(cgroup_oom_open_v2(g->dir, &o, &g->e), -1);
	assert_int_equal(g->e.kind, ERR_UNSUPPORTED);
	group_file(g, "memory.events", "low 0\nmax 5\noom 2\noom_kill 1\n");
	group_file(g, "cgroup.events", "populated 1\nfrozen 0\n");
	assert_int_equal(cgroup_oom_open_v2(g->dir, &o, &g->e), 0);
	assert_false(has_news(&o));
	/* Only the limit was reached: news, but no OOM. */
	group_file(g, "memory.events", "low 0\nmax 6\noom 2\noom_kill 1\n");
	wait_news(&o);
	assert_true(cgroup_oom_read(&o, &times));
	assert_int_equal(times, 0);
	assert_false(has_news(&o));
	group_file(g, "memory.events", "low 0\nmax 9\noom 4\noom_kill 2\n");
	wait_news(&o);
	assert_true(cgroup_oom_read(&o, &times));
	assert_int_equal(times, 2);
	/* Killed because of a limit above. */
	group_file(g, "memory.events", "low 0\nmax 9\noom 4\noom_kill 5\n");
	wait_news(&o);
	assert_true(cgroup_oom_read(&o, &times));
	assert_int_equal(times, 3);
	/* The last one ends of it. */
	group_file(g, "memory.events", "low 0\nmax 9\noom 5\noom_kill 6\n");
	group_file(g, "cgroup.events", "populated 0\nfrozen 0\n");
	wait_news(&o);
	assert_false(cgroup_oom_read(&o, &times));
	assert_int_equal(times, 1);
}

static void removed_v2(void **state)
{
	struct group *g = *state;
	own(cgroup_oom) struct cgroup_oom o = CGROUP_OOM_EMPTY;
	uint64_t times;
	assert_int_equal(mkdirat(g->dir, "below", 0755), 0);
	own(fd) int dir = openat(g->dir, "below", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	group_file(g, "below/memory.events", "oom 0\noom_kill 0\n");
	group_file(g, "below/cgroup.events", "populated 1\n");
	assert_int_equal(cgroup_oom_open_v2(dir, &o, &g->e), 0);
	assert_int_equal(path_remove_tree(g->dir, "below", &g->e), 0);
	fd_drop(&dir);
	/* The directory's own end may come when nobody has it open any more; its files are gone before. */
	while (has_news(&o) && cgroup_oom_read(&o, &times))
		;
	assert_false(cgroup_oom_read(&o, &times));
	assert_int_equal(times, 0);
}

static void of_a_container(void **state)
{
	struct box *b = *state;
	struct spec_memory m = {.limit = {true, 16 << 20}, .swap = {true, 16 << 20}};
	struct container c;
	own(fd) int out = -1;
	own(cgroup_oom) struct cgroup_oom o = CGROUP_OOM_EMPTY;
	uint64_t times = 0, all = 0;
	if (!cgroup_has_controller("memory"))
		skip();
	b->spec.linux_->resources->memory = &m;
	script(b, "read x; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done");
	int in[2];
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	b->create.stdio[0] = in[0];
	assert_int_equal(launch(b, &c, &out), 0);
	b->create.stdio[0] = -1;
	close(in[0]);
	if (cgroup_oom_open(&c.cgroup, &o, &b->e) < 0)
		fail_msg("%s", b->e.text);
	assert_false(has_news(&o));
	assert_int_equal(write(in[1], "go\n", 3), 3);
	close(in[1]);
	do {
		wait_news(&o);
		cgroup_oom_read(&o, &times);
		all += times;
	} while (!all);
	/* On v1 the news comes before the kill. */
	for (int i = 0; i < 3000 && !cgroup_oom_kills(&c.cgroup); i++)
		usleep(10000);
	assert_true(cgroup_oom_kills(&c.cgroup) > 0);
	assert_int_equal(reap(&c), 137);
	/* The group is gone, and that is said. */
	wait_news(&o);
	while (cgroup_oom_read(&o, &times))
		wait_news(&o);
}

/* Nothing but its end. */
static void ends_well(void **state)
{
	struct box *b = *state;
	struct container c;
	own(fd) int out = -1;
	own(cgroup_oom) struct cgroup_oom o = CGROUP_OOM_EMPTY;
	uint64_t times = 1;
	if (!cgroup_has_controller("memory"))
		skip();
	args(b, "sleep", "60", NULL);
	assert_int_equal(launch(b, &c, &out), 0);
	assert_int_equal(cgroup_oom_open(&c.cgroup, &o, &b->e), 0);
	assert_true(cgroup_oom_read(&o, &times));
	assert_int_equal(times, 0);
	kill(c.pid, SIGKILL);
	reap(&c);
	wait_news(&o);
	while (cgroup_oom_read(&o, &times)) {
		assert_int_equal(times, 0);
		wait_news(&o);
	}
	assert_int_equal(times, 0);
}

int main(void)
{
	const struct CMUnitTest files[] = {GROUP_TEST(counters_of_v2), GROUP_TEST(removed_v2)};
	const struct CMUnitTest here[] = {BOX_TEST(of_a_container), BOX_TEST(ends_well)};
	int failed = cmocka_run_group_tests_name("files", files, NULL, NULL);
	int status = box_main();
	return failed ? 1 : status ? status : cmocka_run_group_tests_name("machine", here, NULL, NULL);
}
