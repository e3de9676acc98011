/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port: where a running container's published ports are on the host.
 */
#include "cli/choose.h"
#include "cli/commands.h"
#include "engine/container.h"
#include "engine/network.h"
#include "net/endpoint.h"

#include <stdio.h>
#include <stdlib.h>

static void print_one(const struct port_state *p, uint32_t k, const char *whose, bool all, struct buf *out)
{
	const char *ip = p->host_ip ? p->host_ip : "";
	bool six = strchr(ip, ':') != NULL;
	if (whose)
		buf_printf(out, "%.12s\t", whose);
	if (all)
		buf_printf(out, "%u/%s -> ", p->port + k, p->protocol);
	buf_printf(out, six ? "[%s]:%u\n" : "%s:%u\n", ip, p->host_port + k);
}

/* number 0: all of its ports. */
static void print_ports(struct engine *g, const struct container_entry *c, unsigned long number, const char *type, const char *whose, struct buf *out)
{
	bool running = str_eq(c->state.status, "running") || str_eq(c->state.status, "paused");
	if (running && c->state.published.n)
		network_heal(g);
	for (size_t i = 0; running && i < c->state.published.n; i++) {
		const struct port_state *p = &c->state.published.v[i];
		for (uint32_t k = 0; k < p->count; k++)
			if (!number || (p->port + k == number && str_eq(p->protocol, type)))
				print_one(p, k, whose, !number, out);
	}
}

static int print_all(struct engine *g, struct err *e)
{
	own(strv) struct strv ids = {};
	own(buf) struct buf out = {};
	if (containers_ids(&g->containers, true, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		struct err gone = {};
		if (container_get(g, ids.v[i], 0, &c, &gone) == 0)
			print_ports(g, &c, 0, NULL, c.id, &out);
	}
	return cli_print(&out, e);
}

struct port_options { bool all, latest; };
static const struct opt port_opts[] = {
	{"all", 'a', OPT_BOOL, offset_of(struct port_options, all), NULL, "Of all that run, with their ids before them"},
	CHOICE_ONE(struct port_options, latest),
};

static int run(void *opts, int argc, char **argv, struct err *e)
{
	const struct port_options *o = opts;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	own(buf) struct buf out = {};
	own(strv) struct strv hold = {};
	struct engine *g = cli_engine(e);
	if (!g)
		return -1;
	if (o->all && (o->latest || argc))
		return err_set(e, ERR_USAGE, "--all shows the ports of all containers: it goes with no container's name");
	if (o->all)
		return print_all(g, e);
	if (choice_latest(&cmd_port, o->latest, 1, 2, &argc, &argv, &hold, e) < 0 || container_get(g, argv[0], 0, &c, e) < 0)
		return -1;
	const char *want = argc > 1 ? argv[1] : NULL, *slash = want ? strchr(want, '/') : NULL, *type = slash ? slash + 1 : "tcp";
	unsigned long number = want ? strtoul(want, NULL, 10) : 0;
	if (want && (!number || number > 65535 || !port_protocol_of(type) || strspn(want, "0123456789") != (slash ? (size_t)(slash - want) : strlen(want))))
		return err_set(e, ERR_USAGE, "invalid port \"%.60s\": it is PORT[/tcp|udp|sctp]", want);
	print_ports(g, &c, number, type, NULL, &out);
	if (want && !out.len)
		return err_set(e, ERR_NOT_FOUND, "no public port '%s' published for %s", want, argv[0]);
	return cli_print(&out, e);
}

const struct cmd cmd_port = {"port", "CONTAINER [PORT[/PROTO]]", "Show where its published ports are", port_opts, countof(port_opts),
	sizeof(struct port_options), 0, 2, run, .complete = "@running",
	.examples = "$ hull port web 80\n$ hull port --all"};
