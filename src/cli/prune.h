/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune: what `system prune` shares with the prune of each kind. They append what went to *out, with a heading, and a blank line behind.
 */
#pragma once

#include "cli/cli.h"

/* until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE] of --filter. *ret is the caller's also on failure. */
struct prune_filters {
	struct strv list, without; /* for the list: label=; and what no row may have */
	bool until;                /* only what is older than: */
	int64_t until_ns;
};
int prune_filters_parse(const struct strv *from, struct prune_filters *ret, struct err *e) must_use;
void prune_filters_drop(struct prune_filters *f);
bool prune_filters_take(const struct prune_filters *f, const struct json *row); /* by Created and Labels */

int prune_images(struct engine *g, bool all, const struct strv *filters, struct buf *out, struct err *e) must_use;     /* rmi.c */
int prune_containers(struct engine *g, const struct strv *filters, struct buf *out, struct err *e) must_use; /* rm.c */
/* "Total reclaimed space: …" of what the store took before. Appends; all is printed. */
int prune_print(struct engine *g, const char *type, const char *const *folders, size_t n, uint64_t before, struct buf *out, struct err *e) must_use;
