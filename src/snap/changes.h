/* SPDX-License-Identifier: Apache-2.0 */
/*
 * changes: what a container did to the root it was given (docker diff).
 */
#pragma once

#include "snap/snap.h"

#include <sys/stat.h>

enum snap_change { SNAP_CHANGED = 'C', SNAP_ADDED = 'A', SNAP_DELETED = 'D' };
/* "/etc/hosts"; names may hold any byte but '/' and 0. */
typedef int snap_change_fn(void *arg, enum snap_change what, const char *path, const struct stat *st, struct err *e);
/* Directories before what is in them, names in order. m: as the container was mounted. ERR_UNSUPPORTED when its root is a copy. What lies deeper
 * than SNAP_MAX_DEPTH directories is ERR_LIMIT. */
int snap_changes(struct snap *s, const struct snap_mount *m, snap_change_fn *each, void *arg, struct err *e) must_use;
