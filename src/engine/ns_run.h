/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns_run: a command in new namespaces, as unshare(1), or in those of another process, as nsenter(1).
 *
 * Both give up the caller's own place for it: when they return an error, or the status of a child, the process only ends. Without a
 * fork the command takes the caller's place, and they return on failure alone: ERR_NOCMD, ERR_NOEXEC.
 */
#pragma once

#include "runtime/spec.h"
#include "sys/nsfs.h"

struct ns_who { /* who the command is, and what it keeps */
	bool set_uid, set_gid, keep_caps;
	uid_t uid;
	gid_t gid;
};

struct ns_run {
	uint64_t flags;                 /* CLONE_NEW* */
	const char *keep[NSFS_KINDS];   /* a file that the new namespace is mounted on, or NULL */
	struct idmap_rows uids, gids;   /* of a new user namespace; empty: none are written */
	const char *setgroups;          /* "allow", "deny", NULL: as it is */
	unsigned long propagation;      /* MS_PRIVATE … of all mounts, 0: as they are */
	const char *mount_proc;         /* where a new /proc goes, or NULL */
	const char *root, *wd;          /* NULL: as they are */
	bool fork;
	int kill_child;                 /* the signal it gets when we die; 0: none */
	int64_t monotonic_s, boottime_s; /* of a new time namespace */
	struct ns_who who;
	char *const *argv;              /* NULL-terminated; argv[0] NULL: the user's shell */
};
/* A single row of the caller's own ids is written by himself, for which setgroups is denied; all else by idmap_write_given(). */
int ns_run(const struct ns_run *r, int *ret_status, struct err *e) must_use;

enum ns_dir { NS_KEEP, NS_TARGETS, NS_PATH };
struct ns_enter {
	pid_t target;                   /* 0: none */
	unsigned kinds;                 /* bits of nsfs_kinds[] to join of the target's */
	bool all;                       /* all of the target's that we are not in already */
	const char *file[NSFS_KINDS];   /* a namespace by its file, or NULL */
	enum ns_dir root, wd;
	const char *root_path, *wd_path, *wdns_path;
	bool no_fork, preserve_credentials, environment, join_cgroup;
	struct ns_who who;
	char *const *argv;
};
int ns_enter(const struct ns_enter *n, int *ret_status, struct err *e) must_use;

/* ns_exec.c: what both end with. */
int ns_exec(const struct ns_who *who, char *const *argv, struct err *e) must_use; /* returns on failure alone */
/* Waits for the command in a child: its exit status, 128 + n for a signal. */
int ns_wait(pid_t child, struct err *e) must_use;
