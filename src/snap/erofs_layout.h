/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erofs_layout: where everything of a tree goes. Behind the tar:
 *
 *   inodes    one after another, each with its xattrs and what fits behind it: a small directory, a symlink's target,
 *             the map of a file with holes
 *   blocks    of larger directories and long targets
 *   moved     data that cannot stay where it is in the tar
 *
 * Children of a directory follow each other in the order of their names; hard links count once.
 */
#pragma once

#include "snap/erofs_format.h"
#include "snap/erofs_tree.h"

enum { EROFS_NAMES_A_BLOCK = EROFS_BLOCK / (int)(sizeof(struct erofs_dirent) + 1) };

struct erofs_layout {
	uint32_t *order;      /* names that are there, by directory, each sorted */
	uint32_t *inodes;     /* nodes in the order of their places */
	size_t n, ninodes;
	uint64_t inode_bytes; /* from number 0 on */
	uint64_t blocks, moved;
	bool chunked;
};
int erofs_layout_make(struct erofs_tree *t, struct erofs_layout *ret, struct err *e) must_use;
void erofs_layout_drop(struct erofs_layout *l);

/* Bytes of the xattrs behind an inode, 0: none. */
size_t erofs_xattrs_size(const struct erofs_tree *t, const struct erofs_node *n);
/* What of a node stands behind its inode and xattrs: EROFS_INLINE, EROFS_CHUNKS or EROFS_FLAT. */
unsigned erofs_form_of(const struct erofs_tree *t, const struct erofs_node *n);
uint64_t erofs_blocks(uint64_t bytes);

/* The entries of a directory in blocks: "." and ".." in their places among the names. */
struct erofs_entry { const char *name; uint32_t node; uint8_t len; };
struct erofs_listing {
	struct erofs_tree *t;
	const struct erofs_layout *l;
	uint32_t dir, at;
	int dots;                  /* of "." and ".." were given */
	struct erofs_entry next;   /* .name NULL: none */
};
struct erofs_listing erofs_list(struct erofs_tree *t, const struct erofs_layout *l, uint32_t dir) must_use;
/* The entries of the next block; 0 behind the last. *ret_bytes without what fills it up. */
size_t erofs_list_block(struct erofs_listing *i, struct erofs_entry v[EROFS_NAMES_A_BLOCK], size_t *ret_bytes);
