/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch: one get: from its request to its last event. It survives dropped connections (and goes on where they broke),
 * servers that are busy, tokens that expire, redirects; what cannot be mended, and what is a lie about the length, ends it.
 */
#pragma once

#include "registry/session.h"

struct fetch_request { int id, fd; const char *path, *accept; uint64_t size, max, from; }; /* size UINT64_MAX: unknown; from: where to begin */
void fetch_new(struct session *s, const struct fetch_request *r); /* takes fd */
/* Starts what may start, looks at the clocks, tells what happened, drops what is over. Returns ns until the next clock. */
int64_t fetch_work(struct session *s, int64_t now);
/* Pipes that are full: fds to wait for, at most n; then fetch_writable() for each, ready or not. */
size_t fetch_pollfds(struct session *s, struct pollfd *fds, size_t n);
void fetch_writable(struct session *s, int fd);
void fetch_drop_all(struct session *s);
