/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay: published ports without the packet filter: connections and datagrams that come to a port of the host are handed to the
 * container by a process, the container's monitor. To the host it is a server like any other, so the host's own rules for what comes in
 * hold for it; and a plain user, who may not touch the machine's packet filter, has no other way.
 *
 * What goes to the container comes from the base namespace (sys/netns.h). With keep_address it has the client's own address there:
 * relay_keep_addresses() has made that namespace lead the answers back to us.
 *
 * It allocates nothing after relay_open(); connections and clients are bounded.
 */
#pragma once

#include "net/addr.h"

struct relay_port {
	int fd;           /* bound, of the relay from now on; closed by who opened it */
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	struct addr to;
	uint16_t port;
};
struct relay;
int relay_open(const struct relay_port *v, size_t n, bool keep_address, struct relay **ret, struct err *e) must_use;
void relay_drop(struct relay **r);
/* While it serves. What goes through a port that is removed goes on, when it is a connection. */
int relay_add(struct relay *r, const struct relay_port *p, struct err *e) must_use;
void relay_remove(struct relay *r, int fd); /* before it is closed */
int relay_fd(const struct relay *r);       /* readable: there is something to do */
int relay_timeout(const struct relay *r);  /* ms until there is in any case; -1 */
void relay_serve(struct relay *r);         /* never waits */
/* In this process's own network namespace, which must be hull's alone. */
int relay_keep_addresses(struct err *e) must_use;
