/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials: what docker's configuration knows about a registry: <dir>/config.json with auths, credHelpers and credsStore; where that has nothing,
 * podman's auth.json: REGISTRY_AUTH_FILE alone, else XDG_RUNTIME_DIR/containers, /run/containers/<uid>, ~/.config/containers. A helper is the program
 * docker-credential-NAME, asked by `get`, for 60 seconds at most.
 */
#pragma once

#include "base/err.h"

struct credentials {
	char *user, *password; /* or NULL */
	char *identity_token;  /* for the token server, or NULL */
	char *note;            /* why there are none although something was configured, or NULL */
};
void credentials_drop(struct credentials *c);
/* registry: "docker.io", "localhost:5000"; repository: what is asked of it: a key of auths may be a part of the registry, the narrowest counts.
 * Nothing known is success; a file that cannot be read or is no JSON is an error. */
int credentials_load(const char *dir, const char *registry, const char *repository, struct credentials *ret, struct err *e) must_use;
