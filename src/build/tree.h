/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree: the files that a COPY takes from a context, a stage or an image, in a fixed order. The root is hostile: nothing outside of
 * it is reached, and a file that is exchanged for another kind while it is looked at is an error.
 */
#pragma once

#include "build/ignore.h"
#include "build/statcache.h"

#include "codec/digest.h"
#include "codec/tar.h"

#include <sys/stat.h>

struct tree {
	int root;                     /* open for reading */
	const struct ignore *ignore;  /* of whole paths; or NULL */
	const struct ignore *exclude; /* of paths below the source, or whole ones; or NULL */
	struct statcache *cache;      /* or NULL */
	bool is_context;              /* owners do not count */
	bool deep;                    /* sources: ** stands for any number of directories, and a symlink for itself */
};
struct tree_item {
	const char *path; /* below the root of the tree */
	const char *rel;  /* below the source; "": the source itself */
	int dir;          /* the directory it lies in, and its name there */
	const char *name;
	struct stat st;
};
typedef int (*tree_fn)(void *arg, const struct tree_item *i, struct err *e);

/* The paths that a source stands for: itself, or what its * ? [..] match, sorted; resolved inside the root, clean, without a
 * leading slash. Without a match ERR_NOT_FOUND, unless it has such characters. ret_names (or NULL): what each is called, a symlink by its
 * own name. */
int tree_sources(const struct tree *t, const char *source, struct strv *ret, struct strv *ret_names, struct err *e) must_use;
/* The source and all below it: a directory before what is in it, names sorted. */
int tree_walk(const struct tree *t, const char *source, tree_fn each, void *arg, struct err *e) must_use;

/* What decides whether a file of a context is the same: kind, mode, content, target, xattrs; of others than contexts the owner too. */
struct tree_sum {
	uint64_t files, bytes;
	bool only_known, is_partial; /* only_known: files that the cache does not know are not read, and make the sum a partial one */
	uint64_t unknown, enough; /* bytes of those; when there are more than enough, the walk ends with ERR_NONE */
	struct digest *digest;
};
/* Adds an item to a sum; reads the file unless the cache knows it. */
int tree_add(const struct tree *t, struct tree_sum *s, const struct tree_item *i, struct err *e) must_use;
/* The same when the file's digest is known. */
void tree_add_known(const struct tree *t, struct tree_sum *s, const struct tree_item *i, const unsigned char content[32]);
/* The digest of a file: its xattrs, which `t` has, and its content. `heard` data as lay_data gives it is added by tree_content_add. */
struct tree_content { struct digest *digest; };
int tree_content_begin(struct tree_content *c, const struct tar_entry *t, struct err *e) must_use;
void tree_content_add(void *c, const void *p, size_t n);
void tree_content_end(struct tree_content *c, unsigned char ret[32]);
/* Opens a regular file of the tree and sees that it is the one that was looked at. */
int tree_open(const struct tree_item *i, struct err *e) must_use;
