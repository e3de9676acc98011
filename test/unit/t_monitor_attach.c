/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"
#include "base/str.h"
#include "monitor/attach.h"
#include "monitor/attach_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void grammar(void **state)
{
	(void)state;
	static const struct {
		const char *text, *keys; /* NULL: refused */
		size_t n;
	} rows[] = {
		{"ctrl-p,ctrl-q", "\x10\x11", 2}, {"a", "a", 1}, {"ctrl-@,b", "\0b", 2}, {"", "", 0}, {"ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", "\x1b\x1c\x1d\x1e\x1f", 5},
		{"DEL", "\x7f", 1}, {"a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", "aaaaaaaaaaaaaaaa", 16}, {"a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", NULL, 0},
		{"ctrl-", NULL, 0}, {"ctrl-pp", NULL, 0}, {"ctrl-A", NULL, 0}, {"ab", NULL, 0}, {",", NULL, 0}, {"a,", NULL, 0}, {",a", NULL, 0},
		{"ctrl-1", NULL, 0}, {"ctrl-`", NULL, 0},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct err e = {};
		unsigned char keys[16];
		size_t n = 99;
		int r = attach_parse_keys(rows[i].text, keys, &n, &e);
		assert_int_equal(r, rows[i].keys ? 0 : -1);
		if (r < 0) {
			assert_int_equal(e.kind, ERR_USAGE);
			assert_int_equal(n, 99);
		} else {
			assert_int_equal(n, rows[i].n);
			assert_memory_equal(keys, rows[i].keys, n);
		}
	}
}

/* Types `text` in pieces of `step` bytes; gives what reaches the program. */
static bool type(const char *keys, const char *text, size_t step, char *out)
{
	struct attach_keys k = {.keys = (const unsigned char *)keys, .nkeys = strlen(keys)};
	bool detach = false;
	size_t n = strlen(text), len = 0;
	for (size_t i = 0; i < n && !detach; i += step)
		len += attach_keys_filter(&k, (const unsigned char *)text + i, n - i < step ? n - i : step, (unsigned char *)out + len, &detach);
	out[len] = 0;
	return detach;
}

static void sequences(void **state)
{
	(void)state;
	static const struct {
		const char *keys, *text, *passed;
		bool detach;
	} rows[] = {
		{"pq", "pq", "", true}, {"pq", "abpqxx", "ab", true}, {"pq", "ppq", "p", true}, {"pq", "pxq", "pxq", false}, {"aab", "aaab", "a", true},
		{"aab", "aacaab", "aac", true}, {"abab", "ababab", "", true}, {"abac", "ababac", "ab", true}, {"", "pq", "pq", false}, {"pq", "xp", "x", false},
		{"x", "abcx", "abc", true},
	};
	for (size_t i = 0; i < countof(rows); i++)
		for (size_t step = 1; step < 8; step++) {
			char out[64];
			assert_int_equal(type(rows[i].keys, rows[i].text, step, out), rows[i].detach);
			assert_string_equal(out, rows[i].passed);
		}
}

static void headers(void **state)
{
	(void)state;
	unsigned char h[ATTACH_HEADER];
	attach_header(h, ATTACH_DATA_ERR, 0x010203);
	assert_memory_equal(h, "\2\0\0\0\0\1\2\3", 8);
}

/* A monitor by hand on one end, attach_run in a child on the other. */
struct peer {
	int sock, in, out, err; /* our ends */
	pid_t pid;
};

static int signals_got;
static void on_signal(void *arg, int sig)
{
	(void)arg;
	signals_got = sig;
}

static struct peer start_client(bool tty)
{
	int s[2], in[2], out[2], er[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	assert_true(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(er, O_CLOEXEC) == 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(s[0]);
		close(in[1]);
		close(out[0]);
		close(er[0]);
		struct attach_client c = {.sock = s[1], .in = in[0], .out = out[1], .err = er[1], .tty = tty,
			.detach_keys = (const unsigned char *)"\x10\x11", .ndetach_keys = 2, .sig_proxy = true, .on_signal = on_signal};
		struct err e = {};
		enum attach_end end;
		int status = 0;
		if (attach_run(&c, &end, &status, &e) < 0)
			_exit(e.sys == EPIPE ? 81 : 80);
		_exit(end == ATTACH_EXITED ? status : end == ATTACH_DETACHED ? 70 : end == ATTACH_LOST ? 71 : 72);
	}
	close(s[1]);
	close(in[0]);
	close(out[1]);
	close(er[1]);
	return (struct peer){s[0], in[1], out[0], er[0], pid};
}

static int end_of(struct peer *p)
{
	int status;
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	fd_drop(&p->sock);
	fd_drop(&p->in);
	fd_drop(&p->out);
	fd_drop(&p->err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void frame(int sock, enum attach_type type, const void *p, uint32_t n)
{
	unsigned char h[ATTACH_HEADER];
	attach_header(h, type, n);
	assert_int_equal(fd_write_all(sock, h, sizeof h), 0);
	assert_int_equal(fd_write_all(sock, p, n), 0);
}

static uint32_t read_head(int sock, int *ret_type)
{
	unsigned char h[ATTACH_HEADER];
	assert_int_equal(fd_read_full(sock, h, sizeof h), sizeof h);
	*ret_type = h[0];
	return (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
}

static void output_and_status(void **state)
{
	(void)state;
	struct peer p = start_client(false);
	char text[16];
	frame(p.sock, ATTACH_DATA_OUT, "out", 3);
	frame(p.sock, ATTACH_DATA_ERR, "err", 3);
	frame(p.sock, ATTACH_DATA_OUT, "", 0);
	/* A frame in pieces. */
	unsigned char h[ATTACH_HEADER];
	attach_header(h, ATTACH_DATA_OUT, 4);
	for (size_t i = 0; i < sizeof h; i++)
		assert_int_equal(fd_write_all(p.sock, h + i, 1), 0);
	assert_int_equal(fd_write_all(p.sock, "mo", 2), 0);
	assert_int_equal(fd_write_all(p.sock, "re", 2), 0);
	assert_int_equal(fd_read_full(p.out, text, 7), 7);
	assert_memory_equal(text, "outmore", 7);
	assert_int_equal(fd_read_full(p.err, text, 3), 3);
	assert_memory_equal(text, "err", 3);
	frame(p.sock, ATTACH_EXIT, "\0\0\0\x2a", 4);
	assert_int_equal(end_of(&p), 42);
}

static void input_and_its_end(void **state)
{
	(void)state;
	struct peer p = start_client(false);
	int type;
	char text[8];
	assert_int_equal(write(p.in, "\x10\x11hi", 4), 4); /* no terminal: no detach keys */
	assert_int_equal(read_head(p.sock, &type), 4);
	assert_int_equal(type, ATTACH_DATA_IN);
	assert_int_equal(fd_read_full(p.sock, text, 4), 4);
	assert_memory_equal(text, "\x10\x11hi", 4);
	fd_drop(&p.in);
	assert_int_equal(read_head(p.sock, &type), 0);
	assert_int_equal(type, ATTACH_DATA_IN);
	frame(p.sock, ATTACH_DATA_OUT, "late", 4);
	assert_int_equal(fd_read_full(p.out, text, 4), 4);
	frame(p.sock, ATTACH_BYE, "", 0);
	assert_int_equal(end_of(&p), 72);
}

static void detach_and_lost(void **state)
{
	(void)state;
	struct peer p = start_client(true);
	int type;
	char text[8];
	assert_int_equal(write(p.in, "ab\x10\x11zz", 6), 6);
	assert_int_equal(read_head(p.sock, &type), 2);
	assert_int_equal(fd_read_full(p.sock, text, 2), 2);
	assert_int_equal(end_of(&p), 70);
	p = start_client(false);
	frame(p.sock, ATTACH_DATA_OUT, "x", 1);
	assert_int_equal(fd_read_full(p.out, text, 1), 1);
	fd_drop(&p.sock);
	assert_int_equal(end_of(&p), 71);
}

/* It writes all of its input before it reads anything, as a script with popen does; we give nothing back until then. */
static void both_directions_are_full(void **state)
{
	(void)state;
	enum { BIG = 3 << 20 };
	struct peer p = start_client(false);
	char *block = calloc(1, 65536);
	pid_t writer = fork();
	if (writer == 0) {
		for (int i = 0; i < BIG / 65536; i++)
			if (fd_write_all(p.in, block, 65536) < 0)
				_exit(1);
		_exit(0);
	}
	fd_drop(&p.in);
	pid_t talker = fork();
	if (talker == 0) {
		for (int i = 0; i < BIG / 65536; i++)
			frame(p.sock, ATTACH_DATA_OUT, block, 65536);
		_exit(0);
	}
	/* Our stdout is read only when all of stdin went through. */
	size_t in = 0;
	for (uint32_t n = 1; n;) {
		int type;
		n = read_head(p.sock, &type);
		assert_int_equal(type, ATTACH_DATA_IN);
		in += n;
		for (uint32_t left = n; left;) {
			ssize_t got = read(p.sock, block, left < 65536 ? left : 65536);
			assert_true(got > 0);
			left -= (uint32_t)got;
		}
	}
	assert_int_equal(in, BIG);
	for (size_t out = 0; out < BIG;) {
		ssize_t got = read(p.out, block, 65536);
		assert_true(got > 0);
		out += (size_t)got;
	}
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	assert_int_equal(waitpid(talker, NULL, 0), talker);
	frame(p.sock, ATTACH_EXIT, "\0\0\0\0", 4);
	free(block);
	assert_int_equal(end_of(&p), 0);
}

static void a_reader_goes_away(void **state)
{
	(void)state;
	struct peer p = start_client(false);
	fd_drop(&p.out);
	frame(p.sock, ATTACH_DATA_OUT, "x", 1);
	assert_int_equal(end_of(&p), 81);
}

static void garbage_is_an_error(void **state)
{
	(void)state;
	struct peer p = start_client(false);
	frame(p.sock, ATTACH_HELLO, "x", 1);
	assert_int_equal(end_of(&p), 80);
}

static void signals_are_handed_on(void **state)
{
	(void)state;
	int s[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	sigset_t before, after;
	sigprocmask(SIG_SETMASK, NULL, &before);
	pid_t child = fork();
	if (child == 0) {
		usleep(100000);
		kill(getppid(), SIGUSR1);
		usleep(100000);
		frame(s[0], ATTACH_EXIT, "\0\0\0\7", 4);
		_exit(0);
	}
	struct attach_client c = {.sock = s[1], .in = -1, .out = -1, .err = -1, .sig_proxy = true, .on_signal = on_signal};
	struct err e = {};
	enum attach_end end;
	int status = 0;
	assert_int_equal(attach_run(&c, &end, &status, &e), 0);
	assert_int_equal(end, ATTACH_EXITED);
	assert_int_equal(status, 7);
	assert_int_equal(signals_got, SIGUSR1);
	sigprocmask(SIG_SETMASK, NULL, &after);
	assert_memory_equal(&before, &after, sizeof before);
	waitpid(child, NULL, 0);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(grammar), cmocka_unit_test(sequences), cmocka_unit_test(headers),
		cmocka_unit_test(output_and_status), cmocka_unit_test(input_and_its_end), cmocka_unit_test(detach_and_lost),
		cmocka_unit_test(both_directions_are_full), cmocka_unit_test(a_reader_goes_away), cmocka_unit_test(garbage_is_an_error),
		cmocka_unit_test(signals_are_handed_on)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
