/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erofs_head: a layer as one file. EROFS leaves the first 1024 bytes of an image alone: a line of JSON stands there, filled up with
 * zeros, and says what the layer is.
 *
 *   0       the line              "hull layer 1" and what is below
 *   1024    EROFS's superblock
 *   4096    the layer's tar, byte for byte
 *   behind  inodes, directories, data that had to move (erofs_layout.h); up to a whole page
 */
#pragma once

#include "snap/snap.h"

enum { EROFS_HEAD_SIZE = 1024, EROFS_TAR_AT = 4096 };

struct erofs_head {
	char *form;           /* "hull layer 1"; not set by erofs_head_load() */
	uint64_t tar_bytes;
	struct snap_layer_info info;
	bool made;            /* the tar is one that we made of files, not the one that the layer's digest is of */
	bool opaque;          /* hides all of the layers below */
	bool root_said;       /* the layer says something of its root directory: */
	uint32_t root_mode, root_uid, root_gid;
};
/* The first EROFS_HEAD_SIZE bytes of a file. */
int erofs_head_format(const struct erofs_head *h, char out[EROFS_HEAD_SIZE], struct err *e) must_use;
int erofs_head_load(int fd, struct erofs_head *ret, struct err *e) must_use;
