/* SPDX-License-Identifier: Apache-2.0 */
/* clone: one more container, or pod, like another; what that has written is not in it. */
#pragma once

#include "engine/container.h"

struct clone_request {
	const char *name;  /* NULL: that of the other and "-clone" */
	const char *image; /* NULL: that of the other */
	const char *pod;   /* the one it is in; NULL: that of the other */
	const struct map *made; /* ids of containers that are named, and those that stand in their places; or NULL */
};
/* c is what came of a request and its image: as the request that comes to it again. */
struct image_run_config;
void clone_take_away(struct arena *a, const struct image_run_config *image, struct container_config *c);
/* pod_clone.c: with its containers. name NULL: that of the other and "-clone". */
int pod_clone(struct engine *g, const char *text, const char *name, char ret_id[65], struct err *e) must_use;
int container_clone(struct engine *g, const char *text, const struct clone_request *r, char ret_id[65], struct err *e) must_use;
