/* SPDX-License-Identifier: Apache-2.0 */
/*
 * await: until a container stands as somebody wants it. What is waited for is a change of its state.json, which everyone who changes a
 * container replaces.
 */
#pragma once

#include "engine/container.h"

enum await { AWAIT_STOPPED, AWAIT_NEXT_EXIT, AWAIT_REMOVED, AWAIT_RUNNING, AWAIT_PAUSED, AWAIT_HEALTHY, AWAIT_UNHEALTHY, AWAIT_WELL };
/* AWAIT_WELL, which has no word, is healthy, and fails at once when it is unhealthy and nobody starts it anew for that.
 * docker's and podman's words: stopped, exited, not-running, next-exit, removed, running, paused, healthy, unhealthy. ERR_USAGE. */
int await_parse(const char *text, enum await *ret, struct err *e) must_use;
/* Returns when it is so; *ret_status: how it ended (not for the last four). ERR_CONFLICT when it cannot become so any more: it has no health check, it
 * ended, it is gone. ERR_TIMEOUT after timeout_ns; < 0: for ever. */
int container_await(struct engine *g, struct container_entry *c, enum await what, int64_t timeout_ns, int *ret_status, struct err *e) must_use;
