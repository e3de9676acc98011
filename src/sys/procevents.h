/* SPDX-License-Identifier: Apache-2.0 */
/*
 * procevents: the kernel tells which processes execute a program or become another user (netlink's proc connector,
 * linux/cn_proc.h): to root of the machine, outside of PID namespaces.
 */
#pragma once

#include "base/err.h"

#include <sys/types.h>

/* A socket to be polled. ERR_UNSUPPORTED: it tells us nothing here. */
int procevents_open(struct err *e) must_use;
/* The processes of the events that are waiting, one after another: call(). 0; 1: some were lost, and all processes are to be looked at;
 * -1 with an error. Does not wait. */
int procevents_read(int fd, void (*call)(void *arg, pid_t pid), void *arg, struct err *e) must_use;
