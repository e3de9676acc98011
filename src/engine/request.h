/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: what somebody asked for when making a container: is it possible, and what was left open.
 */
#pragma once

#include "engine/container.h"

/* Fills what is empty from the settings and docker's defaults; container:NAME becomes container:ID. Everything lives in
 * the arena of the entry. */
int request_complete(struct engine *g, struct container_entry *c, const struct settings *s, struct err *e) must_use;
/* Values out of range, modes nobody knows, options that exclude each other: ERR_USAGE, before anything is made. */
int request_check(const struct container_record *r, struct err *e) must_use;
