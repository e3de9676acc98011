/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_ls: `cgroup ls`, as lscgroup of libcgroup, and what acts on all processes of a group: freeze, thaw, kill.
 */
#include "cli/commands.h"
#include "cli/tools.h"
#include "engine/owners.h"
#include "runtime/cgroup_named.h"
#include "sys/signals.h"

#include <signal.h>
#include <stdlib.h>

struct ls_options {
	struct strv groups;
	char *format;
	bool quiet;
	/* worked out */
	struct owners owners;
	struct json *rows;
};
#define O(m) offset_of(struct ls_options, m)
static const struct opt ls_opts[] = {
	{"format", 0, OPT_STR, O(format), "string", "A Go template for each row, \"table\", \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"group", 'g', OPT_STRV, O(groups), "CONTROLLERS:PATH", "Only that group and those below it"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Print paths only"},
};
#undef O
static const struct cli_heading headings[] = {{"Controllers", "CONTROLLERS"}, {"Path", "PATH"}, {"Processes", "NPROCS"}, {"Container", "CONTAINER"},
	{NULL, NULL}};

static int add(void *arg, int row, int dir, const char *path, struct err *e unused)
{
	struct ls_options *o = arg;
	struct json *r = json_new_object();
	struct u32v pids = {};
	own(mem) char *controllers = cgroup_named_controllers(row, dir);
	const struct owner *owner = owners_of_group(&o->owners, path);
	cgroup_add_pids(dir, &pids);
	own(mem) char *n = mem_printf("%zu", pids.n);
	free(pids.v);
	json_set_str(r, "Controllers", controllers);
	json_set_str(r, "Path", path);
	json_set_str(r, "Processes", n);
	json_set_str(r, "Container", owner ? owner->name : "");
	json_add(o->rows, r);
	return 0;
}

static int walk(struct ls_options *o, const char *text, struct err *e)
{
	own(arena) struct arena a = {};
	struct cgroup_named g;
	uint32_t rows;
	if (cgroup_named_parse(text, &a, &g, e) < 0 || cgroup_named_find(&g, &rows, e) < 0)
		return -1;
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (rows & 1u << i && cgroup_named_walk(i, g.path, -1, add, o, e) < 0)
			return -1;
	return 0;
}

static int ls_it(struct ls_options *o, int argc, char **argv, struct err *e)
{
	own(json) struct json *rows = o->rows = json_new_array();
	struct engine *g = cli_engine(e);
	if (!g || owners_load(g, &o->owners, e) < 0)
		return -1;
	if (!o->groups.n && !argc && walk(o, "/", e) < 0)
		return -1;
	for (size_t i = 0; i < o->groups.n; i++)
		if (walk(o, o->groups.v[i], e) < 0)
			return -1;
	for (int i = 0; i < argc; i++)
		if (walk(o, argv[i], e) < 0)
			return -1;
	const char *format = o->quiet ? "{{.Path}}" : o->format ? o->format : "{{.Controllers}}:{{.Path}}";
	return cli_format_rows(rows, format, "table {{.Controllers}}\t{{.Path}}\t{{.Processes}}\t{{.Container}}", headings, e);
}

static int ls(void *opts, int argc, char **argv, struct err *e)
{
	struct ls_options *o = opts;
	int r = ls_it(o, argc, argv, e);
	owners_drop(&o->owners);
	return tools_status(r, e);
}

struct kill_options {
	char *signal;
	/* worked out */
	int number;
};
static const struct opt kill_opts[] = {
	{"signal", 's', OPT_STR, offset_of(struct kill_options, signal), "SIGNAL", "Which signal (KILL)", 0, CLI_SIGNALS},
};

static int on_group(const char *name, int (*act)(const struct cgroup_named *g, int how, struct err *e), int how, struct err *e)
{
	own(arena) struct arena a = {};
	struct cgroup_named g;
	return cgroup_named_parse(name, &a, &g, e) < 0 ? -1 : act(&g, how, e);
}

static int act_freeze(const struct cgroup_named *g, int how, struct err *e)
{
	return cgroup_named_freeze(g, how, e);
}

static int freeze_one(const char *name, void *arg, struct err *e)
{
	return on_group(name, act_freeze, *(bool *)arg, e);
}

static int freeze(void *opts unused, int argc, char **argv, struct err *e unused)
{
	bool frozen = true;
	return cli_each(argc, argv, false, freeze_one, &frozen);
}

static int thaw(void *opts unused, int argc, char **argv, struct err *e unused)
{
	bool frozen = false;
	return cli_each(argc, argv, false, freeze_one, &frozen);
}

static int kill_one(const char *name, void *arg, struct err *e)
{
	return on_group(name, cgroup_named_signal, ((struct kill_options *)arg)->number, e);
}

static int kill_them(void *opts, int argc, char **argv, struct err *e)
{
	struct kill_options *o = opts;
	o->number = SIGKILL;
	if (o->signal && signal_parse(o->signal, &o->number, e) < 0)
		return tools_status(-1, e);
	return cli_each(argc, argv, false, kill_one, o);
}

const struct cmd cmd_cgroup_ls = {"ls", "[[CONTROLLERS:]PATH...]", "List control groups", ls_opts, countof(ls_opts), sizeof(struct ls_options), 0, -1, ls,
	.about = "As lscgroup(1): a line \"controllers:path\" for each group of each hierarchy. --format table shows how many processes are in it and "
	"below, and the container it belongs to.", .examples = "$ hull cgroup ls memory:/hull\n$ hull cgroup ls --format table"};
const struct cmd cmd_cgroup_freeze = {"freeze", "[CONTROLLERS:]PATH...", "Stop all processes of control groups", NULL, 0, 0, 1, -1, freeze,
	.about = "With those in groups below it. Returns when they stand still."};
const struct cmd cmd_cgroup_thaw = {"thaw", "[CONTROLLERS:]PATH...", "Let frozen control groups go on", NULL, 0, 0, 1, -1, thaw};
const struct cmd cmd_cgroup_kill = {"kill", "[CONTROLLERS:]PATH...", "Kill all processes of control groups", kill_opts, countof(kill_opts),
	sizeof(struct kill_options), 1, -1, kill_them, .about = "With those in groups below it; frozen ones too."};
