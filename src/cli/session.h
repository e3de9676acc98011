/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session: our stdio and a container's, joined: what run, start -a and attach do once they have a socket to the
 * container's monitor.
 */
#pragma once

#include "engine/container.h"

struct session {
	struct engine *g;
	struct container_entry *c; /* loaded; its lock is not needed */
	unsigned streams;          /* ATTACH_STDIN … */
	bool sig_proxy;
	bool owned;                /* the container was made for this command: run */
	const char *detach_keys;   /* NULL: the container's own, else ctrl-p,ctrl-q */
};
/* With a terminal inside, stdin must be one too (docker's rule). */
int session_check_tty(bool tty, unsigned streams, struct err *e) must_use;
/* Two ends of a new connection: [0] for the monitor, [1] for session_run. The size of our terminal is on its way already. */
int session_socket(bool tty, int ret[2], struct err *e) must_use;
/* Until the container ends or the user detaches (status 0); *ret_status is our exit status. Closes the socket. With --rm it
 * returns when the container is gone. */
int session_run(const struct session *s, int sock, int *ret_status, struct err *e) must_use;
