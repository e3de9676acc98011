/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erofs_write: from the tar of a layer, read once and forwards, to the file that erofs_head.h shows. Deterministic: the
 * same tar gives the same bytes.
 *
 * First erofs_take(): what is read is written, byte for byte, and its entries make a tree in memory (apply.h has the
 * promises). Then, when the caller has seen that the tar is what it should be, erofs_end(): metadata, and the superblock
 * last. Nothing is synced.
 */
#pragma once

#include "snap/erofs_head.h"
#include "snap/erofs_tree.h"

struct erofs_writer {
	int fd; /* borrowed: an empty file, open for reading and writing */
	int source; /* the file that erofs_take_written() finds the tar in; erofs_open(): fd itself */
	struct erofs_head head;
	struct erofs_tree tree;
};
/* dir: borrowed, for what does not fit into memory (erofs_tree.h); -1: all has to. */
void erofs_open(struct erofs_writer *w, int fd, int dir);
void erofs_drop(struct erofs_writer *w);
/* Reads plain to its end. */
int erofs_take(struct erofs_writer *w, struct stream *plain, uint64_t max_entries, struct err *e) must_use;
/* The same for a tar of so many bytes that is in its place already, read as it comes through tar, which may be NULL. */
int erofs_take_written(struct erofs_writer *w, struct stream *tar, uint64_t bytes, struct err *e) must_use;
/* diff_id: the file system gets its number from it. w->head is complete after. */
int erofs_end(struct erofs_writer *w, const char *diff_id, struct err *e) must_use;
