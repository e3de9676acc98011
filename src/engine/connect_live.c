/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect_live: a container joins a network, or leaves one, at any time. One that does not run has it in its record alone. While it
 * runs the order is: address, record and state, interface, ports; back: ports, interface, state and record, address. Published ports lead
 * to where they would after a start (ports_live.c). Who is killed on the way leaves a container whose record is right at its next start,
 * and an address that connect_is_gone() frees.
 */
#include "engine/network.h"

#include "engine/events.h"
#include "engine/pod.h"
#include "engine/spec.h"

#include "base/fd.h"
#include "base/path.h"
#include "monitor/attach.h"
#include "net/firewall.h"
#include "net/link.h"
#include "net/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool runs(const struct container_entry *c)
{
	return str_eq(c->state.status, "running") || str_eq(c->state.status, "paused");
}

/* A container that has only a mode gets the list that stands for it. */
static void spell_out(struct container_entry *c)
{
	struct host_config *h = &c->record.host;
	if (!h->networks.n && network_is_joined(h->network_mode))
		arena_push(&c->arena, &h->networks)->network = h->network_mode;
}

static int save(struct container_entry *c, struct err *e)
{
	__typeof__(c->state.networks) networks = c->state.networks;
	__typeof__(c->state.published) published = c->state.published;
	own(fd) int lock = container_change_state(c, e);
	if (lock < 0)
		return -1;
	c->state.networks = networks;
	c->state.published = published;
	if (c->record.host.network_mode)
		c->state.network_mode = c->record.host.network_mode;
	return container_save_record(c, true, e) < 0 || container_save_state(c->dir, &c->state, false, e) < 0 ? -1 : 0;
}

static int open_namespace(struct engine *g, const struct container_entry *c, struct err *e)
{
	char path[48];
	snprintf(path, sizeof path, "/proc/%lld/ns/net", (long long)c->state.pid);
	own(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "the container's network namespace");
	/* Its number may be another process's by now, one of the host's. */
	if (!container_state_is_alive(&g->containers, &c->state))
		return err_set(e, ERR_CONFLICT, "container %s is not running", container_label(c));
	return take_fd(fd);
}

static const char word[] = "resolver";

bool connect_is_word(const void *p, size_t n)
{
	return n == sizeof word && memcmp(p, word, sizeof word) == 0;
}

int connect_told(struct engine *g, struct connections *x, int run_dir, int netns_)
{
	struct err e = {};
	own(fd) int netns = netns_;
	int r = netns < 0 ? err_set(&e, ERR_SYSTEM, "no namespace came") : engine_need_networks(g, &e);
	if (r == 0 && !x->resolver)
		r = resolver_open(netns, g->networks.run, run_dir, &x->resolver, &e);
	return r == 0 ? 0 : e.sys ? e.sys : EIO;
}

static int tell_monitor(int run_dir, int netns, struct err *e)
{
	own(fd) int sock = attach_connect_words(run_dir, e);
	return sock < 0 || attach_word(sock, word, sizeof word, netns, e) < 0 ? err_wrap(e, "resolver") : 0;
}

/* Its monitor answers for the new network too, from now on if it did not; what it has in /etc is as at a start. Who was asked once is asked
 * further. */
static int settle_names(struct engine *g, struct container_entry *c, const struct container_state *before, int netns, struct err *e)
{
	own(fd) int run = containers_run_dir(&g->containers, c->id, false, e);
	if (run < 0)
		return -1;
	bool had = path_exists(run, "resolver"), has = had || connect_has_resolver(&c->state);
	if (has && connect_put_resolver(&c->state, &c->record.host.dns, run, e) < 0)
		return -1;
	if (has && !had && tell_monitor(run, netns, e) < 0) {
		unlinkat(run, "resolver", 0);
		return -1;
	}
	return spec_change_etc(c, before, had, has, run, e);
}

/* What plugins gave it is known now. */
static int note(struct container_entry *c, const struct connections *x, struct err *e)
{
	return cni_is(&x->list.v[0].network) && (connect_cni_note(c, x, -1, e) < 0 || save(c, e) < 0) ? -1 : 0;
}

/* Who gives the default route of IPv4 or IPv6: the first of the highest priority. */
static const struct endpoint_state *default_of(const struct container_state *s, int f)
{
	const struct endpoint_state *best = NULL;
	for (size_t i = 0; i < s->networks.n; i++) {
		const struct endpoint_state *k = &s->networks.v[i];
		if (!str_is_empty(f ? k->gateway6 : k->gateway) && (!best || k->priority > best->priority))
			best = k;
	}
	return best;
}

static int move_default(const struct container_entry *c, int netns, struct err *e)
{
	for (int f = 0; f < 2; f++) {
		const struct endpoint_state *s = default_of(&c->state, f);
		struct addr gateway;
		if (s && addr_parse(f ? s->gateway6 : s->gateway, &gateway) && link_default_route(netns, s->interface, &gateway, e) < 0)
			return -1;
	}
	return 0;
}

/* Plugins are told of ports when they make the interface: these come before it, of bridges behind it. */
static int ports_before(struct engine *g, struct container_entry *c, struct connections *x, struct err *e)
{
	struct connection *k = &x->list.v[0];
	struct endpoints all;
	if (!cni_is(&k->network))
		return 0;
	if (ports_arrive(g, c, e) < 0 || endpoints_read(&g->networks, k->network.id, &x->arena, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++)
		if (str_eq(all.v[i].container, c->id))
			k->endpoint.ports = all.v[i].ports;
	return 0;
}

static int ports_behind(struct engine *g, struct container_entry *c, const struct connection *k, struct err *e)
{
	return cni_is(&k->network) ? 0 : ports_arrive(g, c, e);
}

static int add_interface(struct engine *g, struct container_entry *c, const struct network *w, const struct network_request *q, struct err *e)
{
	const char *prefix = network_option(w, "com.docker.network.container_iface_prefix", NULL);
	struct connections x __attribute__((cleanup(connections_drop))) = {};
	char name[16];
	bool there;
	if (private_net_is_needed(g) && !c->state.networks.n)
		return err_set(e, ERR_UNSUPPORTED, "container %s was started without a network: it is connected when it starts again", container_label(c));
	own(fd) int netns = open_namespace(g, c, e);
	if (netns < 0 || private_net_join(g, true, &there, e) < 0 || link_free_name(netns, prefix ? prefix : "eth", name, e) < 0)
		return -1;
	struct network_request named = *q;
	if (str_is_empty(named.interface))
		named.interface = name;
	if (connect_join(g, c, &named, 0, &x, e) < 0)
		return -1;
	struct connection *k = &x.list.v[0];
	struct network_range r;
	for (int f = 0; f < 2; f++) {
		const struct endpoint_state *best = default_of(&c->state, f);
		k->is_default[f] = (!best || q->priority > best->priority) && !k->network.internal && k->endpoint.ip[f].len &&
			network_range(&k->network, f ? 16 : 4, &r) && r.gateway.len;
	}
	struct container_state before = c->state;
	connect_note(&c->arena, k, q, arena_push(&c->arena, &c->state.networks));
	struct err ignored = {};
	bool arrived = save(c, e) == 0 && ports_before(g, c, &x, e) == 0 && connect_end(g, c, k, netns, (pid_t)c->state.pid, e) == 0 &&
		note(c, &x, e) == 0 && settle_names(g, c, &before, netns, e) == 0 && ports_behind(g, c, k, e) == 0;
	if (arrived && save(c, e) == 0)
		return 0;
	struct container_state with = c->state;
	struct port_requests ports = {};
	/* No rule leads to an address that is somebody else's in a moment. */
	if (arrived || cni_is(&k->network))
		(void)!ports_leave(g, c, k->network.id, &ports, &ignored);
	c->state.networks.n = before.networks.n;
	(void)!ports_return(g, c, &ports, &ignored);
	if (cni_is(&k->network))
		(void)!cni_remove(&g->networks, k->network.id, c->id, &ignored);
	else
		(void)!link_remove_in(netns, named.interface, &ignored);
	(void)!endpoint_release(&g->networks, k->network.id, c->id, &ignored);
	(void)!move_default(c, netns, &ignored);
	(void)!settle_names(g, c, &with, netns, &ignored);
	return -1;
}

int network_connect(struct engine *g, const char *network, const char *container, const struct network_request *q, struct err *e)
{
	own(arena) struct arena a = {};
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct network w;
	if (str_eq(network, "host") || str_eq(network, "none"))
		return err_set(e, ERR_USAGE, "network %s cannot be connected to: it is given when the container is made", network);
	if (network_find(g, network, &a, &w, e) < 0 || container_get(g, container, ENTRY_LOCK, &c, e) < 0)
		return -1;
	struct host_config *h = &c.record.host;
	if (!network_is_joined(h->network_mode) && !str_eq(h->network_mode, "none"))
		return err_set(e, ERR_USAGE, "container %s has the network of %s: it cannot be connected to another", container_label(&c), h->network_mode);
	spell_out(&c);
	for (size_t i = 0; i < h->networks.n; i++)
		if (str_eq(h->networks.v[i].network, w.name))
			return err_set(e, ERR_EXISTS, "container %s is already connected to network %s", container_label(&c), w.name);
	struct network_request *mine = arena_push(&c.arena, &h->networks);
	*mine = *q;
	mine->network = arena_dup(&c.arena, w.name);
	if (!network_is_joined(h->network_mode))
		h->network_mode = mine->network;
	own(fd) int lock = networks_lock(&g->networks, false, e);
	if (lock < 0)
		return -1;
	if (!runs(&c))
		return save(&c, e);
	if (add_interface(g, &c, &w, mine, e) == 0) {
		event_network(g, &w, c.id, true);
		return 0;
	}
	/* It was saved before the interface was made. */
	struct err ignored = {};
	h->networks.n--;
	if (!h->networks.n)
		h->network_mode = arena_dup(&c.arena, "none");
	(void)!save(&c, &ignored);
	return -1;
}

/* What leads to it, then the interface. */
static int take_away(struct engine *g, const struct container_entry *c, const struct network *w, const char *interface, int netns, struct err *e)
{
	own(arena) struct arena a = {};
	struct endpoints all;
	if (endpoints_read(&g->networks, w->id, &a, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++)
		if (str_eq(all.v[i].container, c->id) && all.v[i].ports.n && firewall_withdraw(&all.v[i], e) < 0)
			return -1;
	return cni_is(w) ? cni_remove(&g->networks, w->id, c->id, e) : link_remove_in(netns, interface, e);
}

static int remove_interface(struct engine *g, struct container_entry *c, const struct network *w, size_t at, struct err *e)
{
	own(arena) struct arena a = {};
	struct endpoint_state gone = c->state.networks.v[at];
	struct container_state before = c->state;
	struct port_requests ports;
	struct err why = {};
	bool there;
	own(fd) int netns = open_namespace(g, c, e);
	if (netns < 0 || private_net_join(g, true, &there, e) < 0 || ports_leave(g, c, w->id, &ports, e) < 0)
		return -1;
	if (take_away(g, c, w, gone.interface, netns, e) < 0) {
		(void)!ports_return(g, c, &ports, &why);
		return -1;
	}
	before.networks.v = arena_alloc(&a, before.networks.n * sizeof *before.networks.v);
	memcpy(before.networks.v, c->state.networks.v, before.networks.n * sizeof *before.networks.v);
	for (size_t i = at + 1; i < c->state.networks.n; i++)
		c->state.networks.v[i - 1] = c->state.networks.v[i];
	c->state.networks.n--;
	if (ports_return(g, c, &ports, &why) < 0)
		engine_warn(g, "container %s: %s", container_label(c), why.text);
	if (save(c, e) < 0 || move_default(c, netns, e) < 0)
		return -1;
	if (settle_names(g, c, &before, netns, &why) < 0)
		engine_warn(g, "container %s: %s", container_label(c), why.text);
	return endpoint_release(&g->networks, w->id, c->id, e);
}

int network_disconnect(struct engine *g, const char *network, const char *container, bool force, struct err *e)
{
	own(arena) struct arena a = {};
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct network w;
	if (network_find(g, network, &a, &w, e) < 0 || container_get(g, container, ENTRY_LOCK, &c, e) < 0)
		return -1;
	struct host_config *h = &c.record.host;
	size_t i = 0, at = 0;
	spell_out(&c);
	while (i < h->networks.n && !str_eq(h->networks.v[i].network, w.name))
		i++;
	if (i == h->networks.n)
		return force ? 0 : err_set(e, ERR_CONFLICT, "container %s is not connected to network %s", container_label(&c), w.name);
	for (size_t k = i + 1; k < h->networks.n; k++)
		h->networks.v[k - 1] = h->networks.v[k];
	h->networks.n--;
	h->network_mode = arena_dup(&c.arena, h->networks.n ? h->networks.v[0].network : "none");
	while (at < c.state.networks.n && !str_eq(c.state.networks.v[at].network_id, w.id))
		at++;
	if (!runs(&c) || at >= c.state.networks.n)
		return save(&c, e);
	if (remove_interface(g, &c, &w, at, e) < 0)
		return -1;
	event_network(g, &w, c.id, false);
	return 0;
}
