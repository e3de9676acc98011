/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nsfs: the namespaces of this machine (namespaces(7)), as /proc/<pid>/ns and the mounts of nsfs show them.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

#include <sys/types.h>

enum { NSFS_KINDS = 8 };
struct nsfs_kind {
	const char *type; /* the word of lsns and of the file below /proc/<pid>/ns: mnt net ipc pid uts user cgroup time */
	int flag;         /* CLONE_NEW* */
	char letter;      /* of unshare(1) and nsenter(1) */
	const char *word; /* their long option */
};
extern const struct nsfs_kind nsfs_kinds[NSFS_KINDS];
int nsfs_kind_of(const char *type); /* by either word; -1: no such kind */

struct nsfs_row {
	uint64_t ino;
	int kind;
	size_t processes;
	pid_t pid, parent; /* the lowest one; 0: nobody is in it */
	uid_t uid;       /* its user */
	char *command;
	char *path;      /* where it is mounted, for one without processes */
};
struct nsfs_list { struct nsfs_row *v; size_t n; struct arena arena; };
void nsfs_list_drop(struct nsfs_list *l);
/* All that we may see, by number. pid 0: of every process, else of that one, with all processes counted. ERR_NOT_FOUND: it is gone. */
int nsfs_scan(pid_t pid, struct nsfs_list *ret, struct err *e) must_use;
/* A row for each process that is in it, by pid; `processes` is 1. ERR_NOT_FOUND: it is no namespace of anybody whom we may see. */
int nsfs_members(uint64_t ino, struct nsfs_list *ret, struct err *e) must_use;
/* The number of a process's namespace of that kind; 0: not to be seen. */
uint64_t nsfs_of(pid_t pid, int kind);
