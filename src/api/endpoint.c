/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint: see endpoint.h. Clients send back whole documents that they got from inspect: what is no wish (EndpointID, IPAddress …) is
 * passed over.
 */
#include "api/endpoint.h"

#include "engine/network_request.h"

#include <string.h>

struct settings {
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
#define S struct settings
static const struct jfield settings_fields[] = {
	JFS(S, "IPAMConfig", ipam, JT_STRUCT, ipam_table), JF(S, "Aliases", aliases, JT_STRV), JF(S, "Links", links, JT_STRV),
	JF(S, "DriverOpts", driver_opts, JT_MAP), JF(S, "MacAddress", mac, JT_STR), JF(S, "GwPriority", priority, JT_I64),
};
#undef S
static const struct jtable settings_table = JTABLE(struct settings, settings_fields);

/* "web" and "web:web" are what names on a network do without. */
static bool is_own_name(const char *link)
{
	const char *alias = strchr(link, ':');
	return !alias || (strlen(alias + 1) == (size_t)(alias - link) && str_has_prefix(link, alias + 1));
}

int endpoint_read(const struct json *j, struct arena *a, struct network_request *ret, struct err *e)
{
	struct settings s = {};
	*ret = (struct network_request){};
	if (!j)
		return 0;
	if (jmap_parse(&settings_table, j, JMAP_NOCASE, a, &s, "EndpointConfig", e) < 0)
		return -1;
	for (size_t i = 0; i < s.links.n; i++)
		if (!is_own_name(s.links.v[i]))
			return err_set(e, ERR_USAGE, "Links: %.100s: names resolve on a network without links; give the other container an alias there",
				s.links.v[i]);
	*ret = s.ipam;
	ret->aliases = s.aliases;
	ret->mac = str_is_empty(s.mac) ? NULL : s.mac;
	ret->priority = s.priority;
	for (size_t i = 0; i < s.driver_opts.n; i++)
		if (network_request_option(ret, s.driver_opts.v[i].key, s.driver_opts.v[i].value, e) < 0)
			return -1;
	return network_request_check(ret, e);
}
