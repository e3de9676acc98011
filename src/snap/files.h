/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files: a layer as files below one directory; what is promised stands in apply.h.
 */
#pragma once

#include "snap/apply.h"
#include "snap/whiteout.h"

struct files {
	int tree;                /* the directory: empty, ours alone */
	enum whiteout_form form;
	bool in_userns;          /* no device nodes; ids outside of the map are the user's to widen */
};
/* Reads plain to its end. */
int files_unpack(const struct files *f, struct stream *plain, uint64_t max_entries, struct snap_layer_info *ret, struct err *e) must_use;
