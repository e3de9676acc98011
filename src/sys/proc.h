/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc: processes: clone3(2) into namespaces, pidfds, start times.
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
pid_t proc_clone_plain(int *pidfd); /* the same by clone(2), for who is behind a filter */
int proc_pidfd_open(pid_t pid);
int proc_pidfd_getfd(int pidfd, int fd); /* a copy of its descriptor; O_CLOEXEC */
int proc_pidfd_signal(int pidfd, int sig);
uint64_t proc_start_time(pid_t pid); /* field 22 of /proc/<pid>/stat; 0: none, or a zombie */

/* The path of our executable, as it was started. The string is static. */
const char *proc_self_path(void);
/* Signals 32 and 33, which libc keeps to itself and refuses to touch, back to their default, whatever our caller left. */
void proc_default_libc_signals(void);
