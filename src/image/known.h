/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known: which compressed blobs are known to be a layer, and which repositories have them: what manifests that are here say (a layer's
 * place in a manifest is its diff_id's in the config), and what was pushed before:
 *
 *   <root>/images/wire/<diff hex>.json   {"blobs":[{digest, size, mediaType, diffId, "repositories":[…]}]}, the newest first
 *
 * diffId is of the tar that was compressed: another one than the layer's where only the layer's files are kept. The files are
 * a memory, not a truth: one that cannot be read is as good as none.
 */
#pragma once

#include "image/store.h"

struct known_blob {
	char *digest, *media_type, *diff_id;
	uint64_t size;
	struct strv repositories; /* registry/repository */
};
struct known { struct known_blob *v; size_t n; };

/* One list for each of diff_ids; first those of the image's own manifest. */
struct known *known_of_layers(struct store *s, const struct image_record *image, const struct strv *diff_ids, struct arena *a) must_use;
/* From now on `blob` is known to be the layer, and to be in that repository: both digests were seen to be true of the same bytes.
 * repository NULL: in none. Best effort. */
void known_add(struct store *s, const char *layer, const struct known_blob *blob, const char *repository);
/* The same, if it is known already that it is the layer: who says so now has not shown it. */
void known_confirm(struct store *s, const char *layer, const char *digest, const char *repository);
/* Forgets layers that `has` says are not here. */
void known_sweep(struct store *s, bool (*has)(void *arg, const char *diff_id), void *arg);
