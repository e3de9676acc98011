/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive_index: the members of an archive by name, from one pass over its headers, or the files of a directory. A name is
 * only ever compared with names, "./" and double slashes taken off; the last member of a name counts, as when an archive is
 * unpacked. Links between members (docker's archives have them) are followed, eight at most. Of a directory, files are opened
 * inside it and stay open until the index is dropped.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

struct archive_index;
/* A tar from `offset` to the end of the file; borrows fd. More than 100000 members: ERR_LIMIT. */
int archive_index_of_tar(int fd, uint64_t offset, struct archive_index **ret, struct err *e) must_use;
/* Borrows dir. */
int archive_index_of_dir(int dir, struct archive_index **ret, struct err *e) must_use;
void archive_index_drop(struct archive_index **x);

struct archive_member { int fd; uint64_t offset, length; };
/* ERR_CORRUPT `NAME is not in the archive`, also for what is no regular file. */
int archive_index_find(struct archive_index *x, const char *name, struct archive_member *ret, struct err *e) must_use;
bool archive_index_has(struct archive_index *x, const char *name);
/* The bytes of a member; more than max: ERR_LIMIT. */
int archive_index_read(struct archive_index *x, const char *name, size_t max, struct buf *ret, struct err *e) must_use;
/* Names of members that end in `suffix`, sorted (not of a directory). */
void archive_index_list(struct archive_index *x, const char *suffix, struct strv *ret);
