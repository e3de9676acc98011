/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor around a runtime made of fork and exec: the calls of runtime/container.h are defined here and take the
 * place of the real ones. A container is a process group.
 */
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "monitor/attach.h"
#include "monitor/logs.h"
#include "monitor/monitor.h"
#include "sys/proc.h"
#include "sys/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t oom_kills;

uint64_t cgroup_oom_kills(const struct cgroup *c)
{
	(void)c;
	return oom_kills;
}

static void child(const struct container_create *c, int slave, int go)
{
	setsid();
	if (slave >= 0)
		ioctl(slave, TIOCSCTTY, 0);
	for (int i = 0; i < 3; i++) {
		int fd = slave >= 0 ? slave : c->stdio[i] >= 0 ? c->stdio[i] : open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(fd, i);
	}
	char byte;
	if (read(go, &byte, 1) != 1)
		_exit(1);
	execvp(c->spec->process->args.v[0], c->spec->process->args.v);
	int why = errno;
	(void)!write(go, &why, sizeof why);
	_exit(1);
}

int container_create(const struct container_create *c, struct container *ret, struct err *e)
{
	int s[2], slave = -1;
	*ret = (struct container){.pidfd = -1, .console = -1, .start = -1, .cgroup.v2 = -1};
	if (c->spec->process->terminal) {
		ret->console = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (ret->console < 0 || unlockpt(ret->console) < 0)
			return err_sys(e, "terminal");
		slave = ioctl(ret->console, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) < 0)
		return err_sys(e, "socketpair");
	ret->pid = fork();
	if (ret->pid == 0)
		child(c, slave, s[1]);
	close(s[1]);
	fd_drop(&slave);
	ret->start = s[0];
	ret->pidfd = proc_pidfd_open(ret->pid);
	snprintf(ret->warning, sizeof ret->warning, "a warning");
	return 0;
}

int container_start(struct container *c, struct err *e)
{
	int why = 0;
	if (write(c->start, "G", 1) != 1)
		return err_sys(e, "start");
	ssize_t n = fd_read_full(c->start, &why, sizeof why);
	fd_drop(&c->start);
	errno = why;
	return n == 0 ? 0 : err_set(e, why == ENOENT ? ERR_NOCMD : ERR_NOEXEC, "exec: %s", strerror(why));
}

/* What was restored runs when this returns. */
int container_restore(const struct container_restore *r, struct container *ret, struct err *e)
{
	if (container_create(r->create, ret, e) < 0)
		return -1;
	return r->created(r->arg, ret, e) < 0 || container_start(ret, e) < 0 ? -1 : 0;
}

int container_remove(struct container *c, struct err *e)
{
	(void)e;
	kill(-c->pid, SIGKILL);
	return 0;
}

void container_drop(struct container *c)
{
	fd_drop(&c->pidfd);
	fd_drop(&c->console);
	fd_drop(&c->start);
}

/* One container: what is asked for, and what we hold of it. */
struct run {
	struct monitor m;
	struct spec spec;
	struct spec_process process;
	struct spec_console console;
	char path[64];
	int dir, run_dir;
	int client;    /* our end, or -1 */
	pid_t monitor;
	struct err report;
};

static void note(struct run *r, const char *name, const char *text)
{
	struct err e = {};
	assert_int_equal(path_write(r->dir, name, text, strlen(text), 0600, 0, &e), 0);
}

static int on_created(void *arg, const struct container *c, struct err *e)
{
	char text[40];
	snprintf(text, sizeof text, "%d", c->pid);
	(void)e;
	note(arg, "created", text);
	return 0;
}

static void on_started(void *arg, const struct container *c, int64_t ns)
{
	(void)c;
	note(arg, "started", ns > 0 ? "yes" : "no");
}

static void on_exited(void *arg, const struct monitor_exit *x)
{
	char text[80];
	snprintf(text, sizeof text, "%d %d %d %s", x->status, x->signal, x->oom_killed, x->finished_ns > 0 ? "then" : "never");
	note(arg, "exited", text);
}

static void on_finished(void *arg)
{
	note(arg, "finished", "");
}

static int setup(void **state)
{
	struct run *r = calloc(1, sizeof *r);
	strcpy(r->path, "/tmp/hull-monitor.XXXXXX");
	assert_non_null(mkdtemp(r->path));
	r->dir = open(r->path, O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(r->dir, "run", 0700), 0);
	r->run_dir = openat(r->dir, "run", O_DIRECTORY | O_CLOEXEC);
	r->spec.process = &r->process;
	r->m = (struct monitor){.create = {.id = "test", .spec = &r->spec, .rootfs = -1, .stdio = {-1, -1, -1}, .console = -1, .seccomp_cache = -1},
		.log = {.driver = LOG_JSON_FILE, .dir = r->dir, .name = "c.log", .max_size = 10 << 20, .max_files = 3}, .run_dir = r->run_dir,
		.created = on_created, .started = on_started, .exited = on_exited, .finished = on_finished, .arg = r};
	r->m.keep[r->m.nkeep++] = r->dir;
	r->client = -1;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct run *r = *state;
	struct err e = {};
	fd_drop(&r->client);
	if (r->monitor > 0) {
		kill(r->monitor, SIGKILL);
		waitpid(r->monitor, NULL, 0);
	}
	assert_int_equal(path_remove_tree(AT_FDCWD, r->path, &e), 0);
	fd_drop(&r->dir);
	fd_drop(&r->run_dir);
	free(r);
	return 0;
}

#define RUN(r, streams, ...) start_run(r, streams, (char *const[]){__VA_ARGS__, NULL})
static char arg_sh[] = "sh", arg_c[] = "-c";
#define SH(r, streams, text) RUN(r, streams, arg_sh, arg_c, (char *)(uintptr_t)(text))

static void start_run(struct run *r, unsigned streams, char *const *args)
{
	int report[2], s[2] = {-1, -1};
	r->process.args.v = (char **)(uintptr_t)args;
	while (args[r->process.args.n])
		r->process.args.n++;
	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	if (streams)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	if (streams && r->process.terminal && r->console.height) {
		int tty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		tty_set_size(tty, (unsigned short)r->console.height, (unsigned short)r->console.width);
		attach_send_size(s[1], tty);
		close(tty);
	}
	r->monitor = fork();
	assert_true(r->monitor >= 0);
	if (r->monitor == 0) {
		const struct monitor_client given = {s[0], streams};
		r->m.clients = &given;
		r->m.nclients = streams != 0;
		r->m.report = report[1];
		_exit(monitor_main(&r->m));
	}
	close(report[1]);
	fd_drop(&s[0]);
	r->client = s[1];
	assert_int_equal(fd_read_full(report[0], &r->report, sizeof r->report), sizeof r->report);
	close(report[0]);
}

static void expect_note(struct run *r, const char *name, const char *text)
{
	struct err e = {};
	own(buf) struct buf b = BUF(1000);
	if (path_read(r->dir, name, &b, &e) < 0)
		fail_msg("%s", e.text);
	assert_string_equal(buf_text(&b), text);
}

static void monitor_ends(struct run *r)
{
	int status;
	assert_int_equal(waitpid(r->monitor, &status, 0), r->monitor);
	r->monitor = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	expect_note(r, "finished", "");
}

static void put(int sock, enum attach_type type, const void *p, size_t n)
{
	unsigned char h[ATTACH_HEADER];
	attach_header(h, type, (uint32_t)n);
	assert_int_equal(fd_write_all(sock, h, sizeof h), 0);
	assert_int_equal(fd_write_all(sock, p, n), 0);
}

/* Frames until the last one. Returns its type, ATTACH_DATA_IN when the socket just ended. */
static int take_all(int sock, struct buf *out, struct buf *er, int *ret_status)
{
	for (;;) {
		unsigned char h[ATTACH_HEADER];
		if (fd_read_full(sock, h, sizeof h) != sizeof h)
			return ATTACH_DATA_IN;
		uint32_t n = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
		assert_true(n <= ATTACH_FRAME_MAX);
		unsigned char body[ATTACH_FRAME_MAX];
		assert_int_equal(fd_read_full(sock, body, n), n);
		if (h[0] == ATTACH_EXIT)
			*ret_status = body[0] << 24 | body[1] << 16 | body[2] << 8 | body[3];
		if (h[0] == ATTACH_EXIT || h[0] == ATTACH_BYE)
			return h[0];
		struct buf *b = h[0] == ATTACH_DATA_ERR ? er : out;
		assert_true(h[0] == ATTACH_DATA_OUT || h[0] == ATTACH_DATA_ERR);
		assert_non_null(b);
		buf_add(b, body, n);
	}
}

static int connect_run(struct run *r, unsigned streams)
{
	struct err e = {};
	int sock = attach_connect(r->run_dir, streams, &e);
	if (sock < 0)
		fail_msg("%s", e.text);
	return sock;
}

struct logged {
	struct buf text[3];
};

static int on_line(void *arg, int stream, int64_t ns, const char *p, size_t n, const char *attrs, struct err *e)
{
	struct logged *l = arg;
	(void)ns;
	(void)attrs;
	(void)e;
	return buf_add(&l->text[stream], p, n);
}

static void expect_log(struct run *r, const char *out, const char *err)
{
	struct logged l = {.text = {[1] = BUF(64 << 20), [2] = BUF(64 << 20)}};
	struct err e = {};
	struct logs_read q = {.driver = r->m.log.driver, .dir = r->dir, .name = "c.log", .tail = -1, .line = on_line, .arg = &l};
	assert_int_equal(logs_read(&q, &e), 0);
	assert_string_equal(buf_text(&l.text[1]), out);
	assert_string_equal(buf_text(&l.text[2]), err);
	buf_drop(&l.text[1]);
	buf_drop(&l.text[2]);
}

static void expect_gone(pid_t group)
{
	for (int i = 0; i < 200 && kill(-group, 0) == 0; i++)
		usleep(5000);
	assert_int_equal(kill(-group, 0), -1);
}

static pid_t container_pid(struct run *r)
{
	struct err e = {};
	own(buf) struct buf b = BUF(1000);
	assert_int_equal(path_read(r->dir, "created", &b, &e), 0);
	return atoi(b.data);
}

enum { ALL_OUT = ATTACH_STDOUT | ATTACH_STDERR };

static void status_and_output(void **state)
{
	struct run *r = *state;
	SH(r, ALL_OUT, "echo out; echo err >&2; printf part; exit 5");
	assert_int_equal(r->report.kind, ERR_NONE);
	assert_string_equal(r->report.text, "a warning");
	expect_note(r, "started", "yes");
	own(buf) struct buf out = BUF(1000), er = BUF(1000);
	int status = -1;
	assert_int_equal(take_all(r->client, &out, &er, &status), ATTACH_EXIT);
	/* It was told after it was recorded. */
	expect_note(r, "exited", "5 0 0 then");
	assert_int_equal(status, 5);
	assert_string_equal(buf_text(&out), "out\npart");
	assert_string_equal(buf_text(&er), "err\n");
	/* The socket ends when everything is done. */
	char byte;
	assert_int_equal(read(r->client, &byte, 1), 0);
	expect_note(r, "finished", "");
	monitor_ends(r);
	expect_log(r, "out\npart", "err\n");
}

/* It runs when its namespaces are there and created() was called: nothing is started afterwards, and the files' other ends are known. */
static void restored(void **state)
{
	struct run *r = *state;
	struct container_restore from = {.create = &r->m.create, .created = on_created, .arg = r};
	r->m.restore = &from;
	SH(r, ALL_OUT, "echo again; exit 3");
	assert_int_equal(r->report.kind, ERR_NONE);
	expect_note(r, "started", "yes");
	own(buf) struct buf out = BUF(1000), er = BUF(1000);
	int status = -1;
	assert_int_equal(take_all(r->client, &out, &er, &status), ATTACH_EXIT);
	assert_int_equal(status, 3);
	assert_string_equal(buf_text(&out), "again\n");
	monitor_ends(r);
}

static void killed(void **state)
{
	struct run *r = *state;
	SH(r, ALL_OUT, "kill -9 $$");
	own(buf) struct buf out = BUF(1000);
	int status = -1;
	assert_int_equal(take_all(r->client, &out, &out, &status), ATTACH_EXIT);
	assert_int_equal(status, 137);
	monitor_ends(r);
	expect_note(r, "exited", "137 9 0 then");
}

static void killed_by_oom(void **state)
{
	struct run *r = *state;
	oom_kills = 1;
	SH(r, 0, "kill -9 $$");
	monitor_ends(r);
	oom_kills = 0;
	expect_note(r, "exited", "137 9 1 then");
}

static void no_command(void **state)
{
	struct run *r = *state;
	char name[] = "/no/such/command";
	RUN(r, ALL_OUT, name);
	assert_int_equal(r->report.kind, ERR_NOCMD);
	int status;
	assert_int_equal(waitpid(r->monitor, &status, 0), r->monitor);
	r->monitor = 0;
	assert_int_equal(WEXITSTATUS(status), 1);
	expect_gone(container_pid(r));
	assert_false(path_exists(r->dir, "exited"));
	char byte;
	assert_int_equal(read(r->client, &byte, 1), 0);
}

static void locked_twice(void **state)
{
	struct run *r = *state;
	struct err e = {};
	own(fd) int lock = path_lock(r->run_dir, "lock", true, false, &e);
	assert_true(lock >= 0);
	SH(r, 0, "true");
	assert_int_equal(r->report.kind, ERR_CONFLICT);
	assert_false(path_exists(r->dir, "created"));
	waitpid(r->monitor, NULL, 0);
	r->monitor = 0;
}

static void stdin_with_an_end(void **state)
{
	struct run *r = *state;
	enum { BIG = 2 << 20 };
	r->m.open_stdin = r->m.stdin_once = true;
	SH(r, ALL_OUT | ATTACH_STDIN, "exec cksum");
	char *block = calloc(1, 65536);
	for (int i = 0; i < BIG / 65536; i++)
		put(r->client, ATTACH_DATA_IN, block, 65536);
	put(r->client, ATTACH_DATA_IN, "end", 3);
	put(r->client, ATTACH_DATA_IN, "", 0);
	free(block);
	own(buf) struct buf out = BUF(1000);
	int status = -1;
	assert_int_equal(take_all(r->client, &out, NULL, &status), ATTACH_EXIT);
	char want[40];
	snprintf(want, sizeof want, " %d\n", BIG + 3);
	assert_true(str_has_suffix(buf_text(&out), want));
	monitor_ends(r);
}

/* Half of the connection closed is an end of the input too, and does not end the output. */
static void half_closed(void **state)
{
	struct run *r = *state;
	r->m.open_stdin = r->m.stdin_once = true;
	SH(r, ALL_OUT | ATTACH_STDIN, "cat; sleep 0.1; echo later");
	put(r->client, ATTACH_DATA_IN, "hello\n", 6);
	shutdown(r->client, SHUT_WR);
	own(buf) struct buf out = BUF(1000);
	int status = -1;
	assert_int_equal(take_all(r->client, &out, NULL, &status), ATTACH_EXIT);
	assert_string_equal(buf_text(&out), "hello\nlater\n");
	monitor_ends(r);
}

/* What a client sent before it hung up reaches the program; with stdin_once its end too. */
static void last_words(void **state)
{
	struct run *r = *state;
	r->m.open_stdin = r->m.stdin_once = true;
	SH(r, ATTACH_STDIN, "sleep 0.2; cksum");
	char *block = calloc(1, 65536);
	put(r->client, ATTACH_DATA_IN, block, 65536);
	put(r->client, ATTACH_DATA_IN, block, 60000);
	free(block);
	fd_drop(&r->client);
	monitor_ends(r);
	struct err e = {};
	own(buf) struct buf b = BUF(1000);
	assert_int_equal(path_read(r->dir, "c.log", &b, &e), 0);
	assert_non_null(strstr(b.data, " 125536\\n"));
}

/* Without stdin_once stdin stays open for the next client; the one whose input ended is sent away. */
static void stdin_stays_open(void **state)
{
	struct run *r = *state;
	r->m.open_stdin = true;
	SH(r, 0, "while read x; do echo \"<$x>\"; [ $x != end ] || exit 3; done");
	int status = -1;
	own(fd) int a = connect_run(r, ALL_OUT | ATTACH_STDIN);
	put(a, ATTACH_DATA_IN, "one\n", 4);
	put(a, ATTACH_DATA_IN, "", 0);
	own(buf) struct buf out = BUF(1000);
	assert_int_equal(take_all(a, &out, NULL, &status), ATTACH_BYE);
	own(fd) int b = connect_run(r, ALL_OUT | ATTACH_STDIN);
	put(b, ATTACH_DATA_IN, "end\n", 4);
	buf_reset(&out);
	assert_int_equal(take_all(b, &out, NULL, &status), ATTACH_EXIT);
	assert_true(str_has_suffix(buf_text(&out), "<end>\n"));
	assert_int_equal(status, 3);
	monitor_ends(r);
	expect_log(r, "<one>\n<end>\n", "");
}

static void without_stdin(void **state)
{
	struct run *r = *state;
	SH(r, ALL_OUT | ATTACH_STDIN, "cat; echo done");
	put(r->client, ATTACH_DATA_IN, "ignored", 7);
	own(buf) struct buf out = BUF(1000);
	int status = -1;
	assert_int_equal(take_all(r->client, &out, NULL, &status), ATTACH_EXIT);
	assert_string_equal(buf_text(&out), "done\n");
	monitor_ends(r);
}

static char big_command[] = "yes 0123456789abcde | head -n 300000; echo end >&2";
enum { BIG_OUT = 300000 * 16 };

static void check_big(const struct buf *out)
{
	assert_int_equal(out->len, BIG_OUT);
	for (size_t i = 0; i < out->len; i += 16)
		assert_memory_equal(out->data + i, "0123456789abcde\n", 16);
}

/* The client that it was started for may take its time: nothing is lost. The exit is recorded meanwhile, with the log complete. */
static void slow_first_client(void **state)
{
	struct run *r = *state;
	r->m.stall_ms = 100;
	SH(r, ALL_OUT, "yes 0123456789abcde | head -n 8000");
	for (int i = 0; i < 1000 && !path_exists(r->dir, "exited"); i++)
		usleep(5000);
	expect_note(r, "exited", "0 0 0 then");
	struct err e = {};
	struct logged l = {.text = {[1] = BUF(64 << 20), [2] = BUF(64 << 20)}};
	struct logs_read q = {.driver = LOG_JSON_FILE, .dir = r->dir, .name = "c.log", .tail = -1, .line = on_line, .arg = &l};
	assert_int_equal(logs_read(&q, &e), 0);
	assert_int_equal(l.text[1].len, 8000 * 16);
	buf_drop(&l.text[1]);
	usleep(300000);
	own(buf) struct buf out = BUF(64 << 20), er = BUF(1000);
	int status = -1;
	assert_int_equal(take_all(r->client, &out, &er, &status), ATTACH_EXIT);
	assert_int_equal(out.len, 8000 * 16);
	monitor_ends(r);
}

static void big_output(void **state)
{
	struct run *r = *state;
	SH(r, ALL_OUT, big_command);
	usleep(200000);
	own(buf) struct buf out = BUF(64 << 20), er = BUF(1000);
	int status = -1;
	assert_int_equal(take_all(r->client, &out, &er, &status), ATTACH_EXIT);
	check_big(&out);
	assert_string_equal(buf_text(&er), "end\n");
	monitor_ends(r);
}

/* One that joined later and takes nothing is cut off; the others get everything. */
static void hung_client(void **state)
{
	struct run *r = *state;
	r->m.stall_ms = 2000;
	r->m.open_stdin = r->m.stdin_once = true;
	SH(r, ALL_OUT | ATTACH_STDIN, "read x; yes 0123456789abcde | head -n 300000; echo end >&2");
	own(fd) int hung = connect_run(r, ALL_OUT);
	own(fd) int waiter = connect_run(r, 0);
	own(fd) int good = connect_run(r, ALL_OUT);
	usleep(50000);
	put(r->client, ATTACH_DATA_IN, "\n", 1);
	pid_t reader = fork();
	if (reader == 0) {
		struct buf out = BUF(64 << 20), er = BUF(1000);
		int status = -1;
		_exit(take_all(good, &out, &er, &status) == ATTACH_EXIT && out.len == BIG_OUT ? 0 : 1);
	}
	own(buf) struct buf out = BUF(64 << 20), er = BUF(1000);
	int status = -1;
	assert_int_equal(take_all(r->client, &out, &er, &status), ATTACH_EXIT);
	check_big(&out);
	assert_int_equal(take_all(waiter, NULL, NULL, &status), ATTACH_EXIT);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
	own(buf) struct buf part = BUF(64 << 20);
	char tail[65536];
	ssize_t n;
	while ((n = read(hung, tail, sizeof tail)) > 0)
		buf_add(&part, tail, (size_t)n);
	assert_true(part.len < BIG_OUT);
	monitor_ends(r);
}

/* A client that dies holds nobody up. */
static void dead_client(void **state)
{
	struct run *r = *state;
	SH(r, ALL_OUT, "sleep 0.1; yes 0123456789abcde | head -n 30000; exit 6");
	fd_drop(&r->client);
	monitor_ends(r);
	expect_note(r, "exited", "6 0 0 then");
}

static void strangers_and_garbage(void **state)
{
	struct run *r = *state;
	SH(r, ALL_OUT, "trap 'exit 4' TERM; while :; do sleep 0.05; done");
	int status = -1;
	static const char *const bad[] = {"\x09\0\0\0\0\0\0\x04\0\1\0\1", "\0\0\0\0\0\0\0\1x", "\xff\0\0\0\0\0\0\0", "GET / HTTP/1.1\r\n\r\n",
		"\x08\0\0\0\0\0\0\2xx"};
	static const size_t len[] = {12, 9, 8, 18, 10};
	for (size_t i = 0; i < 400; i++) {
		struct err e = {};
		struct sockaddr_un a = {.sun_family = AF_UNIX};
		snprintf(a.sun_path, sizeof a.sun_path, "%s/run/attach.sock", r->path);
		own(fd) int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(sock, (struct sockaddr *)&a, sizeof a), 0);
		send(sock, bad[i % countof(bad)], len[i % countof(bad)], MSG_NOSIGNAL);
		if (i < 5)
			assert_int_equal(take_all(sock, NULL, NULL, &status), ATTACH_DATA_IN);
		(void)e;
	}
	struct stat st;
	assert_int_equal(fstatat(r->run_dir, "attach.sock", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	if (geteuid() == 0) {
		pid_t other = fork();
		if (other == 0) {
			struct sockaddr_un a = {.sun_family = AF_UNIX};
			snprintf(a.sun_path, sizeof a.sun_path, "%s/run/attach.sock", r->path);
			int sock = socket(AF_UNIX, SOCK_STREAM, 0);
			char byte;
			if (chmod(r->path, 0755) < 0 || chmod(a.sun_path, 0666) < 0 || fchmod(r->run_dir, 0755) < 0 ||
				setgid(65534) < 0 || setuid(65534) < 0 || connect(sock, (struct sockaddr *)&a, sizeof a) < 0)
				_exit(2);
			_exit(read(sock, &byte, 1) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(other, &status, 0), other);
		assert_int_equal(status, 0);
	}
	own(fd) int waiter = connect_run(r, 0);
	/* Behind four hundred others: it is to be known before the end. */
	usleep(3000000);
	kill(container_pid(r), SIGTERM);
	assert_int_equal(take_all(waiter, NULL, NULL, &status), ATTACH_EXIT);
	assert_int_equal(status, 4);
	monitor_ends(r);
}

static void expect_text(int sock, struct buf *out, const char *text)
{
	int64_t until = num_monotonic_ns() + 10000000000;
	while (!strstr(buf_text(out), text)) {
		struct pollfd p = {.fd = sock, .events = POLLIN};
		if (num_monotonic_ns() > until || poll(&p, 1, 5000) <= 0)
			fail_msg("no \"%s\" in \"%s\"", text, buf_text(out));
		unsigned char h[ATTACH_HEADER], body[65536];
		assert_int_equal(fd_read_full(sock, h, sizeof h), sizeof h);
		size_t n = (size_t)h[6] << 8 | h[7];
		assert_int_equal(fd_read_full(sock, body, n), n);
		buf_add(out, body, n);
	}
	buf_reset(out);
}

static void terminal(void **state)
{
	struct run *r = *state;
	r->process.terminal = true;
	r->m.open_stdin = true;
	r->console = (struct spec_console){.height = 17, .width = 61};
	SH(r, ATTACH_STDIN | ATTACH_STDOUT, "stty size; test -t 0 && test -t 2 && echo tty;"
		"while read x; do stty size; echo \"<$x>\"; [ $x != go ] || break; done;"
		"trap 'echo changed' WINCH; echo waiting; while :; do sleep 0.05; done");
	own(buf) struct buf out = BUF(100000);
	/* Its size is there from the first instruction on. */
	expect_text(r->client, &out, "17 61\r\ntty\r\n");
	put(r->client, ATTACH_RESIZE, "\0\x18\0\x50", 4);
	put(r->client, ATTACH_DATA_IN, "typed\n", 6);
	expect_text(r->client, &out, "typed\r\n24 80\r\n<typed>\r\n");
	put(r->client, ATTACH_DATA_IN, "go\n", 3);
	expect_text(r->client, &out, "waiting");
	/* Detached, it goes on; who comes next with the same size gets it drawn again. */
	fd_drop(&r->client);
	own(fd) int again = connect_run(r, ATTACH_STDIN | ATTACH_STDOUT);
	put(again, ATTACH_RESIZE, "\0\x18\0\x50", 4);
	expect_text(again, &out, "changed");
	put(again, ATTACH_DATA_IN, "\x03", 1);
	int status = -1;
	assert_int_equal(take_all(again, &out, NULL, &status), ATTACH_EXIT);
	assert_int_equal(status, 130);
	monitor_ends(r);
}

/* A program that closes its terminal for a while has not ended. */
static void terminal_closed_for_a_while(void **state)
{
	struct run *r = *state;
	r->process.terminal = true;
	SH(r, ATTACH_STDOUT, "t=$(tty); exec <&- >&- 2>&-; sleep 0.2; exec >$t; echo again");
	own(buf) struct buf out = BUF(1000);
	int status = -1;
	assert_int_equal(take_all(r->client, &out, NULL, &status), ATTACH_EXIT);
	assert_string_equal(buf_text(&out), "again\r\n");
	monitor_ends(r);
	expect_log(r, "again\r\n", "");
}

/* What the caller had open is closed, and it may ignore signals: the container must not. */
static void nothing_is_inherited(void **state)
{
	struct run *r = *state;
	int p[2];
	r->m.stop_signal = SIGTERM;
	r->m.stop_seconds = 60;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(dup2(p[1], 200), 200);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	/* One of the two that libc keeps to itself, ignored as whoever started us may have left it. */
	static const unsigned long ignore[4] = {(unsigned long)SIG_IGN};
	assert_int_equal(syscall(SYS_rt_sigaction, 32, ignore, NULL, sizeof ignore[0]), 0);
	sigset_t usr1;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	SH(r, 0, "grep -E '^Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd | wc -l; exec sleep 100");
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	close(p[1]);
	close(200);
	char byte;
	assert_int_equal(read(p[0], &byte, 1), 0);
	close(p[0]);
	/* Only SIGKILL ends it before its container. */
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGPIPE, SIGALRM};
	for (size_t i = 0; i < countof(signals); i++)
		assert_int_equal(kill(r->monitor, signals[i]), 0);
	for (int i = 0; i < 2000; i++) {
		struct err e = {};
		own(buf) struct buf log = BUF(65536);
		if (path_read(r->dir, "c.log", &log, &e) == 0 && strstr(buf_text(&log), "\"4\\n\""))
			break;
		usleep(5000);
	}
	/* And SIGTERM stops it, as `stop` does. */
	kill(r->monitor, SIGTERM);
	monitor_ends(r);
	expect_note(r, "exited", "143 15 0 then");
	expect_log(r, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n4\n", "");
}

/* Leftovers of the first process die with it. */
static void leftovers(void **state)
{
	struct run *r = *state;
	SH(r, ALL_OUT, "sleep 100 & echo $!");
	own(buf) struct buf out = BUF(1000);
	int status = -1;
	assert_int_equal(take_all(r->client, &out, NULL, &status), ATTACH_EXIT);
	pid_t left = atoi(buf_text(&out));
	assert_true(left > 1);
	monitor_ends(r);
	for (int i = 0; i < 1000 && proc_start_time(left); i++)
		usleep(1000);
	assert_int_equal(proc_start_time(left), 0);
}

static void no_log(void **state)
{
	struct run *r = *state;
	r->m.log.driver = LOG_NONE;
	SH(r, ALL_OUT, big_command);
	own(buf) struct buf out = BUF(64 << 20), er = BUF(1000);
	int status = -1;
	assert_int_equal(take_all(r->client, &out, &er, &status), ATTACH_EXIT);
	check_big(&out);
	monitor_ends(r);
	assert_false(path_exists(r->dir, "c.log"));
}

static long memory(pid_t pid, const char *what)
{
	char path[40], text[4096];
	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
	own(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return -1;
	text[n] = 0;
	const char *at = strstr(text, what);
	return at ? atol(at + strlen(what)) : -1;
}

/* A megabyte at most, quiet and after a flood. */
static void small(void **state)
{
	struct run *r = *state;
	r->m.open_stdin = true;
	/* What a command has on its heap. */
	void *heap[2000];
	for (size_t i = 0; i < countof(heap); i++)
		memset(heap[i] = malloc(1500), 1, 1500);
	for (size_t i = 0; i < countof(heap); i++)
		free(heap[i]);
	SH(r, 0, "read x; yes | head -n 500000; read x; exit 0");
	usleep(400000);
	long quiet = memory(r->monitor, "Rss:"), pss = memory(r->monitor, "Pss:");
	own(fd) int sock = connect_run(r, ATTACH_STDIN);
	put(sock, ATTACH_DATA_IN, "\n", 1);
	usleep(700000);
	long after = memory(r->monitor, "Rss:");
	print_message("rss %ld kB, pss %ld kB, after a flood %ld kB\n", quiet, pss, after);
#ifndef __SANITIZE_ADDRESS__
	assert_in_range(quiet, 1, 1024);
	assert_in_range(after, 1, 1024);
#endif
	put(sock, ATTACH_DATA_IN, "\n", 1);
	monitor_ends(r);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {TEST(terminal), TEST(status_and_output), TEST(restored), TEST(killed),
		TEST(killed_by_oom), TEST(no_command), TEST(locked_twice),
		TEST(stdin_with_an_end), TEST(half_closed), TEST(last_words), TEST(stdin_stays_open), TEST(without_stdin), TEST(slow_first_client),
		TEST(big_output), TEST(hung_client), TEST(dead_client), TEST(strangers_and_garbage), TEST(terminal),
		TEST(terminal_closed_for_a_while), TEST(nothing_is_inherited), TEST(leftovers), TEST(no_log), TEST(small)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
