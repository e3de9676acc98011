/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify: the protocol of sd_notify(3), without systemd's library: one datagram of lines to the socket that NOTIFY_SOCKET names.
 */
#pragma once

#include "base/err.h"

/* The socket's path, absolute or abstract ("@…"); NULL: nobody is to be told. */
const char *sd_notify_path(void);
int sd_notify_connect(const char *path, struct err *e) must_use;
int sd_notify_send(int sock, const char *text, struct err *e) must_use;
/* Whoever leaves right after a message may be gone before it is known whose it was: systemd closes the pipe when it has read all that
 * came before (sd_notify_barrier(3)). Waits for half a minute at most. */
int sd_notify_barrier(int sock, struct err *e) must_use;
/* A socket of one's own that takes such messages: dir/name, mode 0777. */
int sd_notify_listen(int dir, const char *name, struct err *e) must_use;
