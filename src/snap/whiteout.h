/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whiteout: how a layer says that something below it is gone (image-spec layer.md, "Whiteouts";
 * Linux filesystems/overlayfs.rst, "whiteouts and opaque directories").
 *
 *   form               x is gone                   the directory hides what is below
 *   the archive's      an empty file .wh.x         an empty file .wh..wh..opq in it
 *   overlay's          a character device 0:0 x    trusted.overlay.opaque=y
 *   overlay's, user    a character device 0:0 x    user.overlay.opaque=y
 */
#pragma once

#include "base/err.h"

#include <sys/stat.h>

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_META   ".wh..wh."     /* aufs's own files: of no meaning to anybody else */
#define WHITEOUT_OPAQUE ".wh..wh..opq"

enum whiteout_form { WHITEOUT_PLAIN, WHITEOUT_OVERLAY, WHITEOUT_OVERLAY_USER };

/* Says that `name` is gone. Something of this layer that has the name stays: a directory turns opaque. times, as futimens has them, or
 * NULL for now: a layer that is packed again is only the same when its whiteouts have the times that they came with. */
int whiteout_make(int dir, const char *name, enum whiteout_form form, const struct timespec *times, struct err *e) must_use;
int whiteout_make_opaque(int dir, enum whiteout_form form, struct err *e) must_use; /* dir: may be O_PATH */
bool whiteout_is(const struct stat *st);
/* dir is open for reading; knows all three forms. */
bool whiteout_is_opaque(int dir);
