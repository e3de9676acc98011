/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child: a piece of work in a process of its own, for what it leaves behind in memory: libraries that were loaded, a heap that was
 * large once. A monitor is a copy of the process that made it, for as long as its container lives.
 */
#pragma once

#include "base/err.h"

/* Runs work(arg) in a fork and waits for it; its error comes back as ours. It ends when we do. Nothing else that it changes in
 * memory is seen here. */
int child_do(int (*work)(void *arg, struct err *e), void *arg, struct err *e) must_use;
