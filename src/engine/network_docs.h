/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network_docs: how a container is connected, in docker's words: of inspect (NetworkSettings, PortBindings) and of lists.
 */
#pragma once

#include "state/container.h"

struct json *network_docs_settings(const struct container_record *r, const struct container_state *s, bool running);
struct json *network_docs_bindings(const struct host_config *h);
/* What a list shows: [{IP, PrivatePort, PublicPort, Type}], published and exposed ones. */
struct json *network_docs_ports(const struct container_state *s, bool running);
struct json *network_docs_summary(const struct container_state *s);
