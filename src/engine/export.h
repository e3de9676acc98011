/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export: all files of a container as a tar.
 */
#pragma once

#include "engine/engine.h"

/* Of a container that runs: as they are when each is read. What is mounted in it is left out. Ids are those that the container sees. */
int container_export(struct engine *g, const char *text, int out, struct err *e) must_use;
