/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: the words of the verb exec, and the process that they describe.
 */
#pragma once

#include "oci/state.h"

struct oci_exec_options {
	char *console_socket, *pidfd_socket, *pid_file;         /* who gets to know of it */
	char *process, *cwd, *user, *label, *apparmor;          /* what it is */
	struct strv env, groups, caps;
	bool tty, no_new_privs;
	struct strv cgroups;                                    /* where it goes */
	bool detach, ignore_paused;
	struct opt_num preserve_fds;
};

/* The container's own process (c->spec is loaded) with what was asked for in its place; with --process the file's, where only
 * security settings and limits that it leaves out are the container's. Lives in c->arena. */
int oci_exec_process(struct oci_container *c, const struct oci_exec_options *o, char **command, struct spec_process *ret, struct err *e) must_use;
