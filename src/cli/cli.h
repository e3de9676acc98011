/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli: what the files of the command front end share. One file per verb or family of verbs; each exports its
 * `const struct cmd cmd_x`, commands.c lists them, main.c finds and runs one. Only this layer prints and exits.
 *
 * stdout gets results, stderr everything else. An error is one line, `hull: ` and the text of struct err. Exit status: by
 * kind (base/err.h) where run returns -1; run, create and exec use docker's 125, 126, 127.
 */
#pragma once

#include "base/buf.h"
#include "base/opt.h"
#include "codec/json.h"
#include "engine/engine.h"

#include <sys/types.h>

/* What completion offers for a signal. */
#define CLI_SIGNALS "HUP INT QUIT KILL USR1 USR2 TERM CONT STOP WINCH"

/* What stands in front of the command: hull --root DIR run ... */
struct cli_globals {
	char *root, *run_root, *storage, *config, *log_level, *host, *context;
	bool debug, version;
};
/* Takes them over for this process (borrows the strings). ERR_USAGE for what makes no sense. */
int cli_set_globals(const struct cli_globals *o, struct err *e) must_use;

/* The same words again, for a hull that this one starts. */
void cli_add_globals(struct strv *args);

/* The engine of this process, opened at the first call; warnings go to stderr. */
struct engine *cli_engine(struct err *e);
struct engine_options cli_engine_options(void); /* what it is opened with */
const char *cli_exe(void); /* path of the running program */
/* The caller's umask is no part of what hull makes, but of a command that is run in its place. */
void cli_keep_umask(mode_t mask);
void cli_restore_umask(void);

/* Writes to stdout; a reader that went away ends the program quietly with 141's ordinary manners (EPIPE: exit 1, no message). */
int cli_print(const struct buf *b, struct err *e) must_use;
int cli_printf(struct err *e, const char *fmt, ...) must_use printf_like(2, 3);
void cli_complain(const struct err *e);         /* "hull: text" on stderr */
void cli_warn(const char *fmt, ...) printf_like(1, 2); /* "hull: warning: text" */

int cli_write_id(const char *path, const char *id, struct err *e) must_use; /* --iidfile */

/* export.c: an archive of `name` to a file, which has that name when it is whole, or (path NULL, "-") to stdout, which must be no terminal. */
typedef int cli_archive_fn(struct engine *g, const char *name, int fd, void *arg, struct err *e);
int cli_write_archive(struct engine *g, const char *name, const char *path, cli_archive_fn *put, void *arg, struct err *e) must_use;

/* For verbs that take several objects: each in turn, every failure one line, `name` printed after success when echo.
 * one() returns 0, -1, or 1: well, without a name to print. Returns 0, or 1 when any failed (already complained). */
int cli_each(int argc, char **argv, bool echo, int (*one)(const char *name, void *arg, struct err *e), void *arg);
/* The same for verbs that wait (stop, rm -f): all names at once, each in a process of its own; names are printed in
 * their order. */
int cli_each_at_once(int argc, char **argv, bool echo, int (*one)(const char *name, void *arg, struct err *e), void *arg);

/* "WARNING! text" and a question on stderr, the answer from stdin: true for y or yes. */
bool cli_confirm(const char *text);

/* format.c: docker's --format over an array of rows (objects whose keys docker documents). format NULL or "table": the columns
 * of `preset`, e.g. "table {{.ID}}\t{{.Image}}"; "json": one object a line; else a template, a line a row. headings give a
 * column's words: {"ID", "CONTAINER ID"}; a NULL key ends the list. A row's object ".labels" is what {{.Label "x"}} looks at;
 * it is taken out of the row. */
struct cli_heading { const char *key, *title; };
struct cli_rows;
int cli_rows_new(const char *format, const char *preset, const struct cli_heading *headings, struct cli_rows **ret, struct err *e) must_use;
void cli_rows_no_heading(struct cli_rows *r); /* before any row */
int cli_rows_add(struct cli_rows *r, struct json *row, struct err *e) must_use;
int cli_rows_print(struct cli_rows *r, struct err *e) must_use;
/* What of it a terminal of that size shows without wrapping or scrolling; 0: that side is not known. */
int cli_rows_print_cut(struct cli_rows *r, size_t lines, size_t columns, struct err *e) must_use;
void cli_rows_drop(struct cli_rows **r);
/* All of it for rows that are together already. */
int cli_format_rows(const struct json *rows, const char *format, const char *preset, const struct cli_heading *headings, struct err *e) must_use;
/* documents.c: format NULL: the array, indented; "json": on one line; else the template for each element, as docker inspect has it. */
int cli_format_documents(const struct json *array, const char *format, struct err *e) must_use;
/* The same for one document alone: info, version. */
int cli_format_document(const struct json *document, const char *format, struct err *e) must_use;

/* commands.c: NULL-terminated, in the order of `hull help`; complete after cli_commands_fill(). A group's list holds the
 * verbs under the names they have there ("ls" for ps); what is only another name for one is CMD_HIDDEN. */
extern const struct cmd *const cli_commands[];
void cli_commands_fill(void);
/* main.c: the program itself as a command (its options, and cli_commands below it). */
extern const struct cmd cmd_hull, cmd_help;
