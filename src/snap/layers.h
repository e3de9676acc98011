/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layers: how layers come into the store's folder, leave it and change their form; snap.h says what is there.
 *
 * What is being made is called tmp-<pid>-<n> and locked (flock) by its maker; one whose lock is free belongs to nobody and is
 * removed by the first ingest or list of a process. A layer gets its name when it is complete and synced, in one rename.
 */
#pragma once

#include "codec/stream.h"
#include "snap/snap.h"

enum { LAYER_TMP_NAME = 40 };

/* A new directory or file that we hold the lock of: returns its fd (a file: open for reading and writing). */
int layers_make_tmp(struct snap *s, bool file, char name[LAYER_TMP_NAME], struct err *e) must_use;
void layers_remove_tmp(struct snap *s, const char *name); /* keeps errno */
int layers_sweep(struct snap *s, struct err *e) must_use; /* once a process */
/* Gives it the layer's name. One that is there by now stays, and ours goes: success. */
int layers_commit(struct snap *s, const char *name, const char *diff_id, struct err *e) must_use;
/* Puts it in the place of the layer that is there, which then has the name tmp-*, and goes when nobody uses it. */
int layers_replace(struct snap *s, const char *name, const char *diff_id, struct err *e) must_use;
/* The layer of this tar as files, in a new tmp-*, not synced. Reads plain to its end. */
int layers_fill(struct snap *s, int tmp, struct stream *plain, uint64_t max_entries, struct snap_layer_info *ret, struct err *e) must_use;
int layers_check_id(const char *diff_id, struct err *e) must_use;
