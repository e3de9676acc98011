/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify: who starts a container from a systemd unit (NOTIFY_SOCKET is set) is told by its monitor, which from then on is the unit's main
 * process: MAINPID at once, and READY=1 by --sdnotify:
 *
 *   container   when the container says so, at a socket of its own, /run/notify/notify.sock; what else it says of itself (STATUS, WATCHDOG,
 *               RELOADING, STOPPING, ERRNO …) is passed on, what it says of processes and file descriptors is not
 *   monitor     when it was started (podman's word: conmon)
 *   healthy     when its health check says so
 *   ignore      nobody is told anything
 *
 * It ends with the container's exit status, which the unit's Restart= goes by; with 0 when the container was asked to stop.
 *
 * And socket activation, sd_listen_fds(3): sockets that were given to the command are the container's, at the same numbers.
 */
#pragma once

#include "engine/container.h"
#include "runtime/spec.h"

enum notify_mode { NOTIFY_CONTAINER, NOTIFY_MONITOR, NOTIFY_HEALTHY, NOTIFY_IGNORE };
struct notify {
	enum notify_mode mode;
	int host;  /* -1: nobody is to be told */
	int sock;  /* the container's, -1: none */
	bool ready;
};
void notify_drop(struct notify *n);
int notify_parse(const char *text, enum notify_mode *ret, struct err *e) must_use; /* "": container. ERR_USAGE */
/* Before the specification is made: the sockets; run_dir/notify is what is mounted. */
int notify_open(const struct container_record *r, int run_dir, struct notify *ret, struct err *e) must_use;
/* In the monitor. */
void notify_started(struct notify *n);
void notify_healthy(struct notify *n);
void notify_serve(struct notify *n); /* something can be read at n->sock */

/* How many descriptors, from 3 on, this process was given for the container; 0: none. Those that are not open end the count. */
int notify_listen_fds(void);
/* In the monitor that brings its container back: it is not who LISTEN_PID names, and so many are still open. */
void notify_keep_listen_fds(int n);
