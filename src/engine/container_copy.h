/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_copy: what `cp` does: files into a container, out of it, or from one to another.
 */
#pragma once

#include "engine/engine.h"

#include <limits.h>
#include <sys/stat.h>

struct copy_place {
	const char *container; /* NULL: the host */
	const char *path;      /* "-" of the host: an archive */
};
struct container_copy {
	struct { struct copy_place *v; size_t n; } sources;
	struct copy_place to;
	int stream;             /* the archive's: is read, or written to */
	bool replace;           /* of an archive: a directory and something else replace each other; else that is ERR_CONFLICT */
	bool archive, follow;   /* owners are kept; a source that is a symlink is followed */
};
struct copied { uint64_t bytes, devices; /* left out */ };
/* docker's rules for the destination (docker cp). Killed or failed in the middle, the destination has a part and nothing else is left. */
int container_copy(struct engine *g, const struct container_copy *r, struct copied *ret, struct err *e) must_use;

struct container_path {
	struct stat st;
	char link[PATH_MAX]; /* of a symlink: where it leads in the container, through all that follow; "" */
};
/* A symlink itself is looked at, but for a path that ends in "/" or "/.". ERR_NOT_FOUND. */
int container_look(struct engine *g, const char *container, const char *path, struct container_path *ret, struct err *e) must_use;
