/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events: what happened, one line each, in docker's words and as docker's API documents (GET /events):
 *
 *   <root>/events.log     {"status":"start","id":"…","from":"box","Type":"container","Action":"start","Actor":{"ID":"…","Attributes":{…}},…}
 *   <root>/events.log.1   the lines before those; when there are a million bytes of new ones, these go
 *
 * Whoever does a thing writes its line when it is done, with one write at the end of the file, so that lines of several processes do not mix; nobody
 * waits for the disk or for a reader. That a line cannot be written is no reason for a verb to fail.
 */
#pragma once

#include "engine/container.h"

/* Of a container: its image, name and labels are added. `more`: keys and values in turn. Both end with NULL. */
void event_of_container(struct engine *g, const struct container_entry *c, const char *action, const char *const more[]);
/* Of something else: "image", "volume", "network", "builder", "secret". */
void event_of(struct engine *g, const char *type, const char *action, const char *id, const char *const more[]);
#define event_container(g, c, action, ...) event_of_container(g, c, action, (const char *const[]){__VA_ARGS__ __VA_OPT__(,) NULL})
#define event_other(g, type, action, id, ...) event_of(g, type, action, id, (const char *const[]){__VA_ARGS__ __VA_OPT__(,) NULL})
void event_pod(struct engine *g, const struct container_entry *pod, const char *action); /* create start stop remove kill pause unpause */
/* Its volumes are its own from now on, or are so no longer: docker's mount and unmount. */
void event_volumes(struct engine *g, const struct container_entry *c, bool mounted);
/* docker's "exec_create: true " and the like. */
void event_exec(struct engine *g, const struct container_entry *c, const char *action, const struct strv *args, const char *exec_id);
void event_exec_end(struct engine *g, const struct container_entry *c, const char *exec_id, int status);
void event_signal(struct engine *g, const struct container_entry *c, int sig); /* "kill" */
/* It is connected to its networks, or is so no longer. */
void event_networks(struct engine *g, const struct container_entry *c, bool connected);
void event_network(struct engine *g, const struct network *w, const char *container, bool connected);
/* It has ended, as its state says: oom, die, and what it had is its own no longer. */
void event_end(struct engine *g, const struct container_entry *c);
struct ref;
void event_of_name(struct engine *g, const char *action, const char *id, const char *name); /* of an image that is called so, or is not any more */
void event_of_reference(struct engine *g, const char *action, const struct ref *r); /* pull, push */
/* What a prune gave back: "reclaimed". */
void event_pruned(struct engine *g, const char *type, uint64_t bytes);

struct events_query {
	int64_t since_ns, until_ns;  /* 0: from the first one that is kept; without end */
	bool has_since, has_until;
	bool follow;                 /* goes on until until_ns, or for ever; without has_since only what is new */
	const struct strv *filters;  /* "key=value": container daemon event image label network node plugin scope secret service type volume */
	int (*event)(void *arg, const char *line, const struct json *event, struct err *e); /* -1 ends it */
	void *arg;
};
/* ERR_USAGE for filters that nobody knows. A line that a power cut tore is left out. */
int events_read(struct engine *g, const struct events_query *q, struct err *e) must_use;
/* How a container ended last, after since_ns: also of one that is gone. */
bool event_exit_status(struct engine *g, const char *id, int64_t since_ns, int *ret);
