/* SPDX-License-Identifier: Apache-2.0 */
/* serve_client: one client, in a process of its own: its requests, each to the route that it names. */
#pragma once

#include "engine/engine.h"

#include <signal.h>

/* Takes fd. before: the signal mask of the process. */
void serve_client(int fd, const struct engine_options *o, const sigset_t *before);
