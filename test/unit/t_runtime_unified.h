/* SPDX-License-Identifier: Apache-2.0 */
/*
 * t_runtime_unified: the tests of this program once more where the unified tree of control groups is all there is, as on a current
 * distribution. It has few controllers here, but the ways in and out are the same.
 */
#pragma once

#include "runtime/cgroup.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* This program with the word "unified" behind its name, in a mount namespace of its own; skipped where the machine is so by itself. */
static void unified(void **state)
{
	(void)state;
	if (cgroup_machine_mode() == CGROUP_V2)
		skip();
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
			mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL) < 0)
			_exit(99);
		execl("/proc/self/exe", program_invocation_short_name, "unified", NULL);
		_exit(98);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}
