/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate: all layers of the store in one form.
 */
#pragma once

#include "engine/engine.h"

/* to: "erofs", "files", or NULL: as new layers are. Named, it is the choice for this store from now on. Appends the layers
 * that were converted, and a line for each that was left because a running container uses its files. */
int storage_migrate(struct engine *g, const char *to, struct strv *ret_moved, struct strv *ret_left, struct err *e) must_use;
/* ERR_CONFLICT: a container runs on the files of this layer, and which. */
int storage_in_use(struct engine *g, const char *layer, struct err *e) must_use;
