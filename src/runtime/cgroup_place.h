/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_place: where in a container's control groups one more process goes, when not into the groups themselves: existing groups
 * below them. Never out of them.
 */
#pragma once

#include "runtime/cgroup.h"

struct cgroup_place {
	int tasks[CGROUP_TASKS]; /* as cgroup_open_tasks() gives them */
	int v2;                  /* for CLONE_INTO_CGROUP, or -1 */
};
#define CGROUP_PLACE_EMPTY {.tasks = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}, .v2 = -1}
void cgroup_place_drop(struct cgroup_place *p);

/* words: "path", in every hierarchy that has such a group, or "controller[,controller...]:path" in those (v1). "/" is the
 * container's group itself, where hierarchies that no word names stay. ERR_USAGE: leads out of it, or no such controller.
 * ERR_NOT_FOUND. */
int cgroup_place_open(const struct cgroup *c, const struct strv *words, struct cgroup_place *ret, struct err *e) must_use;
/* The v2 group of a process, which must be in the container's. */
int cgroup_place_beside(const struct cgroup *c, pid_t pid, struct cgroup_place *ret, struct err *e) must_use;
