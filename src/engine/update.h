/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update: what of a container can be changed after it was made: its limits, health check, published ports, mounts
 * and devices, at once when it runs, and its restart policy.
 */
#pragma once

#include "engine/container.h"
#include "engine/update_live.h"

/* What is not set stays. -1 (memory: and 0; cpus: 0): no limit. */
struct update_request {
	struct opt_i64 memory, reservation, swap, pids;
	struct opt_i64 nano_cpus, shares, period, quota, rt_period, rt_runtime, blkio_weight;
	const char *cpuset_cpus, *cpuset_mems;
	const char *restart; /* as --restart */
	const struct container_health *health; /* what is 0 or empty in it stays; NULL: all */
	const char *health_on_failure;         /* NULL: stays */
	struct port_requests publish_add, publish_remove;
	struct update_things things;
};
int container_update(struct engine *g, const char *text, const struct update_request *r, struct err *e) must_use;
/* Undoes what an update that was killed did; the container's lock is held. */
int update_recover(struct engine *g, const char *id, struct err *e) must_use;
