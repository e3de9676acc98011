/* SPDX-License-Identifier: Apache-2.0 */
/* clone: one more container like another; what that has written is not in it. */
#pragma once

#include "engine/container.h"

struct clone_request {
	const char *name;  /* NULL: that of the other and "-clone" */
	const char *image; /* NULL: that of the other */
};
int container_clone(struct engine *g, const char *text, const struct clone_request *r, char ret_id[65], struct err *e) must_use;
