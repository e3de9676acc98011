/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply: the entries of a layer's tar (image-spec layer.md), one after another, onto a target: files below a directory
 * (files.h) or a tree in memory that becomes EROFS metadata (erofs_tree.h).
 *
 * Promised, whatever the archive says and whatever the target is:
 *  - nothing outside of the target is read, written, linked or removed;
 *  - names: absolute ones are taken from the layer's root; `..`, a component over 255 bytes, a name over 4095 bytes,
 *    more than SNAP_MAX_DEPTH components, an empty or dotted whiteout are ERR_CORRUPT or ERR_LIMIT;
 *  - symlinks of the layer on the way to an entry lead where they lead in a container; the last component is not followed;
 *  - of two entries with one name the last counts; directories are merged; missing parents are made;
 *  - a hard link leads to a file of the same layer, or is ERR_CORRUPT;
 *  - xattrs: user.* (not user.overlay.*) and security.capability are taken, on files and directories; all others,
 *    trusted.* and overlay's own above all, are passed over;
 *  - devices: as root; in a user namespace they are passed over, as docker does. 0:0 (which is overlay's whiteout) and
 *    numbers that the kernel would cut are ERR_CORRUPT;
 *  - owners, modes with setuid and the sticky bit, modification times (of directories too), holes are kept.
 * On failure the target holds some part of the layer: the caller removes it.
 */
#pragma once

#include "codec/stream.h"
#include "codec/tar.h"
#include "snap/snap.h"

struct apply_target {
	const struct apply_ops *ops;
	struct tar_reader *tar; /* set by apply_tar(): for the data of the entry at hand */
};
/* Names and numbers are checked. `path` is clean, its parent was entered; `name` is its last component. */
struct apply_ops {
	/* The first len bytes of path: the directory that the next calls are about, made when it is missing; t: what it is for. */
	int (*enter)(struct apply_target *to, const struct tar_entry *t, const char *path, size_t len, struct err *e);
	int (*root)(struct apply_target *to, const struct tar_entry *t, struct err *e); /* the layer's root, a directory */
	int (*entry)(struct apply_target *to, const struct tar_entry *t, const char *path, struct err *e); /* no hard link */
	int (*link)(struct apply_target *to, const char *name, const char *there, struct err *e); /* there: clean, of the other name */
	int (*gone)(struct apply_target *to, const struct tar_entry *t, const char *name, struct err *e);
	int (*opaque)(struct apply_target *to, struct err *e);
	/* NULL, or told when what stands in the tar behind the last file's data, up to the next header, is not zeros. */
	void (*dirty)(struct apply_target *to);
	int (*end)(struct apply_target *to, struct err *e);
};
enum {
	APPLY_MAX_ENTRIES = 2000000,
	/* The tree of a layer that says nothing of its root directory has this modification time (ns), so that a mount
	 * takes owner and mode of the root from a layer that does. */
	APPLY_ROOT_UNSAID = 1,
};
/* Reads plain to its end. max_entries 0: APPLY_MAX_ENTRIES. */
int apply_tar(struct apply_target *to, struct stream *plain, uint64_t max_entries, struct snap_layer_info *ret, struct err *e) must_use;

/* Whether an xattr of a layer or of a container's file is taken along. */
bool apply_takes_xattr(const char *name);
int apply_no_link(struct err *e); /* -1: a hard link that leads nowhere */
