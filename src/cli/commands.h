/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands: every verb there is, by the file that has it.
 */
#pragma once

#include "cli/cli.h"

/* volume.c: what its --all stands for. */
int volume_names(struct engine *g, const struct cmd *cmd, bool all, int *argc, char ***argv, struct strv *hold, struct err *e) must_use;
/* run.c, start.c, stop.c, wait.c */
extern const struct cmd cmd_run;
extern const struct cmd cmd_create;
extern const struct cmd cmd_start;
extern const struct cmd cmd_attach;
extern const struct cmd cmd_exec;
extern const struct cmd cmd_stop;
extern const struct cmd cmd_restart;
extern const struct cmd cmd_kill;
extern const struct cmd cmd_wait;
extern const struct cmd cmd_boot;
extern const struct cmd cmd_healthcheck;
extern const struct cmd cmd_update;
extern const struct cmd cmd_stats;
extern const struct cmd cmd_cp;
extern const struct cmd cmd_diff;
extern const struct cmd cmd_events;
extern const struct cmd cmd_clone;
extern const struct cmd cmd_commit;
extern const struct cmd cmd_checkpoint;
extern const struct cmd cmd_container_checkpoint;
extern const struct cmd cmd_restore;
/* pause.c, rename.c, rm.c, logs.c */
extern const struct cmd cmd_pause;
extern const struct cmd cmd_unpause;
extern const struct cmd cmd_rename;
extern const struct cmd cmd_reset;
extern const struct cmd cmd_rm;
extern const struct cmd cmd_container_prune;
extern const struct cmd cmd_logs;
/* copy.c, export.c, import.c, pull.c, push.c, load.c, save.c, tag.c, rmi.c */
extern const struct cmd cmd_copy;
extern const struct cmd cmd_export;
extern const struct cmd cmd_import;
extern const struct cmd cmd_pull;
extern const struct cmd cmd_push;
extern const struct cmd cmd_load;
extern const struct cmd cmd_save;
extern const struct cmd cmd_tag;
extern const struct cmd cmd_rmi;
extern const struct cmd cmd_image_prune;
/* login.c, search.c, manifest.c */
extern const struct cmd cmd_manifest;
extern const struct cmd cmd_login;
extern const struct cmd cmd_logout;
extern const struct cmd cmd_search;
/* build.c, builder.c */
extern const struct cmd cmd_build;
extern const struct cmd cmd_builder;
extern const struct cmd *const cmd_build_below[];
/* sign.c */
extern const struct cmd cmd_sign;
extern const struct cmd cmd_verify;
/* check.c, disk.c, migrate.c */
extern const struct cmd cmd_check;
extern const struct cmd cmd_migrate;
extern const struct cmd cmd_df;
extern const struct cmd cmd_gc;
extern const struct cmd cmd_system_prune;
/* list_containers.c, list_images.c, history.c, inspect.c, info.c, top.c, volume.c, network.c, port.c, doc.c */
extern const struct cmd cmd_ps;
extern const struct cmd cmd_images;
extern const struct cmd cmd_history;
extern const struct cmd cmd_inspect;
extern const struct cmd cmd_container_inspect;
extern const struct cmd cmd_image_inspect;
extern const struct cmd cmd_volume_inspect;
extern const struct cmd cmd_info;
extern const struct cmd cmd_version;
/* serve.c */
extern const struct cmd cmd_serve;
extern const struct cmd cmd_top;
extern const struct cmd cmd_secret;
extern const struct cmd cmd_volume;
extern const struct cmd cmd_network;
extern const struct cmd cmd_port;
extern const struct cmd cmd_completion;
extern const struct cmd cmd_man;
/* pod.c */
extern const struct cmd cmd_pod;
/* kube.c */
extern const struct cmd cmd_kube;
extern const struct cmd cmd_play;
/* systemd.c */
extern const struct cmd cmd_systemd;
/* The generator that argv[0] names, or NULL. */
const struct cmd *systemd_generator(int argc, char **argv);
/* oci.c: the table of the program hull-runtime under another name */
extern struct cmd cmd_oci;
void oci_command_fill(void);
