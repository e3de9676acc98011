/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools: what `ns` and `cgroup` share: they stand for small programs of other packages, whose every failure is exit status 1, not
 * docker's 125 for a mistake of the user.
 */
#pragma once

#include "cli/cli.h"

static inline int tools_status(int r, const struct err *e)
{
	return r < 0 && e->kind == ERR_USAGE ? 1 : r;
}

/* ns_ls.c, ns_run.c, ns_enter.c; cgroup_*.c */
extern const struct cmd cmd_ns_ls, cmd_ns_run, cmd_ns_enter;
extern const struct cmd cmd_cgroup_create, cmd_cgroup_rm, cmd_cgroup_set, cmd_cgroup_get, cmd_cgroup_exec, cmd_cgroup_classify, cmd_cgroup_ls,
	cmd_cgroup_freeze, cmd_cgroup_thaw, cmd_cgroup_kill, cmd_cgroup_rules, cmd_cgroup_top;
/* explain.c */
extern const struct cmd cmd_explain;

/* cgroup_rules.c: each process to where /etc/cgrules.conf says. */
int tools_rules_classify(int argc, char **argv, bool sticky, struct err *e) must_use;
