/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words: how instructions split their text. Quotes and escapes stay: expand.c takes them off.
 */
#pragma once

#include "codec/jmap.h"

void words_blank(const char *text, struct arena *a, struct strv *out);              /* at blanks, quotes mean nothing */
void words_quoted(const char *text, char escape, struct arena *a, struct strv *out); /* at blanks outside of quotes */
/* A JSON array of strings; false: it is not one. */
bool words_json(const char *text, struct arena *a, struct strv *out);
/* key=value …, or the old form "key the value". ERR_USAGE. */
int words_pairs(const char *text, char escape, struct arena *a, struct map *out, bool *ret_legacy, struct err *e) must_use;
