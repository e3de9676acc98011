/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy: what COPY and ADD share, inside src/build: what is copied (copy.c) and how its entries come into the layer (copy_write.c).
 */
#pragma once

#include "build/fetch.h"
#include "build/git.h"
#include "build/lay.h"
#include "build/stage.h"
#include "build/tree.h"

struct copy_above { char *path; struct stat st; };
struct copy_source {
	char *path;           /* in the tree; of a here-document its name */
	const char *name;     /* what a file is called where it goes: of a symlink its own name; NULL: as its path */
	const char *written;  /* as the Dockerfile has it */
	const char *body;     /* a here-document, or NULL */
	const char *url;      /* what is fetched, or NULL */
	struct fetched *got;  /* of url */
	struct git_source *git; /* url is a repository's */
	bool is_dir, is_archive;
	struct { struct copy_above *v; size_t n; } above; /* with --parents: the directories that are made, with their paths there */
};
struct copy {
	struct step *x;
	struct tree tree;
	struct ignore exclude;
	const char *from, *chown, *chmod, *checksum, *dest; /* dest: absolute, with its slash at the end */
	bool link, parents, dest_is_dir, is_add, unpack, no_unpack;
	bool has_owner;
	uint32_t uid, gid;
	struct { struct copy_source *v; size_t n; } sources;
	struct source of;     /* with --from */
	struct context *context; /* what the tree is of; NULL: a stage or an image */
	int root;             /* what it lies on; -1: nothing, or --link */
	char content[64];     /* hex: the key of what was copied, told by the writer */
};
/* Writes the layer's tar; a step of writing_do(). */
int copy_write(void *copy, int out, struct err *e) must_use;
/* Is it a tar, compressed or not, by its content? */
bool copy_is_archive(int fd);
/* The entries of an archive below dest. */
int copy_unpack(struct copy *c, struct lay *l, int fd, const char *dest, struct err *e) must_use;
/* What the key has of a source, before what is in it. */
int copy_sum_source(const struct copy_source *s, bool is_context, struct tree_sum *sum, struct err *e) must_use;
/* An entry's owner and mode as the flags have them. */
int copy_dress(const struct copy *c, struct tar_entry *t, struct err *e) must_use;
