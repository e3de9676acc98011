/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroupfs: where this machine's cgroup hierarchies are mounted (cgroups(7)). Found once per process by
 * looking at the well-known places below /sys/fs/cgroup, without reading the mount table.
 */
#pragma once

#include "base/err.h"

enum cgroupfs_row { /* v1 hierarchies by the controller that stands for them; combined ones appear once */
	CGROUPFS_CPU, CGROUPFS_CPUACCT, CGROUPFS_CPUSET, CGROUPFS_MEMORY, CGROUPFS_PIDS, CGROUPFS_DEVICES,
	CGROUPFS_FREEZER, CGROUPFS_BLKIO, CGROUPFS_HUGETLB, CGROUPFS_NET_CLS, CGROUPFS_NET_PRIO, CGROUPFS_PERF,
	CGROUPFS_RDMA, CGROUPFS_SYSTEMD, CGROUPFS_V2, CGROUPFS_ROWS
};

struct cgroupfs {
	struct {
		int fd;        /* of the hierarchy's root; -1: not here */
		int same_as;   /* row of the same hierarchy that comes first (combined controllers), or its own */
	} row[CGROUPFS_ROWS];
	bool unified;          /* v2 alone */
};
const struct cgroupfs *cgroupfs_get(void);
/* Before a process that was forked closes what it does not know: else the numbers above would be of other files. */
void cgroupfs_forget(void);
/* The names, as directories below /sys/fs/cgroup: "cpu" … "systemd", "unified". */
const char *cgroupfs_name(enum cgroupfs_row row);

/* A number in a file of a group: the first word of the file, or with a key what follows it in the line that begins with it. "max" is
 * CGROUPFS_MAX. False, *ret untouched, when the file, the key or the number is not there. dir < 0: no such group. */
#define CGROUPFS_MAX UINT64_MAX
bool cgroupfs_read(int dir, const char *file, const char *key, uint64_t *ret);
/* The same in a text. */
bool cgroupfs_find(const char *text, const char *key, uint64_t *ret);
