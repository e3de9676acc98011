/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push_original: the blob that a layer came as, byte for byte, where the registry that is pushed to does not have it: kept here (partial.h), or
 * fetched once more from where it came.
 */
#pragma once

#include "engine/push.h"

/* A blob of the layer that is kept, open; -1: none. One that is damaged is removed. */
int push_kept(const struct push *x, const struct push_layer *p, bool (*suits)(const struct push *x, const struct known_blob *b),
	const struct known_blob **ret);
/* Has any of the layer's blobs another place than the one that is pushed to? */
bool push_has_origin(const struct push *x, const struct push_layer *p, bool (*suits)(const struct push *x, const struct known_blob *b));
/* One of the blobs from one of its places, into a file, verified. For a process of its own. Which of p->known; -1: nobody gives one. */
ssize_t push_fetch_original(const struct push *x, const struct push_layer *p, bool (*suits)(const struct push *x, const struct known_blob *b), int file);
