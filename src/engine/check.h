/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: whether the store is what it was: records of images, blobs, layers; of containers, pods, networks and volumes.
 */
#pragma once

#include "engine/engine.h"

struct storage_damage {
	const char *kind, *id;    /* "image", "blob", "layer", "compressed"; "container", "pod", "network", "volume" */
	char why[600];
	struct strv images;       /* names, or ids, of those that it touches; a container's or pod's own name */
	const char *layer;        /* of a compressed blob */
	bool damaged;             /* missing, wrong, or the disk does not give it back; else it cannot be read now, and is left alone */
	bool mended, removed;
};
struct storage_report {
	struct { struct storage_damage *v; size_t n; } damage;
	size_t images, layers, containers, pods, networks, volumes; /* looked at */
};
enum storage_repair { STORAGE_LOOK, STORAGE_REPAIR, STORAGE_REMOVE };
/* Reads all of it. STORAGE_REPAIR: what can be made anew of what is here is; what is damaged is fetched again from the registry that its image came
 * from, and stays until that has taken its place; layers that nobody needs go. STORAGE_REMOVE: and what is damaged and could not be had again goes.
 * Meanwhile no layer is removed by others. */
int storage_check(struct engine *g, enum storage_repair how, struct arena *a, struct storage_report *ret, struct err *e) must_use;
/* check_records.c: a part of storage_check. */
int records_check(struct engine *g, bool repair, struct arena *a, struct storage_report *ret, struct err *e) must_use;
