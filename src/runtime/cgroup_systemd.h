/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_systemd: a container's groups made by systemd: a transient scope with the container's process in it, and what hull needs
 * besides in that place.
 */
#pragma once

#include "runtime/cgroup.h"

/* Before there is a process: what can be wrong with the names and the configuration. */
int cgroup_systemd_check(const struct spec *s, const char *id, struct err *e) must_use;
/* The process, which waits, gets into its scope and the groups in it; c is complete then. */
int cgroup_systemd_start(struct cgroup *c, const struct spec *s, const char *id, pid_t pid, struct err *e) must_use;
/* Limits, for as far as systemd knows them. */
int cgroup_systemd_set(const struct cgroup *c, const struct spec_resources *r, struct err *e) must_use;
/* The scope's end. No failure when there is no systemd any more, or when it has ended the scope by itself. */
int cgroup_systemd_stop(struct cgroup *c, struct err *e) must_use;
/* Where a scope with that process is, from /proc/<pid>/cgroup's text: "/system.slice/x.scope". For the tests. */
int cgroup_systemd_find(const char *text, bool unified, char *ret, size_t size, struct err *e) must_use;
