/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool: subnets for new networks. What is asked for is checked against other networks; what is not is taken from docker's
 * pools (172.17.0.0/16 … 172.31.0.0/16, then 192.168.0.0/16 in pieces of /20; for IPv6 a /64 of a random ULA prefix, RFC 4193) and
 * overlaps neither another network nor a route or an address of the host.
 */
#pragma once

#include "net/network.h"

struct pool {
	struct { struct subnet subnet; char owner[64]; } *v;
	size_t n;
};
void pool_drop(struct pool *p);
void pool_take(struct pool *p, const struct subnet *s, const char *owner);
/* Completes and checks w->ipam: subnet, range, gateway, auxiliary addresses. */
int pool_fill(struct pool *p, struct arena *a, struct network *w, struct err *e) must_use;
