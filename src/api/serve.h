/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve: docker's Engine API on unix sockets. Nothing is kept here: what the API shows is what the commands show, and it can be ended and
 * begun again at any time; containers run on.
 */
#pragma once

#include "engine/engine.h"

struct serve_options {
	const char *path;     /* of the socket; not asked for when systemd gave us some (LISTEN_FDS) */
	const char *group;    /* its users may connect: they are as good as root. NULL: nobody but the owner */
	int64_t idle_ns;      /* ends when nobody was connected for so long; <= 0: never */
	const struct engine_options *engine; /* each request's */
	void (*ready)(void *arg, const char *path); /* connections are taken from now on; may be NULL */
	void *arg;
};
/* The preset path: /run/hull.sock, a plain user's $XDG_RUNTIME_DIR/hull.sock. Allocated. */
char *serve_path(void) must_use;
/* Until SIGTERM, SIGINT or idle_ns. */
int serve(const struct serve_options *o, struct err *e) must_use;
