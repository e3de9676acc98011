/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ignore: .dockerignore and --exclude, as moby's patternmatcher has them: * ? [..] ** and \; a pattern matches what lies below
 * a match too; ! takes back; the last one that matches counts.
 */
#pragma once

#include "base/str.h"

struct ignore_pattern { char *text; bool back; bool literal; };
struct ignore {
	struct arena arena;
	struct { struct ignore_pattern *v; size_t n; } rows;
	bool takes_back; /* some pattern begins with ! */
};
void ignore_drop(struct ignore *g);
/* A whole file; "!" alone, or a pattern that is malformed: ERR_USAGE with its line. */
int ignore_read(struct ignore *g, const char *text, const char *name, struct err *e) must_use;
int ignore_add(struct ignore *g, const char *pattern, struct err *e) must_use;
/* path: clean, relative to the root. */
bool ignore_has(const struct ignore *g, const char *path);
/* A directory that is ignored: may something below it be taken back? */
bool ignore_looks_below(const struct ignore *g, const char *dir);
/* One path pattern (with **) against a whole path. */
bool ignore_match(const char *pattern, const char *path);
