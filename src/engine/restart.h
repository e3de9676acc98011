/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restart: containers that come back by their restart policy, docker's: no, on-failure[:n], always, unless-stopped.
 *
 * When a container ends and is to come back its state says "restarting", and its monitor becomes a process that waits, starts it
 * again as `start` would (which makes a new monitor), and goes. What a policy promises after the machine was started is kept by `hull boot`.
 */
#pragma once

#include "engine/container.h"

/* "on-failure:3" and the like. ERR_USAGE. */
int restart_parse(const char *text, struct arena *a, struct restart_policy *ret, struct err *e) must_use;
int restart_check(const struct restart_policy *p, struct err *e) must_use; /* the same for what somebody took apart already */
/* It ended just now with this status, after ran_ns. True: it is to come back in s->restart_delay ms, which is set: 100, twice as long each time, a
 * minute at most, 100 again after it ran for ten seconds. must: whatever the policy says. */
bool restart_is_due(struct container_state *s, int status, int64_t ran_ns, bool must);
/* In the monitor's process, whose other resources are given back: starts it when the time has come, as long as the state says so. */
void restart_serve(struct engine *g, const char *id);
/* "restarting" becomes "exited", and it is as if the user had stopped it. True: that was so; else it has started or was stopped meanwhile, and its
 * state was read again. */
bool restart_cancel(struct engine *g, struct container_entry *c);
/* The names of those that the policies promise after the machine was started. */
int restart_promised(struct engine *g, struct strv *ret_names, struct err *e) must_use;
