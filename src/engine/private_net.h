/* SPDX-License-Identifier: Apache-2.0 */
/*
 * private_net: where a plain user's bridges are: he may not make interfaces on the machine, but in a network namespace of his own he may do
 * all that root may. All his containers share one; what goes beyond it goes through pasta(1), else slirp4netns(1), which pretend to be
 * the machine's network with sockets of the user's. It is made by the first command that needs it and ends with the last container.
 */
#pragma once

#include "base/err.h"

struct engine;
struct private_net {
	bool known, needed; /* needed: this process may not change the network namespace it is in */
	int lock, netns;    /* -1: not joined */
};
#define PRIVATE_NET_INIT {.lock = -1, .netns = -1}
bool private_net_is_needed(struct engine *g);
/* Networks are worked on there from here on (sys/netns.h's base). Without `make` only if it is there: *there. Does nothing for who needs none. */
int private_net_join(struct engine *g, bool make, bool *there, struct err *e) must_use;
/* After a fork that outlives its parent: it lives on for this process too. */
int private_net_hold(struct private_net *p, struct err *e) must_use;
void private_net_drop(struct private_net *p);
