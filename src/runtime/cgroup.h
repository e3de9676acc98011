/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup: the control groups of one container, on v2, v1 and hybrid machines behind one set of calls.
 *
 * struct cgroup is flat and small (it is kept in the container's state, see cgroup_format). Nothing here
 * changes a cgroup that it did not make. A controller this machine lacks is skipped when no limit of the
 * container needs it and ERR_UNSUPPORTED, with the limit's name, when one does.
 */
#pragma once

#include "base/buf.h"
#include "runtime/spec.h"

#include <sys/types.h>

enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_V2, CGROUP_HYBRID /* v1 controllers beside a v2 tree */ };

struct cgroup {
	char path[480];  /* below each hierarchy's root: "/hull/<id>"; "" when there is none */
	uint32_t made;   /* hierarchies in which we made it, bit per row of the machine's table */
	int v2;          /* directory fd in the v2 tree for CLONE_INTO_CGROUP, or -1 */
};

enum cgroup_mode cgroup_machine_mode(void);
bool cgroup_has_controller(const char *name); /* cpu cpuset memory pids io(blkio) devices freezer hugetlb rdma */

/* path: cleaned, "" : "/hull/<id>" (a plain user: below the cgroup that was delegated to him). Makes the groups that r (may be
 * NULL) needs, and those that statistics and device rules take. Where groups may not be made and no limit was asked for, *ret is a
 * cgroup with path "", else the error names why. Removes what it made on error. */
int cgroup_create(const char *path, const char *id, const struct spec_resources *r, struct cgroup *ret, struct err *e) must_use;
/* Sets all limits of r and its device rules. */
int cgroup_limit(const struct cgroup *c, const struct spec_resources *r, struct err *e) must_use;
/* How a process gets in: clone3 with .v2 (CLONE_INTO_CGROUP), then, still with one thread, "0" written by itself to each of
 * these. tasks[row] (enum cgroupfs_row) is an fd to be closed, or -1. */
enum { CGROUP_TASKS = 15 };
int cgroup_open_tasks(const struct cgroup *c, int tasks[static CGROUP_TASKS], struct err *e) must_use;
int cgroup_enter(const int tasks[static CGROUP_TASKS], struct err *e) must_use;
/* As cgroup_limit, for a running container: makes the groups of limits it did not have, and moves its processes in. */
int cgroup_update(const struct cgroup *c, const struct spec_resources *r, struct err *e) must_use;
/* Waits until it is done. ERR_CONFLICT: its processes ended meanwhile. */
int cgroup_freeze(const struct cgroup *c, bool frozen, struct err *e) must_use;
bool cgroup_is_frozen(const struct cgroup *c);
int cgroup_kill(const struct cgroup *c, int sig, struct err *e) must_use; /* every process in it; SIGKILL also when frozen */
int cgroup_pids(const struct cgroup *c, struct u32v *ret /* malloc */, struct err *e) must_use;
/* How often the OOM killer killed in it (memory.events oom_kill; v1 memory.oom_control). */
uint64_t cgroup_oom_kills(const struct cgroup *c);
struct cgroup_stats {
	uint64_t memory_usage, memory_limit, memory_max_usage, memory_inactive_file, memory_failcnt;
	uint64_t cpu_total_ns, cpu_user_ns, cpu_system_ns, cpu_periods, cpu_throttled, cpu_throttled_ns;
	uint64_t pids_current, pids_limit;
	uint64_t io_read_bytes, io_write_bytes;
};
int cgroup_stats(const struct cgroup *c, struct cgroup_stats *ret, struct err *e) must_use;
int cgroup_remove(struct cgroup *c, struct err *e) must_use; /* kills nothing; removes sub-groups too; missing is success */
void cgroup_drop(struct cgroup *c); /* closes v2 */
/* Finds the cgroup of a running container again from its path ("/hull/<id>"). */
int cgroup_open(const char *path, struct cgroup *ret, struct err *e) must_use;
