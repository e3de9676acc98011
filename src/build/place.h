/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place: where a path leads inside a root file system, symlinks followed as a process in there would. Nothing outside of
 * the root is ever looked at.
 */
#pragma once

#include "base/buf.h"

#include <sys/stat.h>

struct place {
	struct buf path;  /* without a leading slash and without symlinks; "": the root */
	bool exists;
	struct stat st;   /* when it exists */
};
void place_drop(struct place *p);
/* root -1: there is nothing in it. follow: the last component too. What does not exist is taken as it is spelled. */
int place_find(int root, const char *path, bool follow, struct place *ret, struct err *e) must_use;
