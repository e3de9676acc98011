/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint: see endpoint.h. Clients send back whole documents that they got from inspect: what is no wish (EndpointID, IPAddress …) is
 * passed over.
 */
#include "api/endpoint.h"

#include "engine/network.h"
#include "engine/network_request.h"

#include <string.h>

struct endpoint_settings {
	struct network_request ipam; /* its addresses */
	struct strv aliases, links;
	struct map driver_opts;
	char *mac;
	int64_t priority;
};
#define S struct network_request
static const struct jfield ipam_fields[] = {
	JF(S, "IPv4Address", ip, JT_STR), JF(S, "IPv6Address", ip6, JT_STR), JF(S, "LinkLocalIPs", link_local, JT_STRV),
};
#undef S
static const struct jtable ipam_table = JTABLE(struct network_request, ipam_fields);
#define S struct endpoint_settings
static const struct jfield settings_fields[] = {
	JFS(S, "IPAMConfig", ipam, JT_STRUCT, ipam_table), JF(S, "Aliases", aliases, JT_STRV), JF(S, "Links", links, JT_STRV),
	JF(S, "DriverOpts", driver_opts, JT_MAP), JF(S, "MacAddress", mac, JT_STR), JF(S, "GwPriority", priority, JT_I64),
};
#undef S
static const struct jtable settings_table = JTABLE(struct endpoint_settings, settings_fields);

static bool is_own_name(const char *link)
{
	const char *alias = strchr(link, ':');
	return !alias || (strlen(alias + 1) == (size_t)(alias - link) && str_has_prefix(link, alias + 1));
}

int endpoint_links(struct engine *g, const char *what, const char *network, const struct json *links, struct err *e)
{
	bool named = network_is_joined(network) && !str_eq(network, "bridge") && !str_eq(network, "default");
	if (json_len(links) && !named)
		return err_set(e, ERR_USAGE, "%s: hull has it not: connect both to a network of their own, where names resolve", what);
	for (size_t i = 0; i < json_len(links); i++) {
		const char *link = json_str(json_at(links, i));
		if (link && !is_own_name(link))
			engine_warn(g, "link %.100s: the alias is not made: give the other container an alias on network %s", link, network);
	}
	return 0;
}

int endpoint_read(const struct json *j, struct arena *a, struct network_request *ret, struct err *e)
{
	struct endpoint_settings s = {};
	*ret = (struct network_request){};
	if (!j)
		return 0;
	if (jmap_parse(&settings_table, j, JMAP_NOCASE, a, &s, "EndpointConfig", e) < 0)
		return -1;
	*ret = s.ipam;
	ret->aliases = s.aliases;
	ret->mac = str_is_empty(s.mac) ? NULL : s.mac;
	ret->priority = s.priority;
	for (size_t i = 0; i < s.driver_opts.n; i++)
		if (network_request_option(ret, s.driver_opts.v[i].key, s.driver_opts.v[i].value, e) < 0)
			return -1;
	return network_request_check(ret, e);
}
