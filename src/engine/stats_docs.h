/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats_docs: what a container uses now, as docker's API has it.
 */
#pragma once

#include "engine/container.h"

/* Without preread and precpu_stats, which are of the look before. One that does not run: zeros, as docker. */
struct json *stats_document(struct engine *g, struct container_entry *c, struct err *e) must_use;
