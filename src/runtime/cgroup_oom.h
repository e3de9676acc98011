/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_oom: news of a container whose memory ran out, while it runs: a file descriptor that becomes readable.
 */
#pragma once

#include "runtime/cgroup.h"

struct cgroup_oom {
	int fd;              /* POLLIN: call cgroup_oom_read() */
	int dir;             /* the group */
	bool v2;
	uint64_t ooms, kills; /* v2: as they were read last */
};
#define CGROUP_OOM_EMPTY {.fd = -1, .dir = -1}

/* ERR_UNSUPPORTED: no memory controller, or a kernel that tells nobody. */
int cgroup_oom_open(const struct cgroup *c, struct cgroup_oom *ret, struct err *e) must_use;
/* Takes the news: how often memory has run out since the last call, perhaps never. False: there will be no more, for the group is
 * gone or has no processes any more. */
bool cgroup_oom_read(struct cgroup_oom *o, uint64_t *ret_times);
void cgroup_oom_drop(struct cgroup_oom *o);

/* The two kinds, by the group's directory (it is duplicated). */
int cgroup_oom_open_v2(int dir, struct cgroup_oom *ret, struct err *e) must_use;
int cgroup_oom_open_v1(int dir, struct cgroup_oom *ret, struct err *e) must_use;
