/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work: a directory below build/running for something that is made while a build runs. Its lock is held: who finds it free removes the
 * directory (run_layer.c).
 */
#pragma once

#include "base/err.h"

struct work {
	int cache;      /* the build's directory, borrowed */
	int dir, lock;
	char path[80];  /* below cache; "": there is none */
};
#define WORK_NONE {.dir = -1, .lock = -1}
int work_make(struct work *w, int cache, struct err *e) must_use;
/* An empty directory in it, open. */
int work_make_dir(struct work *w, const char *name, struct err *e) must_use;
void work_drop(struct work *w); /* removes it */
