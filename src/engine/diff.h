/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff: what a container changed in its root, running or not.
 */
#pragma once

#include "engine/engine.h"
#include "snap/changes.h"

/* As snap_changes; without what hull itself put there to mount on. */
int container_diff(struct engine *g, const char *text, snap_change_fn *each, void *arg, struct err *e) must_use;
