/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erofs_mount: a layer's file (erofs_head.h) as a mount, attached nowhere; closing it unmounts.
 */
#pragma once

#include "base/err.h"

enum erofs_way { EROFS_WAY_NONE, EROFS_WAY_FILE, EROFS_WAY_LOOP };

/* The file itself is mounted (Linux 6.12), or a loop device of it: on older kernels, and where the store's file system is
 * not one that this can be done with (tmpfs). ret_way may be NULL. */
int erofs_mount(int file, enum erofs_way *ret_way, struct err *e) must_use;
