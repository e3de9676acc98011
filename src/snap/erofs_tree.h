/* SPDX-License-Identifier: Apache-2.0 */
/*
 * erofs_tree: the tree of a layer in memory while its tar passes by: names, owners, links and where in the tar the data
 * is, never data. It is a target of apply_tar(). A million files take some 100 MB; ERR_LIMIT past EROFS_TREE_MAX.
 *
 * What of it grows past EROFS_IN_MEMORY goes on in a file without a name beside the layer, mapped, and is let go of every few
 * thousand entries (erofs_tree_rest()): the process stays small, whatever the layer holds.
 */
#pragma once

#include "base/mem.h"
#include "snap/apply.h"

#include <limits.h>
#include <sys/types.h>

enum { EROFS_TREE_MAX = 512 << 20, EROFS_IN_MEMORY = 3 << 20 /* of one array */, EROFS_SIZE_MAX_BITS = 44 /* of a file with holes: as on ext4 */ };

/* Of a few files only: */
struct erofs_extra {
	struct erofs_xattr *xattrs;
	size_t xattr_bytes;
	const struct tar_span *spans; /* of a file with holes */
	size_t nspans;
	uint64_t stored;              /* their sum */
	uint32_t moved;               /* layout: the first block of what could not stay where it is in the tar */
	uint8_t chunk_bits;           /* layout: log2 of a chunk's blocks */
};
struct erofs_xattr {
	struct erofs_xattr *next;
	uint8_t prefix, name_len;
	uint16_t value_len;
	char data[]; /* name, value */
};

enum { EROFS_OPAQUE = 1, EROFS_DIRTY = 2 /* the tar's padding behind the data is not zeros */ };
struct erofs_node {
	uint64_t size;
	uint64_t where;    /* file: of the first byte in the tar; symlink: of its target in texts; directory: its number; device */
	int64_t mtime_ns;
	uint32_t uid, gid;
	uint32_t links;    /* layout */
	uint32_t nid;      /* layout; 0: none yet */
	uint32_t extra;    /* 0: none */
	uint16_t mode, flags;
};
struct erofs_name {
	uint32_t text;     /* in texts: a byte that says how long it is, the name, 0 */
	uint32_t dir;      /* number of its directory */
	uint32_t node;     /* 0: there is nothing of that name any more */
};
struct erofs_dir {
	uint32_t node, parent;
	uint32_t first, n; /* layout: its names in order[] */
	uint32_t block;    /* layout: its first block */
	bool alive;        /* layout */
};
/* Where an array lies: fd -1: in memory. */
struct erofs_place { int fd; size_t bytes; };
enum { EROFS_NODES, EROFS_NAMES, EROFS_DIRS, EROFS_EXTRAS, EROFS_TEXTS, EROFS_ARRAYS };
struct erofs_tree {
	struct apply_target target;
	int dir;                      /* borrowed: for files without a name; -1: all stays in memory */
	struct erofs_place at[EROFS_ARRAYS];
	uint32_t since_rest, looked_at;
	struct { struct erofs_node *v; size_t n, room; } nodes;  /* v[0] is none, v[1] the root */
	struct { struct erofs_name *v; size_t n, room; } names;  /* v[0] is none */
	struct { struct erofs_dir *v; size_t n, room; } dirs;    /* v[0] is the root */
	struct { struct erofs_extra *v; size_t n, room; } extras;
	struct { char *v; size_t n, room; } texts;
	struct { uint32_t *v; size_t room; } hash;               /* of names by directory and text: number and some bits of the hash */
	uint64_t seed;
	struct arena arena;
	size_t memory;                                           /* of what is in the arena */
	/* of the apply at hand */
	char path[PATH_MAX];  /* of the directory `place` */
	uint32_t place;
	bool placed, root_said;
	uint32_t last;        /* the last file */
};
void erofs_tree_open(struct erofs_tree *t, int dir);
void erofs_tree_drop(struct erofs_tree *t);
/* To be called for each entry, name or node that is looked at, with its number. */
void erofs_tree_rest(struct erofs_tree *t, uint32_t number);
/* No name is looked for or put any more. */
void erofs_tree_close_names(struct erofs_tree *t);

/* Numbers of names, nodes and directories. */
uint32_t erofs_find(const struct erofs_tree *t, uint32_t dir, const char *name, size_t len); /* 0: no such name ever */
/* The name, new or as it is, with this node. */
void erofs_put(struct erofs_tree *t, uint32_t dir, const char *name, size_t len, uint32_t node);
uint32_t erofs_add_node(struct erofs_tree *t, struct erofs_node n) must_use;
uint32_t erofs_add_dir(struct erofs_tree *t, uint32_t parent, struct erofs_node n) must_use; /* gives the node */
uint64_t erofs_add_text(struct erofs_tree *t, const char *text, size_t len) must_use;
struct erofs_extra *erofs_need_extra(struct erofs_tree *t, uint32_t node);
/* Resolves path below *dir as openat2 does with RESOLVE_IN_ROOT, to a directory. 0 or an errno. */
int erofs_walk(const struct erofs_tree *t, uint32_t *dir, const char *path, unsigned *links);
int erofs_step(const struct erofs_tree *t, uint32_t *dir, const char *name, size_t len, unsigned *links); /* one component */
int erofs_check_memory(const struct erofs_tree *t, struct err *e) must_use;
bool erofs_is_whiteout(const struct erofs_node *n);

/* erofs_apply.c: what apply_tar() calls. */
extern const struct apply_ops erofs_ops;
