/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container: the verbs on containers, as functions. A container is named by name, id or unique id prefix.
 */
#pragma once

#include "engine/engine.h"
#include "monitor/attach.h"
#include "runtime/cgroup.h"

/* create.c: makes a container from what the front end understood. config and host are completed from the image
 * (they live in `arena`); a user "::GROUP" is the image's in that group. The image must be here. */
struct create_request {
	const char *name; /* NULL: a made-up one */
	struct container_config *config;
	struct host_config *host;
	const char *platform;
	bool starts; /* the caller starts it at once: its state is written then, not now */
	const char *uid_map, *gid_map; /* "0:100000:65536,…", NULL: as host->userns_mode says */
	struct arena *arena;
};
int container_new(struct engine *g, const struct create_request *r, char ret_id[65], struct err *e) must_use;

/* start.c: starts it under a monitor of its own. client: -1, or a connected attach socket for the monitor (is
 * closed). On failure the state tells the error and e->kind is ERR_NOCMD, ERR_NOEXEC or other. */
/* On success the container's lock is let go. With --rm a start that failed removes the container. */
int container_launch(struct engine *g, struct container_entry *c, int client, unsigned streams, struct err *e) must_use;

/* life.c: what the commands do. 1: it was started; 0: it runs already. */
int container_start_named(struct engine *g, const char *text, struct err *e) must_use;
int container_restart(struct engine *g, const char *text, int sig, int timeout_s, struct err *e) must_use; /* as container_stop, then started */

/* What messages call it: by its name. */
static inline const char *container_label(const struct container_entry *c)
{
	return str_is_empty(c->state.name) ? c->id : c->state.name;
}

/* life.c */
/* Loads the entry and settles its state: a monitor that was killed, a machine that was restarted. After it the
 * status is true: created, running, paused, exited, dead. */
int container_get(struct engine *g, const char *text, int flags, struct container_entry *ret, struct err *e) must_use;
int container_get_running(struct engine *g, const char *text, struct container_entry *ret, struct err *e) must_use;
const char *container_status(struct engine *g, struct container_entry *c); /* settles, as above */
int container_signal(struct engine *g, struct container_entry *c, int sig, struct err *e) must_use;
/* The same for `kill`: after SIGKILL it waits for the end. */
int container_kill(struct engine *g, struct container_entry *c, int sig, struct err *e) must_use;
/* Stop signal, wait, SIGKILL. timeout_s -1: for ever; INT_MIN: the container's own (10 s by default). sig 0: its own. */
int container_stop_seconds(const struct container_config *c); /* how long it may take; -1: for ever */
int container_stop(struct engine *g, struct container_entry *c, int sig, int timeout_s, struct err *e) must_use;
/* Until it is not running. timeout_ns < 0: for ever; 1 = it ended, 0 = time is up. ret_status may be NULL. */
int container_wait(struct engine *g, struct container_entry *c, int64_t timeout_ns, int *ret_status, struct err *e) must_use;
int container_pause(struct engine *g, struct container_entry *c, bool paused, struct err *e) must_use;
/* For who pauses it for a moment (life.c): an fd that its monitor watches. Closed before pause_over(), as the end of its holder does, it is thawed. */
int pause_hold(struct engine *g, const struct container_entry *c, struct err *e) must_use;
void pause_over(int *hold);
bool pause_is_word(const void *p, size_t n);
/* Its monitor is told to kill it, for good (life.c). */
bool end_is_word(const void *p, size_t n);
/* In the monitor. *fd: -1 when there is nothing to watch any more. */
void pause_served(struct engine *g, struct container_entry *c, int *fd);
int container_rename(struct engine *g, const char *text, const char *name, struct err *e) must_use;
/* volumes: anonymous volumes go too. force: a running one is killed. */
int container_delete(struct engine *g, const char *text, bool force, bool volumes, struct err *e) must_use;
/* Frees its name and makes it unknown; what is left of it goes with container_erase(), or as half made. */
int container_forget(struct engine *g, struct container_entry *c, struct err *e) must_use;
/* What a monitor that was killed left of the running container: its processes are killed, its cgroup is removed. */
void container_end(struct engine *g, struct container_entry *c);
/* Where its cgroup is, or will be: below each hierarchy's root. */
char *container_cgroup_path(struct arena *a, const struct container_entry *c);
/* The part of delete that a monitor does for --rm; the container does not run any more, its lock is held. */
int container_erase(struct engine *g, struct container_entry *c, bool volumes, struct err *e) must_use;

/* exec.c */
struct exec_request {
	struct strv args, env;
	const char *user, *workdir; /* NULL: the container's own */
	bool tty, privileged, detach, interactive;
	uint16_t rows, cols;        /* of its terminal, from its first instruction on; 0: as it may be */
	const char *detach_keys;    /* NULL: the container's own, else ctrl-p,ctrl-q */
	int preserve_fds;           /* our fds from 3 on that it gets, too */
	const struct ulimit *files; /* unless the container has one of that name; NULL: ours */
};
/* Attached: our stdio is the process's (or is copied to and from its terminal); returns when it ends, *ret_status is its exit
 * status, 128 + n for a signal, or when the detach keys were typed (0). ERR_NOCMD, ERR_NOEXEC: the command could not be
 * executed. Signals that reach us go to the process. */
int container_run_in(struct engine *g, struct container_entry *c, const struct exec_request *r, int *ret_status, struct err *e) must_use;
/* The same without waiting: a child of ours, with these fds as its stdio (-1: /dev/null) or a terminal of ours. */
struct container_process;
int container_begin_in(struct engine *g, struct container_entry *c, const struct exec_request *r, const int stdio[3], struct container_process *ret,
	struct err *e) must_use;

/* inspect.c: docker's inspect document. */
/* Bytes of the writable layer, and with all layers below it. */
int container_size(struct engine *g, struct container_entry *c, uint64_t *ret_rw, uint64_t *ret_root, struct err *e) must_use;
struct json *container_inspect(struct engine *g, struct container_entry *c, bool size, struct err *e);
