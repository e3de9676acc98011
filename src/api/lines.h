/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines: an answer of many JSON lines that a child of ours writes while it works, docker's way to tell of a pull, a push, a load, a build. What
 * fails before the first line is an error like any other; after it, the last line says it: {"errorDetail":{"message":…},"error":…}.
 */
#pragma once

#include "api/call.h"
#include "engine/image.h"

enum lines_of { LINES_PULL, LINES_PUSH, LINES_LOAD };
struct lines {
	int fd;
	bool has_begun;
	enum lines_of of;            /* the words for what layers do */
	struct image_progress calls; /* for the engine, after lines_progress() */
	struct arena arena;
	struct { struct lines_layer *v; size_t n; } layers;
};
/* The client goes: it ends, by SIGTERM. */
int call_lines(struct call *c, int (*work)(void *arg, struct lines *l, struct err *e), void *arg, struct err *e) must_use;

void lines_put(struct lines *l, struct json *take);
void lines_status(struct lines *l, const char *id /* or NULL */, const char *fmt, ...) printf_like(3, 4);
void lines_stream(struct lines *l, const char *text, size_t n); /* {"stream":text} */
void lines_error(struct lines *l, const struct err *why, int code); /* code 0: none */
const struct image_progress *lines_progress(struct lines *l, enum lines_of of);
