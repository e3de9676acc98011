/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layers: from streams to layers: each missing layer is unpacked by a worker, a fork of ours, several at once; and which
 * layers are still of use.
 */
#pragma once

#include "engine/image.h"

struct layer_source {
	char name[16];         /* for the front end: 12 hex digits */
	uint64_t total;        /* bytes of the blob, 0: not known */
	struct snap_ingest in; /* fd -1: open() gives it when its turn comes */
};
struct layer_work {
	struct snap *snap;
	struct layer_source *v;
	size_t n;
	/* A stream for layer i; closed here. NULL: in.fd is there. ERR_CONFLICT: another command gets it; then await(), in a process of its own,
	 * and the layer is here, or it is open()'s turn again. */
	int (*open)(void *arg, size_t i, struct err *e);
	int (*await)(void *arg, size_t i, struct err *e);
	bool (*has)(void *arg, size_t i); /* NULL: the layer is here, or: all that is wanted of it is */
	/* NULL, or: a worker is done with layer i; why NULL: well. 1: it shall be tried again; 0; -1: that is why it failed. */
	int (*closed)(void *arg, size_t i, const struct err *why, struct err *e);
	/* Called when `watch` is readable, and once when a worker failed; -1 ends the work with that error. */
	int watch; /* -1: none */
	int (*watched)(void *arg, struct err *e);
	void *arg;
	bool counts_blob;      /* watched() tells of the bytes that come; the workers' plain bytes are not shown */
	unsigned parallel;     /* 0: by the number of CPUs */
	const struct image_progress *progress; /* or NULL */
};
/* All of them or an error; layers that were finished stay (a next try finds them). */
int layers_unpack(struct layer_work *w, struct err *e) must_use;
void layers_show(const struct layer_work *w, size_t i, enum layer_phase phase, uint64_t bytes, const char *note);
/* A layer of a tar, compressed or not, of which nobody says the digest; made in a process of its own. */
int layers_from_tar(struct engine *g, int in, char ret_diff_id[136], struct err *e) must_use;
/* Sum of the sizes of these layers (each is there). */
int layers_size(struct snap *s, const struct strv *diff_ids, uint64_t *ret, struct err *e) must_use;
bool layers_are_here(struct snap *s, const struct strv *diff_ids);
/* Held, shared, from looking which layers are there until a record names them. Returns an fd. */
int layers_hold(struct engine *g, struct err *e) must_use;
/* Removes the layers that no image and no container has, unless somebody holds them: then the next call does. Appends
 * {Deleted: diff_id} to the array *ret. */
int layers_collect(struct engine *g, struct json *ret, struct err *e) must_use;
/* Removes what pulls that broke off have left, but for those that are under way. */
void layers_forget_partial(struct engine *g);
