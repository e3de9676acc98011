/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod: what the files of `hull pod` share.
 */
#pragma once

#include "cli/commands.h"
#include "cli/run_request.h"

/* pod_create.c: `run --pod new:NAME`: the pod, with what the request says that is a pod's to say (networks, ports, names); r->host.pod is it then. */
int pod_create_for(struct engine *g, struct run_request *r, const char *name, struct err *e) must_use;
/* What was named, or with all every pod, or with latest the one that was made last; ERR_USAGE for nothing and for both. */
struct pod_choice { bool all, latest, lenient; struct strv files; }; /* lenient: a file of --pod-id-file that is not there is no error */
int pod_choose(struct engine *g, const struct pod_choice *c, int argc, char **argv, struct strv *ret, struct err *e) must_use;

/* pod_clone.c, pod_create.c, pod_ls.c, pod_watch.c */
extern struct cmd cmd_pod_create;
extern const struct cmd cmd_pod_clone, cmd_pod_inspect, cmd_pod_ls, cmd_pod_ps, cmd_pod_list, cmd_pod_top, cmd_pod_logs;
extern struct cmd cmd_pod_stats;
void pod_create_fill(void);
void pod_watch_fill(void);
