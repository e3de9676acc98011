/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_records: the files of the store as they are, for store.c and store_needs.c.
 */
#pragma once

#include "codec/digest.h"
#include "image/store.h"

enum { RECORD_MAX = 1 << 20, DOCUMENT_MAX = 4 << 20, LINK_TEXT = 256 };

void records_path(const char *id, char out[DIGEST_TEXT + 16]);
bool records_blob_path(const char *digest, char out[DIGEST_TEXT + 16]) must_use; /* false: that is no digest */
void records_link_path(const char *name, char out[LINK_TEXT]);
int records_load(struct store *s, const char *id, struct arena *a, struct image_record *ret, struct err *e) must_use;
/* The blobs that an image needs: its config, its manifest, what its digests name, what else belongs to it. */
void records_blobs(const struct image_record *r, struct strv *out);
/* Calls each() for every record, also of those that cannot be read. */
typedef int (*records_fn)(void *arg, const char *id, struct err *e);
int records_walk(struct store *s, records_fn each, void *arg, struct err *e) must_use;
