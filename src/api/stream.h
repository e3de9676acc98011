/* SPDX-License-Identifier: Apache-2.0 */
/* stream: what attach and exec have in common: a client's connection that has become docker's stream, and a monitor's socket behind it. */
#pragma once

#include "api/call.h"
#include "engine/container.h"

/* From here on it is a stream: raw with a terminal, else in frames. SIGTERM ends this process at once. */
int call_hijack(struct call *c, bool tty, struct err *e) must_use;
/* text: NULL: the container's own, else ctrl-p,ctrl-q. */
int call_stream_keys(const char *text, const struct container_entry *c, unsigned char ret[static 16], size_t *ret_n, struct err *e) must_use;
/* stream: 1 stdout, 2 stderr. */
int call_write_frame(struct call *c, bool tty, int stream, const void *p, size_t n, struct err *e) must_use;
/* Until one of the two ends, or the keys are typed. Of how: the detach keys, tty, framed. */
int call_join(struct call *c, int sock, unsigned streams, const struct attach_client *how, enum attach_end *ret, struct err *e) must_use;
/* The query's h and w become the size of the terminal of the monitor that serves in run_dir; answers. */
int call_resize(struct call *c, int run_dir, struct err *e) must_use;
