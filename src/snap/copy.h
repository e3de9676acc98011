/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy: trees of files: a volume filled from an image's directory, a root made of layers where overlay is refused.
 * Owners, modes, times, xattrs (as apply_takes_xattr), hard links within the tree, holes and devices (where they
 * can be made) are kept; blocks are shared where the file system can. What lies deeper than SNAP_MAX_DEPTH is ERR_LIMIT.
 * On failure the target holds a part: the caller removes it.
 */
#pragma once

#include "snap/snap.h"

#include <sys/stat.h>

/* What is in `from` to the directory `to`, which also gets from's owner, mode and time. from may be O_PATH. */
int copy_tree(int from, int to, struct err *e) must_use;

/* The same for the tree of a layer, on top of what is in `to`: whiteouts of any form (whiteout.h) remove. Owners are
 * shifted by the maps of m (none: as they are). Adds to *total. */
int copy_layer(int from, int to, const struct snap_mount *m, struct snap_layer_info *total, struct err *e) must_use;

uint32_t copy_shift(uint32_t id, const struct snap_idmap *rows, size_t n); /* UINT32_MAX: outside of the map */

/* The data of one open file into another that is empty; st is from's. A file that has become shorter meanwhile is copied as far as it is. */
int copy_data(int from, int to, const struct stat *st, struct err *e) must_use;

/* Sums up what is below dir, as snap_usage says. */
int copy_measure(int dir, struct snap_layer_info *ret, struct err *e) must_use;
