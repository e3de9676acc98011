/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume: named directories that outlive containers: <root>/volumes/<name>/{_data, volume.json}.
 */
#pragma once

#include "engine/engine.h"

/* Makes it when it is missing. anonymous: name is a random id and the volume goes with `rm -v` and --rm. */
int volume_ensure(struct engine *g, const char *name, bool anonymous, struct err *e) must_use;
bool volume_name_is_valid(const char *name);
char *volume_path(const struct engine *g, const char *name) must_use; /* of _data */
bool volume_is_anonymous(const struct engine *g, const char *name);
int volume_delete(struct engine *g, const char *name, struct err *e) must_use;
/* A new volume that nothing was put in yet gets what the image has at that path: tree below `from` (a directory
 * fd) is copied, with the directory's own mode and owner. Does nothing for a volume that was used before. */
int volume_fill(struct engine *g, const char *name, int from, struct err *e) must_use;
