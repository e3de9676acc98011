/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect: a container's networks, from its record to the kernel.
 *
 *   connect_prepare()   in the command: each network is found, its bridge made when it is missing, an address taken (endpoint.h); each
 *                       published port is bound by a socket that nobody ever reads: so a conflict is found before anything runs, and
 *                       no other program takes the port while the monitor, which inherits the socket, lives
 *   connect_wire()      in the monitor, while the first process waits: interfaces, then the ports
 *   connect_release()   addresses and ports are free again
 *
 * Whoever is killed between them leaves lines in the networks' endpoint files. Who settles or removes the container releases them, and who needs the
 * address before that finds that the container is gone.
 */
#include "engine/network.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/pod.h"
#include "net/firewall.h"
#include "net/link.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

void connections_close(struct connections *x)
{
	relay_drop(&x->relay);
	for (size_t i = 0; i < x->nfds; i++)
		close(x->fds[i]);
	mem_drop(&x->fds);
	x->nfds = 0;
}

void connections_drop(struct connections *x)
{
	connections_close(x);
	for (int i = 0; i < 2; i++)
		if (x->netns_sockets[i] > 0)
			close(x->netns_sockets[i]);
	resolver_drop(&x->resolver);
	x->list.n = 0;
	arena_drop(&x->arena);
}

bool network_is_joined(const char *mode)
{
	return !str_is_empty(mode) && !str_eq(mode, "none") && !str_eq(mode, "host") && !str_has_prefix(mode, "container:") && !str_has_prefix(mode, "pod:") &&
		!str_has_prefix(mode, "ns:");
}

/* A step of a build is a container that no list has; its lock is held while it lives (build/run.c). */
static bool is_step(struct engine *g, const char *id)
{
	struct err ignored = {};
	own(mem) char *path = mem_printf("build/running/%s", id);
	own(fd) int dir = path_open_dir(g->root, path, &ignored);
	own(fd) int lock = dir < 0 ? -1 : path_lock(dir, "lock", true, false, &ignored);
	return dir >= 0 && lock < 0;
}

bool connect_is_gone(void *arg, const char *container)
{
	struct engine *g = arg;
	struct err ignored = {};
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (containers_load(&g->containers, container, ENTRY_STATE_ONLY, &c, &ignored) < 0)
		return ignored.kind == ERR_NOT_FOUND && !is_step(g, container) && !pod_has_network(g, container);
	if (container_state_is_alive(&g->containers, &c.state) || container_state_has_monitor(&g->containers, &c.state))
		return false;
	own(fd) int lock = path_lock(c.dir, "lock", true, false, &ignored);
	return lock >= 0;
}

static const struct endpoint_state *before(const struct container_entry *c, const char *network_id)
{
	for (size_t i = 0; i < c->state.networks.n; i++)
		if (str_eq(c->state.networks.v[i].network_id, network_id))
			return &c->state.networks.v[i];
	return NULL;
}

static void add_name(struct arena *a, struct strv *names, const char *name)
{
	if (!str_is_empty(name) && !strv_has(names, name) && !strpbrk(name, " ,\t\n"))
		arena_strv_add(a, names, name);
}

/* All that resolves to it: its name, its aliases, its short id, its host name. */
static void collect_names(struct arena *a, const struct container_entry *c, const struct network_request *q, struct strv *ret)
{
	add_name(a, ret, c->record.name ? c->record.name + 1 : NULL);
	for (size_t i = 0; i < q->aliases.n; i++)
		add_name(a, ret, q->aliases.v[i]);
	add_name(a, ret, arena_ndup(a, c->id, 12));
	add_name(a, ret, c->record.config.hostname);
}

void connect_name_anew(struct container_entry *c)
{
	static const struct network_request none;
	const struct host_config *h = &c->record.host;
	for (size_t i = 0; str_is_empty(h->pod) && i < c->state.networks.n; i++) {
		struct endpoint_state *s = &c->state.networks.v[i];
		const struct network_request *q = &none;
		for (size_t k = 0; k < h->networks.n; k++)
			if (str_eq(h->networks.v[k].network, s->network))
				q = &h->networks.v[k];
		s->names = (struct strv){};
		collect_names(&c->arena, c, q, &s->names);
	}
}

int connect_rename(struct engine *g, const struct container_entry *c, const char *old, struct err *e)
{
	const char *pod = c->record.host.pod;
	for (size_t i = 0; i < c->state.networks.n; i++) {
		const struct endpoint_state *s = &c->state.networks.v[i];
		if (engine_need_networks(g, e) < 0)
			return -1;
		if (str_is_empty(pod) ? endpoint_set_names(&g->networks, s->network_id, c->id, &s->names, e) < 0 :
			endpoint_add_name(&g->networks, s->network_id, pod, c->record.name + 1, e) < 0 ||
			endpoint_drop_name(&g->networks, s->network_id, pod, old, e) < 0)
			return -1;
	}
	return 0;
}

static int take_address(struct engine *g, struct container_entry *c, const struct network_request *q, const struct network *w, const char *name,
	struct arena *a, struct endpoint *ret, struct err *e)
{
	struct strv names = {};
	char host[16], random[ID_LEN + 1];
	const struct endpoint_state *last = before(c, w->id);
	num_random_id(random);
	snprintf(host, sizeof host, "ve%.12s", random);
	collect_names(a, c, q, &names);
	struct endpoint_request r = {.network = w, .container = c->id, .host_name = host, .name = name, .names = &names, .is_gone = connect_is_gone, .arg = g};
	/* Plugins choose the address later. */
	if (cni_is(w))
		return endpoint_take(&g->networks, &r, a, ret, e);
	if ((!str_is_empty(q->ip) && !addr_parse(q->ip, &r.wanted[0])) || (!str_is_empty(q->ip6) && !addr_parse(q->ip6, &r.wanted[1])))
		return err_set(e, ERR_USAGE, "network %s: invalid address", w->name);
	if (!str_is_empty(q->mac) && str_eq(w->driver, "ipvlan"))
		return err_set(e, ERR_USAGE, "network %s: on ipvlan containers have the MAC address of the parent: none can be chosen", w->name);
	if (!str_is_empty(q->mac) && !mac_parse(q->mac, r.mac))
		return err_set(e, ERR_USAGE, "network %s: invalid MAC address \"%s\"", w->name, q->mac);
	if (last && !str_is_empty(last->ip))
		addr_parse(last->ip, &r.last[0]);
	if (last && !str_is_empty(last->ip6))
		addr_parse(last->ip6, &r.last[1]);
	return endpoint_take(&g->networks, &r, a, ret, e);
}

void connect_choose_default(struct connections *x)
{
	for (int f = 0; f < 2; f++) {
		struct connection *best = NULL;
		for (size_t i = 0; i < x->list.n; i++) {
			struct connection *k = &x->list.v[i];
			struct network_range r;
			k->is_default[f] = false;
			if (k->network.internal || !k->endpoint.ip[f].len || !network_range(&k->network, f ? 16 : 4, &r) || !r.gateway.len)
				continue;
			if (!best || k->request.priority > best->request.priority)
				best = k;
		}
		if (best)
			best->is_default[f] = true;
	}
}

int connect_rejoin(struct engine *g, const struct network *w, struct err *e)
{
	own(arena) struct arena a = {};
	struct endpoints all;
	if (endpoints_read(&g->networks, w->id, &a, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++)
		if (link_rejoin(w, all.v[i].host_name, all.v[i].ports.n > 0, e) < 0)
			return -1;
	return 0;
}

void connect_look_around(struct engine *g, const struct network *w)
{
	char name[16], foreign[320];
	network_device(w, name);
	if (w->internal)
		return;
	if (!link_forward(w->ipv6))
		engine_warn(g, "network %s: this host passes no packets on: set net.ipv4.ip_forward to 1", w->name);
	if (firewall_foreign(name, foreign, sizeof foreign))
		engine_warn(g, "network %s: %s", w->name, foreign);
}

int connect_bridge(struct engine *g, const struct network *w, struct err *e)
{
	bool made;
	struct err why = {};
	if (!str_eq(w->driver, "bridge")) {
		if (private_net_is_needed(g))
			return err_set(e, ERR_UNSUPPORTED, "network %s: only root's containers can be on the machine's own interfaces (%s)",
				w->name, w->driver);
		return 0;
	}
	if (link_bridge(w, &made, e) < 0)
		return -1;
	int r = firewall_ensure(&g->networks, false, &why);
	if (r == 0 && made)
		r = firewall_add_network(w, &why);
	if (r < 0)
		engine_warn(g, "network %s: containers reach neither beyond this host nor are they kept apart: %s", w->name, why.text);
	if (made && r == 0 && !w->internal) {
		char name[16];
		network_device(w, name);
		link_route_local(name);
	}
	if (made)
		connect_look_around(g, w);
	if (made && connect_rejoin(g, w, e) < 0)
		return -1;
	return 0;
}

void connect_note(struct arena *a, const struct connection *k, const struct network_request *q, struct endpoint_state *s)
{
	char text[ADDR_TEXT], mac[MAC_TEXT];
	struct network_range r[2] = {};
	*s = (struct endpoint_state){.network = arena_dup(a, k->network.name), .network_id = arena_dup(a, k->network.id),
		.endpoint_id = arena_dup(a, k->endpoint.id), .driver = arena_dup(a, k->network.driver), .interface = arena_dup(a, k->endpoint.name),
		.mac = arena_dup(a, mac_format(k->endpoint.mac, mac)), .ip = arena_dup(a, addr_format(&k->endpoint.ip[0], text)),
		.ip6 = arena_dup(a, addr_format(&k->endpoint.ip[1], text)), .priority = q->priority};
	if (network_range(&k->network, 4, &r[0])) {
		s->prefix = r[0].subnet.prefix;
		s->gateway = k->network.internal ? NULL : arena_dup(a, addr_format(&r[0].gateway, text));
	}
	if (network_range(&k->network, 16, &r[1])) {
		s->prefix6 = r[1].subnet.prefix;
		s->gateway6 = k->network.internal ? NULL : arena_dup(a, addr_format(&r[1].gateway, text));
	}
	for (size_t i = 0; i < q->aliases.n; i++)
		arena_strv_add(a, &s->aliases, q->aliases.v[i]);
	for (size_t i = 0; i < k->endpoint.names.n; i++)
		arena_strv_add(a, &s->names, k->endpoint.names.v[i]);
}

int connect_join(struct engine *g, struct container_entry *c, const struct network_request *q, size_t at, struct connections *x, struct err *e)
{
	struct connection k = {.link_local = q->link_local.n ? &q->link_local : NULL, .request = *q};
	char name[16];
	if (network_find(g, q->network, &x->arena, &k.network, e) < 0 || connect_bridge(g, &k.network, e) < 0)
		return -1;
	const char *prefix = network_option(&k.network, "com.docker.network.container_iface_prefix", NULL);
	snprintf(name, sizeof name, "%.11s%zu", prefix ? prefix : "eth", at);
	if (!str_is_empty(q->interface))
		snprintf(name, sizeof name, "%.15s", q->interface);
	for (size_t i = 0; i < x->list.n; i++)
		if (str_eq(x->list.v[i].network.id, k.network.id))
			return err_set(e, ERR_USAGE, "network %s is named twice", k.network.name);
	if (take_address(g, c, q, &k.network, name, &x->arena, &k.endpoint, e) < 0)
		return -1;
	*arena_push(&x->arena, &x->list) = k;
	return 0;
}

int connect_prepare(struct engine *g, struct container_entry *c, struct connections *x, struct err *e)
{
	struct host_config *h = &c->record.host;
	struct network_request only = {.network = h->network_mode};
	if (!network_is_joined(h->network_mode)) {
		c->state.networks.n = c->state.published.n = 0;
		return 0;
	}
	bool there;
	if (private_net_join(g, true, &there, e) < 0)
		return -1;
	const struct network_request *list = h->networks.n ? h->networks.v : &only;
	size_t n = h->networks.n ? h->networks.n : 1;
	/* Made under another lock than the one we hold on to. */
	for (size_t i = 0; i < n; i++) {
		struct network ignored;
		if (network_find(g, list[i].network, &x->arena, &ignored, e) < 0)
			return -1;
	}
	own(fd) int lock = networks_lock(&g->networks, false, e);
	if (lock < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (connect_join(g, c, &list[i], i, x, e) < 0)
			return -1;
	connect_choose_default(x);
	if (ports_hold(g, c, x, e) < 0)
		return -1;
	c->state.networks.v = arena_alloc(&c->arena, n * sizeof *c->state.networks.v);
	c->state.networks.n = n;
	for (size_t i = 0; i < n; i++)
		connect_note(&c->arena, &x->list.v[i], &list[i], &c->state.networks.v[i]);
	/* What the firewall gets is written down before. */
	for (size_t i = 0; i < n; i++)
		if (x->list.v[i].endpoint.ports.n && endpoint_set(&g->networks, x->list.v[i].network.id, &x->list.v[i].endpoint, e) < 0)
			return -1;
	return 0;
}

/* A name server of the host's that is not on its loopback. */
static bool host_has_server(void)
{
	struct err ignored = {};
	own(buf) struct buf text = BUF(1 << 20);
	own(strv) struct strv lines = {};
	if (path_read(AT_FDCWD, "/etc/resolv.conf", &text, &ignored) < 0)
		return false;
	strv_split(&lines, buf_text(&text), '\n');
	for (size_t i = 0; i < lines.n; i++)
		if (str_has_prefix(lines.v[i], "nameserver") && !strstr(lines.v[i], " 127.") && !strstr(lines.v[i], " ::1"))
			return true;
	return false;
}

bool connect_has_resolver(const struct container_state *s)
{
	for (size_t i = 0; i < s->networks.n; i++)
		if (!str_eq(s->networks.v[i].network, "bridge"))
			return true;
	return s->networks.n && !host_has_server();
}

int connect_put_resolver(const struct container_state *s, const struct strv *servers, int run_dir, struct err *e)
{
	own(buf) struct buf out = BUF(1 << 20);
	bool way_out = false;
	for (size_t i = 0; i < s->networks.n; i++) {
		if (!str_eq(s->networks.v[i].network, "bridge"))
			buf_printf(&out, "network %s %s\n", s->networks.v[i].network_id, s->networks.v[i].network);
		way_out |= !str_is_empty(s->networks.v[i].gateway) || !str_is_empty(s->networks.v[i].gateway6) || str_eq(s->networks.v[i].driver, "cni");
	}
	for (size_t i = 0; i < servers->n; i++)
		buf_printf(&out, "server %s\n", servers->v[i]);
	if (!way_out)
		buf_str(&out, "local\n");
	return path_write(run_dir, "resolver", buf_text(&out), out.len, 0600, 0, e);
}

static int open_namespace(pid_t pid, struct err *e)
{
	char path[48];
	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "the container's network namespace") : fd;
}

int connect_expect(struct engine *g, struct connections *x, struct err *e)
{
	if (!x->list.n || !private_net_is_needed(g))
		return 0;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, x->netns_sockets) < 0 ? err_sys(e, "socket") : 0;
}

static int receive_namespace(struct connections *x, struct err *e)
{
	char word;
	int fd = -1;
	size_t n = 1;
	if (fd_recv(x->netns_sockets[1], &word, 1, &fd, &n, e) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		close(x->netns_sockets[i]);
		x->netns_sockets[i] = 0;
	}
	return n == 1 ? fd : err_set(e, ERR_SYSTEM, "the container's network namespace did not come");
}

int connect_end(struct engine *g, struct container_entry *c, struct connection *k, int netns, pid_t pid, struct err *e)
{
	if (cni_is(&k->network))
		return connect_cni_add(g, c, k, pid, e);
	struct network_range r;
	struct link_end l = {.network = &k->network, .netns = netns, .host = k->endpoint.host_name, .name = k->endpoint.name,
		.hairpin = k->endpoint.ports.n > 0, .link_local = k->link_local};
	memcpy(l.mac, k->endpoint.mac, sizeof l.mac);
	for (int f = 0; f < 2; f++) {
		if (!k->endpoint.ip[f].len || !network_range(&k->network, f ? 16 : 4, &r))
			continue;
		l.ip[f] = k->endpoint.ip[f];
		l.prefix[f] = r.subnet.prefix;
		if (k->is_default[f])
			l.gateway[f] = r.gateway;
	}
	return link_add(&l, e);
}

int connect_serve(struct engine *g, struct connections *x, int run_dir, int netns, struct err *e)
{
	if (x->relayed.n && relay_open(x->relayed.v, x->relayed.n, private_net_is_needed(g), &x->relay, e) < 0)
		return -1;
	/* The file is there when it is wanted. */
	return path_exists(run_dir, "resolver") ? resolver_open(netns, g->networks.run, run_dir, &x->resolver, e) : 0;
}

int connect_wire(struct engine *g, struct container_entry *c, struct connections *x, int run_dir, pid_t pid, struct err *e)
{
	if (!x->list.n)
		return 0;
	own(fd) int netns = x->netns_sockets[1] > 0 ? receive_namespace(x, e) : open_namespace(pid, e);
	if (netns < 0)
		return -1;
	for (size_t i = 0; i < x->list.n; i++)
		if (connect_end(g, c, &x->list.v[i], netns, pid, e) < 0)
			return -1;
	if (connect_cni_note(c, x, run_dir, e) < 0)
		return -1;
	for (size_t i = 0; i < x->list.n; i++)
		if (x->list.v[i].endpoint.ports.n && !cni_is(&x->list.v[i].network) && firewall_publish(&x->list.v[i].endpoint, e) < 0)
			return -1;
	return connect_serve(g, x, run_dir, netns, e);
}

bool connect_has_any(struct engine *g, const struct container_entry *c)
{
	return c->state.networks.n || network_is_joined(c->state.network_mode) || path_exists(g->root, "networks/cni");
}

void connect_release(struct engine *g, const char *container)
{
	struct err ignored = {};
	own(strv) struct strv ids = {};
	bool filtered;
	/* Nobody was ever connected. */
	bool kept = path_exists(g->root, "networks/cni");
	if (!g->has_networks && ((!kept && !path_exists(g->run, "networks")) || engine_need_networks(g, &ignored) < 0))
		return;
	if (kept && cni_remove(&g->networks, NULL, container, &ignored) < 0)
		engine_warn(g, "container %.12s: not all of its networks is taken back: %s", container, ignored.text);
	if (private_net_join(g, false, &filtered, &ignored) < 0)
		filtered = false;
	if (path_list(g->networks.run, ".", &ids, &ignored) < 0)
		return;
	for (size_t i = 0; i < ids.n; i++) {
		own(arena) struct arena a = {};
		struct endpoints all;
		if (strlen(ids.v[i]) != ID_LEN || endpoints_read(&g->networks, ids.v[i], &a, &all, &ignored) < 0)
			continue;
		for (size_t k = 0; k < all.n; k++)
			if (str_eq(all.v[k].container, container)) {
				if (filtered && all.v[k].ports.n)
					(void)!firewall_withdraw(&all.v[k], &ignored);
				(void)!endpoint_release(&g->networks, ids.v[i], container, &ignored);
			}
	}
}
