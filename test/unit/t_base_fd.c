/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* An empty file is an empty text, whatever the memory held before. */
static void nothing_to_read(void **state)
{
	(void)state;
	for (size_t size = 128; size <= 1 << 17; size *= 2) {
		char *old = malloc(size);
		memset(old, 'x', size);
		__asm__ volatile("" : : "r"(old) : "memory");
		free(old);
	}
	own(fd) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	own(buf) struct buf b = BUF(65536);
	assert_int_equal(fd_read_to_end(fd, &b), 0);
	assert_int_equal(b.len, 0);
	assert_string_equal(buf_text(&b), "");
}

/* Bytes apart from each other; who has one is known to others, and free again when it ends. */
static void locks_of_a_byte(void **state)
{
	(void)state;
	own(fd) int fd = memfd_create("locks", MFD_CLOEXEC);
	int ready[2], go[2];
	char byte;
	assert_int_equal(pipe(ready) | pipe(go), 0);
	pid_t pid = fork();
	if (pid == 0) {
		bool fine = fd_lock_byte(fd, F_WRLCK, 1, true) == 0 && fd_lock_holder(fd, 1) == 0;
		close(go[1]);
		(void)!write(ready[1], fine ? "y" : "n", 1);
		(void)!read(go[0], &byte, 1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(fd_lock_holder(fd, 1), pid);
	assert_int_equal(fd_lock_holder(fd, 0), 0);
	assert_int_equal(fd_lock_byte(fd, F_RDLCK, 1, false), -1);
	assert_int_equal(fd_lock_byte(fd, F_WRLCK, 0, false), 0);
	close(go[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(fd_lock_byte(fd, F_RDLCK, 1, false), 0);
	assert_int_equal(fd_lock_holder(fd, 1), 0);
	close(ready[0]), close(ready[1]), close(go[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_to_read), cmocka_unit_test(locks_of_a_byte)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
