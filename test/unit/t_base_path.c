/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

/* Deeper than any path and than the file descriptors that a process has. */
static void remove_deep(void **state)
{
	(void)state;
	char top[] = "/tmp/t-base-path-XXXXXX";
	assert_non_null(mkdtemp(top));
	int at = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 600; i++) {
		char name[20];
		snprintf(name, sizeof name, ".removed-%d-%d", (int)getpid(), i % 3);
		const char *dir = i % 2 ? name : "d";
		assert_int_equal(mkdirat(at, dir, 0700), 0);
		if (i % 100 == 0)
			close(openat(at, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		int next = openat(at, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		if (i % 50 == 0)
			assert_int_equal(fchmod(at, 0), 0);
		close(at);
		at = next;
	}
	close(at);
	struct rlimit before, few = {200, 200};
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	struct err e = {};
	int r = path_remove_tree(AT_FDCWD, top, &e);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	if (r < 0)
		fail_msg("%s", e.text);
	assert_int_equal(access(top, F_OK), -1);
	assert_int_equal(errno, ENOENT);
}

static void remove_kinds(void **state)
{
	(void)state;
	char top[] = "/tmp/t-base-path-XXXXXX", keep[] = "/tmp/t-base-keep-XXXXXX";
	struct err e = {};
	assert_non_null(mkdtemp(top));
	assert_non_null(mkdtemp(keep));
	own(fd) int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own(fd) int kept = open(keep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(openat(kept, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(symlinkat(keep, fd, "link"), 0);
	assert_int_equal(mkfifoat(fd, "fifo", 0600), 0);
	assert_int_equal(path_mkdirs(fd, "a/b/c", 0700, &e), 0);
	assert_int_equal(path_remove_tree(fd, "missing", &e), 0);
	assert_int_equal(path_remove_tree(fd, "link", &e), 0);
	assert_int_equal(symlinkat(keep, fd, "a/b/link"), 0);
	assert_int_equal(path_remove_tree(AT_FDCWD, top, &e), 0);
	assert_true(path_exists(kept, "f"));
	assert_int_equal(path_remove_tree(AT_FDCWD, keep, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(remove_deep), cmocka_unit_test(remove_kinds)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
