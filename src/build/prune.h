/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune: what the build cache holds, and how it is made to hold less.
 */
#pragma once

#include "engine/engine.h"

/* Volumes of RUN --mount=type=cache have this label; its value is the id. */
#define CACHE_MOUNT_LABEL "hull.build.cache"

/* An array, the one used longest ago first: {ID: diff_id, Size: bytes, LastUsedAt: RFC 3339, Description: the step,
 * Type: "regular"}; behind them cache mounts: their ID is the volume's name, their Type "exec.cachemount". */
struct json *prune_list(struct engine *g, struct err *e) must_use;
/* Forgets steps whose layer was not used for so long (ns; 0: all of them), or the longest unused until the rest is at most `keep` bytes
 * (0: no bound). Layers that no image and no container has go. ret_bytes: of these. ret_ids: diff_ids that were forgotten. */
int prune_mounts(struct engine *g, int64_t unused_ns, struct strv *ret_names, uint64_t *ret_bytes, struct err *e) must_use; /* not those in use */
/* The same as prune_cache() with `keep`, when there is more; cache mounts count too, and those that nobody has go in their turn. */
int prune_to_limit(struct engine *g, uint64_t limit, struct err *e) must_use;
int prune_cache(struct engine *g, int64_t unused_ns, uint64_t keep, struct strv *ret_ids, uint64_t *ret_bytes, struct err *e) must_use;
