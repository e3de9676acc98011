/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress: shows how images come in: on a terminal one line a layer that is drawn again and again, else one line a
 * change, as docker does.
 */
#pragma once

#include "engine/image.h"

struct progress;
/* Writes to fd (stdout for pull, stderr for run). verb: "Pulling", "Loading". quiet: NULL. */
struct progress *progress_new(int fd, bool quiet, const char *verb);
const struct image_progress *progress_calls(struct progress *p); /* NULL for NULL */
void progress_drop(struct progress **p); /* draws the last state; leaves the cursor below it */
