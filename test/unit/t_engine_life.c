/* SPDX-License-Identifier: Apache-2.0 */
/* How a container stands, told from what was left on the disk. */
#include "engine/container.h"

#include "engine/list.h"
#include "runtime/container.h"
#include "t_engine.h"

#include "sys/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static void signals(void **state)
{
	(void)state;
	static const struct { const char *text; int sig; } rows[] = {{"TERM", SIGTERM}, {"SIGTERM", SIGTERM}, {"sigkill", SIGKILL}, {"9", 9},
		{"15", 15}, {"HUP", SIGHUP}, {"usr1", SIGUSR1}, {"WINCH", SIGWINCH}, {"64", 64}, {"CLD", SIGCHLD}};
	static const char *const wrong[] = {"", "0", "65", "-9", "TERMX", "SIG", "9 ", "0x9", "NOSUCH", "RTMIN+99", "RTMIN-1", "SIGSIGTERM"};
	int sig;
	struct err e = {};
	for (size_t i = 0; i < countof(rows); i++) {
		assert_int_equal(signal_parse(rows[i].text, &sig, &e), 0);
		assert_int_equal(sig, rows[i].sig);
	}
	assert_int_equal(signal_parse("RTMIN", &sig, &e), 0);
	assert_int_equal(sig, SIGRTMIN);
	assert_int_equal(signal_parse("SIGRTMIN+3", &sig, &e), 0);
	assert_int_equal(sig, SIGRTMIN + 3);
	assert_int_equal(signal_parse("RTMAX-1", &sig, &e), 0);
	assert_int_equal(sig, SIGRTMAX - 1);
	for (size_t i = 0; i < countof(wrong); i++) {
		sig = 77;
		assert_int_equal(signal_parse(wrong[i], &sig, &e), -1);
		assert_int_equal(sig, 77);
	}
}

/* Writes the container with this status; pid and monitor 0: dead ones. */
static void save(struct bench *b, const char *status, pid_t pid, pid_t monitor, bool rm)
{
	struct container_state *s = &b->c.state;
	*s = (struct container_state){.name = word("web"), .status = word(status), .boot = b->g.containers.boot, .auto_remove = rm,
		.created = word("2026-01-02T03:04:05Z"), .started_at = word("2026-01-02T03:04:05Z")};
	s->pid = pid ? pid : 0x3ffffffe;
	s->start_time = pid ? container_start_time(pid) : 1;
	s->monitor_pid = monitor ? monitor : 0x3ffffffe;
	s->monitor_start = monitor ? container_start_time(monitor) : 1;
	b->c.record.host.auto_remove = rm;
	b->c.record.host.rootfs = word("/nonexistent");
	b->c.record.path = word("/bin/true");
	assert_int_equal(container_save_state(b->c.dir, s, false, &b->e), 0);
	assert_int_equal(container_save_record(&b->c, false, &b->e), 0);
	struct err ignored = {};
	(void)!containers_take_name(&b->g.containers, "web", b->c.id, &ignored);
	fd_drop(&b->c.lock);
}

static int get(struct bench *b, struct container_entry *ret)
{
	b->e = (struct err){};
	return container_get(&b->g, "web", 0, ret, &b->e);
}

static void a_running_one(void **state)
{
	struct bench *b = *state;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	save(b, "running", getpid(), getpid(), false);
	assert_int_equal(get(b, &c), 0);
	assert_string_equal(c.state.status, "running");
}

static void its_monitor_was_killed(void **state)
{
	struct bench *b = *state;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	own(container_entry) struct container_entry again = {.dir = -1, .lock = -1};
	own(fd) int run = containers_run_dir(&b->g.containers, b->c.id, true, &b->e);
	save(b, "running", 0, 0, false);
	assert_int_equal(get(b, &c), 0);
	assert_string_equal(c.state.status, "exited");
	assert_int_equal(c.state.exit_code, 255);
	assert_non_null(strstr(c.state.error, "monitor"));
	assert_true(c.state.finished_at && *c.state.finished_at);
	assert_false(path_exists(b->g.containers.run, b->c.id));
	/* It is written down, once. */
	assert_int_equal(get(b, &again), 0);
	assert_string_equal(again.state.finished_at, c.state.finished_at);
}

static void the_process_outlives_its_monitor(void **state)
{
	struct bench *b = *state;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	save(b, "running", getpid(), 0, false);
	assert_int_equal(get(b, &c), 0);
	assert_string_equal(c.state.status, "running");
}

static void a_reboot(void **state)
{
	struct bench *b = *state;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	save(b, "running", getpid(), getpid(), false);
	b->c.state.boot = word("another boot");
	assert_int_equal(container_save_state(b->c.dir, &b->c.state, false, &b->e), 0);
	assert_int_equal(get(b, &c), 0);
	assert_string_equal(c.state.status, "exited");
	assert_non_null(strstr(c.state.error, "restarted"));
}

static void a_reused_pid_is_not_it(void **state)
{
	struct bench *b = *state;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	save(b, "running", getpid(), 0, false);
	b->c.state.start_time++;
	assert_int_equal(container_save_state(b->c.dir, &b->c.state, false, &b->e), 0);
	assert_int_equal(get(b, &c), 0);
	assert_string_equal(c.state.status, "exited");
}

static void what_rm_left(void **state)
{
	struct bench *b = *state;
	struct container_entry c = {.dir = -1, .lock = -1};
	save(b, "removing", 0, 0, true);
	assert_int_equal(get(b, &c), -1);
	assert_int_equal(b->e.kind, ERR_NOT_FOUND);
	assert_false(path_exists(b->g.containers.root, b->c.id));
	assert_false(path_exists(b->g.containers.names, "web"));
}

/* The monitor knows its container from before a rename that ended while it waited for the lock. */
static void renamed_while_it_ends(void **state)
{
	struct bench *b = *state;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	save(b, "running", getpid(), getpid(), true);
	assert_int_equal(containers_load(&b->g.containers, b->c.id, 0, &c, &b->e), 0);
	assert_int_equal(container_rename(&b->g, "web", "shop", &b->e), 0);
	assert_true(path_exists(b->g.containers.names, "shop"));
	assert_int_equal(container_erase(&b->g, &c, true, &b->e), 0);
	assert_false(path_exists(b->g.containers.names, "shop"));
	assert_false(path_exists(b->g.containers.names, "web"));
}

static void no_rename_of_what_is_removed(void **state)
{
	struct bench *b = *state;
	save(b, "removing", 0, getpid(), true);
	assert_int_equal(container_rename(&b->g, "web", "shop", &b->e), -1);
	assert_int_equal(b->e.kind, ERR_NOT_FOUND);
	assert_false(path_exists(b->g.containers.names, "shop"));
	assert_true(path_exists(b->g.containers.names, "web"));
}

static void rm_and_a_killed_monitor(void **state)
{
	struct bench *b = *state;
	struct container_list_request r = {.all = true};
	save(b, "running", 0, 0, true);
	own(json) struct json *list = container_list(&b->g, &r, &b->e);
	assert_int_equal(json_len(list), 0);
	assert_false(path_exists(b->g.containers.root, b->c.id));
}

static void one_that_is_being_removed_is_left_alone(void **state)
{
	struct bench *b = *state;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	save(b, "removing", getpid(), getpid(), true);
	assert_int_equal(get(b, &c), 0);
	assert_true(path_exists(b->g.containers.root, b->c.id));
}

static void the_monitor_is_just_writing(void **state)
{
	struct bench *b = *state;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	/* The process is gone, a "monitor" (our child) lives and writes a moment later. */
	pid_t pid = fork();
	if (pid == 0) {
		usleep(100000);
		struct container_state s = b->c.state;
		s.status = word("exited");
		s.exit_code = 42;
		s.pid = 0;
		struct err e = {};
		_exit(container_save_state(b->c.dir, &s, false, &e) < 0);
	}
	save(b, "running", 0, pid, false);
	assert_int_equal(get(b, &c), 0);
	waitpid(pid, NULL, 0);
	assert_string_equal(c.state.status, "exited");
	assert_int_equal(c.state.exit_code, 42);
}

static void an_empty_state_after_a_power_cut(void **state)
{
	struct bench *b = *state;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	save(b, "running", getpid(), getpid(), false);
	bench_put(b->c.dir, "state.json", "");
	assert_int_equal(get(b, &c), 0);
	assert_string_equal(c.state.status, "exited");
	assert_string_equal(c.state.name, "web");
	struct container_list_request r = {.all = true};
	own(json) struct json *list = container_list(&b->g, &r, &b->e);
	assert_int_equal(json_len(list), 1);
}

/* As of a disk that fails: written anew it would say that a running container has ended. */
static void a_state_that_cannot_be_read(void **state)
{
	struct bench *b = *state;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	save(b, "running", getpid(), getpid(), false);
	assert_int_equal(unlinkat(b->c.dir, "state.json", 0), 0);
	assert_int_equal(mkdirat(b->c.dir, "state.json", 0700), 0);
	assert_int_equal(get(b, &c), -1);
	assert_int_equal(b->e.sys, EISDIR);
	assert_int_equal(container_change_state(&b->c, &b->e), -1);
}

static void half_made(void **state)
{
	struct bench *b = *state;
	struct container_list_request r = {.all = true};
	assert_int_equal(container_save_state(b->c.dir, &(struct container_state){.status = word("created")}, false, &b->e), 0);
	/* Its maker holds the lock. */
	own(json) struct json *list = container_list(&b->g, &r, &b->e);
	assert_int_equal(json_len(list), 0);
	assert_true(path_exists(b->g.containers.root, b->c.id));
	assert_int_equal(containers_take_name(&b->g.containers, "web", b->c.id, &b->e), 0);
	fd_drop(&b->c.lock);
	own(json) struct json *again = container_list(&b->g, &r, &b->e);
	assert_int_equal(json_len(again), 0);
	assert_false(path_exists(b->g.containers.root, b->c.id));
	char target[66];
	assert_int_equal(readlinkat(b->g.containers.names, "web", target, sizeof target), -1);
}

static void rename_it(void **state)
{
	struct bench *b = *state;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	save(b, "exited", 0, 0, false);
	assert_int_equal(container_rename(&b->g, "web", "../x", &b->e), -1);
	assert_int_equal(container_rename(&b->g, "web", "web", &b->e), -1);
	assert_int_equal(container_rename(&b->g, "web", "api", &b->e), 0);
	assert_int_equal(container_get(&b->g, "api", 0, &c, &b->e), 0);
	assert_string_equal(c.record.name, "/api");
	assert_string_equal(c.state.name, "api");
	assert_int_equal(containers_take_name(&b->g.containers, "web", b->c.id, &b->e), 0);
}

static void remove_it(void **state)
{
	struct bench *b = *state;
	save(b, "running", getpid(), getpid(), false);
	assert_int_equal(container_delete(&b->g, "web", false, false, &b->e), -1);
	assert_int_equal(b->e.kind, ERR_CONFLICT);
	save(b, "exited", 0, 0, false);
	assert_int_equal(container_delete(&b->g, "web", false, false, &b->e), 0);
	assert_false(path_exists(b->g.containers.root, b->c.id));
	assert_int_equal(container_delete(&b->g, "web", false, false, &b->e), -1);
	assert_int_equal(b->e.kind, ERR_NOT_FOUND);
}

static void filters(void **state)
{
	struct bench *b = *state;
	static const struct { const char *filter; size_t found; } rows[] = {{"status=exited", 1}, {"status=running", 0}, {"name=we", 1}, {"name=^/web$", 1},
		{"name=^eb", 0}, {"id=aaa", 1}, {"id=b", 0}, {"label=a", 0}, {"exited=0", 1}, {"exited=1", 0}, {"health=none", 1}, {"ancestor=nothing", 0},
		{"volume=x", 0}, {"network=none", 0}, {"is-task=false", 1}};
	save(b, "exited", 0, 0, false);
	for (size_t i = 0; i < countof(rows); i++) {
		own(strv) struct strv f = {};
		strv_add(&f, rows[i].filter);
		struct container_list_request r = {.all = true, .filters = &f};
		own(json) struct json *list = container_list(&b->g, &r, &b->e);
		if (json_len(list) != rows[i].found)
			fail_msg("%s: %zu", rows[i].filter, json_len(list));
	}
	static const char *const wrong[] = {"nonsense=1", "status=odd", "exited=x", "name", "before=nobody"};
	for (size_t i = 0; i < countof(wrong); i++) {
		own(strv) struct strv f = {};
		strv_add(&f, wrong[i]);
		struct container_list_request r = {.all = true, .filters = &f};
		assert_null(container_list(&b->g, &r, &b->e));
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)
	const struct CMUnitTest tests[] = {cmocka_unit_test(signals), T(a_running_one), T(its_monitor_was_killed), T(the_process_outlives_its_monitor),
		T(a_reboot), T(a_reused_pid_is_not_it), T(what_rm_left), T(renamed_while_it_ends),
		T(no_rename_of_what_is_removed), T(rm_and_a_killed_monitor), T(one_that_is_being_removed_is_left_alone),
		T(the_monitor_is_just_writing), T(an_empty_state_after_a_power_cut), T(a_state_that_cannot_be_read),
		T(half_made), T(rename_it), T(remove_it), T(filters)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
