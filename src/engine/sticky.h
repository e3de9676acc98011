/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sticky: processes that the rules engine (cgroup_rules.h) leaves where they are, and their children with them: <run>/sticky/<pid> holds
 * the process's start time, so that a number that is used again means nothing.
 */
#pragma once

#include "engine/engine.h"

int sticky_set(struct engine *g, pid_t pid, bool on, struct err *e) must_use;
bool sticky_is(struct engine *g, pid_t pid); /* it, or one it descends from */
void sticky_sweep(struct engine *g);         /* forgets those that have ended */
