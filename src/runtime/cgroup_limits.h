/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_limits: what cgroup.c shares with the files that write limits for one version of cgroups.
 */
#pragma once

#include "runtime/cgroup.h"

/* One write to a file of the container's group in one hierarchy. `what` is the limit as its user knows it: it stands
 * in the error when the controller or the file is not there. dir: fd of the group's directory, -1: no controller. */
int cgroup_put(int dir, const char *controller, const char *what, const char *file, struct err *e, const char *fmt, ...)
	must_use printf_like(6, 7);

/* dirs[row] (enum cgroupfs_row): the group's directory in each v1 hierarchy, or -1. */
int cgroup_v1_limit(const int dirs[], const struct spec_resources *r, struct err *e) must_use;
/* Device rules of a v1 group, while nobody is in it: between "deny all" and the rule that allows /dev/null it cannot be opened. */
int cgroup_v1_devices(int dir, const struct spec_resources *r, struct err *e) must_use;
/* dir: the group's directory; parents' controllers are enabled already. */
int cgroup_v2_limit(int dir, const struct spec_resources *r, bool update, struct err *e) must_use;
/* Switches the controllers on for the group at path, in every group above it. */
void cgroup_v2_enable(int root, const char *path);
/* linux.resources.rdma: the same file on both versions. */
int cgroup_limit_rdma(int dir, const struct spec_resources *r, struct err *e) must_use;
/* What every container may use, after the rules of its configuration (null, zero, random, ptys, making nodes …). */
extern const struct spec_device_rule cgroup_default_devices[];
extern const size_t cgroup_default_devices_n;
/* Device rules as an eBPF program on a v2 group (config-linux.md, "Device whitelist"). */
int cgroup_devices_attach(int dir, const struct spec_resources *r, struct err *e) must_use;
