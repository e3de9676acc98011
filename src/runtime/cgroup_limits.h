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
int cgroup_v1_limit(const int dirs[], const struct spec_resources *r, bool update, struct err *e) must_use;
/* dir: the group's directory; parents' controllers are enabled already. */
int cgroup_v2_limit(int dir, const struct spec_resources *r, bool update, struct err *e) must_use;
/* Which controllers r needs: "cpu", "memory" …, one bit per word of cgroup_v2_controllers. */
int cgroup_v2_enable(int root, const char *path, struct err *e) must_use;
/* Device rules as an eBPF program on a v2 group (config-linux.md, "Device whitelist"). */
int cgroup_devices_attach(int dir, const struct spec_resources *r, struct err *e) must_use;
