/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_delegate: a v2 group in the hands of the container's user (config-linux.md, "Cgroup ownership"), and the group below it
 * into which crun's annotation run.oci.delegate-cgroup puts the container's processes.
 */
#pragma once

#include "runtime/cgroup.h"

/* own: CLONE_NEW* that are not the caller's (namespaces_own). The group gets the host's id of process.user.uid when the
 * container has a cgroup namespace of its own and a writable mount of the groups, or when a group below it is asked for, which is made.
 * Nothing where v1 is in use; ERR_UNSUPPORTED when the annotation is there. */
int cgroup_delegate(const struct cgroup *c, const struct spec *s, uint64_t own, struct err *e) must_use;

/* In the container's process: the place to go to (fd of cgroup.procs), before its cgroup namespace is made; -2 when none is asked
 * for. Afterwards it goes there. */
int cgroup_delegated_open(const struct spec *s, struct err *e) must_use;
int cgroup_delegated_enter(int procs, struct err *e) must_use;
