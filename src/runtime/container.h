/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container: one container's processes. The caller is the parent of the container's first process for
 * all its life (the monitor; `hull oci create` hands it to init).
 *
 *   container_create   cgroup made, process cloned into all namespaces, root file system set up, everything
 *                      done but the last exec; or an error and nothing left behind
 *   container_start    lets it go; returns when the exec has happened, or its error (ERR_NOCMD, ERR_NOEXEC, ...): then the
 *                      process was killed, and the caller reaps it and calls container_remove as after any other end
 *   container_exec     one more process in a running container
 *
 * All of them are single-threaded, allocate little and never print. The command itself is executed by the launch program
 * (launch.h), never by hull.
 */
#pragma once

#include "base/err.h"
#include "runtime/cgroup.h"
#include "runtime/cgroup_place.h"
#include "runtime/intel_rdt.h"
#include "runtime/spec.h"

#include <sys/types.h>

struct container;
struct container_create {
	const char *id;
	const struct spec *spec;
	int rootfs;      /* detached mount to use as the root (not closed), or -1: spec->root->path */
	int stdio[3];    /* become fds 0 1 2 when spec->process->terminal is false; -1: /dev/null */
	int console;     /* a unix socket that gets the pty's master (OCI --console-socket), or -1 */
	int preserve_fds; /* fds 3 .. 3+n-1 stay open in the container */
	const char *bundle; /* directory for hooks' state and a relative root.path; NULL: none */
	int seccomp_cache;  /* directory fd for compiled filters, or -1 */
	bool no_pivot;      /* the root is moved over the host's and entered by chroot: where pivot_root cannot be (an initramfs) */
	bool no_new_keyring; /* the session keyring is the caller's */
	enum cgroup_manager cgroup_manager; /* DISABLED: the caller cannot or does not want to make cgroups */
	int start_listen;   /* a listening unix socket (SOCK_SEQPACKET) for container_connect() after container_leave(); 0: none */
	/* Called when the groups are made and before there is a process: what must be known of the container to take it away is
	 * known now. NULL: nobody cares. */
	int (*prepared)(const struct container *ct, void *arg, struct err *e);
	void *arg;
	int resctrl;        /* the root of the resctrl file system; 0: where it is mounted */
	int netns_socket;   /* a unix socket that gets the network namespace, before there is a program in it; 0: none. Later a plain user
	                     * may not open it: the process has become one whom nobody looks into */
	bool init;          /* the first process is hull's own init, which runs the command, passes signals on and reaps */
};

struct container {
	pid_t pid;          /* as the caller sees it */
	int pidfd;
	uint64_t start_time; /* field 22 of /proc/<pid>/stat: tells a reused pid */
	int console;        /* the pty's master when terminal and no console socket was given, else -1 */
	int start;          /* internal: the handshake socket, -1 after container_start */
	struct cgroup cgroup;
	struct intel_rdt rdt;
	char warning[200];  /* what was asked for and could only be done in part; "" */
	const struct container_create *create; /* what it was made of; stays valid until container_remove */
};

int container_create(const struct container_create *c, struct container *ret, struct err *e) must_use;
int container_start(struct container *c, struct err *e) must_use;
void container_reap(struct container *c); /* kills its first process, the caller's child, and waits for it */
/* The container is made, and somebody else will start it: from here on it does not end with its parent. */
int container_leave(struct container *c, struct err *e) must_use;
/* For that one: connects c->start (c: pid, create and pidfd are filled by the caller) by the socket's name in a directory. Then
 * container_start(). ERR_CONFLICT: nobody waits there. */
int container_connect(struct container *c, int dirfd, const char *name, struct err *e) must_use;
/* Kills what is left in the cgroup, removes it and what is left of linux.intelRdt, runs the poststop hooks. Called when the first process has been reaped. */
int container_remove(struct container *c, struct err *e) must_use;
void container_drop(struct container *c); /* closes the fds */

struct container_exec {
	const char *id, *bundle; /* of the container, for who is told of it (a seccomp agent); NULL: "" and "/" */
	pid_t pid;              /* the container's first process */
	uint64_t start_time;    /* checked against reuse; 0: not checked */
	const struct spec_process *process;
	const struct spec *spec; /* of the container: seccomp, time namespace, masked paths */
	const struct cgroup *cgroup; /* NULL: stay in the caller's. A frozen one is ERR_CONFLICT, */
	bool ignore_paused;      /* unless the caller wants to wait until it thaws */
	const struct cgroup_place *place; /* where in those groups; NULL: in the groups themselves, or, when those take no process any
	                          * more (their resources went to groups below), beside the container's first process */
	int stdio[3];
	int preserve_fds;
	bool no_new_keyring; /* as the container was made */
	int seccomp_cache;
	int resctrl;            /* as in struct container_create */
};
struct container_process {
	pid_t pid;
	int pidfd;
	int console; /* the pty's master, when process->terminal */
};
/* Returns when the exec has happened, or its error. The process is the caller's child, also when it came about by way of
 * another one; the caller reaps it. */
int container_exec(const struct container_exec *x, struct container_process *ret, struct err *e) must_use;

/* True while the process with that pid and start time exists (zombies do not count). */
bool container_is_alive(pid_t pid, uint64_t start_time);
/* The processes of a container: those in its groups; when it has none, those in the PID namespace of its first one, or that one alone
 * when the namespace is ours too. ERR_NOT_FOUND. */
int container_pids(const struct cgroup *c, pid_t first, struct u32v *ret /* malloc */, struct err *e) must_use;
uint64_t container_start_time(pid_t pid); /* 0: no such process */
