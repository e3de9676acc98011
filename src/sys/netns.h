/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netns: network namespaces, as setns(2) enters them. The one that hull's bridges and packet filter live in ("the base") is this process's
 * own, unless netns_set_base() named another.
 */
#pragma once

#include "base/err.h"

/* Runs inside(arg) in a namespace and comes back: -1 with *e when it cannot. Fds and memory are this process's: a socket that was opened
 * inside goes on to belong there. Single-threaded. */
int netns_run(int netns, int (*inside)(void *arg, struct err *e), void *arg, struct err *e) must_use;
int netns_run_base(int (*inside)(void *arg, struct err *e), void *arg, struct err *e) must_use;
void netns_set_base(int netns); /* borrowed; -1: this process's own */
bool netns_has_base(void);
/* May this process change the namespace it is in: is it of its user namespace, or one below. */
bool netns_is_ours(void);
