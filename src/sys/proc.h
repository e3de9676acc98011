/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc: processes: clone3(2) into namespaces, pidfds, start times, protecting our own executable.
 */
#pragma once

#include "base/err.h"

#include <sys/types.h>

struct proc_clone {
	uint64_t flags; /* CLONE_NEW*, CLONE_PARENT */
	int cgroup;     /* CLONE_INTO_CGROUP with this directory fd, or -1 */
	int *pidfd;     /* gets the pidfd when not NULL */
};
/* As fork(2): 0 in the child. -1 with errno. */
pid_t proc_clone(const struct proc_clone *c);
int proc_pidfd_open(pid_t pid);
int proc_pidfd_signal(int pidfd, int sig);
uint64_t proc_start_time(pid_t pid); /* field 22 of /proc/<pid>/stat; 0: none, or a zombie */

/* CVE-2019-5736: no process of a container may get hold of a writable link to hull's executable. As root, unless it
 * lies on a read-only mount already, hull runs itself again from a read-only clone of that mount; the real path
 * is handed over in the environment (HULL_EXE) and taken from there by proc_self_path(). Returns when nothing is to be
 * done (or in the second life); the cost is one exec. */
int proc_protect_self(char **argv, struct err *e) must_use;
/* The path of our executable, as it was started. The string is static. */
const char *proc_self_path(void);
