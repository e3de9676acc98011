/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view: the files of a container as it sees them, volumes and binds too, whether it runs or not. For a process made for that (child_do()): it
 * may go into a mount namespace of its own.
 */
#pragma once

#include "engine/container.h"
#include "engine/userns.h"

struct view {
	struct container_entry c;
	struct userns_maps maps;
	bool runs;
	int ns, root; /* of its mounts, or -1; the root directory (O_PATH): paths in it are resolved with path_open_in() */
};
#define VIEW_INIT {.c = {.dir = -1, .lock = -1}, .ns = -1, .root = -1}
void view_drop(struct view *v);

/* The caller's part: finds the container. One that does not run is locked, so that it is not started meanwhile. */
int view_find(struct engine *g, const char *text, struct view *v, struct err *e) must_use;
/* The child's, once, for all of them: opens their roots. What is read-only for the container is so here. A tmpfs of a container that does not run is empty and
 * read-only; a new volume is filled from the image. */
int views_open(struct engine *g, struct view *v, size_t n, struct err *e) must_use;
/* What is made from now on belongs to the root of the container's user namespace. */
int view_become_root(const struct engine *g, const struct view *v, struct err *e) must_use;
