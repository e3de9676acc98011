/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci: the command line of an OCI runtime, the union of runc's and crun's: `hull-runtime VERB` and `hull oci VERB`.
 *
 * One file a verb, each with its `const struct cmd oci_x`; verbs.c lists them; oci.c finds and runs one. What is kept of a
 * container is in state.h. stdout gets results; an error is one line on stderr and, with --log, a line of the log too.
 *
 * Exit status: 0, or 1; run and exec give their process's own, and for one that cannot be executed 126, not found 127, any
 * other failure of exec 255, as runc does.
 */
#pragma once

#include "base/buf.h"
#include "base/opt.h"

struct oci_options {
	char *log, *log_format, *log_level, *root, *rootless, *cgroup_manager;
	bool debug, systemd_cgroup, version;
};
/* The options before the verb, as they were given; set once by oci_main. */
extern struct oci_options oci_options;

/* Runs the words behind the program's name. Returns the exit status; everything was said. name: how the program is called in
 * messages. */
int oci_main(const char *name, int argc, char **argv);
/* The words that oci_main was given. */
char **oci_words(void);
/* Set by a program that is linked statically: no library can be loaded. */
extern bool oci_is_static;
/* What comes needs a library of the system (systemd's bus). A static program becomes hull, which lies beside it, with the same
 * words, and does not return. */
int oci_need_libraries(struct err *e) must_use;

/* verbs.c: NULL-terminated */
extern const struct cmd *const oci_verbs[];
/* oci.c: the program itself, with the verbs below it. */
extern const struct cmd oci_program;

/* The directory of all containers' state, made when missing. */
int oci_open_root(struct err *e) must_use;
bool oci_is_rootless(void);

/* The exit status after a failure: 127 a command that is not there, 126 one that cannot be executed, else what is given. */
int oci_command_status(const struct err *e, int otherwise);

int oci_print(const struct buf *b, struct err *e) must_use; /* to stdout */

/* log.c: --log, --log-format, --log-level, --debug. Before a log is open and without --log errors go to stderr alone. */
int oci_log_open(struct err *e) must_use;
void oci_log_error(const char *program, const char *text); /* one line on stderr, one in the log */
void oci_warn(const char *fmt, ...) printf_like(1, 2);
void oci_debug(const char *fmt, ...) printf_like(1, 2);
