/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint: docker's EndpointSettings, of /networks/{}/connect and of a container's NetworkingConfig.EndpointsConfig: how it wants to be
 * connected to one network.
 */
#pragma once

#include "engine/engine.h"
#include "state/container.h"

/* j may be NULL, nothing is said. Everything but the network, which the caller knows, and links; it is checked. Lives in the arena. */
int endpoint_read(const struct json *j, struct arena *a, struct network_request *ret, struct err *e) must_use;
/* Links, which docker-compose 1 always sends: on a network of the user's names resolve without them. Warns of an alias that would only be known
 * in this one; elsewhere they are ERR_USAGE. */
int endpoint_links(struct engine *g, const char *what, const char *network, const struct json *links, struct err *e) must_use;
