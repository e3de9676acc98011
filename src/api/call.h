/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call: one request of docker's Engine API on its way to an answer, and the tables of what can be asked for. A handler answers through
 * c->conn and returns 0, or returns -1 and its error is the answer: {"message": text} with the status that base/err.h has for its kind, or,
 * when an answer was begun, the end of the connection.
 */
#pragma once

#include "api/conn.h"
#include "engine/container.h"
#include "engine/engine.h"

enum { API_NEWEST = 47, API_OLDEST = 24 }; /* 1.x */

struct call {
	struct conn *conn;
	const struct http_request *request;
	struct arena *arena;          /* of this request */
	struct engine *g;             /* opened for this request */
	const struct engine_options *engine_options;
	unsigned version;             /* 41 for /v1.41/…; none said: API_NEWEST */
	const char *args[2];          /* what stands for each * and ** of the route */
	const char *headers;          /* lines for the head of what call_stream() answers, or NULL */
	const struct strv *warnings;  /* what the engine warned of so far */
};

/* "GET /containers/{}/json": {} is one part of the path, {+} one or more of them (names of images have slashes). */
struct route {
	const char *method, *path;
	int (*run)(struct call *c, struct err *e);
};
/* One table a file; each ends with a row of NULL. */
extern const struct route networks_routes[], volumes_routes[];
extern const struct route system_routes[], container_routes[], container_create_routes[], container_life_routes[], container_view_routes[];
extern const struct route image_routes[], image_transfer_routes[], build_routes[], commit_routes[];
extern const struct route attach_routes[], exec_routes[], archive_routes[];

/* The container that the route names (container_get). 404: "No such container: x". */
int call_container(struct call *c, int flags, struct container_entry *ret, struct err *e) must_use;

/* Queries. docker's booleans: nothing, "0", "no", "false", "none" are false, all else is true. */
const char *call_query(const struct call *c, const char *name); /* NULL: absent or empty */
bool call_bool(const struct call *c, const char *name, bool preset);
int call_i64(const struct call *c, const char *name, int64_t min, int64_t max, int64_t preset, int64_t *ret, struct err *e) must_use;
/* filters={"key":["value"]} or {"key":{"value":true}} as the engine takes them: "key=value". Lives in the arena. */
int call_filters(const struct call *c, struct strv *ret, struct err *e) must_use;
/* A point in time: unix seconds with a fraction, RFC 3339, or a span before now. Absent, "0": 0. */
int call_time(const struct call *c, const char *name, int64_t *ret_ns, struct err *e) must_use;
/* The body, an object of JSON; an empty one: {} when `optional`. The caller drops it. */
int call_json(const struct call *c, bool optional, struct json **ret, struct err *e) must_use;

struct json *call_warnings(const struct call *c) must_use; /* a list of texts */

/* Answers that are JSON take it over. */
int call_reply(struct call *c, int status, struct json *take, struct err *e) must_use;
/* What writes a file to a descriptor, as the answer: work() runs in a child of ours and writes to fd. What fails before its first byte is an
 * error like any other. */
int call_stream(struct call *c, const char *type, int (*work)(void *arg, int fd, struct err *e), void *arg, struct err *e) must_use;
