/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply: the entries of a layer's tar (image-spec layer.md) as files below one directory.
 *
 * Promised, whatever the archive says:
 *  - nothing outside of the directory is read, written, linked or removed;
 *  - names: absolute ones are taken from the layer's root; `..`, a component over 255 bytes, a name over 4095 bytes,
 *    more than SNAP_MAX_DEPTH components, an empty or dotted whiteout are ERR_CORRUPT or ERR_LIMIT;
 *  - of two entries with one name the last counts; directories are merged;
 *  - a hard link leads to a file of the same layer, or is ERR_CORRUPT;
 *  - xattrs: user.* (not user.overlay.*) and security.capability are taken, on files and directories; all others,
 *    trusted.* and overlay's own above all, are passed over;
 *  - devices: as root; in a user namespace they are passed over, as docker does. 0:0 (which is overlay's whiteout) and
 *    numbers that the kernel would cut are ERR_CORRUPT;
 *  - owners, modes with setuid and the sticky bit, modification times (of directories too), holes are kept.
 * On failure the directory holds some part of the layer: the caller removes it.
 */
#pragma once

#include "codec/stream.h"
#include "snap/snap.h"
#include "snap/whiteout.h"

struct apply {
	int tree;                /* the directory: empty, ours alone */
	enum whiteout_form form;
	bool in_userns;          /* no device nodes; ids outside of the map are the user's to widen */
	uint64_t max_entries;    /* 0: APPLY_MAX_ENTRIES */
};
enum {
	APPLY_MAX_ENTRIES = 2000000,
	/* The tree of a layer that says nothing of its root directory has this modification time (ns), so that a mount
	 * takes owner and mode of the root from a layer that does. */
	APPLY_ROOT_UNSAID = 1,
};
/* Reads plain to its end. */
int apply_tar(const struct apply *a, struct stream *plain, struct snap_layer_info *ret, struct err *e) must_use;

/* Whether an xattr of a layer or of a container's file is taken along. */
bool apply_takes_xattr(const char *name);
