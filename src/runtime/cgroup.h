/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup: the control groups of one container, on v2, v1 and hybrid machines behind one set of calls.
 *
 * struct cgroup is flat and small; it is kept with the container (cgroup_format). Nothing here removes a group that hull did
 * not make. A controller this machine lacks is skipped when no limit of the container needs it and ERR_UNSUPPORTED, with the
 * limit's name, when one does. Statistics are in cgroup_stats.h, news of memory that ran out in cgroup_oom.h.
 */
#pragma once

#include "base/buf.h"
#include "runtime/spec.h"

#include <sys/types.h>

enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_V2, CGROUP_HYBRID /* v1 controllers beside a v2 tree */ };

/* Who makes a container's groups: hull, systemd (as a scope, for hull to go on in), or nobody. */
enum cgroup_manager { CGROUP_MANAGER_CGROUPFS, CGROUP_MANAGER_SYSTEMD, CGROUP_MANAGER_DISABLED };

struct cgroup {
	char path[480];  /* below each hierarchy's root: "/hull/<id>"; "" when there is none */
	char scope[256]; /* systemd's unit that the groups belong to; "" : none */
	uint32_t rows;   /* hierarchies in which the container has a group, bit per row of the machine's table (enum cgroupfs_row) */
	uint32_t made;   /* those of them whose group we made: only these are removed */
	int v2;          /* directory fd in the v2 tree for CLONE_INTO_CGROUP, or -1 */
};

enum cgroup_mode cgroup_machine_mode(void);
bool cgroup_has_controller(const char *name); /* cpu cpuset memory pids io(blkio) devices freezer hugetlb rdma */

/* path, as linux.cgroupsPath: absolute from the hierarchies' roots, relative below the place where groups without a path are, "" for
 * "/hull/<id>" (a plain user: below the cgroup that was delegated to him); . and .. are resolved inside of that. Makes the groups
 * that r (may be NULL) needs, and those that statistics and device rules take. One that is there already and empty is used as it is;
 * ERR_EXISTS when somebody is in it, ERR_CONFLICT when it is frozen. Where groups may not be made and no limit was asked for, *ret is
 * a cgroup with path "", else the error names why. Removes what it made on error. */
int cgroup_create(const char *path, const char *id, const struct spec_resources *r, struct cgroup *ret, struct err *e) must_use;
/* The path alone: what cgroup_create() would take. */
int cgroup_resolve(const char *path, const char *id, char *ret, size_t size, struct err *e) must_use;
/* Sets all limits of r and its device rules. */
int cgroup_limit(const struct cgroup *c, const struct spec_resources *r, struct err *e) must_use;
/* How a process gets in: clone3 with .v2 (CLONE_INTO_CGROUP), then, still with one thread, "0" written by itself to each of
 * these. tasks[row] (enum cgroupfs_row) is an fd to be closed, or -1. */
enum { CGROUP_TASKS = 15 };
int cgroup_open_tasks(const struct cgroup *c, int tasks[static CGROUP_TASKS], struct err *e) must_use;
int cgroup_enter(const int tasks[static CGROUP_TASKS], struct err *e) must_use;
/* The caller himself, out of the systemd unit or session that he is in, to a group beside the containers'; where he may not, he stays. */
void cgroup_leave_unit(void);
/* As cgroup_limit, for a running container: makes the groups of limits it did not have, and moves its processes in. c is
 * another one then: to be kept again. */
int cgroup_update(struct cgroup *c, const struct spec_resources *r, struct err *e) must_use;
/* Waits until it is done. ERR_CONFLICT: its processes ended meanwhile. */
int cgroup_freeze(const struct cgroup *c, bool frozen, struct err *e) must_use;
bool cgroup_is_frozen(const struct cgroup *c);
/* Frozen for a moment, where that can be and it is not already: who holds it can let it go on, whatever fails meanwhile. */
struct cgroup_hold { int fd; bool v1; };
void cgroup_hold(const struct cgroup *c, struct cgroup_hold *ret);
int cgroup_let_go(struct cgroup_hold *h, struct err *e) must_use;
int cgroup_kill(const struct cgroup *c, int sig, struct err *e) must_use; /* every process in it; SIGKILL also when frozen */
int cgroup_pids(const struct cgroup *c, struct u32v *ret /* malloc */, struct err *e) must_use;
/* How often the OOM killer killed in it (memory.events oom_kill; v1 memory.oom_control). */
uint64_t cgroup_oom_kills(const struct cgroup *c);
/* Kills nothing; thaws, removes what we made, sub-groups too, and sub-groups alone of a group that is not ours; waits, within
 * bounds, for processes that are about to be gone. Missing is success. */
int cgroup_remove(struct cgroup *c, struct err *e) must_use;
/* For a creation that was killed before anybody knew what it had made: removes the groups of that path in which nobody is. */
void cgroup_sweep(const char *path);
void cgroup_drop(struct cgroup *c); /* closes v2 */

/* Finds the groups of a container again by its path ("/hull/<id>"): those that carry hull's mark, or where none does all of them. */
int cgroup_open(const char *path, struct cgroup *ret, struct err *e) must_use;
/* What is kept of it, as a JSON document, and the same cgroup again from that. Hierarchies are named, not numbered. */
struct json *cgroup_format(const struct cgroup *c) must_use;
int cgroup_parse(const struct json *j, struct cgroup *ret, struct err *e) must_use;
