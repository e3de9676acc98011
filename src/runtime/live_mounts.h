/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live_mounts: mounts of a running container, added and taken away.
 */
#pragma once

#include "runtime/container.h"

struct live_mounts {
	const char *id, *bundle;
	pid_t pid;               /* the container's first process */
	uint64_t start_time;     /* checked against reuse */
	const struct spec *spec; /* the container's, with those mounts in the place of its own */
	const struct cgroup *cgroup;
};
/* All of them, in order, as a new container would get them; or none and an error. */
int live_mounts_add(const struct live_mounts *m, struct err *e) must_use;
/* What is mounted at their destinations, the last one first. ERR_NOT_FOUND: nothing is; the ones before it are gone.
 * ret_kept: NULL, or, of one mount, a detached copy of what was there (spec_mount's `ready`); -1: the kernel made none. */
int live_mounts_remove(const struct live_mounts *m, int *ret_kept, struct err *e) must_use;
