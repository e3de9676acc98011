/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts: what -v, --mount, --tmpfs, --volumes-from and the image's VOLUME lines come to.
 */
#pragma once

#include "engine/container.h"

/* What is still to be made for the mounts, and a lock: as long as it is held no volume goes away. */
struct mounts_plan {
	int lock; /* of volumes.lock, -1 until a volume is named */
	struct strv anonymous; /* volumes whose names were made up */
	struct strv sources;   /* directories of -v that are missing */
};
void mounts_plan_drop(struct mounts_plan *p);
/* Fills record.mounts from record.host and record.config; makes nothing. What -v and --mount say wins over volumes-from, and that over
 * VOLUME; two of them at one destination are ERR_USAGE. *ret (its lock -1 before) is the caller's also on failure. */
int mounts_resolve(struct engine *g, struct container_entry *c, struct mounts_plan *ret, struct err *e) must_use;
/* The same for a container that is there: the binds and mounts of `more`, into its record. One at a destination that has a mount already is ERR_USAGE. */
int mounts_add(struct engine *g, struct container_entry *c, const struct host_config *more, struct mounts_plan *ret, struct err *e) must_use;
/* Makes what is missing. After the record is written: who is killed here leaves no volume that nobody has. */
int mounts_create(struct engine *g, const struct container_entry *c, const struct mounts_plan *p, struct err *e) must_use;
/* Removes the anonymous volumes in record.mounts that no other container has (create failed; rm -v). */
void mounts_forget(struct engine *g, struct container_entry *c);
bool mounts_use_volume(const struct container_state *s, const char *name);
/* Copies what the image has at a new volume's place. root: fd of the mounted root file system; maps: the container's. */
struct userns_maps;
int mounts_fill_volumes(struct engine *g, struct container_entry *c, int root, const struct userns_maps *maps, struct err *e) must_use;
