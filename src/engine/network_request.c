/* SPDX-License-Identifier: Apache-2.0 */
/* network_request: see network_request.h. An empty address counts as none, as clients of docker's API send it. */
#include "engine/network_request.h"

#include "net/addr.h"

#include <string.h>

static int check_address(const char *key, const char *text, uint8_t len, struct err *e)
{
	struct addr a;
	if (!str_is_empty(text) && (!addr_parse(text, &a) || a.len != len))
		return err_set(e, ERR_USAGE, "invalid %s \"%.60s\": it is an IPv%s address", key, text, len == 16 ? "6" : "4");
	return 0;
}

static int check_device(const char *text, struct err *e)
{
	if (!*text || strlen(text) > 15 || strpbrk(text, "/ \t\n:%") || str_eq(text, ".") || str_eq(text, "..") || str_eq(text, "lo"))
		return err_set(e, ERR_USAGE, "invalid interface-name \"%.60s\": it has at most 15 characters, and none of / : %% and blanks", text);
	return 0;
}

int network_request_check(const struct network_request *q, struct err *e)
{
	struct addr at;
	uint8_t mac[MAC_LEN];
	for (size_t i = 0; i < q->aliases.n; i++) {
		const char *name = q->aliases.v[i];
		if (!*name || strlen(name) > 253 || strpbrk(name, " ,\t\n/"))
			return err_set(e, ERR_USAGE, "invalid alias \"%.100s\": it is a host's name", name);
	}
	for (size_t i = 0; i < q->link_local.n; i++)
		if (!addr_parse(q->link_local.v[i], &at) || !addr_is_link_local(&at))
			return err_set(e, ERR_USAGE, "invalid link-local-ip \"%.60s\": it is an address of 169.254.0.0/16 or fe80::/10", q->link_local.v[i]);
	if (check_address("ip", q->ip, 4, e) < 0 || check_address("ip6", q->ip6, 16, e) < 0)
		return -1;
	if (!str_is_empty(q->mac) && !mac_parse(q->mac, mac))
		return err_set(e, ERR_USAGE, "invalid mac-address \"%.60s\": it is a single machine's MAC address, as in 02:42:ac:11:00:02", q->mac);
	return q->interface ? check_device(q->interface, e) : 0;
}

int network_request_option(struct network_request *q, const char *key, char *value, struct err *e)
{
	if (!str_eq(key, "com.docker.network.endpoint.ifname"))
		return err_set(e, ERR_USAGE, "invalid driver-opt \"%.100s\": com.docker.network.endpoint.ifname=NAME is known", key);
	q->interface = value;
	return 0;
}

bool network_request_is_plain(const struct network_request *q)
{
	return !q->aliases.n && !q->link_local.n && str_is_empty(q->ip) && str_is_empty(q->ip6) && str_is_empty(q->mac) && !q->interface &&
		!q->priority;
}

int network_requests_choose(struct host_config *h, struct err *e)
{
	if (!h->networks.n)
		return 0;
	h->network_mode = h->networks.v[0].network;
	for (size_t i = 0; i < h->networks.n; i++) {
		const char *name = h->networks.v[i].network;
		bool shared = str_eq(name, "host") || str_eq(name, "none") || strchr(name, ':');
		if (shared && h->networks.n > 1)
			return err_set(e, ERR_USAGE, "--network %.60s and --network %.60s exclude each other", h->networks.v[0].network,
				h->networks.v[i ? i : 1].network);
		if (shared && !network_request_is_plain(&h->networks.v[i]))
			return err_set(e, ERR_USAGE, "--network %.60s: addresses, aliases and the like need a network of hull's", name);
	}
	if (h->networks.n == 1 && network_request_is_plain(&h->networks.v[0]))
		h->networks.n = 0;
	return 0;
}
