/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint_archive: a checkpoint with all that another machine needs to go on with it, but for the image: a tar of
 *
 *   hull.json         {"Version": 1, "Image": id, "ImageName": …}
 *   container.json    the container's record
 *   checkpoint/       criu's files
 *   rootfs.tar        what the container changed in its root, as a layer has it
 *   volumes/N.tar     the files of the volume that is the N-th of the record's mounts
 *
 * It holds what was in memory, so it is its owner's alone; and who restores from one trusts it, as it says what the container may do, and criu's
 * files what its processes may. It never gets at volumes that are here, or at files beyond its own.
 */
#pragma once

#include "codec/compress.h"
#include "engine/container.h"

struct checkpoint_export {
	const char *path; /* "-": stdout */
	enum compression compression;
	bool ignore_rootfs, ignore_volumes;
};
/* The files are whole under that name, or nothing has changed there. The container's lock is held; name: one of its checkpoints. */
int checkpoint_export(struct engine *g, struct container_entry *c, const char *name, const struct checkpoint_export *r, struct err *e) must_use;

struct checkpoint_import {
	const char *path;
	const char *name; /* of the new container; NULL: that of the other */
	bool ignore_rootfs, ignore_volumes;
	struct strv there; /* set: volumes that were here before; the caller drops it */
};
/* A new container with that checkpoint, called `checkpoint`. Its image is here or can be had by its name. ERR_CONFLICT: a volume of that name is
 * there already. On failure nothing is left but an image that was pulled. */
int checkpoint_import(struct engine *g, struct checkpoint_import *r, const char *checkpoint, char ret_id[65], struct err *e) must_use;
/* It could not go on: the container goes, with the volumes that came with it. */
void checkpoint_import_undo(struct engine *g, const struct checkpoint_import *r, const char *id);
