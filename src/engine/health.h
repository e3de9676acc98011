/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health: the health checks of a running container, by its monitor: one process a check, none while it is paused. What they said is in
 * health.json, in docker's form (State.Health): in the container's run directory while it runs, afterwards beside its record.
 */
#pragma once

#include "engine/container.h"

#include <poll.h>

struct container;
struct health;
enum health_action { HEALTH_NONE, HEALTH_KILL, HEALTH_RESTART, HEALTH_STOP };

/* As the state says, or "unhealthy" when nobody probes it any more: its monitor was killed. NULL: it is not checked. */
const char *health_now(const struct engine *g, const struct container_state *s);
/* Is there a test, and not NONE? */
bool health_is_checked(const struct container_config *c);
/* "none", "kill", "restart", "stop"; NULL, "": none. ERR_USAGE. */
int health_parse_action(const char *text, enum health_action *ret, struct err *e) must_use;

/* The container has started; what is given is borrowed. files: the limit that it began with (RLIMIT_NOFILE), which checks have too, unless it
 * names one. NULL when nothing is to be checked. */
struct rlimit;
struct health *health_new(struct engine *g, struct container_entry *c, const struct container *ct, int run_dir, const struct rlimit *files);
void health_drop(struct health **h);
/* What it waits for, and how long at most (as struct monitor's polls); then what happened. True: the container has become unhealthy. */
size_t health_polls(struct health *h, struct pollfd *ret, size_t room, int *ms);
bool health_served(struct health *h);
/* What `update` says of it is in the record: the monitor of a container that runs is told to begin anew with that. */
int health_tell(struct engine *g, const struct container_entry *c, struct err *e) must_use;
/* In the monitor: is it that word? Then *h is made anew; returns an errno. */
bool health_is_word(const void *p, size_t n);
int health_begin_anew(struct health **h, struct engine *g, struct container_entry *c, const struct container *ct, int run_dir,
	const struct rlimit *files);
struct container_health *health_copy(struct arena *a, const struct container_health *from);
/* The container has ended: a check that still runs is killed, health.json goes where it stays. */
void health_end(struct health *h);

/* State.Health; NULL when there is none. */
struct json *health_document(struct engine *g, struct container_entry *c);
/* One check now, by us; its status as docker counts it: 0 healthy, 1 not. What it printed goes to our stdout. */
int health_check_now(struct engine *g, struct container_entry *c, int *ret_status, struct err *e) must_use;
