/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpl_tree: what the files of the template engine share: the parsed tree (tmpl_parse.c makes it, tmpl.c walks it),
 * values, the functions' table (tmpl_funcs.c) and Go's fmt (tmpl_print.c). Nobody else includes it.
 */
#pragma once

#include "base/mem.h"
#include "base/str.h"
#include "codec/tmpl.h"

/* Where in the source: `at` is what an error reports, [from, to) the text of the node. */
struct place { size_t at, from, to; };

enum operand_kind { ARG_DOT, ARG_FIELD, ARG_VARIABLE, ARG_FUNCTION, ARG_LITERAL, ARG_NIL, ARG_PIPE };
struct operand {
	enum operand_kind kind;
	struct place where;
	const char *name;             /* of the variable, with $ */
	const struct tmpl_func *func;
	const struct json *literal;
	struct pipe *pipe;
	struct strv fields;           /* what follows: .A.B */
};
struct operands { struct operand *v; size_t n; };
struct command {
	struct place where;
	struct operands args;
};
struct commands { struct command *v; size_t n; };
struct pipe {
	struct place where;
	const char *vars[2];
	size_t nvars;
	bool assign;                  /* $x = …, not $x := … */
	struct commands commands;
};

enum node_kind { NODE_TEXT, NODE_ACTION, NODE_IF, NODE_RANGE, NODE_WITH, NODE_BREAK, NODE_CONTINUE };
struct nodes { struct node *v; size_t n; };
struct node {
	enum node_kind kind;
	const char *text;
	size_t len;
	struct pipe *pipe;
	struct nodes body, otherwise;
};

struct tmpl {
	struct arena arena;
	const char *text;
	struct nodes nodes;
	struct json *literals; /* an array that owns them */
};

/* missing: there is no such key; nil: Go would hold a nil list, map or pointer where j is empty. Both have no members. */
struct val {
	const struct json *j;
	bool missing, nil;
};

/* What a function is called with. run gives -1 and a bare reason ("index out of range: 5") in *e. */
struct call {
	struct tmpl_run *run;
	const struct val *args;
	size_t n;
	struct val *ret;
	struct err *e;
};
struct tmpl_func {
	const char *name;
	const char *args; /* a letter an argument: s string, i integer, a any; * at the end: any number more */
	int (*run)(struct call *c);
	bool of_docker;   /* in a heading it gives its first argument back */
};
const struct tmpl_func *tmpl_func_find(const char *name);
/* and, or: tmpl.c evaluates their arguments one by one. */
bool tmpl_func_is_lazy(const struct tmpl_func *f);
/* A value that lives until the template has run. */
struct val tmpl_keep(struct tmpl_run *run, struct json *j);
bool tmpl_truth(struct val v);
bool tmpl_has_structs(const struct tmpl_run *run);
/* An object whose keys are all names as Go's exported fields have them: it was a struct, not a map. */
bool tmpl_is_struct(const struct json *j);
const char *tmpl_type(struct val v); /* Go's word */

struct print { bool structs; struct buf *out; };
void tmpl_print(const struct print *p, struct val v);                                 /* %v */
void tmpl_sprint(const struct print *p, const struct val *args, size_t n, bool line);
void tmpl_sprintf(const struct print *p, const char *format, const struct val *args, size_t n);
void tmpl_put_rune(uint32_t c, struct buf *out);                                      /* as UTF-8 */
/* Appends the keys of an object in Go's order. */
void tmpl_keys(const struct json *object, struct strv *ret);
