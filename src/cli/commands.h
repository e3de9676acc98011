/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands: every verb there is, by the file that has it.
 */
#pragma once

#include "cli/cli.h"

/* run.c, start.c, stop.c, wait.c */
extern const struct cmd cmd_run, cmd_create, cmd_start, cmd_attach, cmd_exec, cmd_stop, cmd_restart, cmd_kill, cmd_wait, cmd_boot;
extern const struct cmd cmd_healthcheck, cmd_update, cmd_stats, cmd_diff, cmd_commit;
/* pause.c, rename.c, rm.c, logs.c */
extern const struct cmd cmd_pause, cmd_unpause, cmd_rename, cmd_rm, cmd_container_prune, cmd_logs;
/* copy.c, export.c, import.c, pull.c, push.c, load.c, save.c, tag.c, rmi.c */
extern const struct cmd cmd_copy, cmd_export, cmd_import, cmd_pull, cmd_push, cmd_load, cmd_save, cmd_tag, cmd_rmi, cmd_image_prune;
/* login.c, search.c, manifest.c */
extern const struct cmd cmd_manifest, cmd_login, cmd_logout, cmd_search;
/* build.c, builder.c */
extern const struct cmd cmd_build, cmd_builder;
/* sign.c */
extern const struct cmd cmd_sign, cmd_verify;
/* check.c, disk.c, migrate.c */
extern const struct cmd cmd_check, cmd_migrate, cmd_df, cmd_gc, cmd_system_prune;
/* list_containers.c, list_images.c, history.c, inspect.c, info.c, top.c, volume.c, network.c, port.c, doc.c */
extern const struct cmd cmd_ps, cmd_images, cmd_history, cmd_inspect, cmd_container_inspect, cmd_image_inspect, cmd_volume_inspect, cmd_info, cmd_version,
	cmd_top, cmd_volume, cmd_network, cmd_port, cmd_completion, cmd_man;
/* oci.c: the table of the program hull-runtime under another name */
extern struct cmd cmd_oci;
void oci_command_fill(void);
