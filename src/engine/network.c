/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/network.h"

#include "engine/events.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "net/firewall.h"
#include "net/link.h"
#include "sys/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <unistd.h>

static char *fixed(const char *s)
{
	return (char *)(uintptr_t)s;
}

bool network_is_possible(void)
{
	return caps_permitted() >> CAP_NET_ADMIN & 1;
}

bool network_has_default(struct engine *g)
{
	struct err none = {};
	const struct settings *s = engine_settings(g, &none);
	return !str_is_empty(getenv("HULL_NETWORK")) || (s && !str_is_empty(s->network));
}

/* A plain user's bridges need more of the machine than root's. */
static int can_bridge(struct engine *g, struct err *e)
{
	own(arena) struct arena a = {};
	struct network w;
	bool there;
	if (!private_net_is_needed(g))
		return 0;
	if (private_net_join(g, true, &there, e) < 0 || network_find(g, "bridge", &a, &w, e) < 0)
		return -1;
	own(fd) int lock = networks_lock(&g->networks, false, e);
	return lock < 0 ? -1 : connect_bridge(g, &w, e);
}

int network_default(struct engine *g, const char **ret, struct err *e)
{
	const char *said = getenv("HULL_NETWORK");
	const struct settings *s = engine_settings(g, e);
	if (!s)
		return -1;
	*ret = !str_is_empty(said) ? said : !str_is_empty(s->network) ? s->network : "bridge";
	if (network_has_default(g))
		return 0;
	struct err why = {};
	err_set_(&why, ERR_DENIED, "CAP_NET_ADMIN is missing");
	if (!network_is_possible() || can_bridge(g, &why) < 0) {
		*ret = "none";
		engine_warn(g, "the container has no network: %s; --network none says so without this line, --network host gives it the machine's", why.text);
	}
	return 0;
}

static int make_preset(struct engine *g, struct arena *a, struct network *ret, struct err *e)
{
	own(fd) int lock = networks_lock(&g->networks, true, e);
	if (lock < 0)
		return -1;
	struct err why = {};
	if (networks_find(&g->networks, "bridge", a, ret, &why) == 0)
		return 0;
	*ret = (struct network){.name = fixed("bridge"), .driver = fixed("bridge"), .ipv4 = true};
	map_set(a, &ret->options, "com.docker.network.bridge.default_bridge", "true");
	return networks_create(&g->networks, a, ret, e);
}

int network_find(struct engine *g, const char *text, struct arena *a, struct network *ret, struct err *e)
{
	struct err why = {};
	if (str_eq(text, "default"))
		text = "bridge";
	if (engine_need_networks(g, e) < 0)
		return -1;
	if (networks_find(&g->networks, text, a, ret, &why) == 0)
		return 0;
	if (why.kind != ERR_NOT_FOUND)
		return *e = why, -1;
	return str_eq(text, "bridge") ? make_preset(g, a, ret, e) : cni_find(&g->networks, text, a, ret, e);
}

struct asked { const struct network *w; struct subnet route; const char *subnet; };

static void hold_against(void *arg, const struct subnet *route)
{
	struct asked *q = arg;
	struct err ignored = {};
	for (size_t i = 0; i < q->w->ipam.n; i++) {
		struct subnet s;
		if (route->prefix && subnet_parse(q->w->ipam.v[i].subnet, true, &s, "", &ignored) == 0 && subnet_overlaps(&s, route) &&
			(!q->subnet || route->prefix < q->route.prefix)) {
			q->subnet = q->w->ipam.v[i].subnet;
			q->route = *route;
		}
	}
}

/* What is chosen is out of the way of the host's routes; what was said is taken, as docker has it, and told: the widest of them. */
static void warn_of_routes(struct engine *g, const struct network *w)
{
	struct asked q = {.w = w};
	struct err ignored = {};
	char text[ADDR_TEXT];
	bool there;
	if (!str_eq(w->driver, "bridge") || network_option(w, "com.docker.network.bridge.name", NULL))
		return;
	if (private_net_join(g, false, &there, &ignored) == 0 && link_routes(hold_against, &q, &ignored) == 0 && q.subnet)
		engine_warn(g, "network %s: subnet %s overlaps the host's route to %s: what is there may not be reached while a container is connected",
			w->name, q.subnet, subnet_format(&q.route, text));
}

int network_create(struct engine *g, struct arena *a, struct network *w, struct err *e)
{
	bool said = w->ipam.n > 0;
	if (engine_need_networks(g, e) < 0)
		return -1;
	if (network_is_builtin(w->name))
		return err_set(e, ERR_CONFLICT, "operation is not permitted on predefined %s network", w->name);
	own(fd) int lock = networks_lock(&g->networks, true, e);
	if (lock < 0 || networks_create(&g->networks, a, w, e) < 0)
		return -1;
	if (said)
		warn_of_routes(g, w);
	event_other(g, "network", "create", w->id, "name", w->name, "type", w->driver);
	return 0;
}

/* Lines of containers that are gone are taken out first. */
static int users(struct engine *g, const struct network *w, struct arena *a, struct endpoints *ret, struct err *e)
{
	struct endpoints all;
	*ret = (struct endpoints){};
	if (endpoints_read(&g->networks, w->id, a, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < all.n; i++) {
		if (connect_is_gone(g, all.v[i].container))
			connect_release(g, all.v[i].container);
		else
			*arena_push(a, ret) = all.v[i];
	}
	return 0;
}

/* The lock is held. */
static int remove_unused(struct engine *g, const struct network *w, struct arena *a, struct err *e)
{
	struct endpoints all;
	struct err ignored = {};
	if (users(g, w, a, &all, e) < 0)
		return -1;
	if (all.n)
		return err_set(e, ERR_CONFLICT, "network %s has active endpoints: container %s is connected", w->name,
			all.v[0].names.n ? all.v[0].names.v[0] : all.v[0].container);
	bool there;
	if (private_net_join(g, false, &there, e) < 0)
		return -1;
	if (there && str_eq(w->driver, "bridge")) {
		(void)!firewall_remove_network(w, &ignored);
		if (link_unbridge(w, e) < 0)
			return -1;
	}
	if (networks_remove(&g->networks, w, e) < 0)
		return -1;
	event_other(g, "network", "destroy", w->id, "name", w->name, "type", w->driver);
	return 0;
}

int network_remove(struct engine *g, const char *text, struct err *e)
{
	own(arena) struct arena a = {};
	struct network w;
	if (network_is_builtin(text))
		return err_set(e, ERR_CONFLICT, "%s is a pre-defined network and cannot be removed", text);
	if (engine_need_networks(g, e) < 0)
		return -1;
	own(fd) int lock = networks_lock(&g->networks, true, e);
	if (lock < 0)
		return -1;
	if (networks_find(&g->networks, text, &a, &w, e) < 0) {
		struct err no = {};
		if (e->kind == ERR_NOT_FOUND && cni_find(&g->networks, text, &a, &w, &no) == 0)
			return err_set(e, ERR_CONFLICT, "network %s is the file %s: remove that", w.name, network_option(&w, "conflist", NULL));
		return -1;
	}
	return remove_unused(g, &w, &a, e);
}

static struct json *map_json(const struct map *m)
{
	struct json *j = json_new_object();
	for (size_t i = 0; i < m->n; i++)
		json_set_str(j, m->v[i].key, m->v[i].value);
	return j;
}

static struct json *ipam_json(const struct network *w)
{
	struct json *j = json_new_object(), *list = json_new_array();
	for (size_t i = 0; i < w->ipam.n; i++) {
		const struct ipam *p = &w->ipam.v[i];
		struct json *row = json_new_object();
		json_set_str(row, "Subnet", p->subnet);
		if (!str_is_empty(p->range))
			json_set_str(row, "IPRange", p->range);
		if (!str_is_empty(p->gateway))
			json_set_str(row, "Gateway", p->gateway);
		if (p->aux.n)
			json_set(row, "AuxiliaryAddresses", map_json(&p->aux));
		json_add(list, row);
	}
	json_set_str(j, "Driver", "default");
	json_set(j, "Options", json_new_object());
	json_set(j, "Config", list);
	return j;
}

static struct json *containers_json(const struct network *w, const struct endpoints *all)
{
	struct json *j = json_new_object();
	for (size_t i = 0; i < all->n; i++) {
		const struct endpoint *p = &all->v[i];
		struct json *c = json_new_object();
		char mac[MAC_TEXT];
		json_set_str(c, "Name", p->names.n ? p->names.v[0] : "");
		json_set_str(c, "EndpointID", p->id);
		json_set_str(c, "MacAddress", mac_format(p->mac, mac));
		for (int f = 0; f < 2; f++) {
			char text[ADDR_TEXT] = "";
			struct network_range r;
			struct subnet at = {p->ip[f], 0};
			if (p->ip[f].len && network_range(w, f ? 16 : 4, &r)) {
				at.prefix = r.subnet.prefix;
				subnet_format(&at, text);
			} else {
				addr_format(&p->ip[f], text);
			}
			json_set_str(c, f ? "IPv6Address" : "IPv4Address", text);
		}
		json_set(j, p->container, c);
	}
	return j;
}

static struct json *document(const struct network *w, const struct endpoints *all)
{
	struct json *j = json_new_object(), *from = json_new_object();
	json_set_str(j, "Name", w->name);
	json_set_str(j, "Id", w->id);
	json_set_str(j, "Created", w->created);
	json_set_str(j, "Scope", "local");
	json_set_str(j, "Driver", w->driver);
	json_set(j, "EnableIPv4", json_new_bool(w->ipv4));
	json_set(j, "EnableIPv6", json_new_bool(w->ipv6));
	json_set(j, "IPAM", ipam_json(w));
	json_set(j, "Internal", json_new_bool(w->internal));
	json_set(j, "Attachable", json_new_bool(w->attachable));
	json_set(j, "Ingress", json_new_bool(false));
	json_set_str(from, "Network", "");
	json_set(j, "ConfigFrom", from);
	json_set(j, "ConfigOnly", json_new_bool(false));
	json_set(j, "Containers", containers_json(w, all));
	json_set(j, "Options", map_json(&w->options));
	json_set(j, "Labels", map_json(&w->labels));
	return j;
}

/* host and none, by name or id: the same everywhere, so their ids are too. */
static bool preset(const char *text, struct network *ret)
{
	static const struct { const char *name, *driver, *id; } rows[] = {
		{"host", "host", "686f737400000000000000000000000000000000000000000000000000000000"},
		{"none", "null", "6e6f6e6500000000000000000000000000000000000000000000000000000000"},
	};
	for (size_t i = 0; i < countof(rows); i++) {
		if (strcmp(rows[i].name, text) != 0 && !(strlen(text) >= 12 && str_has_prefix(rows[i].id, text)))
			continue;
		*ret = (struct network){.name = fixed(rows[i].name), .id = fixed(rows[i].id), .driver = fixed(rows[i].driver), .ipv4 = true,
			.created = fixed("0001-01-01T00:00:00Z")};
		return true;
	}
	return false;
}

struct json *network_inspect(struct engine *g, const char *text, struct err *e)
{
	own(arena) struct arena a = {};
	struct network w;
	struct endpoints all = {};
	if (!preset(text, &w) && (network_find(g, text, &a, &w, e) < 0 || users(g, &w, &a, &all, e) < 0))
		return NULL;
	return document(&w, &all);
}

static bool has_label(const struct map *labels, const char *want)
{
	const char *eq = strchr(want, '=');
	own(mem) char *key = eq ? mem_ndup(want, (size_t)(eq - want)) : mem_dup(want);
	const char *value = map_get(labels, key);
	return value && (!eq || strcmp(value, eq + 1) == 0);
}

/* RFC 3339 or Unix seconds, or how long ago. */
static int is_until(const struct network *w, const char *value, bool *ret, struct err *e)
{
	int64_t at;
	if (num_time(value, num_now_ns(), &at, e) < 0)
		return -1;
	*ret = num_time_of(w->created) < at;
	return 0;
}

enum { F_DANGLING, F_DRIVER, F_ID, F_LABEL, F_LABEL_NOT, F_NAME, F_SCOPE, F_TYPE, F_UNTIL, F_KEYS };
static const char *const keys[F_KEYS] = {"dangling=", "driver=", "id=", "label=", "label!=", "name=", "scope=", "type=", "until="};

static int matches(int key, const char *value, const struct network *w, bool used, bool *ret, struct err *e)
{
	bool builtin = network_is_builtin(w->name), truth = str_eq(value, "true") || str_eq(value, "1");
	switch (key) {
	case F_DANGLING: *ret = truth == (!used && !builtin); break;
	case F_DRIVER: *ret = str_eq(value, w->driver); break;
	case F_ID: *ret = str_has_prefix(w->id, value); break;
	case F_LABEL: *ret = has_label(&w->labels, value); break;
	case F_LABEL_NOT: *ret = !has_label(&w->labels, value); break;
	case F_NAME: *ret = strstr(w->name, value) != NULL; break;
	case F_SCOPE: *ret = str_eq(value, "local"); break;
	case F_TYPE:
		if (!str_eq(value, "custom") && !str_eq(value, "builtin"))
			return err_set(e, ERR_USAGE, "invalid filter type=%.60s: custom and builtin are known", value);
		*ret = str_eq(value, "builtin") == builtin;
		break;
	default: return is_until(w, value, ret, e);
	}
	return 0;
}

/* Of one key one must match, of labels all. 1: takes it. */
static int passes(const struct strv *filters, const struct network *w, bool used, struct err *e)
{
	bool asked[F_KEYS] = {}, found[F_KEYS] = {}, missing = false;
	for (size_t i = 0; filters && i < filters->n; i++) {
		int k = 0;
		bool yes = false;
		while (k < F_KEYS && !str_has_prefix(filters->v[i], keys[k]))
			k++;
		if (k == F_KEYS)
			return err_set(e, ERR_USAGE, "invalid filter \"%.100s\": dangling, driver, id, label, name, scope, type and until are known",
				filters->v[i]);
		if (matches(k, filters->v[i] + strlen(keys[k]), w, used, &yes, e) < 0)
			return -1;
		asked[k] = true;
		if (k == F_LABEL || k == F_LABEL_NOT) {
			found[k] = true;
			missing |= !yes;
		} else {
			found[k] |= yes;
		}
	}
	for (int k = 0; k < F_KEYS; k++)
		missing |= asked[k] && !found[k];
	return !missing;
}

static int add_row(struct engine *g, const struct strv *filters, const struct network *w, struct arena *a, struct json *list, struct err *e)
{
	struct endpoints all = {};
	if (!network_is_builtin(w->name) && users(g, w, a, &all, e) < 0)
		return -1;
	int yes = passes(filters, w, all.n > 0, e);
	if (yes > 0)
		json_add(list, document(w, &all));
	return yes < 0 ? -1 : 0;
}

struct json *network_list(struct engine *g, const struct strv *filters, struct err *e)
{
	own(arena) struct arena a = {};
	own(json) struct json *list = json_new_array();
	own(strv) struct strv names = {};
	struct network w;
	if (engine_need_networks(g, e) < 0 || networks_names(&g->networks, &names, e) < 0)
		return NULL;
	cni_names(&g->networks, &names);
	strv_add(&names, "host");
	strv_add(&names, "none");
	if (!strv_has(&names, "bridge") && network_is_possible())
		strv_add(&names, "bridge");
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		struct err gone = {};
		if (!preset(names.v[i], &w) && network_find(g, names.v[i], &a, &w, &gone) < 0) {
			if (gone.kind == ERR_NOT_FOUND)
				continue;
			*e = gone;
			return NULL;
		}
		if (add_row(g, filters, &w, &a, list, e) < 0)
			return NULL;
	}
	return take(list);
}

int network_prune(struct engine *g, const struct strv *filters, struct strv *ret_names, struct err *e)
{
	own(arena) struct arena a = {};
	own(strv) struct strv names = {};
	/* A filter is wrong also where there is nothing to look at. */
	char n[] = "";
	const struct network nothing = {.name = n, .id = n, .created = n, .driver = n};
	if (passes(filters, &nothing, true, e) < 0 || engine_need_networks(g, e) < 0)
		return -1;
	own(fd) int lock = networks_lock(&g->networks, true, e);
	if (lock < 0 || networks_names(&g->networks, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct network w;
		struct endpoints all;
		struct err skipped = {};
		if (network_is_builtin(names.v[i]) || networks_find(&g->networks, names.v[i], &a, &w, &skipped) < 0 || users(g, &w, &a, &all, &skipped) < 0)
			continue;
		int yes = passes(filters, &w, all.n > 0, e);
		if (yes < 0)
			return -1;
		if (yes && !all.n && remove_unused(g, &w, &a, &skipped) == 0)
			strv_add(ret_names, w.name);
	}
	event_pruned(g, "network", 0);
	return 0;
}

int network_remove_all(struct engine *g, struct err *e)
{
	own(arena) struct arena a = {};
	own(strv) struct strv names = {};
	if (engine_need_networks(g, e) < 0)
		return -1;
	own(fd) int lock = networks_lock(&g->networks, true, e);
	if (lock < 0 || networks_names(&g->networks, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct network w;
		if (networks_find(&g->networks, names.v[i], &a, &w, e) < 0 || remove_unused(g, &w, &a, e) < 0)
			return -1;
	}
	return 0;
}

/* Are plugins' endpoints as they were; and what a plugin could not take back when its container ended it is asked for again. */
static void reload_cni(struct engine *g)
{
	own(strv) struct strv containers = {};
	cni_containers(&g->networks, &containers);
	for (size_t i = 0; i < containers.n; i++) {
		struct err bad = {};
		if (connect_is_gone(g, containers.v[i]))
			connect_release(g, containers.v[i]);
		else if (cni_verify(&g->networks, NULL, containers.v[i], &bad) < 0)
			engine_warn(g, "container %.12s: %s", containers.v[i], bad.text);
	}
}

void network_heal(struct engine *g)
{
	struct err ignored = {};
	bool there;
	if (!path_exists(g->run, "networks") || engine_need_networks(g, &ignored) < 0 || private_net_join(g, false, &there, &ignored) < 0 || !there ||
		firewall_is_whole())
		return;
	own(fd) int lock = networks_lock(&g->networks, false, &ignored);
	if (lock >= 0)
		(void)!firewall_ensure(&g->networks, false, &ignored);
}

int network_reload(struct engine *g, struct err *e)
{
	own(arena) struct arena a = {};
	own(strv) struct strv names = {};
	if (engine_need_networks(g, e) < 0)
		return -1;
	bool there;
	if (private_net_join(g, false, &there, e) < 0)
		return -1;
	/* No container runs. */
	if (!there)
		return 0;
	own(fd) int lock = networks_lock(&g->networks, false, e);
	if (lock < 0 || networks_names(&g->networks, &names, e) < 0 || firewall_ensure(&g->networks, true, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct network w;
		struct endpoints all;
		char device[16];
		if (networks_find(&g->networks, names.v[i], &a, &w, e) < 0 || users(g, &w, &a, &all, e) < 0)
			return -1;
		if (!all.n || !str_eq(w.driver, "bridge"))
			continue;
		network_device(&w, device);
		if (link_bridge(&w, NULL, e) < 0 || connect_rejoin(g, &w, e) < 0)
			return -1;
		link_route_local(device);
		connect_look_around(g, &w);
	}
	reload_cni(g);
	return 0;
}
