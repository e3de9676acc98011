/* SPDX-License-Identifier: Apache-2.0 */
/*
 * t_runtime_group: a directory with files that stands for a control group, for the controllers and kernels that the test
 * machine does not have.
 */
#pragma once

#include "base/fd.h"
#include "base/path.h"
#include "runtime/cgroup_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct group {
	char path[64];
	int dir;
	struct arena arena;
	struct err e;
	char text[4096];
};

unused static int group_open(void **state)
{
	struct group *g = mem_alloc(sizeof *g);
	snprintf(g->path, sizeof g->path, "/tmp/hull-group-XXXXXX");
	assert_non_null(mkdtemp(g->path));
	g->dir = open(g->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(g->dir >= 0);
	*state = g;
	return 0;
}

unused static int group_close(void **state)
{
	struct group *g = *state;
	struct err e = {};
	fd_drop(&g->dir);
	assert_int_equal(path_remove_tree(AT_FDCWD, g->path, &e), 0);
	arena_drop(&g->arena);
	free(g);
	return 0;
}

unused static void group_file(struct group *g, const char *name, const char *text)
{
	own(fd) int fd = openat(g->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

/* What was written to it. */
unused static const char *group_text(struct group *g, const char *name)
{
	own(buf) struct buf b = {};
	struct err e = {};
	if (path_read(g->dir, name, &b, &e) < 0)
		fail_msg("%s", e.text);
	snprintf(g->text, sizeof g->text, "%s", buf_text(&b));
	return g->text;
}

#define GROUP_TEST(f) cmocka_unit_test_setup_teardown(f, group_open, group_close)
