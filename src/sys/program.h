/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program: a foreign program that is asked for one answer: text on its standard input, an answer on its output. It has a process group
 * of its own, which is killed when its time is up.
 */
#pragma once

#include "base/buf.h"

struct program {
	const char *path;
	char *const *env;
	const char *input;
	size_t input_len;
	int seconds;
};
enum { PROGRAM_WORDS = 512 };
/* out: what it printed, up to its maximum; words: the beginning of what it said on standard error. *ret_status as of a shell: 128 + a
 * signal. -1: it could not be started, printed too much, or its time was up (ERR_SYSTEM, e->sys ETIMEDOUT). */
int program_run(const struct program *p, struct buf *out, char words[PROGRAM_WORDS], int *ret_status, struct err *e) must_use;
