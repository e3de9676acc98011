/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts: what -v, --mount, --tmpfs, --volumes-from and the image's VOLUME lines come to.
 */
#pragma once

#include "engine/container.h"

/* Fills record.mounts from record.host and record.config; makes volumes that are missing. Later ones win over earlier
 * ones at the same destination in the order volumes-from, VOLUME, -v and --mount. */
int mounts_resolve(struct engine *g, struct container_entry *c, struct err *e) must_use;
/* Removes the anonymous volumes in record.mounts (create failed; rm -v). */
void mounts_forget(struct engine *g, struct container_entry *c);
/* Copies what the image has at a new volume's place. root: fd of the mounted root file system. */
int mounts_fill_volumes(struct engine *g, struct container_entry *c, int root, struct err *e) must_use;
