/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune: the filters that every prune takes, and the prune of containers. label= is what a list filters by; until= and label!= are looked at row by
 * row.
 */
#pragma once

#include "engine/engine.h"

/* until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE] of --filter. *ret is the caller's also on failure. */
struct prune_filters {
	struct strv list, without; /* for the list: label=; and what no row may have */
	bool until;                /* only what is older than: */
	int64_t until_ns;
};
int prune_filters_parse(const struct strv *from, struct prune_filters *ret, struct err *e) must_use;
void prune_filters_drop(struct prune_filters *f);
bool prune_filters_take(const struct prune_filters *f, const struct json *row); /* by Created and Labels */

/* All that have ended or were never started; ids of those that went. */
int prune_containers(struct engine *g, const struct strv *filters, struct strv *ret_ids, struct err *e) must_use;
/* What these folders of the root take less than before; the event tells it. */
int prune_freed(struct engine *g, const char *type, const char *const *folders, size_t n, uint64_t before, uint64_t *ret, struct err *e) must_use;
