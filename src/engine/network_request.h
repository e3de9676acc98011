/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_request: how a container wants to be connected, as a command or a client says it: the grammar of what stands in it. Which network
 * it is and whether the address is free shows when it connects.
 */
#pragma once

#include "state/container.h"

/* ERR_USAGE names the wrong one by its key: ip, ip6, mac-address, alias, link-local-ip, interface-name. */
int network_request_check(const struct network_request *q, struct err *e) must_use;
/* One option of an endpoint, for its driver, as docker has them: com.docker.network.endpoint.ifname. */
int network_request_option(struct network_request *q, const char *key, char *value, struct err *e) must_use;
/* Does it say anything but the network? */
bool network_request_is_plain(const struct network_request *q);
/* networks as they came, each checked: network_mode is the first of them; what says nothing but that is left to network_mode. ERR_USAGE: they exclude
 * each other, or one that is no network of hull's cannot have what is asked of it. */
int network_requests_choose(struct host_config *h, struct err *e) must_use;
