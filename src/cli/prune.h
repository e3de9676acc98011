/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune: what `system prune` shares with the prune of each kind. They append what went to *out, with a heading, and a blank line behind.
 */
#pragma once

#include "cli/cli.h"
#include "engine/prune.h"

int prune_images(struct engine *g, bool all, const struct strv *filters, struct buf *out, struct err *e) must_use;     /* rmi.c */
int prune_print_containers(struct engine *g, const struct strv *filters, struct buf *out, struct err *e) must_use; /* rm.c */
/* "Total reclaimed space: …" of what the store took before. Appends; all is printed. */
int prune_print(struct engine *g, const char *type, const char *const *folders, size_t n, uint64_t before, struct buf *out, struct err *e) must_use;
