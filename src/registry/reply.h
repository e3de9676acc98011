/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply: what the answers of a registry mean, for gets (fetch.c) and for all others (request.c): error texts, Retry-After, who
 * may see the credentials, where a redirect or a Location leads.
 */
#pragma once

#include "registry/session.h"

enum { REDIRECTS_MAX = 8, ERROR_TEXT_MAX = 65536, RETRY_AFTER_MAX_S = 60 };

/* The first message of {"errors":[{"code","message"}]}, printable. */
char *reply_error_text(const struct buf *body, char out[200]);
/* Seconds; 0: not said. */
int64_t reply_retry_after(const char *text);
/* "too many requests: …: try again in 5 s"; returns the nanoseconds to wait, -1: longer than anybody waits. */
int64_t reply_too_many(const struct http_reply *r, const struct buf *body, char out[200]);
/* Is it the registry itself, which may see credentials? */
bool reply_is_registry(const struct session *s, const char *url);
/* The whole URL of a path: below the repository, below the host when it begins with a slash, or a whole one as it is. */
char *reply_url(const struct session *s, const char *path) must_use;
/* Where Location leads from `base`: never to plain HTTP that is not allowed, never to a file. NULL with *e. */
char *reply_location(const struct session *s, const char *base, const char *location, struct err *e) must_use;
/* Is the host this machine or on its link, by its name, while the registry is not? */
bool reply_leads_here(const struct session *s, const char *host);
/* Is it a place that only others told us of, which must not be on this machine? Not where the registry is here itself, or the host is listed as
 * insecure by name. */
bool reply_is_elsewhere(const struct session *s, const char *url);
/* Fills in who it is sent as: *ret_pair keeps the memory. */
void reply_authorize(const struct session *s, const char *url, struct http_call *call, char **ret_pair);
