/* SPDX-License-Identifier: Apache-2.0 */
/*
 * context: where files come from that no image has: the build's own context (context.c), and those that --build-context names
 * (context_named.c). Whatever is in it, names are resolved inside; owners do not count.
 */
#pragma once

#include "build/ignore.h"
#include "build/statcache.h"
#include "build/work.h"

struct buf;
struct build;
struct git_source;
struct context {
	int dir;                 /* -1: there is none, or it was not opened */
	char *path;              /* as it is called */
	struct ignore ignore;
	int64_t time_ns;         /* of the commit, or as the server says; 0 */
	char *stats_name;        /* of what is remembered of it; NULL: nothing is */
	struct statcache *stats;
	struct work work;        /* of one that was unpacked or checked out */
	bool is_wanted;
	char image[136];         /* instead: what --build-context names is this image, of that platform */
	char *platform;
};
#define CONTEXT_NONE {.dir = -1, .work = WORK_NONE}
void context_drop(struct context *c);

/* Reads the Dockerfile and opens the build's context. */
int context_open(struct build *b, struct buf *ret_text, char **ret_name, struct err *e) must_use;
/* Another process read files, and saved what it found. */
void context_reread(struct build *b, struct context *c);

/* The --build-context of that name, as "image", or "docker.io/library/image:latest"; NULL: there is none. */
const struct pair *context_named(const struct build *b, const char *name);
/* Some step needs it; all of those are opened. */
void context_want(struct build *b, const struct pair *named);
int context_open_wanted(struct build *b, struct err *e) must_use;
/* It, opened: a directory, or *ret_image. */
struct context *context_find(struct build *b, const struct pair *named, const char *platform, const char **ret_image, struct err *e) must_use;

/* For both */
int context_make_work(struct build *b, struct context *c, struct err *e) must_use;
int context_open_dir(struct build *b, struct context *c, const char *path, struct err *e) must_use;
int context_open_git(struct build *b, struct context *c, const struct git_source *s, struct err *e) must_use;
int context_read_ignore(struct context *c, struct err *e) must_use; /* .containerignore, else .dockerignore */
