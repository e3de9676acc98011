/* SPDX-License-Identifier: Apache-2.0 */
/*
 * insecure: which hosts may speak plain HTTP, or TLS with a certificate that nobody vouches for: this machine itself, and those
 * that the configuration names: "host" (any port), "host:port", "10.0.0.0/8", "[fd00::]/8".
 */
#pragma once

#include "base/str.h"

bool insecure_is_loopback(const char *host); /* by its name or address; nothing is looked up */
bool insecure_leads_here(const char *host); /* so does a connection to more than those; the link's own addresses count */
bool insecure_allows(const struct strv *names, const char *host, unsigned port);
