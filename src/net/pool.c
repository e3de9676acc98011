/* SPDX-License-Identifier: Apache-2.0 */
#include "net/pool.h"

#include "net/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void pool_drop(struct pool *p)
{
	mem_drop(&p->v);
	p->n = 0;
}

void pool_take(struct pool *p, const struct subnet *s, const char *owner)
{
	p->v = mem_grow(p->v, (p->n + 1) * sizeof *p->v);
	p->v[p->n].subnet = *s;
	snprintf(p->v[p->n++].owner, sizeof p->v->owner, "%s", owner);
}

static const char *overlaps(const struct pool *p, const struct subnet *s)
{
	for (size_t i = 0; i < p->n; i++)
		if (subnet_overlaps(&p->v[i].subnet, s))
			return p->v[i].owner;
	return NULL;
}

static void take_route(void *arg, const struct subnet *s)
{
	/* The default route is no reason. */
	if (s->prefix)
		pool_take(arg, s, "");
}

static struct subnet made(uint8_t a, uint8_t b, uint8_t c, unsigned prefix)
{
	return (struct subnet){{4, {a, b, c, 0}}, prefix};
}

static int choose4(struct pool *p, struct subnet *ret, struct err *e)
{
	for (unsigned i = 17; i < 32; i++) {
		*ret = made(172, (uint8_t)i, 0, 16);
		if (!overlaps(p, ret))
			return 0;
	}
	for (unsigned i = 0; i < 256; i += 16) {
		*ret = made(192, 168, (uint8_t)i, 20);
		if (!overlaps(p, ret))
			return 0;
	}
	/* Many networks, or a host that routes much: smaller pieces of the last pool. */
	for (unsigned i = 0; i < 65536; i++) {
		*ret = made(10, (uint8_t)(i >> 8), (uint8_t)i, 24);
		if (!overlaps(p, ret))
			return 0;
	}
	return err_set(e, ERR_LIMIT, "all predefined address pools have been fully subnetted: give --subnet");
}

static int choose6(struct pool *p, struct subnet *ret, struct err *e)
{
	do {
		*ret = (struct subnet){{16, {0xfd}}, 64};
		if (getrandom(ret->base.b + 1, 7, 0) != 7)
			return err_sys(e, "random numbers");
	} while (overlaps(p, ret));
	return 0;
}

static bool inside(const struct subnet *s, const char *text, struct addr *ret)
{
	return addr_parse(text, ret) && subnet_has(s, ret);
}

/* What no machine on a network can have; a subnet around it would take the host's own or default routes. */
static bool is_nobodys(const struct subnet *s)
{
	static const struct subnet list[] = {{{4, {0}}, 8}, {{4, {127}}, 8}, {{4, {224}}, 4}, {{4, {255, 255, 255, 255}}, 32},
		{{16, {0}}, 127}, {{16, {0xfe, 0x80}}, 10}, {{16, {0xff}}, 8}};
	bool found = false;
	for (size_t i = 0; i < countof(list); i++)
		found |= list[i].base.len == s->base.len && subnet_overlaps(s, &list[i]);
	return found;
}

static int check_row(struct arena *a, struct ipam *p, const struct subnet *s, bool gateway, struct err *e)
{
	char text[ADDR_TEXT];
	struct subnet range = *s;
	struct addr at, last;
	p->subnet = arena_dup(a, subnet_format(s, text));
	if (s->prefix > s->base.len * 8U - (s->base.len == 4 ? 1 : 2))
		return err_set(e, ERR_USAGE, "subnet %s has no room for containers", p->subnet);
	if (!str_is_empty(p->range)) {
		if (subnet_parse(p->range, false, &range, "--ip-range", e) < 0)
			return -1;
		if (range.prefix < s->prefix || !subnet_has(s, &range.base))
			return err_set(e, ERR_USAGE, "--ip-range %s is not inside the subnet %s", p->range, p->subnet);
	}
	for (size_t i = 0; i < p->aux.n; i++)
		if (!inside(s, p->aux.v[i].value, &at))
			return err_set(e, ERR_USAGE, "--aux-address %.60s=%.60s is not inside the subnet %s", p->aux.v[i].key, p->aux.v[i].value, p->subnet);
	if (!str_is_empty(p->gateway)) {
		if (!inside(s, p->gateway, &at))
			return err_set(e, ERR_USAGE, "--gateway %.60s is not inside the subnet %s", p->gateway, p->subnet);
		last = subnet_last(s);
		bool tiny = s->prefix + 1 >= s->base.len * 8U;
		if (!tiny && (addr_eq(&at, &s->base) || (at.len == 4 && addr_eq(&at, &last))))
			return err_set(e, ERR_USAGE, "--gateway %.60s is the subnet's own address, no host's", p->gateway);
	} else if (gateway) {
		at = range.base;
		if (range.prefix < s->base.len * 8U - 1 || addr_eq(&range.base, &s->base))
			addr_add(&at, 1);
		p->gateway = arena_dup(a, addr_format(&at, text));
	}
	for (size_t i = 0; i < p->aux.n && !str_is_empty(p->gateway); i++)
		if (inside(s, p->aux.v[i].value, &range.base) && addr_eq(&range.base, &at))
			return err_set(e, ERR_CONFLICT, "--aux-address %.60s=%.60s is the gateway's address", p->aux.v[i].key, p->aux.v[i].value);
	return 0;
}

static int fill_row(struct pool *p, struct arena *a, struct network *w, struct ipam *row, uint8_t len, struct err *e)
{
	struct subnet s;
	bool on_host = strcmp(w->driver, "bridge") == 0;
	if (!str_is_empty(row->subnet)) {
		if (subnet_parse(row->subnet, true, &s, "--subnet", e) < 0)
			return -1;
		if (is_nobodys(&s))
			return err_set(e, ERR_USAGE, "subnet %s has addresses that are no machine's: loopback, multicast, link-local or none", row->subnet);
		/* An endpoint on the parent's own wire has the parent's subnet, which is a route. */
		const char *owner = overlaps(p, &s);
		if (owner && *owner)
			return err_set(e, ERR_CONFLICT, "subnet %s overlaps the subnet of network %s", row->subnet, owner);
	} else {
		if (link_routes(take_route, p, e) < 0 || (len == 4 ? choose4(p, &s, e) : choose6(p, &s, e)) < 0)
			return -1;
	}
	pool_take(p, &s, w->name);
	return check_row(a, row, &s, on_host || !w->internal, e);
}

static bool family_of(const struct ipam *row, uint8_t *len)
{
	const char *text = !str_is_empty(row->subnet) ? row->subnet : !str_is_empty(row->gateway) ? row->gateway : row->range;
	if (str_is_empty(text))
		return false;
	*len = strchr(text, ':') ? 16 : 4;
	return true;
}

int pool_fill(struct pool *p, struct arena *a, struct network *w, struct err *e)
{
	bool has[2] = {};
	for (size_t i = 0; i < w->ipam.n; i++) {
		uint8_t len = 4;
		struct ipam *row = &w->ipam.v[i];
		if (family_of(row, &len) && str_is_empty(row->subnet))
			return err_set(e, ERR_USAGE, "--gateway and --ip-range need the --subnet they are in");
		if (len == 16 && !w->ipv6)
			return err_set(e, ERR_USAGE, "subnet %s is IPv6: give --ipv6 too", row->subnet);
		if (len == 4 && !w->ipv4)
			return err_set(e, ERR_USAGE, "subnet %s is IPv4, and --ipv4=false was given", row->subnet);
		if (has[len == 16])
			return err_set(e, ERR_USAGE, "subnet %s: a network has one subnet of IPv4 and one of IPv6", row->subnet);
		has[len == 16] = true;
		if (fill_row(p, a, w, row, len, e) < 0)
			return -1;
	}
	for (int i = 0; i < 2; i++) {
		if (has[i] || !(i ? w->ipv6 : w->ipv4))
			continue;
		struct ipam *row = arena_push(a, &w->ipam);
		if (fill_row(p, a, w, row, i ? 16 : 4, e) < 0)
			return -1;
	}
	return 0;
}
