/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/fd.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void growing(void **state)
{
	(void)state;
	own(buf) struct buf b = {};
	assert_string_equal(buf_text(&b), "");
	for (int i = 0; i < 10000; i++) {
		assert_int_equal(buf_char(&b, (char)('a' + i % 26)), 0);
		assert_int_equal(b.data[b.len], 0);
	}
	assert_int_equal(b.len, 10000);
	assert_int_equal(buf_printf(&b, "%s=%d;", "n", 5), 0);
	assert_string_equal(b.data + 10000, "n=5;");
	assert_int_equal(buf_add(&b, "\0x", 2), 0);
	assert_int_equal(b.len, 10006);
	buf_cut(&b, 10000);
	assert_string_equal(b.data, "n=5;");
	assert_int_equal(b.len, 6);
	buf_cut(&b, 100);
	assert_int_equal(b.len, 0);
	buf_cut(&b, 1);
	assert_string_equal(buf_text(&b), "");
	buf_reset(&b);
	assert_int_equal(buf_str(&b, "again"), 0);
	own(mem) char *taken = buf_take(&b), *nothing = NULL;
	assert_string_equal(taken, "again");
	assert_true(!b.data && !b.len);
	nothing = buf_take(&b);
	assert_string_equal(nothing, "");
}

static void limited(void **state)
{
	(void)state;
	struct err e = {};
	own(buf) struct buf b = BUF(5);
	assert_int_equal(buf_str(&b, "12345"), 0);
	assert_int_equal(buf_check(&b, &e), 0);
	assert_int_equal(buf_str(&b, ""), 0);
	assert_int_equal(buf_char(&b, '6'), -1);
	assert_true(b.full);
	assert_string_equal(b.data, "12345");
	assert_int_equal(buf_check(&b, &e), -1);
	assert_int_equal(e.kind, ERR_LIMIT);
	/* Once full, even what would fit is not taken: a text with a hole in it is worse than none. */
	buf_cut(&b, 5);
	assert_int_equal(buf_char(&b, 'x'), -1);
	assert_int_equal(buf_printf(&b, "x"), -1);
	buf_reset(&b);
	assert_int_equal(buf_char(&b, 'x'), 0);
	assert_int_equal(buf_printf(&b, "%s", "yzzzz"), -1);
	own(buf) struct buf huge = {}, none = BUF(1);
	assert_null(buf_room(&huge, SIZE_MAX));
	assert_null(buf_room(&none, 2));
	/* An empty file: the memory that was asked for in vain holds an empty text. */
	own(buf) struct buf dirty = {.data = mem_alloc(64), .room = 64}, all = {};
	memset(dirty.data, '7', 64);
	assert_ptr_equal(buf_room(&dirty, 10), dirty.data);
	assert_string_equal(dirty.data, "");
	assert_non_null(buf_room(&all, BUF_MAX));
	all.len = BUF_MAX;
	assert_null(buf_room(&all, 1));
}

static void reading(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 127, 128, 129, 65535, 65536, 65537, 131072, 1000000};
	own(mem) char *data = mem_alloc(1000001);
	memset(data, 'd', 1000000);
	for (size_t i = 0; i < countof(sizes); i++) {
		own(fd) int fd = memfd_create("reading", MFD_CLOEXEC);
		assert_int_equal(fd_write_all(fd, data, sizes[i]), 0);
		for (int more = -1; more <= 1; more++) {
			if (!sizes[i] && more < 0)
				continue;
			own(buf) struct buf b = BUF(sizes[i] + 3 + (size_t)more);
			buf_str(&b, "had");
			assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
			int r = fd_read_to_end(fd, &b);
			if (more < 0) {
				assert_int_equal(r, -1);
				assert_int_equal(errno, EFBIG);
				continue;
			}
			assert_int_equal(r, 0);
			assert_int_equal(b.len, sizes[i] + 3);
			assert_memory_equal(b.data, "had", 3);
			assert_int_equal(b.data[b.len], 0);
		}
	}
	own(buf) struct buf b = {};
	assert_int_equal(fd_read_to_end(-1, &b), -1);
	assert_int_equal(errno, EBADF);
}

static void passing(void **state)
{
	(void)state;
	struct err e = {};
	int pair[2], fds[4], pass[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fd_pipe(pass, &e), 0);
	assert_int_equal(fd_send(pair[0], "m", 1, pass, 2, &e), 0);
	char c = 0;
	size_t n = 1; /* room for one of the two: the other is closed */
	assert_int_equal(fd_recv(pair[1], &c, 1, fds, &n, &e), 1);
	assert_int_equal(n, 1);
	assert_int_equal(c, 'm');
	assert_int_equal(write(pass[1], "x", 1), 1);
	assert_int_equal(read(fds[0], &c, 1), 1);
	fd_drop(&fds[0]);
	assert_int_equal(fds[0], -1);
	fd_drop(&pair[0]);
	n = 4;
	assert_int_equal(fd_recv(pair[1], &c, 1, fds, &n, &e), 0);
	assert_int_equal(n, 0);
	fd_drop(&pair[1]);
	fd_drop(&pass[0]);
	fd_drop(&pass[1]);
	int many[FD_PASS_MAX + 1] = {};
	assert_int_equal(fd_send(0, "m", 1, many, countof(many), &e), -1);
	assert_int_equal(e.kind, ERR_BUG);
}

static void closing(void **state)
{
	(void)state;
	int fds[6];
	for (int i = 0; i < 6; i++)
		fds[i] = memfd_create("closing", MFD_CLOEXEC);
	int keep[] = {fds[4], fds[1], fds[4], 2};
	fd_close_from(fds[0], keep, countof(keep));
	for (int i = 0; i < 6; i++)
		assert_int_equal(lseek(fds[i], 0, SEEK_SET), i == 1 || i == 4 ? 0 : -1);
	fd_close_from(fds[0], NULL, 0);
	assert_int_equal(lseek(fds[1], 0, SEEK_SET), -1);
	assert_int_equal(write(2, "", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(growing), cmocka_unit_test(limited), cmocka_unit_test(reading),
		cmocka_unit_test(passing), cmocka_unit_test(closing)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
