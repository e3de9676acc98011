/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth: how requests to the registry are authorized: not at all until it asks (401), then as it asks: basic, or a token of
 * the server that it names (distribution-spec, "Token Authentication"; refresh tokens by OAuth 2). One token serves all
 * requests, and is fetched again when the registry refuses it.
 */
#pragma once

#include "registry/session.h"

/* A request sent with `generation` got 401. 0: send it again when auth.busy is over (see auth.why then); -1: denied. */
int auth_demand(struct session *s, const struct http_reply *r, unsigned generation, struct err *e) must_use;
void auth_work(struct session *s, int64_t now); /* timers */
void auth_drop(struct auth *a);
/* The error for someone whom the registry refuses although all was tried. */
int auth_denied(const struct session *s, const char *reason, struct err *e) must_use;
