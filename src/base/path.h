/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path: files below a directory fd. Nothing below a root file system, a layer or a volume is ever
 * named by a plain path: path_open_in() resolves every component, symlinks included, inside `root`
 * (openat2 RESOLVE_IN_ROOT, no magic links), so nothing outside of it can be reached.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#include <sys/stat.h>
#include <sys/types.h>

/* Opens `path` inside the directory `root`. Absolute paths and absolute symlinks start at root. */
int path_open_in(int root, const char *path, int flags, mode_t mode, struct err *e) must_use;
/* Makes the directory `path` and its parents inside `root` (as path_open_in), returns an O_PATH fd of
 * it. New directories get `mode` and the owner given (-1: as created). */
int path_mkdirs_in(int root, const char *path, mode_t mode, uid_t uid, gid_t gid, struct err *e) must_use;

/* Below a directory that only hull writes to. */
int path_mkdirs(int dirfd, const char *path, mode_t mode, struct err *e) must_use;
int path_open_dir(int dirfd, const char *path, struct err *e) must_use; /* O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC */
/* Reads a whole file; a file larger than out->max is ERR_LIMIT. A pipe is waited for with AT_FDCWD alone. */
int path_read(int dirfd, const char *path, struct buf *out, struct err *e) must_use;
/* Replaces a file whole: temporary file, write, fsync when `sync`, rename. Mode 0600 | mode. */
enum path_write_flags { PATH_SYNC = 1 << 0, PATH_NEW = 1 << 1 /* EEXIST when it is there */ };
int path_write(int dirfd, const char *path, const void *p, size_t n, mode_t mode, int flags, struct err *e) must_use;
/* Writes to an existing kernel file (cgroup, proc) in one write(). */
int path_put(int dirfd, const char *path, const char *text, struct err *e) must_use;
/* Removes a file or a whole tree, never following a symlink, never crossing a mount; a missing one is
 * success. Makes unreadable directories readable on the way. */
int path_remove_tree(int dirfd, const char *path, struct err *e) must_use;
/* False only when it is certain that nothing is there: whoever removes what has no record must not do so for a disk that fails. */
bool path_exists(int dirfd, const char *path);
/* Adds the names in a directory, all of them or -1: half of a list would make the rest look unused. */
int path_list(int dirfd, const char *path, struct strv *ret, struct err *e) must_use;
/* Lexical: cleans "a//b/../c" to "a/c"; an absolute path stays below "/". */
char *path_clean(const char *path) must_use;
char *path_join(const char *a, const char *b) must_use;
const char *path_base(const char *path); /* what follows the last slash */
/* True for one plain component: not empty, not "." or "..", no slash, at most 255 bytes. */
bool path_is_name(const char *s);

/* An exclusive or shared lock on a file below dirfd, created when missing; held until the fd is
 * closed or the process dies. With wait false a lock that is held is ERR_CONFLICT. Returns the fd. */
int path_lock(int dirfd, const char *name, bool exclusive, bool wait, struct err *e) must_use;
