/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_named: control groups by the names people give them: "controllers:path", as libcgroup's programs take it, on v1, v2 and
 * hybrid machines. Controllers go by their names of either version (blkio and io, cpuacct and cpu); "*" is all of them, "" and
 * "unified" the v2 tree itself. A path begins at the hierarchy's root, with a slash or without.
 */
#pragma once

#include "base/str.h"
#include "runtime/cgroup_limits.h"

struct cgroup_named {
	char *path;          /* "/a/b"; "/": the root */
	uint32_t rows;       /* bit per enum cgroupfs_row, first ones only; 0: no controller was named */
	bool any;            /* "*": of those it is looked for in, each that has it will do */
	struct strv enable;  /* controllers of the v2 tree that were named (in the arena) */
};
/* ERR_NOT_FOUND: this machine has no such controller; ERR_USAGE: no such path can be. */
int cgroup_named_parse(const char *text, struct arena *a, struct cgroup_named *ret, struct err *e) must_use;
/* The hierarchy of a controller. v2_name, may be NULL: what it is called in the v2 tree, NULL when it needs none or is of v1. */
int cgroup_named_row(const char *controller, const char **v2_name, struct err *e) must_use;
/* All that are here, each hierarchy once. */
uint32_t cgroup_named_all(void);
/* The hierarchies that have the group: those that were named, each; of all, those that have it. ERR_NOT_FOUND: none, or not one that was named. */
int cgroup_named_find(const struct cgroup_named *g, uint32_t *ret, struct err *e) must_use;
/* Its directory in one of them. */
int cgroup_named_open(const struct cgroup_named *g, int row, struct err *e) must_use;
/* What a hierarchy is called in a list: the controllers of a v1 mount, those that the group of a v2 tree has ("" when it has none). */
char *cgroup_named_controllers(int row, int dir) must_use;

struct cgroup_owner { bool set; uid_t uid; gid_t gid; };
struct cgroup_rights {
	struct cgroup_owner all, tasks;       /* of the directory and its files; of the files that processes are written to */
	int dir_mode, file_mode, tasks_mode;  /* -1: as the kernel makes them */
};
/* Makes it and the groups above it, in every hierarchy named, and switches controllers of the v2 tree on above it. One that is there
 * already gets owners and modes alone. */
int cgroup_named_make(const struct cgroup_named *g, const struct cgroup_rights *r, struct err *e) must_use;
/* Removes it; its processes go to the group above it. recursive: with those below it; else they are ERR_CONFLICT. */
int cgroup_named_remove(const struct cgroup_named *g, bool recursive, struct err *e) must_use;
/* A process goes into the group in every hierarchy that was named, or, when none was, has it. pid 0: ourselves. */
int cgroup_named_enter(const struct cgroup_named *g, pid_t pid, struct err *e) must_use;
/* All processes of the group and below get the signal; with SIGKILL again until there are none. */
int cgroup_named_signal(const struct cgroup_named *g, int sig, struct err *e) must_use;
/* Recursive. Waits until it is so; ERR_UNSUPPORTED without a freezer. */
int cgroup_named_freeze(const struct cgroup_named *g, bool frozen, struct err *e) must_use;
/* The group and all below it, parents first: depth -1: to the end. each: -1 ends it. dir is the group's directory. */
typedef int cgroup_named_fn(void *arg, int row, int dir, const char *path, struct err *e);
int cgroup_named_walk(int row, const char *path, int depth, cgroup_named_fn *each, void *arg, struct err *e) must_use;
