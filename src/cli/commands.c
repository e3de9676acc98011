/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands: the verbs in the order of `hull help`, and the groups. A group's verb is the same struct cmd under the name it
 * has there; docker's further names for it work and are not listed. C cannot copy a struct in an initialiser, so
 * the copies are made once, when the program starts.
 */
#include "cli/commands.h"

#include "cli/pod.h"
#include "cli/run_options.h"
#include "cli/tools.h"

struct row {
	const char *name; /* NULL: as the command is called */
	const struct cmd *cmd;
	unsigned flags;
};

static const struct row container_rows[] = {
	{NULL, &cmd_attach},
	{NULL, &cmd_container_checkpoint},
	{NULL, &cmd_clone},
	{NULL, &cmd_commit},
	{NULL, &cmd_create},
	{NULL, &cmd_cp},
	{NULL, &cmd_diff},
	{NULL, &cmd_exec},
	{NULL, &cmd_export},
	{NULL, &cmd_container_inspect},
	{NULL, &cmd_kill},
	{NULL, &cmd_logs},
	{"ls", &cmd_ps},
	{"ps", &cmd_ps, CMD_HIDDEN},
	{"list", &cmd_ps, CMD_HIDDEN},
	{NULL, &cmd_pause},
	{NULL, &cmd_port},
	{NULL, &cmd_container_prune},
	{NULL, &cmd_rename},
	{NULL, &cmd_restart},
	{NULL, &cmd_restore},
	{NULL, &cmd_rm},
	{"remove", &cmd_rm, CMD_HIDDEN},
	{NULL, &cmd_run},
	{NULL, &cmd_start},
	{NULL, &cmd_stats},
	{NULL, &cmd_stop},
	{NULL, &cmd_top},
	{NULL, &cmd_unpause},
	{NULL, &cmd_update},
	{NULL, &cmd_wait},
};
static const struct row image_rows[] = {
	{NULL, &cmd_build},
	{NULL, &cmd_copy},
	{NULL, &cmd_history},
	{NULL, &cmd_image_inspect},
	{NULL, &cmd_import},
	{NULL, &cmd_load},
	{"ls", &cmd_images},
	{"list", &cmd_images, CMD_HIDDEN},
	{"images", &cmd_images, CMD_HIDDEN},
	{NULL, &cmd_image_prune},
	{NULL, &cmd_pull},
	{NULL, &cmd_push},
	{"rm", &cmd_rmi},
	{"remove", &cmd_rmi, CMD_HIDDEN},
	{"rmi", &cmd_rmi, CMD_HIDDEN},
	{NULL, &cmd_save},
	{NULL, &cmd_sign},
	{NULL, &cmd_tag},
	{NULL, &cmd_verify},
};
static const struct row system_rows[] = {
	{NULL, &cmd_check},
	{NULL, &cmd_df},
	{NULL, &cmd_events},
	{NULL, &cmd_gc},
	{NULL, &cmd_info},
	{NULL, &cmd_migrate},
	{NULL, &cmd_system_prune},
	{NULL, &cmd_reset},
	{NULL, &cmd_version, CMD_HIDDEN},
};

#define GROUP(rows) static struct cmd rows##_copies[countof(rows)]; static const struct cmd *rows##_list[countof(rows) + 1]
GROUP(container_rows);
GROUP(image_rows);
GROUP(system_rows);

static const struct cmd cmd_container = {"container", "COMMAND", "Work with containers", .sub = container_rows_list};
static const struct cmd cmd_image = {"image", "COMMAND", "Work with images", .sub = image_rows_list};
static const struct cmd *const cgroup_list[] = {
	&cmd_cgroup_classify,
	&cmd_cgroup_create,
	&cmd_cgroup_exec,
	&cmd_cgroup_freeze,
	&cmd_cgroup_get,
	&cmd_cgroup_kill,
	&cmd_cgroup_ls,
	&cmd_cgroup_rm,
	&cmd_cgroup_rules,
	&cmd_cgroup_set,
	&cmd_cgroup_thaw,
	&cmd_cgroup_top,
	NULL,
};
static const struct cmd cmd_cgroup = {"cgroup", "COMMAND", "Make control groups, limit, fill and watch them", .sub = cgroup_list};
static const struct cmd *const ns_list[] = {
	&cmd_ns_enter,
	&cmd_ns_ls,
	&cmd_ns_run,
	NULL,
};
static const struct cmd cmd_ns = {"ns", "COMMAND", "Look at namespaces, make them, enter them", .sub = ns_list};
static const struct cmd cmd_system = {"system", "COMMAND", "Look at hull itself", .sub = system_rows_list};

const struct cmd *const cli_commands[] = {
	&cmd_run,
	&cmd_exec,
	&cmd_ps,
	&cmd_logs,
	&cmd_start,
	&cmd_stop,
	&cmd_restart,
	&cmd_kill,
	&cmd_rm,
	&cmd_create,
	&cmd_attach,
	&cmd_wait,
	&cmd_pause,
	&cmd_unpause,
	&cmd_rename,
	&cmd_update,
	&cmd_stats,
	&cmd_events,
	&cmd_top,
	&cmd_port,
	&cmd_cp,
	&cmd_diff,
	&cmd_commit,
	&cmd_checkpoint,
	&cmd_restore,
	&cmd_clone,
	&cmd_export,
	&cmd_inspect,
	&cmd_build,
	&cmd_pull,
	&cmd_push,
	&cmd_images,
	&cmd_load,
	&cmd_save,
	&cmd_copy,
	&cmd_import,
	&cmd_tag,
	&cmd_rmi,
	&cmd_history,
	&cmd_login,
	&cmd_logout,
	&cmd_search,
	&cmd_gc,
	&cmd_boot,
	&cmd_info,
	&cmd_serve,
	&cmd_version,
	&cmd_builder,
	&cmd_container,
	&cmd_healthcheck,
	&cmd_image,
	&cmd_manifest,
	&cmd_volume,
	&cmd_secret,
	&cmd_network,
	&cmd_pod,
	&cmd_kube,
	&cmd_play,
	&cmd_system,
	&cmd_systemd,
	&cmd_oci,
	&cmd_explain,
	&cmd_ns,
	&cmd_cgroup,
	&cmd_help,
	&cmd_completion,
	&cmd_man,
	NULL,
};

static void fill(const struct row *rows, size_t n, struct cmd *copies, const struct cmd **list)
{
	for (size_t i = 0; i < n; i++) {
		copies[i] = *rows[i].cmd;
		if (rows[i].name)
			copies[i].name = rows[i].name;
		copies[i].flags |= rows[i].flags;
		list[i] = &copies[i];
	}
	list[n] = NULL;
}

void cli_commands_fill(void)
{
	create_options_fill();
	pod_create_fill();
	pod_watch_fill();
	oci_command_fill();
	fill(container_rows, countof(container_rows), container_rows_copies, container_rows_list);
	fill(image_rows, countof(image_rows), image_rows_copies, image_rows_list);
	fill(system_rows, countof(system_rows), system_rows_copies, system_rows_list);
}
