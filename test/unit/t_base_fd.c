/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_to_read)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
