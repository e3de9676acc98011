/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_limits: what the files about control groups share: a container's group in one hierarchy, and the writing of limits.
 */
#pragma once

#include "runtime/cgroup.h"
#include "sys/cgroupfs.h"

static inline bool cgroup_has_row(const struct cgroup *c, int row)
{
	return c->rows & 1u << row;
}
/* The path is absolute; hierarchies are opened by fd. */
static inline const char *cgroup_below(const struct cgroup *c)
{
	return c->path + 1;
}
bool cgroup_is_root_of_the_machine(void);
/* For a group that systemd has made, with that process in it: makes the groups that are missing in the hierarchies that r needs, and
 * moves the process there. */
int cgroup_adopt(struct cgroup *c, const struct spec_resources *r, pid_t pid, struct err *e) must_use;
/* The row whose directory stands for this one's (combined controllers). */
int cgroup_first_of(int row);
/* fd of the group's directory in that hierarchy, or -1. */
int cgroup_open_row(const struct cgroup *c, int row);
/* The row in which processes are listed, or -1. */
int cgroup_listing_row(const struct cgroup *c);
/* Adds the processes of a group and of those below it. */
void cgroup_add_pids(int dir, struct u32v *ret);
/* Removes a group with those below it: 0, or -1 with errno. */
int cgroup_remove_tree(int at, const char *path);

/* One write to a file of the container's group in one hierarchy. `what` is the limit as its user knows it: it stands
 * in the error when the controller or the file is not there. dir: fd of the group's directory, -1: no controller. */
int cgroup_put(int dir, const char *controller, const char *what, const char *file, struct err *e, const char *fmt, ...)
	must_use printf_like(6, 7);
int cgroup_put_text(int dir, const char *controller, const char *what, const char *file, const char *value, struct err *e) must_use;

enum {
	CGROUP_SIGNED = 1 << 0, /* a struct opt_i64, else a struct opt_u64 */
	CGROUP_ZERO = 1 << 1,   /* 0 is a value; else it leaves the limit as it is */
	CGROUP_MAX = 1 << 2,    /* what is negative is "max" */
	CGROUP_LIMIT = CGROUP_SIGNED | CGROUP_ZERO | CGROUP_MAX,
};
/* A number of the configuration that is a file's whole text. */
struct cgroup_number {
	const char *file, *what;
	size_t at; /* in its struct */
	unsigned flags;
};
void cgroup_number_text(const struct cgroup_number *n, const void *from, char ret[static 24]); /* "": nothing to write */
int cgroup_put_number(int dir, const char *controller, const struct cgroup_number *n, const void *from, struct err *e) must_use;

/* Writes that bound each other, so that the right order depends on what is there: each goes when it can, at most 8. An empty value is none. */
struct cgroup_write {
	const char *what, *file;
	char value[48];
};
int cgroup_put_bound(int dir, const char *controller, const struct cgroup_write *w, size_t n, struct err *e) must_use;

/* dirs[row] (enum cgroupfs_row): the group's directory in each v1 hierarchy, or -1. */
int cgroup_v1_limit(const int dirs[], const struct spec_resources *r, struct err *e) must_use;
/* Device rules of a v1 group, while nobody is in it: between "deny all" and the rule that allows /dev/null it cannot be opened. */
int cgroup_v1_devices(int dir, const struct spec_resources *r, struct err *e) must_use;
/* dir: the group's directory; parents' controllers are enabled already. */
int cgroup_v2_limit(int dir, const struct spec_resources *r, struct err *e) must_use;
/* Has the group the controllers that r and the statistics need? */
bool cgroup_v2_is_enabled(int dir, const struct spec_resources *r);
/* Switches the controllers on for the group at path, in every group above it; or for all groups below one. */
void cgroup_v2_enable(int root, const char *path);
void cgroup_v2_enable_below(int dir);
uint64_t cgroup_cpu_weight(uint64_t shares); /* cpu.weight */
uint64_t cgroup_io_weight(uint64_t weight);  /* io.weight */
/* memory.checkBeforeUpdate: ERR_CONFLICT when a new limit is not above what is in use (usage_file of the group says). */
int cgroup_check_usage(int dir, const struct spec_memory *m, const char *usage_file, struct err *e) must_use;
int cgroup_limit_hugepages(int dir, const struct spec_resources *r, bool v1, struct err *e) must_use;
int cgroup_limit_rdma(int dir, const struct spec_resources *r, struct err *e) must_use;
/* What every container may use, after the rules of its configuration (null, zero, random, ptys, making nodes …). */
extern const struct spec_device_rule cgroup_default_devices[];
extern const size_t cgroup_default_devices_n;
/* Device rules as an eBPF program on a v2 group (config-linux.md, "Device whitelist"). */
int cgroup_devices_attach(int dir, const struct spec_resources *r, struct err *e) must_use;
