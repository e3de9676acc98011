/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caps: Linux capabilities (capabilities(7)) as 64-bit sets.
 */
#pragma once

#include "base/str.h"

/* Bit of "CAP_CHOWN", -1 when there is no such capability. */
int caps_number(const char *name);
const char *caps_name(int number); /* "CHOWN"; NULL: there is none */
/* The set of a list of names. *unknown becomes the first that nobody knows, which is left out. */
uint64_t caps_set(const struct strv *names, const char **unknown);
uint64_t caps_bounding(void); /* what we may keep at most */
uint64_t caps_permitted(void); /* what we have */
/* Drops everything else from the bounding set; needs CAP_SETPCAP. */
int caps_limit_bounding(uint64_t keep, struct err *e) must_use;
int caps_apply(uint64_t effective, uint64_t permitted, uint64_t inheritable, struct err *e) must_use;
int caps_raise_ambient(uint64_t set, struct err *e) must_use;
