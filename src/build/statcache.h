/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statcache: what files of a context had in them when they were last read, by what stat() says of them. A file whose device, inode, size,
 * mode, mtime and ctime are the same has the same content; one that changed so shortly before it was read that its times could not
 * tell is not remembered.
 */
#pragma once

#include "base/str.h"

#include <sys/stat.h>

struct statcache;
/* Of the context with that name, below dir; a missing or spoilt file is an empty one. */
struct statcache *statcache_open(int dir, const char *name);
void statcache_drop(struct statcache **c);
/* 32 bytes, or NULL. Paths are asked for in any order; asking marks the row as seen. */
const unsigned char *statcache_get(struct statcache *c, const char *path, const struct stat *st);
void statcache_put(struct statcache *c, const char *path, const struct stat *st, const unsigned char digest[32]);
/* Writes it, when something was put; rows that were neither asked for nor put stay. */
int statcache_save(struct statcache *c, struct err *e) must_use;
