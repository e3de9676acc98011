/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts: what -v, --mount, --tmpfs, --volumes-from and the image's VOLUME lines come to.
 */
#pragma once

#include "engine/container.h"

/* Fills record.mounts from record.host and record.config; makes volumes that are missing. What -v and --mount say wins over
 * volumes-from, and that over VOLUME; two of them at one destination are ERR_USAGE. *ret_lock (-1 before): what the caller closes
 * when the record is written: until then no volume goes away. */
int mounts_resolve(struct engine *g, struct container_entry *c, int *ret_lock, struct err *e) must_use;
/* Removes the anonymous volumes in record.mounts that no other container has (create failed; rm -v). */
void mounts_forget(struct engine *g, struct container_entry *c);
bool mounts_use_volume(const struct container_state *s, const char *name);
/* Copies what the image has at a new volume's place. root: fd of the mounted root file system; maps: the container's. */
struct userns_maps;
int mounts_fill_volumes(struct engine *g, struct container_entry *c, int root, const struct userns_maps *maps, struct err *e) must_use;
