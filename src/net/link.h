/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link: interfaces, addresses and routes, by rtnetlink(7) alone. A container's interface is made inside its network namespace, so it
 * ends with that, whoever was killed.
 */
#pragma once

#include "net/network.h"

/* Destinations of the host's routes, and of those where the bridges are; both families, own addresses among them. */
int link_routes(void (*each)(void *arg, const struct subnet *s), void *arg, struct err *e) must_use;
/* In this process's own namespace: an interface is set up; is there a default route? */
int link_up(const char *name, struct err *e) must_use;
bool link_has_default(void);
/* The index of an interface here; 0 with ERR_NOT_FOUND. */
unsigned link_index(const char *name, struct err *e) must_use;
/* The bridge of a network is there, up and has the gateways' addresses. *made (may be NULL): it was not, or not as this network's. */
int link_bridge(const struct network *w, bool *made, struct err *e) must_use;
/* Sets what is needed on the host so that packets are passed on: false when they are not, and cannot be. */
bool link_forward(bool ipv6);
/* A published port is reached from 127.0.0.1 too. */
void link_route_local(const char *bridge);
/* What link_bridge() made goes: the bridge, or of one that is the user's own the addresses that it was given. What is not there is no error. */
int link_unbridge(const struct network *w, struct err *e) must_use;

struct link_end {
	const struct network *network;
	int netns;              /* fd: where it goes */
	const char *host, *name; /* of a bridge's port on the host; inside: "eth0" */
	uint8_t mac[MAC_LEN];
	struct addr ip[2];      /* IPv4, IPv6; len 0: none */
	unsigned prefix[2];
	const struct strv *link_local; /* further addresses of the link alone, or NULL */
	bool hairpin;           /* it reaches its own published ports */
	struct addr gateway[2]; /* len 0: no default route */
};
int link_add(const struct link_end *l, struct err *e) must_use;
/* A port by its name on the host is in the network's bridge, which may be another than it was made for. One that is gone is no error. */
int link_rejoin(const struct network *w, const char *host, bool hairpin, struct err *e) must_use;
/* A bridge's port by its name on the host: what it sends to a published port of its own comes back to it. */
int link_hairpin(const char *host, struct err *e) must_use;
/* Inside a namespace: the interface goes, with its address and routes. */
int link_remove_in(int netns, const char *name, struct err *e) must_use;
/* A further default route inside a namespace, when another network's went. */
int link_default_route(int netns, const char *name, const struct addr *gateway, struct err *e) must_use;
/* The first free name "eth0", "eth1" … inside. */
int link_free_name(int netns, const char *prefix, char ret[16], struct err *e) must_use;
