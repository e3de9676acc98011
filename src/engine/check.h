/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: whether the store is what it was: records of images, blobs, layers; of containers, pods, networks and volumes.
 */
#pragma once

#include "engine/engine.h"

struct storage_damage {
	const char *kind, *id;    /* "image", "blob", "layer", "compressed"; "container", "pod", "network", "volume" */
	char why[300];
	struct strv images;       /* names, or ids, of those that it touches; a container's or pod's own name */
	bool mended;
};
struct storage_report {
	struct { struct storage_damage *v; size_t n; } damage;
	size_t images, layers, containers, pods, networks, volumes; /* looked at */
};
/* Reads all of it. repair: what can be made anew of what is here is; what is damaged is removed and fetched again from the registry that
 * its image came from; a record that cannot be read goes. Meanwhile no layer is removed by others. */
int storage_check(struct engine *g, bool repair, struct arena *a, struct storage_report *ret, struct err *e) must_use;
/* check_records.c: a part of storage_check. */
int records_check(struct engine *g, bool repair, struct arena *a, struct storage_report *ret, struct err *e) must_use;
