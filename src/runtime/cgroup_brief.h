/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_brief: the few numbers of a group that `stats` shows, for who looks at hundreds of groups each second: the files stay open between two
 * looks, and one look is one pread() of each.
 */
#pragma once

#include "runtime/cgroup.h"

enum { CGROUP_BRIEF_FILES = 11 };
struct cgroup_brief {
	int fd[CGROUP_BRIEF_FILES]; /* -1: this machine, or this group, has no such file */
};
/* What nobody counts here is 0; limit: "max" and the largest number of whole pages are unlimited (cgroup_is_unlimited()). */
struct cgroup_brief_numbers {
	uint64_t cpu_ns, throttled_ns;
	uint64_t memory, memory_limit, inactive_file; /* bytes */
	uint64_t pids;
	uint64_t read_bytes, write_bytes;
	bool has_pressure;
	double cpu_pressure, memory_pressure, io_pressure; /* some, avg10: % */
};
/* ERR_NOT_FOUND: the container has no group of its own. */
int cgroup_brief_open(const struct cgroup *c, struct cgroup_brief *ret, struct err *e) must_use;
void cgroup_brief_drop(struct cgroup_brief *b);
/* False: the group is gone. */
bool cgroup_brief_read(const struct cgroup_brief *b, struct cgroup_brief_numbers *ret);
