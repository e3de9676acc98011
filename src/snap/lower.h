/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lower: one layer as a directory that can be stacked or copied, whatever its form.
 */
#pragma once

#include "snap/snap.h"

#include <sys/types.h>

struct stat;
struct lower {
	int fd;     /* the directory */
	bool mount; /* fd is a detached mount: of a layer that is a file */
	bool last;  /* nothing below this layer shows */
	dev_t dev;  /* of a mount: which file it is of */
	ino_t ino;
};
/* A layer of files; layers: the folder, or an idmapped clone of it. e->sys ENOTDIR: it is a file; ENOENT: there is none, or only one for copies. */
int lower_open(int layers, const char *diff_id, struct lower *ret, struct err *e) must_use;
/* A new mount of a layer's file. */
int lower_mount(int layers, const char *diff_id, struct lower *ret, struct err *e) must_use;
/* The same to be read, those for copies too; returns an fd. */
int lower_open_to_read(int layers, const char *diff_id, struct err *e) must_use;
bool lower_is_plain(int layers, const char *diff_id); /* one for copies only */
bool lower_is_file(int layers, const char *diff_id);
bool lower_root_is_said(const struct stat *st); /* of a layer's root directory as files */
/* What the layer says of its root directory. *ret_said: it says something. Mounts nothing. */
int lower_root(int layers, const char *diff_id, struct stat *ret, bool *ret_said, bool *ret_last, struct err *e) must_use;
