/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info: {"bytes":N,"files":N} in a file.
 */
#pragma once

#include "snap/snap.h"

int info_save(int dir, const char *path, const struct snap_layer_info *info, struct err *e) must_use; /* not synced */
int info_load(int dir, const char *path, struct snap_layer_info *ret, struct err *e) must_use;
