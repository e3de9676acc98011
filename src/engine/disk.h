/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk: what the store takes on the disk, as du(1) counts it: blocks, directories too, a hard link once. Every file below hull's root
 * belongs to one of five: together they are what du says.
 */
#pragma once

#include "engine/engine.h"

enum disk_kind { DISK_IMAGES, DISK_CONTAINERS, DISK_VOLUMES, DISK_CACHE, DISK_OTHER, DISK_KINDS };
extern const char *const disk_words[DISK_KINDS]; /* docker's: "Images", "Containers", "Local Volumes", "Build Cache"; "Other" */

/* Bytes below these folders of the root; a missing one has none. */
int disk_bytes(struct engine *g, const char *const *folders, size_t n, uint64_t *ret, struct err *e) must_use;

/* {Totals: [{Type, TotalCount, Active, Bytes, Reclaimable}], Images: [{Id, RepoTags, Created, Size, SharedSize, UniqueSize, Containers}],
 *  Containers: [a ContainerSummary with Bytes], Volumes: [{Name, Links, Size}], BuildCache: [{ID, Size, Shared}]}. Reclaimable is what a prune of all of
 * them would free; of Other: what no record knows. */
struct json *disk_usage(struct engine *g, struct err *e) must_use;
