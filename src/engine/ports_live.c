/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports_live: published ports of a container that is there. Of one that does not run the record changes. While it runs, what goes goes
 * before what comes, so that a number can lead to another port:
 *
 *   goes     endpoint file, firewall (one transaction), then the monitor lets go of the sockets, word by word
 *   comes    bound here, which finds conflicts; the sockets go to the monitor, which holds or serves them; endpoint file, firewall
 *   saved    record and state
 *
 * When what should come cannot, or is not recorded, what went is put back in the same way, and where that fails the state says so. What
 * somebody who is killed on the way leaves goes with the next command on the container (update.c).
 * Connections that stand go on.
 *
 * When a network comes or goes (connect_live.c) the ports are where they would be after a start: those that led to one that goes move to
 * another, with their numbers.
 */
#include "engine/network.h"

#include "base/fd.h"
#include "monitor/attach.h"
#include "net/firewall.h"
#include "net/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { COMES = 1, GOES = 2, ALL_GO = 3 };
struct word {
	uint8_t what, protocol, host_len, to_len; /* to_len 0: it is held, not served */
	uint8_t host[16], to[16];
	uint16_t host_port, port;
};
_Static_assert(sizeof(struct word) <= ATTACH_WORD_MAX, "a word for the monitor");

static bool is_socket_of(int fd, const struct word *w)
{
	struct sockaddr_storage s = {};
	socklen_t n = sizeof s, len = sizeof(int);
	int protocol = 0;
	if (w->protocol == IPPROTO_SCTP) {
		struct addr host = {.len = w->host_len};
		memcpy(host.b, w->host, w->host_len);
		if (ports_is_name_of(fd, &host, w->host_port))
			return true;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) < 0 || protocol != w->protocol || getsockname(fd, (struct sockaddr *)&s, &n) < 0)
		return false;
	const struct sockaddr_in *four = (const void *)&s;
	const struct sockaddr_in6 *six = (const void *)&s;
	if (w->host_len == 4)
		return s.ss_family == AF_INET && ntohs(four->sin_port) == w->host_port && memcmp(&four->sin_addr, w->host, 4) == 0;
	return s.ss_family == AF_INET6 && ntohs(six->sin6_port) == w->host_port && memcmp(&six->sin6_addr, w->host, 16) == 0;
}

static int goes(struct connections *x, const struct word *w)
{
	for (size_t i = 0; i < x->nfds; i++) {
		if (!is_socket_of(x->fds[i], w))
			continue;
		if (x->relay)
			relay_remove(x->relay, x->fds[i]);
		close(x->fds[i]);
		x->fds[i] = x->fds[--x->nfds];
		break;
	}
	return 0;
}

static int comes(struct engine *g, struct connections *x, const struct word *w, int fd)
{
	struct err e = {};
	struct relay_port p = {.fd = fd, .protocol = w->protocol, .to.len = w->to_len, .port = w->port};
	int *more = realloc(x->fds, (x->nfds + 1) * sizeof *more);
	if (!more)
		return ENOMEM;
	x->fds = more;
	memcpy(p.to.b, w->to, w->to_len);
	if (w->to_len && !x->relay && relay_open(NULL, 0, private_net_is_needed(g), &x->relay, &e) < 0)
		return e.sys ? e.sys : EIO;
	if (w->to_len && relay_add(x->relay, &p, &e) < 0)
		return e.sys ? e.sys : ENOSPC;
	x->fds[x->nfds++] = fd;
	return 0;
}

int ports_told(struct engine *g, struct connections *x, const void *p, size_t n, int fd_)
{
	own(fd) int fd = fd_;
	struct word w;
	if (n != sizeof w)
		return EINVAL;
	memcpy(&w, p, sizeof w);
	if ((w.host_len != 4 && w.host_len != 16) || (w.to_len && w.to_len != 4 && w.to_len != 16))
		return EINVAL;
	if (w.what == GOES)
		return goes(x, &w);
	if (w.what == ALL_GO) {
		for (; x->nfds; x->nfds--) {
			if (x->relay)
				relay_remove(x->relay, x->fds[x->nfds - 1]);
			close(x->fds[x->nfds - 1]);
		}
		return 0;
	}
	if (fd < 0)
		return EMFILE;
	int r = comes(g, x, &w, fd);
	if (r == 0)
		take_fd(fd);
	return r;
}

static bool are_apart(const char *x, const char *y)
{
	struct addr a, b;
	return !str_is_empty(x) && !str_is_empty(y) && addr_parse(x, &a) && addr_parse(y, &b) && !addr_eq(&a, &b);
}

/* Is the k-th port of p one that q means? The record may leave address and number of the host open. */
static bool means(const struct port_request *q, const struct port_request *p, uint32_t k)
{
	uint32_t at = p->port + k - q->port;
	if (!str_eq(p->protocol, q->protocol) || at >= q->count || are_apart(q->host_ip, p->host_ip))
		return false;
	if (!q->host_port || !p->host_port || p->host_last > p->host_port)
		return true;
	uint32_t first = q->host_port + at, last = q->host_last > first ? q->host_last : first;
	return p->host_port + k >= first && p->host_port + k <= last;
}

/* A part of p. */
static void add_piece(struct arena *a, struct port_requests *to, const struct port_request *p, uint32_t from, uint32_t n)
{
	struct port_request piece = *p;
	if (!n)
		return;
	piece.port += from;
	piece.host_port += p->host_port ? from : 0;
	piece.count = n;
	*arena_push(a, to) = piece;
}

/* Those that q means go from list to gone. */
static void take_out(struct arena *a, struct port_requests *list, const struct port_request *q, struct port_requests *gone)
{
	struct port_requests kept = {};
	for (size_t i = 0; i < list->n; i++) {
		const struct port_request *p = &list->v[i];
		uint32_t n;
		for (uint32_t k = 0; k < p->count; k += n) {
			bool goes_out = means(q, p, k);
			for (n = 1; k + n < p->count && means(q, p, k + n) == goes_out; n++)
				;
			add_piece(a, goes_out ? gone : &kept, p, k, n);
		}
	}
	*list = kept;
}

static struct port_requests of_state(struct arena *a, const struct container_state *s)
{
	struct port_requests list = {};
	for (size_t i = 0; i < s->published.n; i++) {
		const struct port_state *p = &s->published.v[i];
		*arena_push(a, &list) = (struct port_request){p->protocol, p->host_ip, p->host_port, 0, p->port, p->count};
	}
	return list;
}

static void to_state(struct arena *a, const struct port_requests *list, struct container_state *s)
{
	s->published.n = 0;
	s->published.v = NULL;
	for (size_t i = 0; i < list->n; i++) {
		const struct port_request *p = &list->v[i];
		*arena_push(a, &s->published) = (struct port_state){p->protocol, p->host_ip, p->host_port, p->port, p->count};
	}
}

static void take_from_endpoint(struct arena *a, struct endpoint *p, const struct port_request *q)
{
	struct port_requests list = {}, gone = {};
	char text[ADDR_TEXT];
	for (size_t i = 0; i < p->ports.n; i++) {
		const struct port_map *m = &p->ports.v[i];
		*arena_push(a, &list) = (struct port_request){arena_dup(a, port_protocol(m->protocol)), arena_dup(a, addr_format(&m->host, text)),
			m->host_port, 0, m->port, m->count};
	}
	take_out(a, &list, q, &gone);
	p->ports.n = 0;
	p->ports.v = NULL;
	for (size_t i = 0; i < list.n; i++) {
		struct port_map m = {.protocol = port_protocol_of(list.v[i].protocol), .host_port = (uint16_t)list.v[i].host_port,
			.port = (uint16_t)list.v[i].port, .count = (uint16_t)list.v[i].count};
		addr_parse(list.v[i].host_ip, &m.host);
		*arena_push(a, &p->ports) = m;
	}
}

struct live {
	struct engine *g;
	struct container_entry *c;
	struct connections x; /* as it runs; fds: those that come */
	int sock;
	struct port_requests came; /* of what was asked for, with the ports it got */
	bool lost;                 /* what went could not be put back */
};

/* What its networks are now. */
static int recall(struct engine *g, struct container_entry *c, struct connections *x, struct err *e)
{
	const struct container_state *s = &c->state;
	bool there;
	if (private_net_join(g, true, &there, e) < 0)
		return -1;
	for (size_t i = 0; i < s->networks.n; i++) {
		struct connection k = {};
		struct endpoints all;
		size_t at = 0;
		if (network_find(g, s->networks.v[i].network, &x->arena, &k.network, e) < 0 ||
			endpoints_read(&g->networks, k.network.id, &x->arena, &all, e) < 0)
			return -1;
		while (at < all.n && !str_eq(all.v[at].container, c->id))
			at++;
		if (at < all.n)
			k.endpoint = all.v[at];
		k.request.priority = s->networks.v[i].priority;
		*arena_push(&x->arena, &x->list) = k;
	}
	connect_choose_default(x);
	return firewall_ensure(&g->networks, false, e);
}

/* Also when a word failed: what the two ends think of a connection then is not the same. */
static int dial(struct live *l, struct err *e)
{
	own(fd) int run = containers_run_dir(&l->g->containers, l->c->id, false, e);
	fd_drop(&l->sock);
	l->sock = run < 0 ? -1 : attach_connect_words(run, e);
	return l->sock < 0 ? -1 : 0;
}

static int begin(struct live *l, struct err *e)
{
	return dial(l, e) < 0 ? -1 : recall(l->g, l->c, &l->x, e);
}

static void end(struct live *l)
{
	fd_drop(&l->sock);
	connections_drop(&l->x);
}

static int put_endpoint(struct live *l, const struct connection *k, const struct endpoint *before, struct err *e)
{
	if (!k->endpoint.container || (!before->ports.n && !k->endpoint.ports.n))
		return 0;
	if (endpoint_set(&l->g->networks, k->network.id, &k->endpoint, e) < 0)
		return -1;
	if (cni_is(&k->network))
		return 0;
	if (firewall_change(before, &k->endpoint, e) < 0)
		return -1;
	/* With the first port. */
	return !before->ports.n && str_eq(k->network.driver, "bridge") ? link_hairpin(k->endpoint.host_name, e) : 0;
}

static void fill_host(struct word *w, const struct port_request *p, uint32_t k)
{
	struct addr host = {};
	addr_parse(p->host_ip, &host);
	w->protocol = port_protocol_of(p->protocol);
	w->host_len = host.len;
	memcpy(w->host, host.b, host.len);
	w->host_port = (uint16_t)(p->host_port + k);
}

/* Nothing leads to them any more, or all does as before. */
static int lead_nowhere(struct live *l, const struct port_requests *gone, struct err *e)
{
	struct err ignored = {};
	struct endpoint *before = arena_alloc(&l->x.arena, (l->x.list.n + 1) * sizeof *before);
	for (size_t i = 0; i < l->x.list.n; i++) {
		struct connection *k = &l->x.list.v[i];
		before[i] = k->endpoint;
		for (size_t p = 0; p < gone->n; p++)
			take_from_endpoint(&l->x.arena, &k->endpoint, &gone->v[p]);
		if (put_endpoint(l, k, &before[i], e) == 0)
			continue;
		for (size_t u = i + 1; u-- > 0;) {
			struct endpoint without = l->x.list.v[u].endpoint;
			l->x.list.v[u].endpoint = before[u];
			(void)!put_endpoint(l, &l->x.list.v[u], &without, &ignored);
		}
		return -1;
	}
	return 0;
}

static int let_go(struct live *l, const struct port_requests *gone, struct err *e)
{
	struct port_requests published = of_state(&l->c->arena, &l->c->state), ignored = {};
	if (lead_nowhere(l, gone, e) < 0)
		return -1;
	for (size_t i = 0; i < gone->n; i++) {
		take_out(&l->c->arena, &published, &gone->v[i], &ignored);
		for (uint32_t k = 0; k < gone->v[i].count; k++) {
			struct word w = {.what = GOES};
			fill_host(&w, &gone->v[i], k);
			if (attach_word(l->sock, &w, sizeof w, -1, e) < 0)
				return -1;
		}
	}
	to_state(&l->c->arena, &published, &l->c->state);
	return 0;
}

/* x->relayed has those that are served. */
static int hand_over(struct live *l, struct err *e)
{
	for (size_t i = 0; i < l->x.nfds; i++) {
		struct word w = {.what = COMES, .host_len = 4};
		for (size_t k = 0; k < l->x.relayed.n; k++) {
			const struct relay_port *p = &l->x.relayed.v[k];
			if (p->fd != l->x.fds[i])
				continue;
			w.protocol = p->protocol;
			w.to_len = p->to.len;
			memcpy(w.to, p->to.b, p->to.len);
			w.port = p->port;
		}
		if (attach_word(l->sock, &w, sizeof w, l->x.fds[i], e) < 0)
			return -1;
	}
	return 0;
}

static int take_in(struct live *l, const struct port_requests *list, struct err *e)
{
	struct connections *x = &l->x;
	struct arena *a = &x->arena;
	struct endpoint *before = arena_alloc(a, (x->list.n + 1) * sizeof *before);
	for (size_t i = 0; i < x->list.n; i++) {
		before[i] = x->list.v[i].endpoint;
		x->list.v[i].endpoint.ports.v = NULL;
		x->list.v[i].endpoint.ports.n = 0;
		for (size_t k = 0; k < before[i].ports.n; k++)
			*arena_push(a, &x->list.v[i].endpoint.ports) = before[i].ports.v[k];
	}
	const __typeof__(l->c->state.published) published = l->c->state.published;
	x->relayed.n = 0;
	int r = ports_publish(l->g, l->c, x, list, e);
	if (r == 0)
		r = hand_over(l, e);
	for (size_t i = 0; r == 0 && i < x->list.n; i++)
		r = put_endpoint(l, &x->list.v[i], &before[i], e);
	/* The monitor has them, or nobody. */
	connections_close(x);
	struct err ignored = {};
	struct port_requests all = of_state(&l->c->arena, &l->c->state);
	l->came = (struct port_requests){all.v + published.n, all.n - published.n};
	if (r == 0)
		return 0;
	if (dial(l, &ignored) == 0)
		(void)!let_go(l, &l->came, &ignored);
	l->c->state.published = published;
	return -1;
}

/* They lead nowhere now: the state says so, and the error does. The record has them still, for the next start. */
static void note_lost(struct live *l, const struct err *why, struct err *e)
{
	struct err ignored = {};
	const __typeof__(l->c->state.published) published = l->c->state.published;
	l->lost = true;
	err_wrap_(e, "not all of it could be undone (%.200s)", why->text);
	own(fd) int lock = container_change_state(l->c, &ignored);
	if (lock < 0)
		return;
	l->c->state.published = published;
	(void)!container_save_state(l->c->dir, &l->c->state, false, &ignored);
}

static int change_live(struct live *l, const struct port_requests *gone, const struct port_requests *add, struct err *e)
{
	struct err left = {};
	if (engine_need_networks(l->g, e) < 0)
		return -1;
	own(fd) int lock = networks_lock(&l->g->networks, false, e);
	if (lock < 0 || begin(l, e) < 0)
		return -1;
	for (size_t i = 0; i < l->x.list.n; i++) {
		const struct connection *k = &l->x.list.v[i];
		if (cni_is(&k->network) && (l->x.list.n == 1 || k->endpoint.ports.n))
			return err_set(e, ERR_UNSUPPORTED, "network %s: its plugins publish ports only when a container starts", k->network.name);
	}
	if (gone->n && let_go(l, gone, e) < 0)
		return -1;
	if (!add->n || take_in(l, add, e) == 0)
		return 0;
	if (gone->n && take_in(l, gone, &left) < 0)
		note_lost(l, &left, e);
	return -1;
}

/* What -P stands for, port by port. */
static void add_exposed(struct container_entry *c, struct port_requests *list)
{
	for (size_t i = 0; i < c->record.config.exposed_ports.n; i++) {
		const char *text = c->record.config.exposed_ports.v[i], *slash = strchr(text, '/');
		struct port_request q = {.protocol = arena_dup(&c->arena, slash ? slash + 1 : "tcp"), .port = (uint32_t)strtoul(text, NULL, 10), .count = 1};
		bool known = !q.port || !port_protocol_of(q.protocol);
		for (size_t k = 0; k < list->n; k++)
			known |= str_eq(list->v[k].protocol, q.protocol) && q.port - list->v[k].port < list->v[k].count;
		if (!known)
			*arena_push(&c->arena, list) = q;
	}
}

/* Of the published ones those that lead to one of the networks. */
static struct port_requests those_of(struct live *l, const struct connection *k)
{
	const struct port_requests all = of_state(&l->c->arena, &l->c->state);
	struct port_requests ret = {};
	for (size_t i = 0; i < all.n; i++) {
		struct addr host = {};
		addr_parse(all.v[i].host_ip, &host);
		if (ports_way(&l->x, &host) == k)
			*arena_push(&l->c->arena, &ret) = all.v[i];
	}
	return ret;
}

int ports_leave(struct engine *g, struct container_entry *c, const char *network_id, struct port_requests *ret, struct err *e)
{
	struct live l = {.g = g, .c = c, .sock = -1};
	size_t at = 0;
	*ret = (struct port_requests){};
	if (!c->state.published.n)
		return 0;
	int r = begin(&l, e);
	while (r == 0 && at < l.x.list.n && !str_eq(l.x.list.v[at].network.id, network_id))
		at++;
	if (r == 0 && at < l.x.list.n)
		*ret = those_of(&l, &l.x.list.v[at]);
	if (ret->n)
		r = let_go(&l, ret, e);
	end(&l);
	return r;
}

/* Plugins are told of ports only when a container starts, or comes. */
static bool is_way_of_plugins(struct live *l)
{
	const struct connection *k = ports_way(&l->x, &(struct addr){.len = 4});
	return k && cni_is(&k->network);
}

/* Has somebody named the address? */
static bool is_said(const struct container_entry *c, const struct port_request *p)
{
	for (size_t i = 0; i < c->record.host.ports.n; i++)
		if (!str_is_empty(c->record.host.ports.v[i].host_ip) && means(&c->record.host.ports.v[i], p, 0))
			return true;
	return false;
}

static bool has_six(const struct port_requests *list, const struct port_request *p)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->v[i].host_ip, "::") && str_eq(list->v[i].protocol, p->protocol) && list->v[i].host_port == p->host_port)
			return true;
	return false;
}

/* What was published without an address is at [::], too, just where that is possible: list, whose ports were let go, is made so. */
static struct port_requests with_six(struct live *l, const struct port_requests *list)
{
	const struct port_requests kept = of_state(&l->c->arena, &l->c->state), *both[] = {list, &kept};
	struct port_requests ret = {};
	for (size_t i = 0; i < list->n; i++)
		if (!str_eq(list->v[i].host_ip, "::") || is_said(l->c, &list->v[i]))
			*arena_push(&l->c->arena, &ret) = list->v[i];
	for (size_t k = 0; k < countof(both); k++)
		for (size_t i = 0; i < both[k]->n; i++) {
			struct port_request six = both[k]->v[i];
			if (!str_eq(six.host_ip, "0.0.0.0") || is_said(l->c, &six) || has_six(&kept, &six) || has_six(&ret, &six) ||
				!ports_are_at_six(&l->x, &six))
				continue;
			six.host_ip = arena_dup(&l->c->arena, "::");
			*arena_push(&l->c->arena, &ret) = six;
		}
	return ret;
}

int ports_return(struct engine *g, struct container_entry *c, const struct port_requests *list, struct err *e)
{
	struct live l = {.g = g, .c = c, .sock = -1};
	int r = list->n ? begin(&l, e) : 0;
	if (r == 0 && list->n && !is_way_of_plugins(&l)) {
		struct err why = {};
		const struct port_requests all = with_six(&l, list);
		r = take_in(&l, &all, &why);
		/* Then as many as can be. */
		for (size_t i = 0; r < 0 && i < all.n; i++)
			if (take_in(&l, &(struct port_requests){all.v + i, 1}, &why) < 0)
				engine_warn(g, "container %s: %s", container_label(c), why.text);
		r = 0;
	}
	end(&l);
	return r;
}

static int arrive(struct live *l, struct port_requests *list, struct err *e)
{
	struct err left = {};
	bool fresh = !l->c->state.published.n;
	if (begin(l, e) < 0)
		return -1;
	const struct connection *last = &l->x.list.v[l->x.list.n - 1];
	if (!fresh)
		*list = those_of(l, last);
	/* They have made their interface; but of the one that comes now. */
	if (is_way_of_plugins(l) && !(fresh && ports_way(&l->x, &(struct addr){.len = 4}) == last))
		return 0;
	if (!fresh && list->n && let_go(l, list, e) < 0)
		return -1;
	const struct port_requests come = fresh ? *list : with_six(l, list);
	if (!come.n || take_in(l, &come, e) == 0)
		return 0;
	/* As before it came. */
	l->x.list.n--;
	connect_choose_default(&l->x);
	if (!fresh && take_in(l, list, &left) < 0)
		note_lost(l, &left, e);
	return -1;
}

int ports_arrive(struct engine *g, struct container_entry *c, struct err *e)
{
	struct live l = {.g = g, .c = c, .sock = -1};
	struct port_requests list = {};
	for (size_t i = 0; i < c->record.host.ports.n; i++)
		*arena_push(&c->arena, &list) = c->record.host.ports.v[i];
	if (c->record.host.publish_all)
		add_exposed(c, &list);
	if (!list.n && !c->state.published.n)
		return 0;
	int r = arrive(&l, &list, e);
	end(&l);
	return r;
}

static void expose(struct container_entry *c, const struct port_request *q)
{
	for (uint32_t k = 0; k < q->count && q->count <= 1024; k++) {
		char text[24];
		snprintf(text, sizeof text, "%u/%s", q->port + k, q->protocol);
		if (!strv_has(&c->record.config.exposed_ports, text))
			arena_strv_add(&c->arena, &c->record.config.exposed_ports, text);
		if (!strv_has(&c->state.ports, text))
			arena_strv_add(&c->arena, &c->state.ports, text);
	}
}

static int not_there(const struct port_request *q, struct err *e)
{
	if (q->host_port)
		return err_set(e, ERR_NOT_FOUND, "port %u/%s is not published at %s%s%u", q->port, q->protocol, str_is_empty(q->host_ip) ? "" : q->host_ip,
			str_is_empty(q->host_ip) ? "port " : ":", q->host_port);
	return err_set(e, ERR_NOT_FOUND, "port %u/%s is not published", q->port, q->protocol);
}

/* What runs is asked by bind(2). */
static int check_record(const struct host_config *h, const struct port_request *q, struct err *e)
{
	for (size_t i = 0; i < h->ports.n && q->host_port && !q->host_last; i++) {
		const struct port_request *p = &h->ports.v[i];
		uint32_t first = p->host_port > q->host_port ? p->host_port : q->host_port;
		bool same = p->host_port && !p->host_last && str_eq(p->protocol, q->protocol) && !are_apart(p->host_ip, q->host_ip);
		if (same && first < q->host_port + q->count && first < p->host_port + p->count)
			return err_set(e, ERR_CONFLICT, "port %u/%s of the host is the container's already", first, q->protocol);
	}
	return 0;
}

/* The record as it is to be; gone: what of the running container's goes. */
static int change_record(struct container_entry *c, bool runs, const struct port_requests *add, const struct port_requests *remove,
	struct port_requests *gone, struct err *e)
{
	struct host_config *h = &c->record.host;
	struct arena *a = &c->arena;
	struct port_requests published = of_state(a, &c->state);
	for (size_t i = 0; i < remove->n; i++) {
		struct port_requests recorded = {};
		size_t before = gone->n;
		if (h->publish_all)
			add_exposed(c, &h->ports);
		h->publish_all = false;
		if (runs)
			take_out(a, &published, &remove->v[i], gone);
		if (!runs || gone->n > before)
			take_out(a, &h->ports, &remove->v[i], &recorded);
		if (!recorded.n && gone->n == before)
			return not_there(&remove->v[i], e);
	}
	for (size_t i = 0; i < add->n; i++) {
		struct port_request q = add->v[i];
		if (check_record(h, &q, e) < 0)
			return -1;
		q.protocol = arena_dup(a, q.protocol);
		q.host_ip = q.host_ip ? arena_dup(a, q.host_ip) : NULL;
		*arena_push(a, &h->ports) = q;
		expose(c, &q);
	}
	return 0;
}

static int save(struct container_entry *c, bool runs, struct err *e)
{
	__typeof__(c->state.published) published = c->state.published;
	struct strv ports = c->state.ports;
	own(fd) int lock = container_change_state(c, e);
	if (lock < 0)
		return -1;
	if (runs)
		c->state.published = published;
	c->state.ports = ports;
	return container_save_record(c, true, e) < 0 || container_save_state(c->dir, &c->state, false, e) < 0 ? -1 : 0;
}

int ports_update(struct engine *g, struct container_entry *c, const struct port_requests *add, const struct port_requests *remove, bool *ret_lost,
	struct err *e)
{
	bool runs = str_eq(c->state.status, "running") || str_eq(c->state.status, "paused");
	const char *mode = c->record.host.network_mode;
	struct port_requests gone = {};
	if (!network_is_joined(mode))
		return err_set(e, ERR_USAGE, "its network is %s: it has no ports to publish", str_is_empty(mode) ? "none" : mode);
	if (change_record(c, runs, add, remove, &gone, e) < 0)
		return -1;
	struct live l = {.g = g, .c = c, .sock = -1}, back = l;
	int r = runs ? change_live(&l, &gone, add, e) : 0;
	end(&l);
	*ret_lost = l.lost;
	if (r < 0)
		return -1;
	__typeof__(c->state.published) published = c->state.published;
	if (save(c, runs, e) == 0)
		return 0;
	/* The record says what is. */
	struct err left = {};
	c->state.published = published;
	if (runs && change_live(&back, &l.came, &gone, &left) < 0)
		note_lost(&back, &left, e);
	*ret_lost = back.lost;
	end(&back);
	return -1;
}

int ports_take_again(struct engine *g, struct container_entry *c, struct connections *x, struct err *e)
{
	if (engine_need_networks(g, e) < 0)
		return -1;
	own(fd) int lock = networks_lock(&g->networks, false, e);
	if (lock < 0 || recall(g, c, x, e) < 0)
		return -1;
	struct port_requests list = of_state(&c->arena, &c->state);
	/* They are in the endpoint files and the firewall as they were. */
	for (size_t i = 0; i < x->list.n; i++)
		x->list.v[i].endpoint.ports.n = 0;
	c->state.published.v = NULL;
	c->state.published.n = 0;
	return list.n ? ports_publish(g, c, x, &list, e) : 0;
}

int ports_recover(struct engine *g, struct container_entry *c, struct err *e)
{
	struct live l = {.g = g, .c = c, .sock = -1};
	const struct port_requests list = of_state(&c->arena, &c->state);
	const struct word all = {.what = ALL_GO, .host_len = 4};
	if (engine_need_networks(g, e) < 0)
		return -1;
	own(fd) int lock = networks_lock(&g->networks, false, e);
	int r = lock < 0 ? -1 : begin(&l, e);
	for (size_t i = 0; r == 0 && i < l.x.list.n; i++) {
		struct connection *k = &l.x.list.v[i];
		const struct endpoint before = k->endpoint;
		k->endpoint.ports.n = 0;
		if (k->endpoint.container && before.ports.n)
			r = endpoint_set(&g->networks, k->network.id, &k->endpoint, e);
		/* What comes is in the file first: the firewall has no more than that, and what comes again. */
		if (r == 0 && before.ports.n && !cni_is(&k->network))
			r = firewall_withdraw(&before, e);
	}
	if (r == 0 && attach_word(l.sock, &all, sizeof all, -1, e) < 0)
		r = -1;
	if (r == 0) {
		c->state.published.v = NULL;
		c->state.published.n = 0;
		r = list.n ? take_in(&l, &list, e) : 0;
	}
	end(&l);
	return r;
}
