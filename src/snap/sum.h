/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sum: what a layer of files holds, as one digest: so that damage of a tree is found as that of a tar is.
 *
 *   <root>/layers/<diff hex>/sum          its text, written with the layer
 */
#pragma once

#include "codec/digest.h"

/* tree: open for reading; nobody changes it. Two trees have the same sum when names, types, modes, owners, modification times, links, devices,
 * kept xattrs (apply.h), opaque marks and contents are the same; where a file's holes are does not count. */
int sum_tree(int tree, char ret[static DIGEST_TEXT], struct err *e) must_use;
int sum_save(int layer, const char *sum, struct err *e) must_use; /* not synced */
/* ERR_CORRUPT: the tree is not what it was. A layer from before there were sums is taken as it is. */
int sum_check(int layers, const char *diff_id, int tree, struct err *e) must_use;
