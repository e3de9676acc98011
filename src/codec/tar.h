/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar: reader and writer of tar archives: v7, ustar, pax (POSIX.1-2001: path, linkpath, size, uid, gid,
 * uname, gname, mtime, atime, SCHILY.xattr.*, LIBARCHIVE.xattr.*, GNU.sparse 0.0, 0.1, 1.0; global
 * headers), GNU (L and K long names, S old sparse, base-256 numbers). Policy-free: names come out as
 * they stand in the archive; whoever writes them to a disk checks them. All sizes are bounded: a pax
 * header or a long name at most 1 MiB, 4096 bytes a name is the caller's business.
 */
#pragma once

#include "base/mem.h"
#include "codec/stream.h"

enum tar_type { TAR_FILE, TAR_HARDLINK, TAR_SYMLINK, TAR_CHAR, TAR_BLOCK, TAR_DIR, TAR_FIFO };
struct tar_xattr { char *name; void *value; size_t len; };
struct tar_span { uint64_t offset, length; }; /* a piece of data in a sparse file */
struct tar_entry {
	enum tar_type type;
	char *name, *link;   /* NUL-terminated; in the archive's own spelling */
	uint32_t mode;       /* 07777 */
	uint32_t uid, gid;
	char *uname, *gname;
	uint64_t size;       /* of the file as it is to be, holes included; 0 for others */
	uint64_t stored;     /* bytes of data in the archive */
	int64_t mtime_ns;
	uint32_t dev_major, dev_minor;
	struct { struct tar_xattr *v; size_t n; } xattrs;
	struct { struct tar_span *v; size_t n; } spans; /* sparse: n > 0 */
	bool sparse;
	uint64_t offset; /* of the entry's first data byte in the tar stream */
};

struct tar_reader;
struct tar_reader *tar_reader_new(struct stream *below) must_use; /* borrows */
void tar_reader_drop(struct tar_reader **r);
/* 1: an entry, valid until the next call; 0: the end (two zero blocks or end of the stream on a block
 * boundary; what follows the zero blocks is read to the end so that hashes cover it); -1. Unread data is skipped. */
int tar_next(struct tar_reader *r, const struct tar_entry **ret, struct err *e) must_use;
/* Data of the current entry as it stands in the archive (a sparse file: its spans one after another). 0 at its end. */
ssize_t tar_data(struct tar_reader *r, void *p, size_t n, struct err *e) must_use;

/* Writes entries as pax where ustar does not suffice; deterministic: the same entries give the same bytes. */
struct tar_writer;
typedef int (*tar_sink_fn)(void *arg, const void *p, size_t n, struct err *e);
struct tar_writer *tar_writer_new(tar_sink_fn sink, void *arg) must_use;
void tar_writer_drop(struct tar_writer **w);
int tar_write_entry(struct tar_writer *w, const struct tar_entry *t, struct err *e) must_use; /* then exactly t->stored bytes of data */
int tar_write_data(struct tar_writer *w, const void *p, size_t n, struct err *e) must_use;
int tar_write_end(struct tar_writer *w, struct err *e) must_use;
