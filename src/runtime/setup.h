/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setup: what the files of the child side share: the child that becomes a container's process, from clone3 to exec.
 * Everything here runs in that child, single-threaded, with the host's mounts still in sight until rootfs_enter().
 */
#pragma once

#include "runtime/container.h"
#include "runtime/seccomp.h"

struct setup {
	const struct container_create *create;
	const struct spec *spec;
	const struct spec_process *process;
	const struct cgroup *cgroup;
	const struct seccomp_filter *filter; /* NULL: none */
	int sock;     /* to the parent */
	int root;     /* the root file system's mount */
	int proc;     /* the container's own procfs, mounted by us: labels, sysctls, oom_score_adj */
	int slave;    /* the terminal, or -1 */
	int master;   /* on its way to the parent, or -1 */
	int stdio[3];
	bool own_userns, late_cgroupns;
	char warning[200];
};

struct step {
	const char *name;
	int (*run)(struct setup *s, struct err *e);
};

/* rootfs.c */
int rootfs_attach(struct setup *s, struct err *e) must_use;       /* the root mount, propagation */
int rootfs_devices(struct setup *s, struct err *e) must_use;      /* nodes and links in /dev */
int rootfs_console(struct setup *s, struct err *e) must_use;      /* the pty and /dev/console */
int rootfs_mask(struct setup *s, struct err *e) must_use;         /* masked and read-only paths */
int rootfs_enter(struct setup *s, struct err *e) must_use;        /* read-only root, pivot_root */
/* The place for a mount: an O_PATH fd of `path` inside the root, made when missing (a directory or an empty file). */
int rootfs_target(struct setup *s, const char *path, bool is_dir, struct err *e) must_use;

/* mounts.c */
int mounts_make(struct setup *s, struct err *e) must_use;         /* all but the cgroup mounts */
int mounts_make_cgroup(struct setup *s, struct err *e) must_use;  /* when we are in our groups */

/* process.c: the last part, the same for the first process and for exec */
int process_limits(struct setup *s, struct err *e) must_use;      /* rlimits, oom score, scheduler, i/o priority */
/* Becomes the user's command. Returns only on failure. */
int process_exec(struct setup *s, struct err *e) must_use;
int process_terminal(struct setup *s, struct err *e) must_use;    /* opens a pty in the devpts of the root */

/* init.c: from clone to exec; never returns. */
void init_main(struct setup *s) __attribute__((noreturn));
/* The messages between the two sides. */
enum { SETUP_MAPPED = 'M', SETUP_IN_GROUP = 'A', SETUP_GO = 'G', SETUP_READY = 'R' };
int setup_wait(int sock, char expected, struct err *e) must_use;
/* To the parent: ready (with the pty's master), or the error. */
void setup_report(struct setup *s, const struct err *why) ;
/* The parent's end of the same: 0 and *ret_console, or the child's error. */
int setup_read_report(int sock, int *ret_console, char warning[static 200], struct err *e) must_use;
/* After the go: end of file means the exec happened, else the error comes. */
int setup_read_exec(int sock, struct err *e) must_use;
