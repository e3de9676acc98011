/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build_log: what the last builds said, in the plain form and whole: <root>/build/logs/<nanoseconds since 1970>. The oldest go when a new one comes.
 */
#pragma once

#include "base/err.h"

enum { BUILD_LOGS_KEPT = 20 };
/* A new one, for writing. root: fd of the state directory. -1: there can be none, and the build goes on. */
int build_log_new(int root);
/* For reading. n: 1 is the last one. ERR_NOT_FOUND. */
int build_log_open(int root, unsigned n, struct err *e) must_use;
