/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network: the verbs on networks.
 */
#include "engine/network.h"

#include "cli/columns.h"
#include "cli/commands.h"
#include "engine/network_request.h"

#include <stdio.h>
#include <string.h>

struct ls_options {
	bool quiet, no_trunc;
	char *format;
	struct strv filters;
};
#define O(m) offset_of(struct ls_options, m)
static const struct opt ls_opts[] = {
	{"filter", 'f', OPT_STRV, O(filters), "filter", "Only those: dangling=true, driver=, id=, label=KEY[=VALUE], name=, type=custom, until="},
	{"format", 0, OPT_STR, O(format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"no-trunc", 0, OPT_BOOL, O(no_trunc), NULL, "Print whole ids"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Print ids only"},
};
#undef O

static const struct cli_heading headings[] = {{"CreatedAt", "CREATED AT"}, {"Driver", "DRIVER"}, {"ID", "NETWORK ID"}, {"IPv4", "IPV4"}, {"IPv6", "IPV6"},
	{"Internal", "INTERNAL"}, {"Labels", "LABELS"}, {"Name", "NAME"}, {"Scope", "SCOPE"}, {NULL, NULL}};

static struct json *row_of(const struct json *item, bool full)
{
	struct json *row = json_new_object();
	own(mem) char *labels = column_map(json_get(item, "Labels")), *id = column_id(json_get_str(item, "Id"), full);
	json_set_str(row, "CreatedAt", json_get_str(item, "Created"));
	json_set_str(row, "Driver", json_get_str(item, "Driver"));
	json_set_str(row, "ID", id);
	json_set_str(row, "IPv4", json_truth(json_get(item, "EnableIPv4")) ? "true" : "false");
	json_set_str(row, "IPv6", json_truth(json_get(item, "EnableIPv6")) ? "true" : "false");
	json_set_str(row, "Internal", json_truth(json_get(item, "Internal")) ? "true" : "false");
	json_set_str(row, "Labels", labels);
	json_set_str(row, "Name", json_get_str(item, "Name"));
	json_set_str(row, "Scope", json_get_str(item, "Scope"));
	if (json_get(item, "Labels"))
		json_set(row, ".labels", json_ref(json_get(item, "Labels")));
	return row;
}

static int ls(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct ls_options *o = opts;
	struct engine *g = cli_engine(e);
	own(json) struct json *items = g ? network_list(g, &o->filters, e) : NULL;
	own(json) struct json *rows = json_new_array();
	if (!items)
		return -1;
	network_heal(g);
	for (size_t i = 0; i < json_len(items); i++)
		json_add(rows, row_of(json_at(items, i), o->no_trunc));
	return cli_format_rows(rows, o->quiet ? "{{.ID}}" : o->format, "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", headings, e);
}

struct create_options {
	char *driver, *ipam_driver, *ipv4, *scope, *config_from;
	bool ipv6, internal, attachable, config_only, ingress, ignore;
	struct strv subnet, range, gateway, aux, labels, options, ipam_options;
};
#define O(m) offset_of(struct create_options, m)
static const struct opt create_opts[] = {
	{"attachable", 0, OPT_BOOL, O(attachable), NULL, "Has no effect without a swarm"},
	{"aux-address", 0, OPT_STRV, O(aux), "NAME=IP", "An address that no container gets"},
	{"config-from", 0, OPT_STR, O(config_from), "NETWORK", "Refused: a swarm's", OPT_HIDDEN},
	{"config-only", 0, OPT_BOOL, O(config_only), NULL, "Refused: a swarm's", OPT_HIDDEN},
	{"driver", 'd', OPT_STR, O(driver), "NAME", "bridge, macvlan, ipvlan or cni (bridge)", 0, "bridge macvlan ipvlan cni"},
	{"gateway", 0, OPT_STRV, O(gateway), "IP", "The gateway's address (the first of the subnet)"},
	{"ignore", 0, OPT_BOOL, O(ignore), NULL, "One of that name is no error, and stays as it is"},
	{"ingress", 0, OPT_BOOL, O(ingress), NULL, "Refused: a swarm's", OPT_HIDDEN},
	{"internal", 0, OPT_BOOL, O(internal), NULL, "Without a way to other networks"},
	{"ip-range", 0, OPT_STRV, O(range), "CIDR", "The part of the subnet that containers get addresses of"},
	{"ipam-driver", 0, OPT_STR, O(ipam_driver), "NAME", "Only \"default\"", OPT_HIDDEN},
	{"ipam-opt", 0, OPT_STRV, O(ipam_options), "KEY=VALUE", "Refused", OPT_HIDDEN},
	{"ipv4", 0, OPT_OPTSTR, O(ipv4), "BOOL", "IPv4 addresses (true)", 0, "true false", NULL, "true"},
	{"ipv6", 0, OPT_BOOL, O(ipv6), NULL, "IPv6 addresses too, of a private prefix unless --subnet says another"},
	{"label", 0, OPT_STRV, O(labels), "KEY[=VALUE]", "Add a label"},
	{"opt", 'o', OPT_STRV, O(options), "KEY=VALUE", "mtu=, isolate=, publish=, parent=, macvlan_mode=, ipvlan_mode=, conflist=, com.docker.network.bridge.name= …"},
	{"scope", 0, OPT_STR, O(scope), "SCOPE", "Only \"local\"", OPT_HIDDEN},
	{"subnet", 0, OPT_STRV, O(subnet), "CIDR", "Its subnet, as in 10.1.0.0/24 (one that nothing here uses)"},
};
#undef O

static void read_pairs(const struct strv *lines, struct arena *a, struct map *ret)
{
	for (size_t i = 0; i < lines->n; i++) {
		size_t n = strcspn(lines->v[i], "=");
		map_set(a, ret, arena_ndup(a, lines->v[i], n), lines->v[i][n] ? lines->v[i] + n + 1 : "");
	}
}

/* The subnet an address of the command line belongs to. */
static struct ipam *row_for(struct network *w, const char *text, const char *what, struct err *e)
{
	struct subnet at, s;
	if (subnet_parse(text, false, &at, what, e) < 0)
		return NULL;
	for (size_t i = 0; i < w->ipam.n; i++)
		if (subnet_parse(w->ipam.v[i].subnet, false, &s, "--subnet", e) == 0 && subnet_has(&s, &at.base))
			return &w->ipam.v[i];
	err_set_(e, ERR_USAGE, "%s %.60s: no --subnet has it", what, text);
	return NULL;
}

static int put_one(char **ret, char *text, const char *what, const struct ipam *row, struct err *e)
{
	if (*ret)
		return err_set(e, ERR_USAGE, "%s %.60s and %.60s are of one subnet, %s: it has one", what, *ret, text, row->subnet);
	*ret = text;
	return 0;
}

static int read_ipam(const struct create_options *o, struct arena *a, struct network *w, struct err *e)
{
	struct subnet s;
	for (size_t i = 0; i < o->subnet.n; i++) {
		if (subnet_parse(o->subnet.v[i], false, &s, "--subnet", e) < 0)
			return -1;
		arena_push(a, &w->ipam)->subnet = o->subnet.v[i];
	}
	for (size_t i = 0; i < o->range.n; i++) {
		struct ipam *row = row_for(w, o->range.v[i], "--ip-range", e);
		if (!row || put_one(&row->range, o->range.v[i], "--ip-range", row, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < o->gateway.n; i++) {
		struct ipam *row = row_for(w, o->gateway.v[i], "--gateway", e);
		if (!row || put_one(&row->gateway, o->gateway.v[i], "--gateway", row, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < o->aux.n; i++) {
		size_t n = strcspn(o->aux.v[i], "=");
		if (!n || !o->aux.v[i][n])
			return err_set(e, ERR_USAGE, "invalid --aux-address \"%.60s\": it is NAME=IP", o->aux.v[i]);
		struct ipam *row = row_for(w, o->aux.v[i] + n + 1, "--aux-address", e);
		if (!row)
			return -1;
		map_set(a, &row->aux, arena_ndup(a, o->aux.v[i], n), o->aux.v[i] + n + 1);
	}
	return 0;
}

static int create(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct create_options *o = opts;
	own(arena) struct arena a = {};
	char bridge[] = "bridge";
	struct network w = {.name = argv[0], .driver = str_is_empty(o->driver) ? bridge : o->driver, .ipv6 = o->ipv6, .internal = o->internal,
		.attachable = o->attachable, .ipv4 = !o->ipv4 || !(str_eq(o->ipv4, "false") || str_eq(o->ipv4, "0"))};
	if (o->ipv4 && !str_eq(o->ipv4, "true") && !str_eq(o->ipv4, "1") && w.ipv4)
		return err_set(e, ERR_USAGE, "invalid --ipv4 \"%.60s\": it is true or false", o->ipv4);
	if ((!str_is_empty(o->ipam_driver) && !str_eq(o->ipam_driver, "default")) || o->ipam_options.n)
		return err_set(e, ERR_USAGE, "--ipam-driver: only \"default\" is known, and it takes no options");
	if (o->config_from || o->config_only || o->ingress)
		return err_set(e, ERR_USAGE, "--%s: hull has no swarm", o->config_from ? "config-from" : o->config_only ? "config-only" : "ingress");
	if (!str_is_empty(o->scope) && !str_eq(o->scope, "local"))
		return err_set(e, ERR_USAGE, "--scope: only \"local\" is known, hull has no swarm");
	for (size_t i = 0; i < o->options.n; i++)
		if (!strchr(o->options.v[i], '='))
			return err_set(e, ERR_USAGE, "invalid --opt \"%.100s\": it is KEY=VALUE", o->options.v[i]);
	read_pairs(&o->labels, &a, &w.labels);
	read_pairs(&o->options, &a, &w.options);
	struct engine *g = cli_engine(e);
	if (!g || read_ipam(o, &a, &w, e) < 0)
		return -1;
	if (network_create(g, &a, &w, e) == 0)
		return cli_printf(e, "%s\n", w.id);
	if (!o->ignore || e->kind != ERR_EXISTS)
		return -1;
	own(json) struct json *there = network_inspect(g, argv[0], e);
	return there ? cli_printf(e, "%s\n", json_get_str(there, "Id")) : -1;
}

struct inspect_options {
	char *format;
	bool verbose;
	/* worked out */
	struct engine *g;
	struct json *all;
};
#define O(m) offset_of(struct inspect_options, m)
static const struct opt inspect_opts[] = {
	{"format", 'f', OPT_STR, O(format), "string", "A Go template for each, or \"json\"", 0, "json"},
	{"verbose", 'v', OPT_BOOL, O(verbose), NULL, "Has no effect without a swarm", OPT_HIDDEN},
};
#undef O

static int inspect_one(const char *name, void *arg, struct err *e)
{
	struct inspect_options *o = arg;
	struct json *j = network_inspect(o->g, name, e);
	if (!j)
		return -1;
	json_add(o->all, j);
	return 0;
}

static int inspect(void *opts, int argc, char **argv, struct err *e)
{
	struct inspect_options *o = opts;
	own(json) struct json *all = json_new_array();
	o->g = cli_engine(e);
	o->all = all;
	if (!o->g)
		return -1;
	int r = cli_each(argc, argv, false, inspect_one, o);
	return json_len(all) && cli_format_documents(all, o->format, e) < 0 ? -1 : r;
}

struct rm_options {
	bool force;
	/* worked out */
	struct engine *g;
};
static const struct opt rm_opts[] = {
	{"force", 'f', OPT_BOOL, offset_of(struct rm_options, force), NULL, "One that is not there is no error"},
};

static int rm_one(const char *name, void *arg, struct err *e)
{
	const struct rm_options *o = arg;
	if (network_remove(o->g, name, e) == 0)
		return 0;
	return o->force && e->kind == ERR_NOT_FOUND ? 1 : -1;
}

static int rm(void *opts, int argc, char **argv, struct err *e)
{
	struct rm_options *o = opts;
	o->g = cli_engine(e);
	return o->g ? cli_each(argc, argv, true, rm_one, o) : -1;
}

struct prune_options {
	bool force;
	struct strv filters;
};
#define O(m) offset_of(struct prune_options, m)
static const struct opt prune_opts[] = {
	{"filter", 0, OPT_STRV, O(filters), "filter", "Only those: label=KEY[=VALUE], label!=, until="},
	{"force", 'f', OPT_BOOL, O(force), NULL, "Do not ask"},
};
#undef O

static int prune(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct prune_options *o = opts;
	own(strv) struct strv names = {};
	own(buf) struct buf out = {};
	struct engine *g = cli_engine(e);
	if (!g)
		return -1;
	if (!o->force && !cli_confirm("This will remove all networks that no running container is connected to."))
		return 0;
	if (network_prune(g, &o->filters, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		buf_printf(&out, "%s%s\n", i ? "" : "Deleted Networks:\n", names.v[i]);
	return cli_print(&out, e);
}

struct connect_options {
	struct strv aliases, links, link_local, driver_opts;
	char *ip, *ip6, *mac;
	struct opt_num priority;
};
#define O(m) offset_of(struct connect_options, m)
static const struct opt connect_opts[] = {
	{"alias", 0, OPT_STRV, O(aliases), "NAME", "A further name in this network"},
	{"driver-opt", 0, OPT_STRV, O(driver_opts), "KEY=VALUE", "com.docker.network.endpoint.ifname=NAME: the interface's name"},
	{"gw-priority", 0, OPT_I64, O(priority), "N", "Who has the highest gives the default route"},
	{"ip", 0, OPT_STR, O(ip), "IP", "Its IPv4 address"},
	{"ip6", 0, OPT_STR, O(ip6), "IP", "Its IPv6 address"},
	{"link", 0, OPT_STRV, O(links), "CONTAINER", "Refused: names resolve without", OPT_HIDDEN},
	{"link-local-ip", 0, OPT_STRV, O(link_local), "IP", "A further, link-local address"},
	{"mac-address", 0, OPT_STR, O(mac), "MAC", "Its MAC address"},
};
#undef O

static int join(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct connect_options *o = opts;
	struct network_request q = {.ip = o->ip, .ip6 = o->ip6, .mac = o->mac, .aliases = o->aliases, .link_local = o->link_local,
		.priority = o->priority.set ? o->priority.v : 0};
	if (o->links.n)
		return err_set(e, ERR_USAGE, "--link: docker's old way to names: they resolve on each network without it");
	for (size_t i = 0; i < o->driver_opts.n; i++) {
		size_t n = strcspn(o->driver_opts.v[i], "=");
		own(mem) char *key = mem_ndup(o->driver_opts.v[i], n);
		if (network_request_option(&q, key, o->driver_opts.v[i] + n + (o->driver_opts.v[i][n] == '='), e) < 0)
			return -1;
	}
	if (network_request_check(&q, e) < 0)
		return -1;
	struct engine *g = cli_engine(e);
	return g ? network_connect(g, argv[0], argv[1], &q, e) : -1;
}

static int leave(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct rm_options *o = opts;
	struct engine *g = cli_engine(e);
	return g ? network_disconnect(g, argv[0], argv[1], o->force, e) : -1;
}

static const struct opt disconnect_opts[] = {
	{"force", 'f', OPT_BOOL, offset_of(struct rm_options, force), NULL, "One that is not connected is no error"},
};

static int reload(void *opts unused, int argc unused, char **argv unused, struct err *e)
{
	struct engine *g = cli_engine(e);
	return g ? network_reload(g, e) : -1;
}

#define LS(name, flags) {name, "", "List networks", ls_opts, countof(ls_opts), sizeof(struct ls_options), 0, 0, ls, flags}
#define RM(name, flags) {name, "NETWORK...", "Remove networks", rm_opts, countof(rm_opts), sizeof(struct rm_options), 1, -1, rm, flags, .complete = "@network"}
static const struct cmd cmd_network_ls = LS("ls", 0), cmd_network_list = LS("list", CMD_HIDDEN);
static const struct cmd cmd_network_rm = RM("rm", 0), cmd_network_remove = RM("remove", CMD_HIDDEN);
static const struct cmd cmd_network_create = {"create", "NETWORK", "Make a network", create_opts, countof(create_opts),
	sizeof(struct create_options), 1, 1, create, .examples = "$ hull network create --subnet 10.89.7.0/24 web\n$ hull network rm web\n"
	"$ hull network create -d cni -o conflist=/etc/cni/web.conflist web"};
static const struct cmd cmd_network_inspect = {"inspect", "NETWORK...", "Show networks in full", inspect_opts, countof(inspect_opts),
	sizeof(struct inspect_options), 1, -1, inspect, .complete = "@network"};
static const struct cmd cmd_network_prune = {"prune", "", "Remove networks that nobody uses", prune_opts, countof(prune_opts),
	sizeof(struct prune_options), 0, 0, prune};
static const struct cmd cmd_network_reload = {"reload", "", "Put bridges and the firewall's rules back", NULL, 0, 0, 0, 0, reload,
	.about = "Another program may have flushed the firewall (nft flush ruleset). Every command that connects a container or shows its ports puts "
	"the rules back; this one also bridges that were removed, and what leads to a container's resolver and was flushed inside of it."};
static const struct cmd cmd_network_connect = {"connect", "NETWORK CONTAINER", "Connect a container to a network, running or not", connect_opts,
	countof(connect_opts), sizeof(struct connect_options), 2, 2, join, .complete = "@network @container"};
static const struct cmd cmd_network_disconnect = {"disconnect", "NETWORK CONTAINER", "Disconnect a container from a network", disconnect_opts,
	countof(disconnect_opts), sizeof(struct rm_options), 2, 2, leave, .complete = "@network @container"};
static const struct cmd *const below[] = {&cmd_network_connect, &cmd_network_create, &cmd_network_disconnect, &cmd_network_inspect, &cmd_network_ls,
	&cmd_network_list, &cmd_network_prune, &cmd_network_reload, &cmd_network_rm, &cmd_network_remove, NULL};
const struct cmd cmd_network = {"network", "COMMAND", "Work with networks", .sub = below};
