/* SPDX-License-Identifier: Apache-2.0 */
/*
 * firewall: the kernel's packet filter for bridges: one nf_tables table, "inet hull", that nobody else writes to, each change
 * one transaction. Rules never change; what comes and goes is in sets and maps: a bridge, an element for each published port.
 *
 *   hull-user    the owner's own rules, asked first for what is passed on to or from a container; hull never touches them
 *   forward      passed on: answers, published ports, within one network, from a container outwards; else what would go to a container is
 *                dropped: from another network, and from a neighbour that knows its address
 *   prerouting, output, publish    a published port becomes the container's
 *   postrouting  what leaves the host from a container has the host's address; so has what goes back into a bridge it came from
 *   guard        nobody reaches the host's 127.0.0.0/8 from a bridge, where routes to it are open
 */
#pragma once

#include "net/endpoint.h"

/* The table is as it should be: it is looked at, and made with everything that belongs into it (of these networks) when something is
 * missing; with `force` anyway. ERR_UNSUPPORTED: this kernel has no nf_tables. */
int firewall_ensure(const struct networks *n, bool force, struct err *e) must_use;
bool firewall_is_whole(void); /* or nobody can tell */
int firewall_add_network(const struct network *w, struct err *e) must_use;
int firewall_remove_network(const struct network *w, struct err *e) must_use;
/* The ports of an endpoint, whose addresses are set. Taking out what is not there is no error. */
int firewall_publish(const struct endpoint *p, struct err *e) must_use;
/* From one set of ports to another: nobody finds none in between. */
int firewall_change(const struct endpoint *before, const struct endpoint *after, struct err *e) must_use;
int firewall_withdraw(const struct endpoint *p, struct err *e) must_use;
/* What somebody else's rules do to the packets of a bridge, and what helps, as a sentence's second half; false when nothing is known. */
bool firewall_foreign(const char *device, char *ret, size_t n);
