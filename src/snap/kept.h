/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept: mounts of layers' files that stay open between one snap_mount() and the next. Who mounts stack after stack, each with one layer
 * more (a build's stage), mounts each layer once. Ids are not mapped in them.
 */
#pragma once

#include "snap/lower.h"

/* The layer as lower_open() gives it, mounted by an earlier call when it was; l->fd is borrowed then. false: it is not kept, and l is unset. */
bool kept_get(const struct snap *s, const char *diff_id, struct lower *l);
/* Keeps a mount that was just made, if the process keeps any and there is room; true: the fd is borrowed from now on. */
bool kept_add(struct snap *s, const char *diff_id, const struct lower *l);
void kept_drop(struct snap *s);
