/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint: the processes of a running container in files, by criu(8), and a start from them.
 *
 *   this process                                   the monitor, which knows what the container was made of
 *   ------------                                   -------------------------------
 *   lock held; checkpoints/NAME.tmp made
 *   one word with a socket ----------------------> a fork of it:
 *   what is asked, two directories --------------> criu dumps the tree; before it ends it the state says "checkpointed", so that
 *                                                  no restart policy brings the container back
 *   the end, as one struct err <------------------
 *   NAME.tmp becomes NAME                          the container has ended, or goes on
 *
 * The files are below the container's own directory, or below another that was named; they hold what was in memory, so they are root's
 * alone. The container's files and volumes stay where they are: a start from the checkpoint finds them as they are then.
 */
#pragma once

#include "engine/container.h"
#include "runtime/checkpoint.h"

struct checkpoint_request {
	const char *name;      /* letters, digits, "_", ".", "-" */
	const char *dir;       /* where checkpoints are: NULL: the container's own place */
	const char *previous;  /* the name of a pre-dump beside it, whose pages it leaves out, or NULL */
	bool leave_running, tcp_established, file_locks, pre_dump;
	bool replace;          /* one of that name goes */
	bool drop_logs;        /* what criu told of its work is not kept */
};
/* The container is running; its lock is held. ERR_UNSUPPORTED: there is no criu. ERR_CONFLICT: there is one of that name. */
int container_save_processes(struct engine *g, struct container_entry *c, const struct checkpoint_request *r, struct err *e) must_use;

/* An array of {"Name","Created"} (RFC 3339), sorted by name. dir as in the request. NULL: the error. */
struct json *checkpoint_list(struct engine *g, struct container_entry *c, const char *dir, struct err *e);
int checkpoint_remove(struct engine *g, struct container_entry *c, const char *dir, const char *name, struct err *e) must_use;
/* Its files: a directory's fd. ERR_NOT_FOUND. */
int checkpoint_open(struct engine *g, struct container_entry *c, const char *dir, const char *name, struct err *e) must_use;

/* For the start (start.c): it comes from these files. */
struct checkpoint_use {
	int images;            /* checkpoint_open(); stays the caller's */
	bool tcp_established, tcp_close, file_locks;
};
/* As container_launch(). */
int container_launch_from(struct engine *g, struct container_entry *c, const struct checkpoint_use *from, int client, unsigned streams,
	struct err *e) must_use;

/* In the monitor. Takes fd; returns an errno. */
bool checkpoint_is_word(const void *p, size_t n);
struct monitor;
int checkpoint_begin(struct engine *g, struct container_entry *c, const struct container *ct, const struct monitor *m, int fd, pid_t *ret);
/* *pid: the fork, 0 when it has ended (now, or when that is waited for). One that was killed has saved nothing, whatever the state says. */
void checkpoint_reap(struct container_entry *c, pid_t *pid, bool wait);
