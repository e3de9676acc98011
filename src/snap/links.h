/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links: the files with several names that a walk through a tree has met, by their inodes.
 */
#pragma once

#include "base/mem.h"

#include <sys/stat.h>

struct links {
	struct link { dev_t dev; ino_t ino; char *path; } *v; /* open addressing */
	size_t n, room;
};
/* The path under which it was met first; NULL: this is the first time, which is remembered. */
const char *links_meet(struct links *l, const struct stat *st, const char *path);
void links_drop(struct links *l);
