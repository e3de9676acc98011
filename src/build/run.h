/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: what the files of RUN share, inside src/build: run.c (the step, its key), run_mounts.c (--mount), run_container.c (the container
 * itself), run_layer.c (what it left as a layer), run_leak.c (secrets in there).
 */
#pragma once

#include "build/stage.h"
#include "engine/network.h"
#include "runtime/spec.h"
#include "state/container.h"

enum run_mount_kind { RUN_BIND, RUN_CACHE, RUN_TMPFS, RUN_SECRET, RUN_SSH };
struct run_mount {
	enum run_mount_kind kind;
	const char *id, *target, *source, *from, *env, *sharing, *size;
	bool rw, required, has_owner, is_there;
	uint32_t mode, uid, gid;
	char *volume;          /* of a cache */
	const char *path;      /* where it is on the host, when it is known; "" */
	pid_t relay;           /* who hands on what is said to an SSH agent; 0 */
	int lock, ready;       /* ready: a detached mount that goes in place of path; -1 */
};
struct run {
	struct step *x;
	struct strv args, env;
	const char *network, *security, *hostname;
	struct { struct run_device { char *name; bool required; } *v; size_t n; } devices; /* by CDI names */
	bool out_of_memory;    /* something in it was killed for that */
	bool is_shell;         /* not the step, but somebody who looks around */
	struct { struct run_mount *v; size_t n; } mounts;
	struct { const char *name, *body; } script; /* a here-document that is executed; body NULL: none */

	char id[65];
	int dir, lock;         /* build/running/<id> */
	int root;              /* the mounted root */
	int run_dir;
	struct container_entry c;
	struct connections net;
	struct { struct run_stub { char *path; } *v; size_t n; } stubs; /* mount points that are not the image's */
	struct { struct run_above { char *path; bool is_there; struct stat st; } *v; size_t n; } above; /* the directories that lead to them */
	struct stat before;    /* of the root directory */
};
/* Reads all --mount of the instruction. */
int run_mounts_read(struct run *r, struct err *e) must_use;
void run_mounts_key(struct run *r, struct key *k);
/* Content of binds from the context counts too. 1: not known while probing. */
int run_mounts_content(struct run *r, struct key *k, struct err *e) must_use;
/* Adds them to the container's record; what has to be mounted for them is mounted. */
int run_mounts_place(struct run *r, struct err *e) must_use;
int run_mounts_wrong(struct run *r, struct err *e, const char *fmt, ...) printf_like(3, 4); /* with the place in the Dockerfile */
/* run_bind.c: what a bind shows: path or ready. i: its number, for names in the step's directory. */
int run_bind_place(struct run *r, struct run_mount *m, size_t i, struct err *e) must_use;
/* What --secret gave for it. 1: it is there; 0: nothing was given. */
enum { SECRET_MAX = 500 << 10 };
int run_mounts_secret(struct run *r, const struct run_mount *m, struct buf *out, struct err *e) must_use;
/* Gives the container what was mounted. */
void run_mounts_ready(struct run *r, struct spec *spec);
void run_mounts_drop(struct run *r);

/* Makes the container, runs the command, hands its output on. The exit status, or -1. */
int run_container(struct run *r, struct err *e) must_use;
/* Remembers which of these mount points the image does not have, and what the directories above them are: run_layer() takes away what the
 * container left of them. */
int run_stubs_note(struct run *r, const char *const *paths, size_t n, struct err *e) must_use;
/* run_proc.c: does the kernel refuse a plain user's own /proc, since parts of the one he has are hidden from him? Then RUN sees that one. */
bool run_proc_is_refused(void);
void run_proc_bind(struct spec *spec);
/* run_shell.c */
struct container;
bool run_shell_has_terminal(void);
/* Hands the shell's terminal on until it ends. */
int run_shell_serve(struct run *r, struct container *ct, struct err *e) must_use;
void run_shell_tell(struct step *x, const char *why);
/* A command that is executed, not a shell's. */
int run_layer(struct run *r, char layer[136], struct err *e) must_use;
/* run_leak.c: warns of secrets that are in the layer. */
void run_leaks_tell(struct run *r, int upper);
/* Removes directories of steps whose process was killed, with their containers. */
void run_sweep(struct build *b);
