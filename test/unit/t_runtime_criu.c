/* SPDX-License-Identifier: Apache-2.0 */
/*
 * t_runtime_criu: the conversation with criu, with this program as criu: called by that name it answers as $CRIU_FAKE says.
 */
#include "base/fd.h"
#include "base/path.h"
#include "codec/protobuf.h"
#include "runtime/criu.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- criu */

static void reply(const struct buf *b, int fd)
{
	struct err e = {};
	if (fd_send(3, b->data, b->len, &fd, fd >= 0, &e) < 0)
		_exit(90);
}

static void answer(unsigned type, bool success, unsigned extra, const struct buf *m, int fd)
{
	own(buf) struct buf b = {};
	protobuf_put_u64(&b, 1, type);
	protobuf_put_bool(&b, 2, success);
	if (m)
		protobuf_put_bytes(&b, extra, m->data, m->len);
	reply(&b, fd);
}

/* One field of a message, 0 when it is not there. */
static struct protobuf_field find(const void *p, size_t n, unsigned number)
{
	struct protobuf r = PROTOBUF(p, n);
	struct protobuf_field f;
	struct err e = {};
	while (protobuf_next(&r, &f, &e) > 0)
		if (f.number == number)
			return f;
	return (struct protobuf_field){};
}

/* A notice and its answer: whether that was a success. */
static bool notice(const char *script, int pid, int fd)
{
	char text[256];
	own(buf) struct buf m = {};
	protobuf_put_str(&m, 1, script);
	if (pid)
		protobuf_put_i64(&m, 2, pid);
	answer(6, true, 5, &m, fd);
	ssize_t n = recv(3, text, sizeof text, 0);
	if (n <= 0 || find(text, (size_t)n, 1).value != 6)
		_exit(91);
	return find(text, (size_t)n, 3).value;
}

static void put_log(const char *text)
{
	own(fd) int fd = open("/proc/self/fd/4/dump.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0)
		_exit(92);
}

static int fail_with_log(void)
{
	own(buf) struct buf b = {};
	put_log("(00.1) Error (criu/a.c:1): one\n(00.1)   7: Error (criu/a.c:2): two\n"
		"(00.2) Warn  (criu/a.c:3): three\n(00.3) Error (criu/a.c:9): Dumping FAILED.\n");
	protobuf_put_u64(&b, 1, CRIU_DUMP);
	protobuf_put_bool(&b, 2, false);
	protobuf_put_u64(&b, 7, EBUSY);
	reply(&b, -1);
	return 1;
}

static int restore(const char *text, size_t n)
{
	own(buf) struct buf m = {};
	char word[8] = "";
	struct protobuf_field options = find(text, n, 2), file = find(options.data, options.len, 27);
	struct protobuf_field number = find(file.data, file.len, 2);
	if (read((int)number.value, word, 4) != 4 || strcmp(word, "word") != 0 || fcntl((int)number.value + 1, F_GETFD) >= 0)
		_exit(93);
	int pipes[2];
	if (pipe(pipes) < 0 || !notice("setup-namespaces", 77, -1) || !notice("orphan-pts-master", 0, pipes[1]) || !notice("post-restore", 77, -1))
		_exit(94);
	close(pipes[1]);
	if (read(pipes[0], word, 4) != 4 || strcmp(word, "here") != 0)
		_exit(95);
	protobuf_put_i64(&m, 1, 78);
	answer(CRIU_RESTORE, true, 4, &m, -1);
	return 0;
}

static int be_criu(void)
{
	char text[8192];
	const char *how = getenv("CRIU_FAKE");
	own(buf) struct buf m = {};
	ssize_t n = recv(3, text, sizeof text, 0);
	unsigned type = n > 0 ? (unsigned)find(text, (size_t)n, 1).value : 0;
	if (strcmp(how, "version") == 0 && type == CRIU_VERSION) {
		protobuf_put_i64(&m, 1, 3);
		protobuf_put_i64(&m, 2, 17);
		protobuf_put_str(&m, 3, "v3.17");
		protobuf_put_i64(&m, 4, 1);
		answer(type, true, 10, &m, -1);
	} else if (strcmp(how, "features") == 0 && type == CRIU_FEATURES) {
		protobuf_put_bool(&m, 1, find(find(text, n, 5).data, find(text, n, 5).len, 1).value);
		protobuf_put_bool(&m, 2, false);
		answer(type, true, 8, &m, -1);
	} else if (strcmp(how, "fail") == 0) {
		return fail_with_log();
	} else if (strcmp(how, "message") == 0) {
		protobuf_put_str(&m, 9, "it is Tuesday");
		own(buf) struct buf b = {};
		protobuf_put_u64(&b, 1, type);
		buf_add(&b, m.data, m.len);
		reply(&b, -1);
	} else if (strcmp(how, "words") == 0) {
		dprintf(2, "Error (criu/log.c:7): Can't create log\n");
		return 1;
	} else if (strcmp(how, "garbage") == 0) {
		buf_str(&m, "\x08\xff\xff");
		reply(&m, -1);
	} else if (strcmp(how, "notices") == 0) {
		if (!notice("pre-dump", 0, -1) || notice("post-dump", 0, -1))
			_exit(96);
		answer(type, false, 0, NULL, -1);
	} else if (strcmp(how, "pre-dump") == 0) {
		answer(type, true, 0, NULL, -1);
		return recv(3, text, sizeof text, 0) == 0 ? 1 : 97; /* what it waited for did not come */
	} else if (strcmp(how, "status") == 0) {
		answer(type, true, 0, NULL, -1);
		return 9;
	} else if (strcmp(how, "restore") == 0 && type == CRIU_RESTORE) {
		return restore(text, (size_t)n);
	}
	return 0;
}

/* ---- the tests */

struct bed { char dir[32]; int images; char *path; };

static int open_bed(void **state)
{
	struct bed *b = mem_alloc(sizeof *b);
	strcpy(b->dir, "/tmp/hull-test-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	b->images = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own(mem) char *self = realpath("/proc/self/exe", NULL);
	assert_int_equal(symlinkat(self, b->images, "criu"), 0);
	b->path = mem_dup(getenv("PATH"));
	setenv("PATH", b->dir, 1);
	return *state = b, 0;
}

static int close_bed(void **state)
{
	struct bed *b = *state;
	struct err e = {};
	setenv("PATH", b->path, 1);
	assert_int_equal(path_remove_tree(AT_FDCWD, b->dir, &e), 0);
	close(b->images);
	mem_drop(&b->path);
	mem_drop(&b);
	return 0;
}

static int ask(const char *how, enum criu_request request, struct criu_options *o, struct criu_answer *a, struct err *e)
{
	const struct criu_call c = {.request = request, .options = o, .input = -1};
	setenv("CRIU_FAKE", how, 1);
	return criu_call(&c, a, e);
}

static void facts(void **state)
{
	(void)state;
	struct criu_answer a = {};
	struct err e = {};
	assert_int_equal(ask("version", CRIU_VERSION, NULL, &a, &e), 0);
	assert_int_equal(a.version, 31701);
	assert_int_equal(ask("features", CRIU_FEATURES, NULL, &a, &e), 0);
	assert_true(a.mem_track && !a.lazy_pages);
}

static void failures(void **state)
{
	struct bed *b = *state;
	static const struct { const char *how, *says; } rows[] = {{"fail", "criu: dump failed: one; two"}, {"message", "dump failed: it is Tuesday"},
		{"words", "dump failed: Can't create log"}, {"garbage", "criu: answer: protobuf: a number without an end"},
		{"nothing", "criu: dump failed: it ended without an answer"}, {"status", "wait status"}};
	for (size_t i = 0; i < countof(rows); i++) {
		struct criu_options o = {.images_dir = b->images, .work_dir = -1, .log_file = (char *)(uintptr_t) "dump.log"};
		struct criu_answer a;
		struct err e = {};
		assert_int_equal(ask(rows[i].how, CRIU_DUMP, &o, &a, &e), -1);
		if (!strstr(e.text, rows[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].how, e.text, rows[i].says);
		unlinkat(b->images, "dump.log", 0);
	}
	struct criu_options o = {.images_dir = b->images, .work_dir = -1};
	struct criu_answer a;
	struct err e = {};
	assert_int_equal(ask("pre-dump", CRIU_PRE_DUMP, &o, &a, &e), 0);
	setenv("PATH", "/nowhere", 1);
	assert_int_equal(ask("version", CRIU_VERSION, NULL, &a, &e), -1);
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
	assert_string_equal(e.text, "criu is not installed (Debian's package criu)");
}

struct heard { char scripts[200]; int refuse; };

static int hear(const struct criu_notice *n, void *arg, struct err *e)
{
	struct heard *h = arg;
	size_t len = strlen(h->scripts);
	snprintf(h->scripts + len, sizeof h->scripts - len, "%s:%d:%d ", n->script, (int)n->pid, n->fd >= 0);
	if (n->fd >= 0)
		assert_int_equal(write(n->fd, "here", 4), 4);
	return --h->refuse == 0 ? err_set(e, ERR_CONFLICT, "we do not want it") : 0;
}

static void notices(void **state)
{
	struct bed *b = *state;
	struct heard h = {.refuse = 2};
	struct criu_options o = {.images_dir = b->images, .work_dir = -1};
	const struct criu_call c = {.request = CRIU_DUMP, .options = &o, .input = -1, .notify = hear, .arg = &h};
	struct criu_answer a = {};
	struct err e = {};
	setenv("CRIU_FAKE", "notices", 1);
	assert_int_equal(criu_call(&c, &a, &e), -1);
	assert_string_equal(e.text, "we do not want it");
	assert_string_equal(h.scripts, "pre-dump:0:0 post-dump:0:0 ");
}

static int prepare(void *arg, struct err *e)
{
	(void)arg;
	return err_set(e, ERR_DENIED, "not in this place");
}

static void restores(void **state)
{
	struct bed *b = *state;
	struct heard h = {};
	int pipes[2];
	struct err e = {};
	assert_int_equal(fd_pipe(pipes, &e), 0);
	assert_int_equal(write(pipes[1], "word", 4), 4);
	struct criu_file file = {(char *)(uintptr_t) "pipe:[5]", pipes[0]};
	struct criu_options o = {.images_dir = b->images, .work_dir = b->images, .inherit = {&file, 1}};
	struct criu_call c = {.request = CRIU_RESTORE, .options = &o, .input = -1, .notify = hear, .arg = &h};
	struct criu_answer a = {};
	setenv("CRIU_FAKE", "restore", 1);
	assert_int_equal(criu_call(&c, &a, &e), 0);
	assert_int_equal(a.pid, 78);
	assert_string_equal(h.scripts, "setup-namespaces:77:0 orphan-pts-master:0:1 post-restore:77:0 ");
	c.prepare = prepare;
	assert_int_equal(criu_call(&c, &a, &e), -1);
	assert_string_equal(e.text, "not in this place");
	close(pipes[0]);
	close(pipes[1]);
}

/* Field by field, the numbers as criu's images/rpc.proto has them. */
static void request(void **state)
{
	(void)state;
	struct pair mount = {(char *)(uintptr_t) "/data", (char *)(uintptr_t) "/srv"}, root = {(char *)(uintptr_t) "", (char *)(uintptr_t) "/hull/a"};
	struct pair join = {(char *)(uintptr_t) "ipc", (char *)(uintptr_t) "/proc/7/ns/ipc"};
	char external_text[] = "net[5]:extRootNetNS", *external[] = {external_text, NULL};
	struct criu_file file = {(char *)(uintptr_t) "pipe:[5]", 0};
	const struct criu_options o = {.images_dir = 9, .work_dir = 9, .pid = 1234, .leave_running = true, .shell_job = true, .tcp_close = true,
		.log_file = (char *)(uintptr_t) "dump.log", .lsm_mount_context = (char *)(uintptr_t) "ctx", .page_server_address = (char *)(uintptr_t) "::1",
		.page_server_port = 27, .cgroups = CRIU_CGROUPS_FULL, .network_lock = CRIU_LOCK_NFTABLES, .empty_namespaces = CLONE_NEWNET,
		.mounts = {&mount, 1}, .cgroup_roots = {&root, 1}, .join = {&join, 1}, .external = {external, 1}, .inherit = {&file, 1}};
	static const struct { unsigned number; uint64_t value; const char *text; } want[] = {{1, 4, NULL}, {17, 5, NULL}, {2, 1234, NULL}, {3, 1, NULL},
		{7, 1, NULL}, {52, 1, NULL}, {10, 0, "dump.log"}, {63, 0, "ctx"}, {34, 4, NULL}, {64, 2, NULL}, {38, CLONE_NEWNET, NULL}, {12, 1, NULL},
		{23, 0, "\x0a\x05/data\x12\x04/srv"}, {25, 0, "\x0a"}, {39, 0, "\x0a\x03ipc\x12\x0e/proc/7/ns/ipc"}, {37, 0, "net[5]:extRootNetNS"},
		{27, 0, "\x0a\x08pipe:[5]\x10\x06"}, {11, 0, "\x0a\x03::1\x10\x1b"}};
	own(buf) struct buf b = {};
	criu_format_request(CRIU_DUMP, &o, &b);
	assert_int_equal(find(b.data, b.len, 1).value, 1);
	struct protobuf_field options = find(b.data, b.len, 2);
	for (size_t i = 0; i < countof(want); i++) {
		struct protobuf_field f = find(options.data, options.len, want[i].number);
		if (f.number != want[i].number || f.value != want[i].value || (want[i].text && memcmp(f.data, want[i].text, strlen(want[i].text)) != 0))
			fail_msg("field %u", want[i].number);
	}
	static const unsigned absent[] = {4, 5, 6, 8, 13, 14, 15, 16, 18, 26, 44, 46, 48, 50, 51, 53};
	for (size_t i = 0; i < countof(absent); i++)
		assert_int_equal(find(options.data, options.len, absent[i]).number, 0);
}

static void log_errors(void **state)
{
	(void)state;
	static const struct { const char *log, *want; } rows[] = {
		{"", ""},
		{"(00.1) mnt: fine\n(00.2) Warn  (criu/a.c:1): Error in a warning\n", ""},
		{"(00.1) Error (criu/a.c:1): one", "one"},
		{"(00.1) Error (criu/a.c:1): same\n(00.2) Error (criu/a.c:1): same\n", "same"},
		{"Error (a:1): 1\nError (a:1): 2\nError (a:1): 3\nError (a:1): 4\nError (a:1): 5\nError (a:1): Restoring FAILED.\n", "2; 3; 4; 5"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		own(buf) struct buf b = {};
		own(mem) char *text = mem_dup(rows[i].log);
		criu_last_errors(text, &b);
		assert_string_equal(buf_text(&b), rows[i].want);
	}
	/* However long they are. */
	own(buf) struct buf log = {};
	own(buf) struct buf b = {};
	for (int i = 0; i < 3; i++) {
		buf_printf(&log, "Error (a:1): %d", i);
		for (int k = 0; k < 600; k++)
			buf_char(&log, 'x');
		buf_char(&log, '\n');
	}
	criu_last_errors(log.data, &b);
	assert_true(b.len == 601 && b.data[0] == '2');
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(path_base(argv[0]), "criu") == 0)
		return strcmp(argv[1], "swrk") == 0 && strcmp(argv[2], "3") == 0 ? be_criu() : 98;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request),
		cmocka_unit_test(log_errors),
		cmocka_unit_test_setup_teardown(facts, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(failures, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(notices, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(restores, open_bed, close_bed),
	};
	return cmocka_run_group_tests_name("runtime/criu", tests, NULL, NULL);
}
