/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owners: which of hull's running containers a process, a control group or a namespace belongs to.
 */
#pragma once

#include "engine/engine.h"
#include "sys/nsfs.h"

struct owner {
	char *name, *id, *cgroup; /* cgroup: "" when it has none */
	pid_t pid;                /* its first process */
	uint64_t ns[NSFS_KINDS];  /* of that; 0: the host's too */
};
struct owners { struct owner *v; size_t n; struct arena arena; };
void owners_drop(struct owners *o);
int owners_load(struct engine *g, struct owners *ret, struct err *e) must_use;
/* By the group itself or one above it. NULL: no container's. */
const struct owner *owners_of_group(const struct owners *o, const char *path);
const struct owner *owners_of_process(const struct owners *o, pid_t pid);
/* The names of all that are in a namespace, "web,db"; "" for the host's. pid: one that is in it, or 0. */
char *owners_of_namespace(const struct owners *o, uint64_t ino, int kind, pid_t pid) must_use;
