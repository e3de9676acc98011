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
