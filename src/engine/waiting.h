/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiting: who is attached to a container before it is started, and while it is between two runs: the API's clients. The start takes them
 * along as the first clients of its monitor, so that they miss nothing of what the program writes.
 */
#pragma once

#include "engine/container.h"

struct monitor_client;
enum { WAITING_MOST = 32 };

/* A place among those who wait: a listening socket that the start connects to. */
struct waiting {
	int dir, listener;
	char name[48];
};
#define WAITING_INIT {.dir = -1, .listener = -1}
/* The container's lock is held. From here on a start sees it. streams: ATTACH_STDIN … */
int waiting_open(const struct container_entry *c, unsigned streams, struct waiting *ret, struct err *e) must_use;
/* The connection that a start has made (attach.h, without a hello), if there is one; -1: none yet. */
int waiting_accept(const struct waiting *w);
void waiting_drop(struct waiting *w);

/* The start's part, with the lock held: a connection to each of them. Returns how many (at most `room`). Those who died are taken away. */
size_t waiting_take(int container_dir, struct monitor_client *ret, size_t room);
