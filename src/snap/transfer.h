/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer: files from one root to another, as `cp` does it, while others may change both: what a container does meanwhile with names and
 * symlinks leads nowhere but to its own files. Things are given by fd, and below them everything is named by its last component in an open
 * directory and never followed.
 *
 * Modes, modification times, user xattrs, holes and hard links are kept; blocks are shared where the file system can. A directory that is there
 * already stays as it is and is filled; what is no directory is replaced; a directory and something else do not replace each other
 * (ERR_CONFLICT), unless an archive may.
 * The kernel's file systems (proc, sysfs, cgroup …) that are mounted below what is copied stay empty; so does what is being made, where
 * that lies below what is copied. Sockets are left out.
 */
#pragma once

#include "codec/tar.h"
#include "snap/links.h"
#include "snap/pack.h"

struct transfer {
	struct pack_ids from, to; /* the maps of both sides; none: ids as they are */
	bool keep_owner;          /* else everything belongs to uid 0 of `to` */
	bool to_host;             /* what only ends in a host's directory: devices are left out without keep_owner, setuid and setgid go */
	bool no_devices;          /* they cannot be made */
	bool replace;             /* a directory and something else replace each other, where an archive says so */
	bool dress_root;          /* what an archive says of its own root is taken over */
	uint64_t bytes;           /* of the files */
	uint64_t devices;         /* left out */
	/* its own */
	struct links links;
	int top;
	char *path;
	dev_t made_dev;
	ino_t made_ino;
};
void transfer_drop(struct transfer *t);

/* item (O_PATH, a symlink too) becomes `name` in the directory `to` (O_PATH). */
int transfer_item(struct transfer *t, int item, int to, const char *name, struct err *e) must_use;
/* What is in the directory `from` comes into the directory `to`. */
int transfer_contents(struct transfer *t, int from, int to, struct err *e) must_use;
/* item, and what is below it, as an archive's entry `name`. Does not end the archive. */
int transfer_pack(struct transfer *t, int item, const char *name, struct tar_writer *tar, struct err *e) must_use;
/* An archive (in: compressed or not, read to its end) into the directory `below`, a path in root. Its owners count, whatever keep_owner says. */
int transfer_unpack(struct transfer *t, int in, int root, const char *below, struct err *e) must_use;

/* What an id of the one side is on the other. */
int transfer_owner(const struct transfer *t, uint32_t *uid, uint32_t *gid, struct err *e) must_use;
bool transfer_is_kernels(int dir); /* proc, sysfs and their kind */
bool transfer_is_mounted(int dir, const char *name);
