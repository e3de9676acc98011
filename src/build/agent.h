/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent: SSH agents, for RUN --mount=type=ssh and for git. --ssh names a socket, or files with private keys; these are held by an
 * ssh-agent of the build's own, which ends with it.
 *
 * What a RUN sees is another socket, with the mode and the owner that it asked for; what is said there is handed on.
 */
#pragma once

#include "build/work.h"

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

struct build;
struct agent {
	char path[PATH_MAX];
	pid_t pid, agent;  /* who waits for the end of the build, and ssh-agent */
	int hold;          /* when all copies of it are closed, they end */
	struct work work;
};
/* Those for key files. */
int agents_start(struct build *b, struct err *e) must_use;
void agents_stop(struct build *b);

/* A process that listens at dir/name and hands on to the socket `to`; it ends with us. */
pid_t agent_relay(int dir, const char *name, const char *to, uint32_t mode, uint32_t uid, uint32_t gid, struct err *e) must_use;
void agent_relay_stop(pid_t pid);
