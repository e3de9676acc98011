/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint: docker's EndpointSettings, of /networks/{}/connect and of a container's NetworkingConfig.EndpointsConfig: how it wants to be
 * connected to one network.
 */
#pragma once

#include "state/container.h"

/* j may be NULL, nothing is said. Everything but the network, which the caller knows; it is checked. Lives in the arena. */
int endpoint_read(const struct json *j, struct arena *a, struct network_request *ret, struct err *e) must_use;
