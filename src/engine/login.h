/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login: logins at registries, and what these have.
 */
#pragma once

#include "engine/engine.h"

/* "https://host:5000/v1/" is host:5000; "" and docker's own names are docker.io. Allocated. */
int login_server(const char *text, char **ret, struct err *e) must_use;
/* Does the registry let him in? ERR_DENIED: it does not. */
int login_try(struct engine *g, const char *server, const char *user, const char *password, struct err *e) must_use;
/* Asks the registry whether it lets him in, then keeps it (docker_config.h). ERR_DENIED: it does not. */
int login(struct engine *g, const char *server, const char *user, const char *password, char **ret_where, bool *ret_plain, struct err *e) must_use;
int logout(const char *server, bool *ret_was, struct err *e) must_use;
/* term: "[registry/]word". An array of docker's results. */
struct json *search(struct engine *g, const char *term, unsigned max, struct err *e);
/* All tags of a repository, page by page. */
int search_tags(struct engine *g, const char *repository, struct strv *ret, struct err *e) must_use;
