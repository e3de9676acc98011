/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_copy: what `cp` does: files into a container, out of it, or from one to another.
 */
#pragma once

#include "engine/engine.h"

struct copy_place {
	const char *container; /* NULL: the host */
	const char *path;      /* "-" of the host: an archive, from stdin or to stdout */
};
struct container_copy {
	struct { struct copy_place *v; size_t n; } sources;
	struct copy_place to;
	bool archive, follow;   /* owners are kept; a source that is a symlink is followed */
};
struct copied { uint64_t bytes, devices; /* left out */ };
/* docker's rules for the destination (docker cp). Killed or failed in the middle, the destination has a part and nothing else is left. */
int container_copy(struct engine *g, const struct container_copy *r, struct copied *ret, struct err *e) must_use;
