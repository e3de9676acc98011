/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contents: what is in a layer, whatever its form: its entries one after another, directories before what is in them.
 */
#pragma once

#include "snap/snap.h"

#include <sys/stat.h>

struct contents_entry {
	const char *path; /* "usr/bin/env" */
	struct stat st;
	bool gone;        /* the layer says that there is nothing of that name any more: of path and type only path counts */
	bool opaque;      /* a directory that hides what is below it in older layers */
};
/* each: -1 ends it. The layer's root directory comes first, with the path "". Deeper than SNAP_MAX_DEPTH is left out. */
int snap_contents(struct snap *s, const char *diff_id, int (*each)(void *arg, const struct contents_entry *c, struct err *e), void *arg,
	struct err *e) must_use;
