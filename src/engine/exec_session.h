/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec_session: an exec that is made, started and looked at by different processes: the API's. It has a monitor of its own, which serves its
 * streams and its size as a container's does (attach.h) and writes down how it ended.
 *
 *   <run>/containers/<container>/exec/<id>/   exec.json; "started" once somebody has begun to start it; attach.sock and lock of its monitor
 *
 * Gone with the container's end; those that have ended are forgotten some minutes later.
 */
#pragma once

#include "engine/container.h"

struct exec_record {
	struct strv cmd, env;
	char *user, *workdir, *detach_keys; /* NULL: the container's own */
	bool tty, privileged, attach_stdin, attach_stdout, attach_stderr;
	struct i64v size;                   /* of its terminal: rows, columns; or none */
	bool running;
	int64_t pid;
	struct opt_i64 exit_code;           /* unset: it has not ended */
};
extern const struct jtable exec_record_table; /* docker's keys */

struct exec_session {
	struct arena arena;
	struct container_entry c;
	char id[65];
	int dir;
	struct exec_record record;
};
#define EXEC_SESSION_INIT {.c = {.dir = -1, .lock = -1}, .dir = -1}
void exec_session_drop(struct exec_session *x);

/* In a container that runs; ERR_CONFLICT. */
int exec_session_make(struct engine *g, struct container_entry *c, const struct exec_record *r, char ret_id[65], struct err *e) must_use;
/* By its whole id. Whose monitor was killed has ended with 137. */
int exec_session_find(struct engine *g, const char *id, struct exec_session *ret, struct err *e) must_use;
/* The right to start it, which somebody gets once: ERR_CONFLICT. */
int exec_session_claim(struct engine *g, struct exec_session *x, struct err *e) must_use;
/* With that. sock: the first client's (attach.h, is taken), or -1. ERR_NOCMD, ERR_NOEXEC: it has ended with 127, 126. */
int exec_session_start(struct engine *g, struct exec_session *x, int sock, unsigned streams, struct err *e) must_use;
/* While somebody is about to start it, until it runs or could not be started: docker's clients send the size of their terminal before it does. */
int exec_session_await(struct exec_session *x, struct err *e) must_use;
/* Of a container that runs. */
void exec_session_ids(struct engine *g, const char *container, struct strv *ret);
