/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry: one entry of a tar as one file in an open directory. The place is given; names and places are files.c's.
 */
#pragma once

#include "codec/tar.h"
#include "snap/whiteout.h"

#include <time.h>

struct entry_place {
	int dir;           /* O_PATH */
	const char *name;  /* one component */
	gid_t gid;         /* what a new file gets: the directory's when that is setgid */
	bool setgid;
};
struct entry_maker {
	enum whiteout_form form;
	bool in_userns;
	struct tar_reader *tar;
	char *room;        /* ENTRY_ROOM bytes, for the pieces of sparse files */
};
enum { ENTRY_ROOM = 64 << 10 };

/* Makes whatever t is at p, in place of what is there; a directory that is there stays. 1: what was there and
 * might have been on somebody's way (a directory, a symlink) was removed or changed. */
int entry_make(const struct entry_maker *m, const struct tar_entry *t, const struct entry_place *p, struct err *e) must_use;
/* The data of a file into one that is open and empty. */
int entry_data(const struct entry_maker *m, const struct tar_entry *t, int fd, struct err *e) must_use;
/* A hard link at p to `name` in the directory `dir`. As entry_make. */
int entry_link(const struct entry_place *p, int dir, const char *name, struct err *e) must_use;
/* Owner, mode and xattrs of a directory that is open for reading. */
int entry_dress_dir(const struct entry_maker *m, const struct tar_entry *t, int fd, struct err *e) must_use;
void entry_times(int64_t mtime_ns, struct timespec ret[2]); /* access and modification time for futimens */
