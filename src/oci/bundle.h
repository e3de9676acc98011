/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle: from a bundle (a directory with config.json) to a container that waits for its start: what create, run and restore
 * share.
 */
#pragma once

#include "oci/foreground.h"
#include "oci/state.h"

struct oci_create_options {
	char *bundle, *config, *console_socket, *pidfd_socket, *pid_file;
	bool no_pivot, no_new_keyring, no_subreaper, detach, keep;
	struct opt_num preserve_fds;
};
/* The rows of struct oci_create_options that create and run have in common. */
#define OCI_CREATE_OPTIONS(S, m) \
	{"bundle", 'b', OPT_STR, offset_of(S, m bundle), "DIR", "The bundle (the working directory)", 0, "@dir"}, \
	{"config", 'f', OPT_STR, offset_of(S, m config), "FILE", "The configuration (config.json in the bundle)", 0, "@file"}, \
	{"console-socket", 0, OPT_STR, offset_of(S, m console_socket), "SOCKET", "Gets the terminal's master", 0, "@file"}, \
	{"no-new-keyring", 0, OPT_BOOL, offset_of(S, m no_new_keyring), NULL, "Keep the session keyring of the caller"}, \
	{"no-pivot", 0, OPT_BOOL, offset_of(S, m no_pivot), NULL, "Enter the root without pivot_root (for a root on a ramdisk; weaker)"}, \
	{"no-subreaper", 0, OPT_BOOL, offset_of(S, m no_subreaper), NULL, "Do not adopt the container's orphans"}, \
	{"pid-file", 0, OPT_STR, offset_of(S, m pid_file), "FILE", "Gets the process's number", 0, "@file"}, \
	{"pidfd-socket", 0, OPT_STR, offset_of(S, m pidfd_socket), "SOCKET", "Gets a pidfd of the process", 0, "@file"}, \
	{"preserve-fds", 0, OPT_U64, offset_of(S, m preserve_fds), "N", "File descriptors past the standard three that the container gets"}

struct criu_options;
struct oci_creation {
	const struct oci_create_options *options;
	const struct criu_options *restore; /* its processes come from a checkpoint: it runs already. NULL: new ones */
	struct oci_container c;
	struct container_create create; /* points into c */
	struct container container;
	int console, listen, notify;
};
#define OCI_CREATION_EMPTY {.c = OCI_CONTAINER_EMPTY, .console = -1, .listen = -1, .notify = -1, \
	.container = {.pidfd = -1, .console = -1, .start = -1, .cgroup = {.v2 = -1}}}
void oci_creation_drop(struct oci_creation *x);

/* Everything up to the start. leave: the container is left to a later `start`, so that it does not end with us. On error
 * nothing is left. */
int oci_create(const char *id, const struct oci_create_options *o, bool leave, struct oci_creation *ret, struct err *e) must_use;
/* Removes a container that ended, or whose start failed: control groups, poststop hooks, its directory. */
int oci_remove(struct oci_creation *x, struct err *e) must_use;
/* run.c: stays until a container that was started has ended, and removes it, unless it is to be kept. Returns its status, or -1. */
int oci_follow(struct oci_creation *x, struct foreground *f, struct err *e) must_use;

/* Replaced whole: who waits for the file never reads half of it. NULL path: nothing to do. */
int oci_write_pid_file(const char *path, pid_t pid, struct err *e) must_use;
/* Sends the pidfd, with runc's word, to a listening unix socket. NULL path: nothing to do. */
int oci_send_pidfd(const char *path, const char *what, int pidfd, struct err *e) must_use;
/* Connects to a listening unix stream socket. */
int oci_connect(const char *path, const char *what, struct err *e) must_use;
/* The master of a terminal, to a connected console socket. */
int oci_send_console(int sock, int master, struct err *e) must_use;
/* A plain file of a size that a configuration has: nothing that blocks, nothing without end. */
enum { OCI_DOCUMENT_MAX = 16 << 20 };
int oci_read_document(const char *path, struct buf *out, struct err *e) must_use;
/* --preserve-fds, and LISTEN_FDS of the caller (sd_listen_fds(3)) with what a process needs in its environment for them. */
int oci_preserve_fds(const struct opt_num *asked, struct arena *a, struct spec_process *p, int *ret, struct err *e) must_use;
