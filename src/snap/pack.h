/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack: a layer's files as a tar again: what apply.h takes. Names come sorted; whiteouts of any form (whiteout.h) come as the archive
 * has them; owners, modes, times, xattrs (apply_takes_xattr), hard links within the tree, holes and devices are kept. It is an archive of
 * the same files, not the archive that they came from.
 */
#pragma once

#include "codec/tar.h"
#include "snap/snap.h"

#include <sys/stat.h>

/* tree: open for reading. said: the root directory's own owner, mode and time are part of it. Ends the archive. */
int pack_tree(int tree, bool said, struct tar_writer *tar, struct err *e) must_use;
/* The same with no time later than `until` (ns). */
int pack_tree_until(int tree, bool said, int64_t until, struct tar_writer *tar, struct err *e) must_use;
/* Those of its entries that takes() wants, and what is below directories that it wants. Does not end the archive. */
int pack_tree_some(int tree, bool said, int64_t until, bool (*takes)(void *arg, const char *path), void *arg, struct tar_writer *tar, struct err *e) must_use;
/* The whole root of a container, as it sees it, or its writable layer. It may run: what goes away meanwhile is left out,
	what becomes shorter is filled up with
 * zeros. Ids come through these maps, from the outside to the inside; those outside of them are 65534. */
struct pack_ids { const struct snap_idmap *uids, *gids; size_t nuids, ngids; };
int pack_root(int tree, const struct pack_ids *ids, struct tar_writer *tar, struct err *e) must_use;
/* The parts of it, for who writes entries of its own. The modification time in ns, the nearest there is when 64 bits do not hold it. */
int64_t pack_time(const struct stat *st);
/* All extended attributes of an open file that a layer keeps (apply_takes_xattr), into t->xattrs and the arena. A file system that
 * has none is no error. */
int pack_xattrs(int fd, struct arena *a, struct tar_entry *t, struct err *e) must_use;
/* A file that is open for reading and may change, with its data; t says the rest. */
int pack_file(int fd, struct tar_entry *t, struct tar_writer *tar, struct err *e) must_use;
