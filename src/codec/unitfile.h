/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unitfile: the text of systemd's units (systemd.syntax(7)): [Section], Key=value, # and ; comments, a backslash at the end of a line.
 * Sections of one name are one; each line keeps the file and the number it came from. Values stay as written: %n, $X and quotes are
 * systemd's to read. Nothing is known here of what a key means.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

struct unitfile_line {
	const char *key; /* NULL: taken out */
	const char *value;
	const char *file; /* NULL: of our own making */
	unsigned number;
};
struct unitfile_section {
	const char *name;
	struct { struct unitfile_line *v; size_t n; } lines;
};
struct unitfile {
	struct arena arena;
	struct { struct unitfile_section *v; size_t n; } sections;
};
void unitfile_drop(struct unitfile *f);

/* Adds what the text says to what is there. `file` is what errors call it: ERR_USAGE "FILE:LINE: reason". */
int unitfile_parse(struct unitfile *f, const char *file, const char *text, size_t n, struct err *e) must_use;
/* Adds a copy of every line. */
void unitfile_merge(struct unitfile *f, const struct unitfile *source);
void unitfile_rename(struct unitfile *f, const char *from, const char *to);
void unitfile_write(const struct unitfile *f, struct buf *out);

struct unitfile_section *unitfile_find(const struct unitfile *f, const char *section);
/* The last line of that key, NULL when there is none. */
const struct unitfile_line *unitfile_last(const struct unitfile *f, const char *section, const char *key);
/* Its value without blanks at the end and without one pair of double quotes around all of it; NULL when it is missing or empty. Lives
 * as long as f. */
const char *unitfile_value(struct unitfile *f, const char *section, const char *key);
/* The lines of a key that count, one a call: those behind the last empty one. *at is 0 at first. */
const struct unitfile_line *unitfile_next(const struct unitfile *f, const char *section, const char *key, size_t *at);
void unitfile_add(struct unitfile *f, const char *section, const char *key, const char *value);
/* Only when the key is missing. */
void unitfile_preset(struct unitfile *f, const char *section, const char *key, const char *value);
/* In the place of all lines of that key. */
void unitfile_set(struct unitfile *f, const char *section, const char *key, const char *value);

/* Splits at blanks as systemd does: '…' and "…" keep blanks together and are taken away. With `escapes` also \n, \x41, \101, \u00e9 …
 * as in ExecStart=, one that is unknown stays as written; without it a backslash is a letter as any other. */
int unitfile_words(const char *text, bool escapes, struct strv *ret, struct err *e) must_use;
/* A word of ExecStart= and the like: in quotes, with escapes, where it needs them. */
void unitfile_quote(const char *word, struct buf *out);
/* yes, true, on, 1 / no, false, off, 0, in any case. */
bool unitfile_bool(const char *value, bool *ret);
