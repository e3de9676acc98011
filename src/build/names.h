/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names: texts by name, as many as a context has files: found without looking at the others.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

struct names {
	struct arena arena;
	struct names_row { char *key, *value; } *rows; /* open addressing; key NULL: free */
	size_t n, slots;
};
void names_drop(struct names *s);
/* The text of a name; NULL: there is none. It lives until the table goes. */
const char *names_get(const struct names *s, const char *name);
/* Copies both; a name that is there already keeps its text. */
void names_add(struct names *s, const char *name, const char *text);
void names_put(struct names *s, const char *name, const char *text); /* the new text counts */
