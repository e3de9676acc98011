/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint: who is connected to a network now: one text file a network, <run>/networks/<network id>, a line for each:
 *
 *   CONTAINER ENDPOINT INTERFACE HOST-INTERFACE MAC IP IP6 NAME[,NAME…] [PROTO/HOST-IP/HOST-PORT/PORT/COUNT …]
 *
 * ("-" for what it has not). It is read by the resolver at each question, by who looks for a free address, and by who puts the
 * firewall's rules back; replaced whole (rename) under <run>/networks/lock. A line whose container is gone is taken out by the
 * next one that settles that container, and by who finds its address taken.
 */
#pragma once

#include "net/network.h"

enum { ENDPOINTS_MAX = 16 << 20 };

struct port_map {
	uint8_t protocol;  /* IPPROTO_TCP, UDP, SCTP */
	struct addr host;  /* len 4 or 16; all zeros: any address */
	uint16_t host_port, port, count;
};
struct endpoint {
	char *container, *id, *name, *host_name;
	uint8_t mac[MAC_LEN];
	struct addr ip[2];
	struct strv names;
	struct { struct port_map *v; size_t n; } ports;
};
struct endpoints { struct endpoint *v; size_t n; };

bool endpoint_parse(const char *line, size_t n, struct arena *a, struct endpoint *ret);
/* ret is empty when nobody was ever connected. */
int endpoints_read(const struct networks *n, const char *network_id, struct arena *a, struct endpoints *ret, struct err *e) must_use;

struct endpoint_request {
	const struct network *network;
	const char *container, *host_name, *name;
	const struct strv *names;
	struct addr wanted[2];     /* static addresses; len 0: any */
	struct addr last[2];       /* what it had before, taken when it is free */
	uint8_t mac[MAC_LEN];      /* all zeros: one that belongs to the address */
	bool (*is_gone)(void *arg, const char *container); /* its line can be taken out */
	void *arg;
};
/* Takes addresses. ERR_LIMIT: no more; ERR_CONFLICT: in use. */
int endpoint_take(const struct networks *n, const struct endpoint_request *q, struct arena *a, struct endpoint *ret, struct err *e) must_use;
/* Writes down the interface's names and the ports, which are known later. */
int endpoint_set(const struct networks *n, const char *network_id, const struct endpoint *p, struct err *e) must_use;
/* One more name of the container's, which is in the network. */
int endpoint_add_name(const struct networks *n, const char *network_id, const char *container, const char *name, struct err *e) must_use;
/* One name less. */
int endpoint_drop_name(const struct networks *n, const char *network_id, const char *container, const char *name, struct err *e) must_use;
/* Other names than before. */
int endpoint_set_names(const struct networks *n, const char *network_id, const char *container, const struct strv *names, struct err *e) must_use;
/* Takes the container's lines out of one network, or with NULL of all. */
int endpoint_release(const struct networks *n, const char *network_id, const char *container, struct err *e) must_use;
const char *port_protocol(uint8_t protocol); /* "tcp" */
uint8_t port_protocol_of(const char *name);  /* 0: unknown */
