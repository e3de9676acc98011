/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify: sd_notify(3) through the runtime, as runc and crun have it. Whoever calls with NOTIFY_SOCKET set waits there for the
 * service's word. The container gets a socket of its own, at /run/notify/notify.sock; its READY=1 is passed on, and nothing else
 * that it says: it must not speak about other processes.
 *
 *   oci_notify_prepare   create, run: the mount and the variable; without NOTIFY_SOCKET nothing
 *   oci_notify_listen    start, run: before the container begins; -1 when there is nobody to tell
 *   oci_notify_wait      until it is ready or has ended: then the container's first process is the service's main one
 *   oci_notify_pass      in the foreground, where we stay the service's main process: each time there is something to read
 */
#pragma once

#include "oci/state.h"

/* A checkpoint has the mount by name only, and says in its files that there is one; a restore gives it again. The service has told
 * that it is ready already, so nothing is awaited. */
int oci_notify_save(struct oci_container *c, int images, struct err *e) must_use;
int oci_notify_restore(struct oci_container *c, int images, struct err *e) must_use;

int oci_notify_prepare(struct oci_container *c, int *ret_mount, struct err *e) must_use;
int oci_notify_listen(const struct oci_container *c, int *ret, struct err *e) must_use;
int oci_notify_wait(int sock, pid_t pid, int pidfd, struct err *e) must_use;
void oci_notify_pass(int sock);
