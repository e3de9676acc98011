/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreground: the runtime beside a process that it waits for (run, exec): signals are passed on, its terminal is ours.
 *
 *   foreground_begin    before there is a process: signals wait from here on
 *   foreground_follow   until the process has ended
 */
#pragma once

#include "base/err.h"
#include "runtime/spec.h"

#include <signal.h>
#include <sys/types.h>

struct foreground {
	int signals;     /* signalfd, or -1 */
	sigset_t before;
	int other;       /* one more fd that is waited for (and closed in the end), or -1 */
	void (*on_other)(int fd); /* it can be read */
};
#define FOREGROUND_EMPTY {.signals = -1, .other = -1}
void foreground_drop(struct foreground *f);
/* adopt: orphans of the container become ours (PR_SET_CHILD_SUBREAPER), and are reaped. */
int foreground_begin(struct foreground *f, bool adopt, struct err *e) must_use;
/* A terminal that is to be ours has our terminal's size from its first moment, unless the configuration says another. */
void foreground_size(struct arena *a, struct spec_process *p);
/* master: the process's terminal, or -1. Returns its exit status, 128 + the signal that killed it, or -1. The process is reaped. */
int foreground_follow(struct foreground *f, pid_t pid, int pidfd, int master, struct err *e) must_use;
