/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erofs_format: what of the EROFS format (Linux, fs/erofs/erofs_fs.h; filesystems/erofs.rst) a layer uses: uncompressed, blocks of
 * 512 bytes as in a tar, extended inodes, data in one piece, in the inode's own block, or in chunks with holes. All
 * numbers are little-endian.
 */
#pragma once

#include <stdint.h>

enum {
	EROFS_SUPER_AT = 1024,
	EROFS_BLOCK_BITS = 9,
	EROFS_BLOCK = 1 << EROFS_BLOCK_BITS,
	EROFS_SLOT = 32,           /* an inode's number is its place in units of this */
	EROFS_INCOMPAT_CHUNKED = 4,
	/* data layouts, in bits 1 to 3 of an inode's format; bit 0: the extended form */
	EROFS_FLAT = 0 << 1 | 1,   /* blocks from .u on */
	EROFS_INLINE = 2 << 1 | 1, /* the last, partial block stands behind the inode and its xattrs */
	EROFS_CHUNKS = 4 << 1 | 1, /* behind the inode and its xattrs: a block number for each chunk */
	EROFS_CHUNK_BITS_MAX = 31, /* a chunk is a block << this at most */
	EROFS_XATTR_USER = 1, EROFS_XATTR_TRUSTED = 4, EROFS_XATTR_SECURITY = 6,
};
#define EROFS_MAGIC 0xe0f5e1e2u
#define EROFS_NO_BLOCK UINT32_MAX /* a hole */

struct erofs_super {
	uint32_t magic, checksum, feature_compat;
	uint8_t block_bits, extra_slots;
	uint16_t root;
	uint64_t inodes, epoch;
	uint32_t fixed_nsec, blocks, meta_block, xattr_block;
	uint8_t uuid[16], volume_name[16];
	uint32_t feature_incompat;
	uint16_t algorithms, extra_devices, device_slots;
	uint8_t dir_block_bits, xattr_prefixes;
	uint32_t xattr_prefixes_at;
	uint64_t packed;
	uint8_t xattr_filter, rest[23];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_super) == 128, "EROFS superblock");

struct erofs_inode {
	uint16_t format, xattr_units, mode, zero;
	uint64_t size;
	uint32_t u;    /* the first block, a device's number, or the form of chunks: log2 of a chunk's blocks */
	uint32_t ino, uid, gid;
	uint64_t mtime;
	uint32_t mtime_nsec, links;
	uint8_t rest[16];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_inode) == 64, "EROFS inode");

struct erofs_dirent {
	uint64_t nid;
	uint16_t name_at; /* in the block */
	uint8_t type, zero;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_dirent) == 12, "EROFS directory entry");

/* In front of an inode's xattrs; struct erofs_inode.xattr_units counts what is behind it in units of 4 bytes, plus 1. */
struct erofs_xattr_head {
	uint32_t filter;
	uint8_t shared, rest[7];
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_xattr_head) == 12, "EROFS xattrs");

struct erofs_xattr_entry { /* the name without its prefix, the value, zeros up to 4 bytes */
	uint8_t name_len, prefix;
	uint16_t value_len;
} __attribute__((packed));
