/* SPDX-License-Identifier: Apache-2.0 */
/*
 * namespaces: a new process in the namespaces a container has: new ones, ones named by a path, or another process's.
 *
 * The PID namespace (and the clocks of a time namespace) of a process are those its parent had chosen when it was
 * born; everything else the child joins by itself. So the parent chooses, clones once, and takes its choice back. Only
 * a user namespace named by a path needs a process in between: what is new must belong to it.
 */
#pragma once

#include "runtime/spec.h"

#include <sys/types.h>

enum namespace_kind { NS_USER, NS_MOUNT, NS_NETWORK, NS_IPC, NS_UTS, NS_CGROUP, NS_TIME, NS_PID, NS_KINDS };

struct namespaces {
	int fd[NS_KINDS];    /* named by a path, or -1 */
	uint64_t made;       /* CLONE_NEW* of the new ones */
	int target;          /* pidfd of a process to join, or -1 */
	uint64_t join;       /* CLONE_NEW* of target's to join */
	bool joined;         /* in the child: nothing is left to do for namespaces_join() */
};
#define NAMESPACES_INIT {.fd = {-1, -1, -1, -1, -1, -1, -1, -1}, .target = -1}

/* Opens what the configuration names. A path to a namespace the caller is in himself is as if the row were missing: shared. */
int namespaces_open(const struct spec *s, struct namespaces *ret, struct err *e) must_use;
void namespaces_drop(struct namespaces *n);
/* 0 in the child, else its pid (a child of the caller) and *ret_pidfd. cgroup: a v2 group's directory, or -1. time_offsets:
 * linux.timeOffsets, or NULL. */
pid_t namespaces_clone(struct namespaces *n, int cgroup, const struct json *time_offsets, int *ret_pidfd, struct err *e) must_use;
/* In the child: joins what is not new. A new cgroup namespace is not among the new ones: its root is where the process is
 * when it is made, so the child makes it later. */
int namespaces_join(struct namespaces *n, struct err *e) must_use;
/* The specification's words for the kinds: "user", …; NULL behind the last. */
const char *namespaces_type(size_t kind);
/* All CLONE_NEW* that the process does not share with its caller. */
uint64_t namespaces_own(const struct namespaces *n);
/* What a process that joins `target`, a container with this configuration, has to join: not what it is in already. */
int namespaces_find(const struct spec *s, pid_t target, uint64_t *ret, struct err *e) must_use;
