/* SPDX-License-Identifier: Apache-2.0 */
#include "net/endpoint.h"

#include "base/num.h"
#include "base/path.h"
#include "base/fd.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct { uint8_t number; const char *name; } protocols[] = {{IPPROTO_TCP, "tcp"}, {IPPROTO_UDP, "udp"}, {IPPROTO_SCTP, "sctp"}};

const char *port_protocol(uint8_t protocol)
{
	for (size_t i = 0; i < countof(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return "";
}

uint8_t port_protocol_of(const char *name)
{
	for (size_t i = 0; i < countof(protocols); i++)
		if (strcmp(protocols[i].name, name) == 0)
			return protocols[i].number;
	return 0;
}

static bool parse_port(const char *text, struct port_map *ret)
{
	char proto[8], host[ADDR_TEXT];
	unsigned host_port, port, count;
	if (sscanf(text, "%7[a-z]/%47[0-9a-f.:]/%5u/%5u/%5u", proto, host, &host_port, &port, &count) != 5)
		return false;
	*ret = (struct port_map){.protocol = port_protocol_of(proto), .host_port = (uint16_t)host_port, .port = (uint16_t)port, .count = (uint16_t)count};
	return ret->protocol && addr_parse(host, &ret->host);
}

bool endpoint_parse(const char *line, size_t n, struct arena *a, struct endpoint *ret)
{
	own(strv) struct strv words = {};
	own(strv) struct strv names = {};
	own(mem) char *text = mem_ndup(line, n);
	strv_split(&words, text, ' ');
	if (words.n < 8)
		return false;
	*ret = (struct endpoint){.container = arena_dup(a, words.v[0]), .id = arena_dup(a, words.v[1]), .name = arena_dup(a, words.v[2]),
		.host_name = arena_dup(a, words.v[3])};
	mac_parse(words.v[4], ret->mac);
	for (size_t i = 0; i < 2; i++)
		addr_parse(words.v[5 + i], &ret->ip[i]);
	strv_split(&names, words.v[7], ',');
	for (size_t i = 0; i < names.n; i++)
		arena_strv_add(a, &ret->names, names.v[i]);
	for (size_t i = 8; i < words.n; i++) {
		struct port_map p;
		if (parse_port(words.v[i], &p))
			*arena_push(a, &ret->ports) = p;
	}
	return true;
}

static void format(const struct endpoint *p, struct buf *out)
{
	char mac[MAC_TEXT], ip[2][ADDR_TEXT], host[ADDR_TEXT];
	addr_format(&p->ip[0], ip[0]);
	addr_format(&p->ip[1], ip[1]);
	mac_format(p->mac, mac);
	buf_printf(out, "%s %s %s %s %s %s %s ", p->container, p->id, str_is_empty(p->name) ? "-" : p->name,
		str_is_empty(p->host_name) ? "-" : p->host_name, *mac ? mac : "-", *ip[0] ? ip[0] : "-", *ip[1] ? ip[1] : "-");
	for (size_t i = 0; i < p->names.n; i++)
		buf_printf(out, "%s%s", i ? "," : "", p->names.v[i]);
	if (!p->names.n)
		buf_char(out, '-');
	for (size_t i = 0; i < p->ports.n; i++) {
		const struct port_map *m = &p->ports.v[i];
		buf_printf(out, " %s/%s/%u/%u/%u", port_protocol(m->protocol), addr_format(&m->host, host), m->host_port, m->port, m->count);
	}
	buf_char(out, '\n');
}

int endpoints_read(const struct networks *n, const char *network_id, struct arena *a, struct endpoints *ret, struct err *e)
{
	own(buf) struct buf text = BUF(ENDPOINTS_MAX);
	struct err why = {};
	*ret = (struct endpoints){};
	if (path_read(n->run, network_id, &text, &why) < 0) {
		if (why.sys == ENOENT)
			return 0;
		*e = why;
		return err_wrap(e, "endpoints of network %.12s", network_id);
	}
	for (const char *p = buf_text(&text), *end; (end = strchr(p, '\n')); p = end + 1) {
		struct endpoint one;
		if (endpoint_parse(p, (size_t)(end - p), a, &one))
			*arena_push(a, ret) = one;
	}
	return 0;
}

static int write_all(const struct networks *n, const char *network_id, const struct endpoints *all, struct err *e)
{
	own(buf) struct buf text = BUF(ENDPOINTS_MAX);
	for (size_t i = 0; i < all->n; i++)
		format(&all->v[i], &text);
	if (buf_check(&text, e) < 0 || path_write(n->run, network_id, buf_text(&text), text.len, 0600, 0, e) < 0)
		return err_wrap(e, "endpoints of network %.12s", network_id);
	return 0;
}

static int by_address(const void *x, const void *y)
{
	return addr_cmp(x, y);
}

/* Who has it: a name for a message; NULL: it is free. */
static const struct endpoint *owner(const struct endpoints *all, int family, const struct addr *a)
{
	for (size_t i = 0; i < all->n; i++)
		if (addr_eq(&all->v[i].ip[family], a))
			return &all->v[i];
	return NULL;
}

static bool is_reserved(const struct network_range *r, const struct addr *a)
{
	struct addr aux, last = subnet_last(&r->subnet);
	bool tiny = r->subnet.prefix + 1 >= r->subnet.base.len * 8U;
	if (addr_eq(a, &r->gateway) || (!tiny && (addr_eq(a, &r->subnet.base) || (a->len == 4 && addr_eq(a, &last)))))
		return true;
	for (size_t i = 0; i < r->aux->n; i++)
		if (addr_parse(r->aux->v[i].value, &aux) && addr_eq(&aux, a))
			return true;
	return false;
}

/* The first of the range that nobody has: the addresses in use, in order, and the first gap. */
static bool first_free(const struct endpoints *all, int family, const struct network_range *r, struct addr *ret)
{
	own(mem) struct addr *used = mem_alloc((all->n + 1) * sizeof *used);
	size_t n = 0, i = 0;
	for (size_t k = 0; k < all->n; k++)
		if (all->v[k].ip[family].len)
			used[n++] = all->v[k].ip[family];
	qsort(used, n, sizeof *used, by_address);
	struct addr a = r->range.base, last = subnet_last(&r->range);
	while (addr_cmp(&a, &last) <= 0) {
		while (i < n && addr_cmp(&used[i], &a) < 0)
			i++;
		if (!(i < n && addr_eq(&used[i], &a)) && !is_reserved(r, &a)) {
			*ret = a;
			return true;
		}
		if (!addr_add(&a, 1))
			break;
	}
	return false;
}

static void prune(const struct endpoint_request *q, struct endpoints *all)
{
	size_t kept = 0;
	for (size_t i = 0; i < all->n; i++)
		if (!q->is_gone || !q->is_gone(q->arg, all->v[i].container))
			all->v[kept++] = all->v[i];
	all->n = kept;
}

static int choose(const struct endpoint_request *q, int family, const struct network_range *r, struct endpoints *all, struct addr *ret, struct err *e)
{
	char text[ADDR_TEXT], whole[ADDR_TEXT];
	const struct addr *want = &q->wanted[family];
	if (want->len) {
		const struct endpoint *other;
		addr_format(want, text);
		if (!subnet_has(&r->subnet, want))
			return err_set(e, ERR_USAGE, "address %s is not in the subnet %s of network %s", text, subnet_format(&r->subnet, whole),
				q->network->name);
		if (is_reserved(r, want))
			return err_set(e, ERR_CONFLICT, "address %s of network %s is reserved: it is the gateway's, or was named with --aux-address", text,
				q->network->name);
		if (owner(all, family, want))
			prune(q, all);
		other = owner(all, family, want);
		if (other)
			return err_set(e, ERR_CONFLICT, "address %s of network %s is already in use by container %s", text, q->network->name,
				other->names.n ? other->names.v[0] : other->container);
		*ret = *want;
		return 0;
	}
	if (q->last[family].len && subnet_has(&r->range, &q->last[family]) && !owner(all, family, &q->last[family]) && !is_reserved(r, &q->last[family])) {
		*ret = q->last[family];
		return 0;
	}
	if (first_free(all, family, r, ret))
		return 0;
	prune(q, all);
	if (first_free(all, family, r, ret))
		return 0;
	return err_set(e, ERR_LIMIT, "network %s: no address of %s is free", q->network->name, subnet_format(&r->range, whole));
}

/* What changes the endpoints of a network holds this lock. */
static int lock_and_read(const struct networks *n, const char *network_id, struct arena *a, struct endpoints *ret, struct err *e)
{
	own(fd) int lock = path_lock(n->run, "lock", true, true, e);
	return lock < 0 || endpoints_read(n, network_id, a, ret, e) < 0 ? -1 : take_fd(lock);
}

int endpoint_take(const struct networks *n, const struct endpoint_request *q, struct arena *a, struct endpoint *ret, struct err *e)
{
	static const uint8_t none[MAC_LEN];
	const struct network *w = q->network;
	struct endpoints all;
	struct network_range r;
	char id[ID_LEN + 1];
	own(fd) int lock = lock_and_read(n, w->id, a, &all, e);
	if (lock < 0)
		return -1;
	/* What a killed start of it left. */
	size_t kept = 0;
	for (size_t i = 0; i < all.n; i++)
		if (strcmp(all.v[i].container, q->container) != 0)
			all.v[kept++] = all.v[i];
	all.n = kept;
	num_random_id(id);
	struct endpoint p = {.container = arena_dup(a, q->container), .id = arena_dup(a, id), .name = arena_dup(a, q->name),
		.host_name = arena_dup(a, q->host_name)};
	for (size_t i = 0; i < q->names->n; i++)
		if (!strpbrk(q->names->v[i], " ,\n"))
			arena_strv_add(a, &p.names, q->names->v[i]);
	for (int i = 0; i < 2; i++)
		if (network_range(w, i ? 16 : 4, &r)) {
			if (choose(q, i, &r, &all, &p.ip[i], e) < 0)
				return -1;
		} else if (q->wanted[i].len) {
			return err_set(e, ERR_USAGE, "network %s has no subnet of IPv%d", w->name, i ? 6 : 4);
		}
	memcpy(p.mac, q->mac, MAC_LEN);
	/* Who had the address before had this one too: neighbours need not ask anew. On ipvlan it is the parent's, and none of its own. */
	if (memcmp(p.mac, none, MAC_LEN) == 0 && strcmp(w->driver, "ipvlan") != 0) {
		memcpy(p.mac, (uint8_t[]){0x02, 0x42}, 2);
		memcpy(p.mac + 2, p.ip[0].len ? p.ip[0].b : p.ip[1].b + 12, 4);
	}
	*arena_push(a, &all) = p;
	if (write_all(n, w->id, &all, e) < 0)
		return -1;
	*ret = p;
	return 0;
}

int endpoint_set(const struct networks *n, const char *network_id, const struct endpoint *p, struct err *e)
{
	own(arena) struct arena a = {};
	struct endpoints all;
	own(fd) int lock = lock_and_read(n, network_id, &a, &all, e);
	if (lock < 0)
		return -1;
	size_t i = 0;
	while (i < all.n && strcmp(all.v[i].container, p->container) != 0)
		i++;
	if (i < all.n)
		all.v[i] = *p;
	else
		*arena_push(&a, &all) = *p;
	return write_all(n, network_id, &all, e);
}

int endpoint_add_name(const struct networks *n, const char *network_id, const char *container, const char *name, struct err *e)
{
	own(arena) struct arena a = {};
	struct endpoints all;
	own(fd) int lock = lock_and_read(n, network_id, &a, &all, e);
	if (lock < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++)
		if (strcmp(all.v[i].container, container) == 0 && !strv_has(&all.v[i].names, name) && !strpbrk(name, " ,\n")) {
			arena_strv_add(&a, &all.v[i].names, name);
			return write_all(n, network_id, &all, e);
		}
	return 0;
}

int endpoint_drop_name(const struct networks *n, const char *network_id, const char *container, const char *name, struct err *e)
{
	own(arena) struct arena a = {};
	struct endpoints all;
	own(fd) int lock = lock_and_read(n, network_id, &a, &all, e);
	if (lock < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++) {
		struct strv *names = &all.v[i].names;
		size_t kept = 0;
		if (strcmp(all.v[i].container, container) != 0 || !strv_has(names, name))
			continue;
		for (size_t k = 0; k < names->n; k++)
			if (strcmp(names->v[k], name) != 0)
				names->v[kept++] = names->v[k];
		names->n = kept;
		return write_all(n, network_id, &all, e);
	}
	return 0;
}

int endpoint_set_names(const struct networks *n, const char *network_id, const char *container, const struct strv *names, struct err *e)
{
	own(arena) struct arena a = {};
	struct endpoints all;
	own(fd) int lock = lock_and_read(n, network_id, &a, &all, e);
	if (lock < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++)
		if (strcmp(all.v[i].container, container) == 0) {
			all.v[i].names = *names;
			return write_all(n, network_id, &all, e);
		}
	return 0;
}

static int release_one(const struct networks *n, const char *network_id, const char *container, struct err *e)
{
	own(arena) struct arena a = {};
	struct endpoints all;
	size_t kept = 0;
	if (endpoints_read(n, network_id, &a, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++)
		if (strcmp(all.v[i].container, container) != 0)
			all.v[kept++] = all.v[i];
	if (kept == all.n)
		return 0;
	all.n = kept;
	return write_all(n, network_id, &all, e);
}

/* What path_write() was killed at; under the lock nobody is at it. */
static void sweep(const struct networks *n)
{
	own(strv) struct strv names = {};
	struct err ignored = {};
	if (path_list(n->run, ".", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.n; i++)
		if (strstr(names.v[i], ".tmp-"))
			unlinkat(n->run, names.v[i], 0);
}

int endpoint_release(const struct networks *n, const char *network_id, const char *container, struct err *e)
{
	own(strv) struct strv ids = {};
	own(fd) int lock = path_lock(n->run, "lock", true, true, e);
	if (lock < 0)
		return -1;
	sweep(n);
	if (network_id)
		return release_one(n, network_id, container, e);
	if (path_list(n->run, ".", &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++)
		if (strlen(ids.v[i]) == ID_LEN && release_one(n, ids.v[i], container, e) < 0)
			return -1;
	return 0;
}
