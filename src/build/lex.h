/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lex: the lines of a Dockerfile as instructions: parser directives, comments, continuation lines, here-documents and
 * flags are told apart here; what an instruction's words mean is dockerfile.c's. BuildKit's parser is the reference.
 *
 * Everything lives in the arena. Lines and columns are counted from 1, columns in bytes. An error says FILE:LINE:COLUMN first, and
 * the place is in *where for whoever wants to show the line.
 */
#pragma once

#include "base/str.h"

struct source_place { unsigned line, column; };
struct heredoc {
	char *name;     /* the word that ends it, without quotes */
	char *body;     /* with its line breaks */
	bool expand;    /* the word was not quoted */
	bool chomp;     /* <<-: leading tabs were taken off */
};
struct flag { char *name, *value; /* NULL: none */ struct source_place at; };
struct node {
	char *word;     /* lower case: "run" */
	char *as_written;
	char *text;     /* what follows the flags; continuation lines joined */
	char *original; /* the whole first line with what continues it, without here-documents: for lists and errors */
	struct { struct flag *v; size_t n; } flags;
	struct { struct heredoc *v; size_t n; } docs;
	struct source_place at;
	unsigned last;  /* its last line */
	unsigned empty_line; /* an empty line inside of it; 0: none */
	unsigned words_last; /* its last line without its here-documents */
	struct strv comments; /* what stands right above it, without # */
};
struct lexed {
	const char *name;       /* of the file, for errors */
	struct strv lines;      /* as they stand */
	struct { struct node *v; size_t n; } nodes;
	char escape;            /* '\\' or '`' */
	char *syntax, *check;   /* directives; NULL: none */
	struct source_place where; /* of the error */
};
enum { LEX_MAX = 4 << 20, LEX_NODES = 20000 };

int lex(const char *name, const char *text, size_t len, struct arena *a, struct lexed *ret, struct err *e) must_use;
/* One instruction that stands alone: a trigger of ONBUILD. */
int lex_line(struct lexed *l, const char *text, unsigned line, struct arena *a, struct node *ret, struct err *e) must_use;
/* ERR_USAGE with the place in front; needle: what the column is of, NULL: the instruction's own. Returns -1. */
int lex_error(struct lexed *l, const struct node *n, const char *needle, struct err *e, const char *fmt, ...) printf_like(5, 6);
/* Where the instruction has that text; NULL, or when it has not: where it begins. */
struct source_place lex_place(const struct lexed *l, const struct node *n, const char *needle);
/* The lines around a place, the place marked by a caret. */
struct buf;
void lex_show(const struct lexed *l, struct source_place at, unsigned last, struct buf *out);
