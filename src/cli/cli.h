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

/* The engine of this process, opened at the first call; warnings go to stderr. */
struct engine *cli_engine(struct err *e);
const char *cli_exe(void); /* path of the running program */

/* Writes to stdout; a reader that went away ends the program quietly with 141's ordinary manners (EPIPE: exit 1, no message). */
int cli_print(const struct buf *b, struct err *e) must_use;
int cli_printf(struct err *e, const char *fmt, ...) must_use printf_like(2, 3);
void cli_complain(const struct err *e);         /* "hull: text" on stderr */
void cli_warn(const char *fmt, ...) printf_like(1, 2); /* "hull: warning: text" */

/* For verbs that take several objects: each in turn, every failure one line, `name` printed after success when echo.
 * Returns 0, or 1 when any failed (already complained). */
int cli_each(int argc, char **argv, bool echo, int (*one)(const char *name, void *arg, struct err *e), void *arg);

/* format.c: docker's --format over an array of JSON rows. format NULL or "table": the columns of `preset`, e.g.
 * "table {{.ID}}\t{{.Image}}"; "json": one object a line; else a template, a line a row. heading gives a column's words:
 * {"ID", "CONTAINER ID"}; NULL key ends the list. method: see codec/tmpl.h. quiet prints only `quiet_key`. */
struct cli_heading { const char *key, *title; };
int cli_format_rows(const struct json *rows, const char *format, const char *preset, const struct cli_heading *headings, struct err *e) must_use;
/* One document: NULL: indented JSON of the array; else the template per element (strict, as docker inspect). */
int cli_format_documents(const struct json *array, const char *format, struct err *e) must_use;

extern const struct cmd *const cli_commands[];   /* NULL-terminated, in the order of `hull help` */
