/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opt: commands and their options as tables. Parsing, --help, bash completion and man pages all come
 * from the same rows, so they cannot disagree.
 *
 * Grammar, as docker's: --name value, --name=value, -n value, -nvalue, bundles -it; booleans take
 * =true/=false/=1/=0; `--` ends the options. Options may stand between arguments unless the command has
 * CMD_STRICT (run, exec: the first argument ends them).
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum opt_type {
	OPT_BOOL,   /* bool */
	OPT_STR,    /* char *: the last one counts */
	OPT_STRV,   /* struct strv: each one adds */
	OPT_U64,    /* struct opt_num */
	OPT_I64,    /* struct opt_num */
	OPT_SIZE,   /* struct opt_num, bytes: 256M */
	OPT_OPTSTR, /* char *: value optional (--name or --name=value); without value: .preset */
};
struct opt_num { bool set; int64_t v; };

enum opt_flags {
	OPT_HIDDEN = 1 << 0,
	OPT_MINUS_ONE = 1 << 1, /* OPT_SIZE: -1 means unlimited */
	OPT_NEXT = 1 << 2,      /* OPT_OPTSTR: a next word that is one of .values is its value, too */
};
struct opt {
	const char *name;    /* without dashes */
	char letter;         /* 0: none */
	enum opt_type type;
	size_t at;           /* offset in the command's struct of options */
	const char *arg;     /* "BYTES", "list": the placeholder in help; NULL for OPT_BOOL */
	const char *help;    /* one line, no full stop */
	unsigned flags;
	/* For completion: "missing always never", "@image" "@container" "@running" "@volume" "@network" "@id" (of hull-runtime)
	 * "@file" "@dir",
	 * several with blanks between; or NULL. */
	const char *values;
	const char *alias;   /* a second long name, or NULL */
	const char *preset;  /* OPT_OPTSTR */
};

enum cmd_flags { CMD_STRICT = 1 << 0, CMD_HIDDEN = 1 << 1, CMD_RAW = 1 << 2 /* all words are arguments */ };
struct cmd {
	const char *name;     /* "run"; "container" for a group */
	const char *usage;    /* "IMAGE [COMMAND] [ARG...]" */
	const char *summary;  /* one line */
	const struct opt *opts;
	size_t nopts;
	size_t size;          /* of the struct that opts fill */
	int min, max;         /* arguments; max -1: any number */
	/* Runs it; opts is the filled struct, args what is left. Returns the exit status; on failure *e is set
	 * and the front end prints it (`hull: ` + text) and exits with the value returned, or by kind when -1. */
	int (*run)(void *opts, int argc, char **argv, struct err *e);
	unsigned flags;
	const struct cmd *const *sub; /* a group: NULL-terminated */
	const char *complete;         /* what its arguments are, as opt.values */
	const char *about;            /* a paragraph for the man page, or NULL */
	const char *examples;         /* for the man page, lines "$ hull …", or NULL */
};

/* Parses argv[0..argc) (without the command's name) into *opts (zeroed, c->size bytes; strings are owned
 * by it: opt_drop). *ret_args points at the arguments that are left, in argv's own memory, reordered.
 * ERR_USAGE with a "did you mean" where one is near. `--help` gives 1. */
int opt_parse(const struct cmd *c, int argc, char **argv, void *opts, int *ret_argc, char ***ret_argv, struct err *e) must_use;
void opt_drop(const struct cmd *c, void *opts);

struct buf;
/* path is the command line so far: "hull run", "hull container ls". */
void opt_help(const struct cmd *c, const char *path, struct buf *out);
typedef int opt_print(const struct buf *text, struct err *e);
int opt_print_help(const struct cmd *c, const char *path, opt_print *print, struct err *e) must_use;
/* Parses and runs it, or prints its help. What c->run says. */
int opt_run(const struct cmd *c, const char *path, int argc, char **argv, opt_print *print, struct err *e) must_use;
void opt_man(const struct cmd *c, const char *path, struct buf *out);            /* roff, section 1 */
void opt_completion_bash(const struct cmd *top, struct buf *out);                 /* of the whole program */
