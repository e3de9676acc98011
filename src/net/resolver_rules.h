/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver_rules: what leads a container's questions to its resolver.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Questions to 127.0.0.11 port 53 go to these ports: a rule inside the namespace, so that programs there may have port 53 themselves. anew:
 * whatever else is in that table goes, or what somebody put there would be a change to mend for ever. */
int resolver_redirect(int netns, uint16_t udp, uint16_t tcp, bool anew, struct err *e) must_use;
/* A socket that is readable after a change to the namespace's packet filter; -1: there is none. */
int resolver_rules_watch(int netns);
/* Reads it: is something missing? */
bool resolver_rules_changed(int changes, int netns);
