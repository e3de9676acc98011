/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lay: a layer as it is written: a tar whose entries have no time later than the epoch, and whose parents are there as the
 * root file system below has them.
 */
#pragma once

#include "build/names.h"
#include "codec/tar.h"

#include <sys/stat.h>

struct lay {
	struct tar_writer *tar;
	int out;          /* where the tar goes */
	int root;         /* what the layer lies on; -1: nothing */
	int64_t epoch;    /* ns */
	uint32_t uid, gid; /* of directories that are made on the way */
	struct names dirs; /* those that were written */
	char *room;
};
enum { LAY_ROOM = 256 << 10 };
void lay_open(struct lay *l, int out, int root, int64_t epoch);
void lay_drop(struct lay *l);
/* The directories above `path` (no leading slash, no symlinks): as they are below, or new with mode 0755. */
int lay_parents(struct lay *l, const char *path, struct err *e) must_use;
/* One directory itself: what is there stays as it is, unless it is to be `like` another; the last word counts. */
int lay_dir(struct lay *l, const char *path, const struct tar_entry *like, struct err *e) must_use;
int lay_entry(struct lay *l, struct tar_entry *t, struct err *e) must_use;
/* The data of an entry that was just written, from fd; each piece is told to `heard` (may be NULL). */
int lay_data(struct lay *l, int fd, uint64_t size, void (*heard)(void *arg, const void *p, size_t n), void *arg, struct err *e) must_use;
int lay_end(struct lay *l, struct err *e) must_use;
