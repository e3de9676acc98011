/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect_cni: an endpoint that plugins make (net/cni.h). Their answer is known only when the container's namespace is there, so address,
 * gateway and MAC address come to the endpoint file, the state, /etc/hosts and resolv.conf after everything else, and before the first process runs.
 */
#include "engine/network.h"

#include "base/fd.h"
#include "base/path.h"

#include <fcntl.h>
#include <stdio.h>

int connect_cni_add(struct engine *g, struct container_entry *c, struct connection *k, pid_t pid, struct err *e)
{
	static const uint8_t none[MAC_LEN];
	const struct network_request *r = &k->request;
	char netns[48];
	snprintf(netns, sizeof netns, "/proc/%d/ns/net", (int)pid);
	struct cni_request q = {.network = &k->network, .container = k->endpoint.container, .netns = netns, .interface = k->endpoint.name,
		.aliases = &r->aliases, .servers = &c->record.host.dns, .searches = &c->record.host.dns_search,
		.ports = k->endpoint.ports.v, .nports = k->endpoint.ports.n};
	if ((!str_is_empty(r->ip) && !addr_parse(r->ip, &q.wanted[0])) || (!str_is_empty(r->ip6) && !addr_parse(r->ip6, &q.wanted[1])) ||
		(!str_is_empty(r->mac) && !mac_parse(r->mac, q.mac)))
		return err_set(e, ERR_USAGE, "network %s: invalid address", k->network.name);
	if (cni_add(&g->networks, &q, &c->arena, &k->got, e) < 0)
		return -1;
	memcpy(k->endpoint.ip, k->got.ip, sizeof k->endpoint.ip);
	if (memcmp(k->got.mac, none, MAC_LEN) != 0)
		memcpy(k->endpoint.mac, k->got.mac, MAC_LEN);
	return endpoint_set(&g->networks, k->network.id, &k->endpoint, e);
}

static void note_one(struct container_entry *c, const struct connection *k, struct endpoint_state *s)
{
	struct arena *a = &c->arena;
	char text[ADDR_TEXT], mac[MAC_TEXT];
	s->ip = arena_dup(a, addr_format(&k->got.ip[0], text));
	s->ip6 = arena_dup(a, addr_format(&k->got.ip[1], text));
	s->gateway = arena_dup(a, addr_format(&k->got.gateway[0], text));
	s->gateway6 = arena_dup(a, addr_format(&k->got.gateway[1], text));
	s->prefix = k->got.prefix[0];
	s->prefix6 = k->got.prefix[1];
	s->mac = arena_dup(a, mac_format(k->endpoint.mac, mac));
}

/* The file is bound into the container: it is written to, not replaced. */
static int append(int run_dir, const char *file, const struct buf *text, struct err *e)
{
	own(fd) int fd = text->len ? openat(run_dir, file, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
	if (text->len && (fd < 0 || fd_write_all(fd, text->data, text->len) < 0))
		return err_sys(e, "%s", file);
	return 0;
}

static void add_words(struct buf *out, const char *key, const struct strv *words)
{
	for (size_t i = 0; i < words->n; i++)
		buf_printf(out, "%s%s%s", i ? " " : key, words->v[i], i + 1 == words->n ? "\n" : "");
}

static int write_files(struct container_entry *c, const struct connection *k, int run_dir, struct err *e)
{
	own(buf) struct buf hosts = BUF(1 << 20);
	own(buf) struct buf resolv = BUF(1 << 20);
	const struct host_config *h = &c->record.host;
	const struct container_config *cf = &c->record.config;
	char text[ADDR_TEXT];
	own(mem) char *whole = str_is_empty(cf->domainname) ? NULL : mem_printf("%s.%s ", cf->hostname, cf->domainname);
	for (int f = 0; f < 2 && !str_is_empty(cf->hostname); f++)
		if (k->got.ip[f].len)
			buf_printf(&hosts, "%s\t%s%s\n", addr_format(&k->got.ip[f], text), whole ? whole : "", cf->hostname);
	if (!h->dns_search.n)
		add_words(&resolv, "search ", &k->got.searches);
	if (!h->dns_options.n)
		add_words(&resolv, "options ", &k->got.options);
	if (append(run_dir, "hosts", &hosts, e) < 0 || append(run_dir, "resolv.conf", &resolv, e) < 0)
		return -1;
	/* It is the container's resolver that asks them. */
	return h->dns.n || !k->got.servers.n ? 0 : connect_put_resolver(&c->state, &k->got.servers, run_dir, e);
}

int connect_cni_note(struct container_entry *c, const struct connections *x, int run_dir, struct err *e)
{
	for (size_t i = 0; i < x->list.n; i++) {
		const struct connection *k = &x->list.v[i];
		if (!cni_is(&k->network))
			continue;
		for (size_t n = 0; n < c->state.networks.n; n++)
			if (str_eq(c->state.networks.v[n].network_id, k->network.id))
				note_one(c, k, &c->state.networks.v[n]);
		if (run_dir >= 0 && write_files(c, k, run_dir, e) < 0)
			return -1;
	}
	return 0;
}
