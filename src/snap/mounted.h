/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounted: mounts of layers' files that one process makes and others take over, so that all containers that use a layer at the same time
 * have it in memory once. Ids are not mapped in them. mounted.c says how.
 */
#pragma once

#include "snap/lower.h"

/* The layer's mount from a process that holds it. l->fd is this process's own then, and borrowed from its list while it holds mounts
 * itself (*ret_held). false: mount it anew; l is unset. */
bool mounted_take(struct snap *s, const char *diff_id, struct lower *l, bool *ret_held);
/* A mount that was just made. true: it is held from now on, and l->fd borrowed. */
bool mounted_add(struct snap *s, const char *diff_id, const struct lower *l);
void mounted_begin(struct snap *s, bool holds); /* a stack is put together; holds: for a container */
/* It is mounted, and what was made for it is told to others; or it is not, and nothing of it stays open. */
void mounted_end(struct snap *s, bool mounted);
void mounted_forget(struct snap *s, const char *diff_id); /* the layer goes */
void mounted_drop(struct snap *s);
