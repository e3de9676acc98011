/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export: a layer as the tar it is the digest of, or, where only its files are kept, as a tar of the same files.
 */
#pragma once

#include "snap/snap.h"

/* Gives the tar's bytes to put(), in pieces. ret_exact: they are those of the diff_id (which a layer that is a file has kept); else it
 * is for the caller to take their digest. Two exports of the same files give the same bytes. */
int snap_export(struct snap *s, const char *diff_id, int (*put)(void *arg, const void *p, size_t n, struct err *e), void *arg, bool *ret_exact,
	struct err *e) must_use;
/* 1: the tar of the diff_id stands in that file as it is, *ret_fd is the caller's; 0: it has to be exported. */
int snap_export_range(struct snap *s, const char *diff_id, int *ret_fd, uint64_t *ret_offset, uint64_t *ret_bytes, struct err *e) must_use;
