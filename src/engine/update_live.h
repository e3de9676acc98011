/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update_live: mounts and devices of a container that is there: at once when it runs, and from the next start on. Devices that a process has open,
 * and files below a mount that was taken away, stay with it.
 */
#pragma once

#include "engine/container.h"

struct update_things {
	struct host_config add;             /* its binds, mounts and devices count */
	struct strv remove_mounts, remove_devices; /* paths in the container; a device by its path on the host too */
};
bool update_things_any(const struct update_things *t);
/* c is locked. The record is written when the kernel has it. */
int container_update_things(struct engine *g, struct container_entry *c, const struct update_things *t, struct err *e) must_use;
