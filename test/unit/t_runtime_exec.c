/* SPDX-License-Identifier: Apache-2.0 */
/* One more process in a running container. */
#include "t_runtime_box.h"

#include <sys/prctl.h>

static void no_exec(struct box *b, int status, enum err_kind kind, const char *text)
{
	if (status >= 0)
		fail_msg("not refused: exit status %d: %s", status, buf_text(&b->out));
	if (b->e.kind != kind || !strstr(b->e.text, text))
		fail_msg("kind %d, not %d: \"%s\", not \"%s\"", b->e.kind, kind, b->e.text, text);
}

static void shares_everything(void **state)
{
	struct box *b = *state;
	struct strv caps = {};
	seccomp_default_caps(&b->arena, &caps);
	assert_int_equal(seccomp_default(&caps, &b->arena, &b->spec.linux_->seccomp, &b->e), 0);
	struct running r = begin(b);
	assert_string_equal(enter(b, &r, "for n in pid mnt net ipc uts cgroup; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || "
		"echo $n; done; hostname; cat /proc/1/cmdline | tr '\\0' ' '"), "boxhost\nsleep 60 ");
	assert_string_equal(enter(b, &r, "cut -d: -f1,3 /proc/1/cgroup > /tmp/a; cut -d: -f1,3 /proc/self/cgroup > /tmp/b; cat /tmp/a | "
		"while read l; do grep -qxF $l /tmp/b || echo $l; done; wc -l < /tmp/b | tr -dc 1-9 | head -c 1 | wc -c"), "1");
	const char *t = enter(b, &r, "cat /proc/self/status");
	assert_non_null(strstr(t, "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb"));
	assert_non_null(strstr(t, "CapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1"));
	assert_string_equal(enter(b, &r, "ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ");
	/* In the groups as the host sees them, too. */
	struct u32v pids = {};
	assert_int_equal(cgroup_pids(&r.c.cgroup, &pids, &b->e), 0);
	assert_int_equal(pids.n, 1);
	free(pids.v);
	/* Our own PID namespace is what it was. */
	pid_t child = fork();
	if (child == 0)
		_exit(getppid() == 0);
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	end(&r);
}

static void takes_its_own(void **state)
{
	struct box *b = *state;
	struct running r = begin(b);
	r.p.user = (struct spec_user){.uid = 1000, .gid = 7};
	r.p.cwd = arena_dup(&b->arena, "/tmp");
	r.p.env = (struct strv){};
	arena_strv_add(&b->arena, &r.p.env, "PATH=/bin");
	arena_strv_add(&b->arena, &r.p.env, "A=b");
	assert_string_equal(enter(b, &r, "id -u; id -g; pwd; echo $A$X; umask"), "1000\n7\n/tmp\nb\n0022");
	r.p.cwd = arena_dup(&b->arena, "/not/there");
	no_exec(b, enter_as(b, &r, "true", NULL), ERR_NOT_FOUND, "working directory /not/there: No such file");
	r.p.cwd = arena_dup(&b->arena, "/");
	assert_int_equal(enter_as(b, &r, "sh", "-c", "exit 42", NULL), 42);
	assert_int_equal(enter_as(b, &r, "sh", "-c", "kill -9 $$", NULL), 137);
	no_exec(b, enter_as(b, &r, "nosuch", NULL), ERR_NOCMD, "executable file not found in $PATH");
	no_exec(b, enter_as(b, &r, "/nosuch", NULL), ERR_NOCMD, "no such file");
	no_exec(b, enter_as(b, &r, "/etc/passwd", NULL), ERR_NOEXEC, "chmod +x");
	struct spec_rlimit limit = {.type = arena_dup(&b->arena, "RLIMIT_NOFILE"), .soft = 64, .hard = 64};
	r.p.rlimits.v = &limit;
	r.p.rlimits.n = 1;
	assert_string_equal(enter(b, &r, "ulimit -n"), "64");
	end(&r);
}

static void terminal(void **state)
{
	struct box *b = *state;
	struct running r = begin(b);
	struct spec_console size = {.height = 11, .width = 22};
	struct container_process p;
	r.p.terminal = true;
	r.p.console = &size;
	r.p.args = (struct strv){};
	arena_strv_add(&b->arena, &r.p.args, "sh");
	arena_strv_add(&b->arena, &r.p.args, "-c");
	arena_strv_add(&b->arena, &r.p.args, "tty; stty size; read x; echo got $x");
	struct container_exec x = {.pid = r.c.pid, .start_time = r.c.start_time, .process = &r.p, .spec = &b->spec, .cgroup = &r.c.cgroup,
		.stdio = {-1, -1, -1}, .seccomp_cache = -1};
	if (container_exec(&x, &p, &b->e) < 0)
		fail_msg("%s", b->e.text);
	assert_int_equal(fd_write_all(p.console, "abc\n", 4), 0);
	char text[256] = "";
	size_t n = 0;
	for (ssize_t got; n < sizeof text - 1 && (got = read(p.console, text + n, sizeof text - 1 - n)) > 0;)
		n += (size_t)got;
	int status;
	assert_int_equal(waitpid(p.pid, &status, 0), p.pid);
	assert_int_equal(status, 0);
	/* The echo of what was typed may stand anywhere between. */
	assert_non_null(strstr(text, "/dev/pts/0"));
	assert_non_null(strstr(text, "11 22"));
	assert_non_null(strstr(text, "got abc"));
	close(p.pidfd);
	close(p.console);
	end(&r);
}

static void not_into_what_is_gone(void **state)
{
	struct box *b = *state;
	struct running r = begin(b);
	uint64_t right = r.c.start_time;
	r.c.start_time++;
	no_exec(b, enter_as(b, &r, "true", NULL), ERR_CONFLICT, "not running");
	r.c.start_time = right;
	if (cgroup_freeze(&r.c.cgroup, true, &b->e) < 0)
		fail_msg("%s", b->e.text);
	no_exec(b, enter_as(b, &r, "true", NULL), ERR_CONFLICT, "paused");
	assert_int_equal(cgroup_freeze(&r.c.cgroup, false, &b->e), 0);
	assert_int_equal(enter_as(b, &r, "true", NULL), 0);
	pid_t pid = r.c.pid;
	kill(pid, SIGKILL);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	no_exec(b, enter_as(b, &r, "true", NULL), ERR_CONFLICT, "not running");
	end(&r);
}

static void counts_against_the_limits(void **state)
{
	struct box *b = *state;
	if (!cgroup_has_controller("pids"))
		skip();
	b->spec.linux_->resources->pids_limit = (struct opt_i64){true, 1};
	struct running r = begin(b);
	/* The limit is reached with the first process: joining is allowed, a child is not. */
	int status = enter_as(b, &r, "sh", "-c", "true | true", NULL);
	assert_int_not_equal(status, 0);
	end(&r);
}

static void with_a_user_namespace(void **state)
{
	struct box *b = *state;
	struct idmap_row row = {0, 100000, 65536};
	add_namespace(b, "user", NULL);
	b->spec.linux_->uids.v = b->spec.linux_->gids.v = &row;
	b->spec.linux_->uids.n = b->spec.linux_->gids.n = 1;
	struct running r = begin(b);
	assert_string_equal(enter(b, &r, "[ $(readlink /proc/1/ns/user) = $(readlink /proc/self/ns/user) ] && id -u; "
		"tr -s ' ' < /proc/self/uid_map"), "0\n 0 100000 65536");
	r.p.user.uid = 1000;
	assert_string_equal(enter(b, &r, "id -u"), "1000");
	r.p.user.uid = 70000;
	no_exec(b, enter_as(b, &r, "true", NULL), ERR_USAGE, "user 70000 is not mapped");
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {BOX_TEST(shares_everything), BOX_TEST(takes_its_own), BOX_TEST(terminal),
		BOX_TEST(not_into_what_is_gone), BOX_TEST(counts_against_the_limits), BOX_TEST(with_a_user_namespace)};
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
