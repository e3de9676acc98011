/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tab: rows of text in aligned columns, as docker prints lists: a heading in capitals, columns three
 * blanks apart and at least ten wide with them, the last one not padded. Width counts UTF-8 characters.
 */
#pragma once

#include "base/buf.h"

struct tab;
struct tab *tab_new(void) must_use;
void tab_drop(struct tab **t);
void tab_cell(struct tab *t, const char *text);   /* copies; line breaks and other control characters become blanks */
void tab_line(struct tab *t);                     /* ends the row */
void tab_format(const struct tab *t, struct buf *out);
/* Splits a line at tab characters into cells: what a `table {{.A}}\t{{.B}}` template gives. */
void tab_split(struct tab *t, const char *line);
