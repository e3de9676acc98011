/* SPDX-License-Identifier: Apache-2.0 */
/*
 * partial: what has come of blobs that are being fetched, and blobs that are kept as they came.
 *
 *   <root>/images/partial/<hex>                          the first bytes of a blob; its lock is held by the command that fetches it, so that
 *                                                        others wait for that one; free: what a pull that broke off has left for the next one
 *   <root>/images/compressed/<diff hex>/<blob hex>       a whole blob of a layer, verified, synced: kept where that was asked for
 *
 * What lies in a partial file is believed by nobody: whoever goes on with it hashes it as if it came over the wire.
 */
#pragma once

#include "codec/digest.h"

struct partial {
	int fd;         /* locked; -1: none */
	uint64_t bytes; /* that were there when it was opened */
	char digest[DIGEST_TEXT];
};
/* ERR_CONFLICT: another command has it. */
int partial_open(int root, const char *digest, struct partial *ret, struct err *e) must_use;
/* Until nobody has it, or nobody did. */
int partial_wait(int root, const char *digest, struct err *e) must_use;
void partial_close(int root, struct partial *p); /* its bytes stay for the next one; of none, nothing */
void partial_remove(int root, struct partial *p);
/* The blob is whole, and is kept. */
int partial_keep(int root, struct partial *p, const char *diff_id, struct err *e) must_use;
/* Removes those that nobody fetches: what is empty or older than age_ns, and the oldest of the rest until no more than `bytes` is left. */
void partial_sweep(int root, uint64_t bytes, int64_t age_ns);

/* A blob that is kept, open for reading; -1: it is not, or has another size. */
int compressed_open(int root, const char *diff_id, const char *digest, uint64_t size) must_use;
/* The same when it is what its name says; one that is not is removed. */
int compressed_open_whole(int root, const char *diff_id, const char *digest, uint64_t size) must_use;
void compressed_remove(int root, const char *diff_id, const char *digest);
/* For each of them that is not what its name says, or cannot be read. */
int compressed_check(int root, void (*bad)(void *arg, const char *diff_id, const char *digest, const struct err *why), void *arg, struct err *e) must_use;
/* Removes those of layers that are not here. */
void compressed_sweep(int root, bool (*has)(void *arg, const char *diff_id), void *arg);
