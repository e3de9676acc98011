/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar_format: what the reader's files and the writer have between them: the header block, the reader's
 * state, pax records. Not for others: they use tar.h.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"
#include "codec/tar.h"

enum {
	TAR_UNIT = 512,
	TAR_META_MAX = 1 << 20,   /* bytes of a pax header or a long name */
	TAR_XATTRS_MAX = 1024,    /* of one entry */
	TAR_SPANS_MAX = 1 << 18,  /* of one entry */
};

struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
	char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_UNIT, "a tar header is one block");

/* GNU's use of the header behind .minor: four spans of a sparse file. An extension block has 21. */
struct tar_gnu_span {
	char offset[12], length[12];
};
struct tar_gnu_header {
	char before[386];
	struct tar_gnu_span spans[4];
	char extended, realsize[12], pad[17];
};
_Static_assert(sizeof(struct tar_gnu_header) == TAR_UNIT, "a GNU tar header is one block");
struct tar_gnu_extension {
	struct tar_gnu_span spans[21];
	char extended, pad[7];
};
_Static_assert(sizeof(struct tar_gnu_extension) == TAR_UNIT, "a GNU extension is one block");

/* The records of a pax header. Texts point into the buffer that was parsed. */
struct tar_pax {
	struct tar_number { bool set; int64_t v; } uid, gid, size, mtime, major, minor, sparse_size, sparse_realsize;
	char *path, *link, *uname, *gname, *sparse_name, *sparse_map;
	bool sparse_blocks; /* GNU.sparse.numblocks was there */
};

struct tar_reader {
	struct stream *below;
	unsigned char *data; /* STREAM_CHUNK bytes; data[at..end) is not yet used */
	size_t at, end;
	bool ended;          /* below is at its end */
	bool done, broken;
	uint64_t pos;        /* of data[at] in the stream */
	uint64_t left;       /* of the entry's data */
	unsigned pad;        /* behind the entry's data */
	bool dirty;          /* what was behind the last entry's data was not zeros alone */
	struct tar_entry entry;
	struct arena arena;  /* xattrs and spans of the entry */
	struct buf records, globals;
	struct tar_pax local, global;
	bool has_local, has_name, has_link;
	struct buf name, link, uname, gname, long_name, long_link;
};

/* tar_read.c: n <= TAR_UNIT contiguous bytes at data[at]; 1, or 0 when the stream ends before. */
int tar_want(struct tar_reader *r, size_t n, struct err *e) must_use;
void tar_advance(struct tar_reader *r, size_t n);
/* A number field: octal or base-256. */
int tar_number(const char *field, size_t n, int64_t *ret, struct err *e) must_use;

/* tar_pax.c: parses (and cuts up) the records in b. A global header sets only owners and times. */
int tar_pax_parse(struct tar_reader *r, struct buf *b, bool global, struct tar_pax *ret, struct err *e) must_use;

/* tar_sparse.c: r->entry is a regular file with .size and .stored as the header has them, r->left data bytes
 * ahead. When it is a sparse one, sets .sparse, .spans, .size, .stored, r->left. */
int tar_sparse_gnu(struct tar_reader *r, const struct tar_gnu_header *h, struct err *e) must_use;
int tar_sparse_pax(struct tar_reader *r, struct err *e) must_use;
int tar_sparse_add(struct tar_reader *r, uint64_t offset, uint64_t length, struct err *e) must_use;
