/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolver: names for one container, by its monitor. There is no daemon, so each container is asked for by the process that it has
 * beside it anyway: the sockets are opened inside its network namespace, at 127.0.0.11, before its first process runs; what it
 * answers is read from the networks' endpoint files at each question, so nothing is told to it, and nothing is opened again,
 * when others come and go. What is not a container's name goes to the host's resolvers, from the host's network: one on the
 * host's 127.0.0.1 can be asked too.
 *
 *   <container's run directory>/resolver    lines "network ID NAME", "server ADDRESS" (--dns), "local" (no way out: nothing is passed on)
 *
 * It allocates nothing after resolver_open(); questions that wait for an answer are bounded, and so are connections.
 */
#pragma once

#include "net/network.h"

#include <poll.h>
#include <sys/socket.h>

struct resolver;
/* Inside the container's network namespace (netns: an fd of it). Where it cannot be asked at port 53 that is taken. */
int resolver_open(int netns, int networks_run, int own_dir, struct resolver **ret, struct err *e) must_use;
void resolver_drop(struct resolver **r);

enum { RESOLVER_POLLS = 64 };
/* For a loop of the caller's: what is waited for, how long at most (-1: for ever), and what happened. */
size_t resolver_polls(struct resolver *r, struct pollfd *ret, size_t room, int *ms);
void resolver_serve(struct resolver *r, const struct pollfd *p, size_t n);

/* An answer for one question, from the files; 0: it is to be passed on. For tests: without sockets. */
size_t resolver_answer(int networks_run, int own_dir, const uint8_t *question, size_t n, uint8_t *out, size_t room, bool *passed_on);
