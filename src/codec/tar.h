/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar: reader and writer of tar archives: v7, ustar, pax (POSIX.1-2001: path, linkpath, size, uid, gid,
 * uname, gname, mtime, atime, SCHILY.xattr.*, LIBARCHIVE.xattr.*, GNU.sparse 0.0, 0.1, 1.0; global
 * headers), GNU (L and K long names, S old sparse, base-256 numbers). Policy-free: names come out as
 * they stand in the archive; whoever writes them to a disk checks them. All sizes are bounded: a pax
 * header or a long name at most 1 MiB, 1024 xattrs and 262144 spans an entry; 4096 bytes a name is the
 * caller's business, and so is a name that is empty. Ids are at most UINT32_MAX - 1, devices fit Linux's
 * 12 and 20 bits, a time that 64 bits of ns cannot hold is the nearest they can.
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
	uint64_t stored;     /* bytes of data in the archive (of a directory too: some programs store some) */
	int64_t mtime_ns;
	uint32_t dev_major, dev_minor;
	struct { struct tar_xattr *v; size_t n; } xattrs;
	struct { struct tar_span *v; size_t n; } spans; /* ascending, inside the file, none empty; together .stored */
	bool sparse;         /* there is a map; one that is nothing but a hole has no spans */
	uint64_t offset; /* of the entry's first data byte in the tar stream */
};

struct tar_reader;
struct tar_reader *tar_reader_new(struct stream *below) must_use; /* borrows */
void tar_reader_drop(struct tar_reader **r);
/* 1: an entry, valid until the next call; 0: the end (two zero blocks or end of the stream on a block
 * boundary; what follows the zero blocks is read to the end so that hashes cover it); -1. Unread data is skipped. */
int tar_next(struct tar_reader *r, const struct tar_entry **ret, struct err *e) must_use;
/* After tar_next(): what filled the data of the entry before up to a whole block was not all zeros. */
bool tar_padding_is_dirty(const struct tar_reader *r);
/* Data of the current entry as it stands in the archive (a sparse file: its spans one after another). 0 at its end. */
ssize_t tar_data(struct tar_reader *r, void *p, size_t n, struct err *e) must_use;
/* The same without a copy: *ret points at the next bytes, good until the next call on r. */
ssize_t tar_piece(struct tar_reader *r, const void **ret, struct err *e) must_use;

/* Writes entries as ustar, with a pax header where that does not suffice; deterministic: the same entries
 * give the same bytes. Of a struct tar_entry, .offset is not looked at, and .size only of sparse files
 * (which are written in GNU's form 1.0); a directory's name is written with a slash at its end. */
struct tar_writer;
typedef int (*tar_sink_fn)(void *arg, const void *p, size_t n, struct err *e);
struct tar_writer *tar_writer_new(tar_sink_fn sink, void *arg) must_use;
void tar_writer_drop(struct tar_writer **w);
/* Then exactly t->stored bytes of data, if it is a file. */
int tar_write_entry(struct tar_writer *w, const struct tar_entry *t, struct err *e) must_use;
int tar_write_data(struct tar_writer *w, const void *p, size_t n, struct err *e) must_use;
/* The end of the archive, and all that is still in memory. */
int tar_write_end(struct tar_writer *w, struct err *e) must_use;
