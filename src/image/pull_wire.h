/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull_wire: what pull.c, push.c and remote.c share of the talk with hull-registry (transfer.h).
 */
#pragma once

#include "codec/json.h"
#include "image/pull.h"

struct received {
	struct buf text;
	struct json *answer; /* the event */
};
void received_drop(struct received *d);

/* Starts hull-registry alone; pull_drop() ends it. */
int pull_start(struct pull *p, const char *program, struct err *e) must_use;
int pull_next_id(struct pull *p);
int pull_send(struct pull *p, const struct json *j, int fd, struct err *e) must_use;
/* 1: a message; 0: none now. */
int pull_receive(struct pull *p, int timeout_ms, struct json **ret, struct err *e) must_use;
void pull_error_of(const struct json *j, struct err *e);
/* Until `id` is over; events of others are lost. */
int pull_wait(struct pull *p, int id, struct json **ret, struct err *e) must_use;
int pull_document(struct pull *p, const char *path, uint64_t size, struct received *ret, struct err *e) must_use;
int pull_check_digest(const struct received *d, const char *digest, const char *what, struct err *e) must_use;
