/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login_header: the logins that come with a request: X-Registry-Auth, of the one registry it is about, and X-Registry-Config, of several. They
 * live as long as the request, in memory alone.
 */
#pragma once

#include "api/call.h"

/* From here on the request's engine has it. registry: as a reference has it. ERR_USAGE. */
int login_header_take(struct call *c, const char *registry, struct err *e) must_use;
int login_header_take_all(struct call *c, struct err *e) must_use;
