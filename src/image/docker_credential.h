/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker_credential: a program docker-credential-NAME: one verb (get, store, erase), a question on its stdin, an answer on its
 * stdout, 60 seconds at most. And the names that registries have there and in config.json.
 */
#pragma once

#include "base/buf.h"

/* ret_status: as of wait(2); 127: it is not in PATH. */
int docker_credential_ask(const char *program, const char *verb, const char *question, struct buf *answer, int *ret_status, struct err *e) must_use;
/* What docker keeps the login of a registry under. */
const char *docker_credential_key(const char *registry);
/* Does a key of auths or credHelpers mean this registry? */
bool docker_credential_is_key(const char *key, const char *registry);
