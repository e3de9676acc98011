/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume: the verbs on volumes. There is one driver, local: a directory below hull's own.
 */
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/run_request.h"
#include "engine/volume.h"

#include "base/fd.h"
#include "base/num.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct ls_options {
	bool quiet, size;
	char *format;
	struct strv filters;
};
#define O(m) offset_of(struct ls_options, m)
static const struct opt ls_opts[] = {
	{"filter", 'f', OPT_STRV, O(filters), "filter", "Only those: dangling=true, driver=, label=KEY[=VALUE], name="},
	{"format", 0, OPT_STR, O(format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Print names only"},
	{"size", 's', OPT_BOOL, O(size), NULL, "And what they take on the disk, and how many containers have them"},
};
#undef O

static const struct cli_heading headings[] = {{"Availability", "AVAILABILITY"}, {"Driver", "DRIVER"}, {"Group", "GROUP"}, {"Labels", "LABELS"},
	{"Links", "LINKS"}, {"Mountpoint", "MOUNTPOINT"}, {"Name", "VOLUME NAME"}, {"Scope", "SCOPE"}, {"Size", "SIZE"}, {"Status", "STATUS"}, {NULL, NULL}};

static struct json *row_of(const struct json *item)
{
	struct json *row = json_new_object();
	own(mem) char *labels = column_map(json_get(item, "Labels"));
	json_set_str(row, "Availability", "N/A");
	json_set_str(row, "Driver", json_get_str(item, "Driver"));
	json_set_str(row, "Group", "N/A");
	json_set_str(row, "Labels", labels);
	json_set_str(row, "Links", "N/A");
	json_set_str(row, "Mountpoint", json_get_str(item, "Mountpoint"));
	json_set_str(row, "Name", json_get_str(item, "Name"));
	json_set_str(row, "Scope", json_get_str(item, "Scope"));
	json_set_str(row, "Size", "N/A");
	json_set_str(row, "Status", "N/A");
	if (json_get(item, "Labels"))
		json_set(row, ".labels", json_ref(json_get(item, "Labels")));
	return row;
}

static int add_size(struct engine *g, struct json *row, struct err *e)
{
	uint64_t bytes, users;
	char links[NUM_TEXT];
	if (volume_size(g, json_get_str(row, "Name"), &bytes, &users, e) < 0)
		return -1;
	own(mem) char *size = column_size((int64_t)bytes);
	snprintf(links, sizeof links, "%llu", (unsigned long long)users);
	json_set_str(row, "Size", size);
	json_set_str(row, "Links", links);
	return 0;
}

static int ls(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct ls_options *o = opts;
	struct engine *g = cli_engine(e);
	own(json) struct json *items = g ? volume_list(g, &o->filters, e) : NULL;
	own(json) struct json *rows = json_new_array();
	if (!items)
		return -1;
	for (size_t i = 0; i < json_len(items); i++) {
		struct json *row = row_of(json_at(items, i));
		json_add(rows, row);
		if (o->size && add_size(g, row, e) < 0)
			return -1;
	}
	return cli_format_rows(rows, o->quiet ? "{{.Name}}" : o->format,
		o->size ? "table {{.Driver}}\t{{.Name}}\t{{.Links}}\t{{.Size}}" : "table {{.Driver}}\t{{.Name}}", headings, e);
}

struct create_options {
	char *driver, *name;
	struct strv labels, options;
};
#define O(m) offset_of(struct create_options, m)
static const struct opt create_opts[] = {
	{"driver", 'd', OPT_STR, O(driver), "string", "Only local", 0, "local"},
	{"label", 0, OPT_STRV, O(labels), "KEY[=VALUE]", "Labels of the volume"},
	{"name", 0, OPT_STR, O(name), "string", "Its name", OPT_HIDDEN},
	{"opt", 'o', OPT_STRV, O(options), "KEY=VALUE", "size= or o=size=,inodes=,uid=,gid=: what it may have, and its owner; type=, device=, o=: what is mounted in its place, as mount(8) has it"},
};
#undef O

static void read_pairs(const struct strv *lines, struct arena *a, struct map *ret)
{
	for (size_t i = 0; i < lines->n; i++) {
		size_t n = strcspn(lines->v[i], "=");
		map_set(a, ret, arena_ndup(a, lines->v[i], n), lines->v[i][n] ? lines->v[i] + n + 1 : "");
	}
}

static int create(void *opts, int argc, char **argv, struct err *e)
{
	const struct create_options *o = opts;
	own(arena) struct arena a = {};
	struct map labels = {}, options = {};
	own(mem) char *name = NULL;
	if (o->driver && strcmp(o->driver, "local") != 0)
		return err_set(e, ERR_USAGE, "--driver \"%.60s\": hull has the driver local only", o->driver);
	if (o->name && argc)
		return err_set(e, ERR_USAGE, "the name was given twice: --name %.60s and %.60s", o->name, argv[0]);
	struct engine *g = cli_engine(e);
	read_pairs(&o->labels, &a, &labels);
	read_pairs(&o->options, &a, &options);
	if (!g || volume_create(g, argc ? argv[0] : o->name ? o->name : "", &labels, &options, &name, e) < 0)
		return -1;
	return cli_printf(e, "%s\n", name);
}

/* --all takes the place of names. *hold owns them. */
int volume_names(struct engine *g, const struct cmd *cmd, bool all, int *argc, char ***argv, struct strv *hold, struct err *e)
{
	if (!all && *argc == 0)
		return err_set(e, ERR_USAGE, "\"%s\" needs at least 1 argument: %s [OPTIONS] %s, or --all", cmd->name, cmd->name, cmd->usage);
	if (all && *argc)
		return err_set(e, ERR_USAGE, "--all does not go with volumes that are named: leave one of them away");
	if (!all)
		return 0;
	own(json) struct json *items = volume_list(g, NULL, e);
	if (!items)
		return -1;
	for (size_t i = 0; i < json_len(items); i++)
		strv_add(hold, json_get_str(json_at(items, i), "Name"));
	*argc = (int)hold->n;
	*argv = hold->v;
	return 0;
}

static const struct cmd cmd_volume_rm;
struct rm_options {
	bool all, force;
	/* worked out */
	struct engine *g;
};
static const struct opt rm_opts[] = {
	{"all", 'a', OPT_BOOL, offset_of(struct rm_options, all), NULL, "All there are, but those that a container has"},
	{"force", 'f', OPT_BOOL, offset_of(struct rm_options, force), NULL, "One that is not there is no error"},
};

static int rm_one(const char *name, void *arg, struct err *e)
{
	const struct rm_options *o = arg;
	return volume_remove(o->g, name, o->force, e);
}

static int rm(void *opts, int argc, char **argv, struct err *e)
{
	struct rm_options *o = opts;
	own(strv) struct strv hold = {};
	o->g = cli_engine(e);
	if (!o->g || volume_names(o->g, &cmd_volume_rm, o->all, &argc, &argv, &hold, e) < 0)
		return -1;
	return cli_each(argc, argv, true, rm_one, o);
}

struct prune_options {
	bool all, force;
	struct strv filters;
};
#define O(m) offset_of(struct prune_options, m)
static const struct opt prune_opts[] = {
	{"all", 'a', OPT_BOOL, O(all), NULL, "Named volumes too, not only anonymous ones"},
	{"filter", 0, OPT_STRV, O(filters), "filter", "Only those: label=KEY[=VALUE], label!=…, name=, until=TIME, all=true"},
	{"force", 'f', OPT_BOOL, O(force), NULL, "Do not ask"},
};
#undef O

static int prune(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct prune_options *o = opts;
	own(strv) struct strv names = {};
	own(strv) struct strv kept = {};
	bool all = o->all;
	if (volume_prune_scope(&o->filters, &all, &kept, e) < 0)
		return -1;
	own(buf) struct buf out = {};
	uint64_t bytes = 0;
	struct engine *g = cli_engine(e);
	if (!g)
		return -1;
	if (!o->force && !cli_confirm(all ? "This will remove all volumes that no container has." :
		"This will remove the anonymous volumes that no container has."))
		return 0;
	if (volume_prune(g, all, &kept, &names, &bytes, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		buf_printf(&out, "%s%s\n%s", i ? "" : "Deleted Volumes:\n", names.v[i], i + 1 == names.n ? "\n" : "");
	own(mem) char *size = column_size((int64_t)bytes);
	buf_printf(&out, "Total reclaimed space: %s\n", size);
	return cli_print(&out, e);
}

struct export_options { char *output; };
static const struct opt export_opts[] = {
	{"output", 'o', OPT_STR, offset_of(struct export_options, output), "FILE", "Where to, instead of stdout", 0, "@file"},
};

static int write_volume(struct engine *g, const char *name, int fd, void *arg unused, struct err *e)
{
	return volume_export(g, name, fd, e);
}

static int export(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct export_options *o = opts;
	struct engine *g = cli_engine(e);
	return g ? cli_write_archive(g, argv[0], o->output, write_volume, NULL, e) : -1;
}

static int import(void *opts unused, int argc, char **argv, struct err *e)
{
	bool from_stdin = argc < 2 || str_eq(argv[1], "-");
	if (from_stdin && isatty(0))
		return err_set(e, ERR_USAGE, "import reads a tar from stdin, and that is a terminal: name the file, or redirect it with <");
	own(fd) int file = from_stdin ? -1 : open(argv[1], O_RDONLY | O_CLOEXEC);
	if (!from_stdin && file < 0)
		return err_sys(e, "%.300s", argv[1]);
	struct engine *g = cli_engine(e);
	return g ? volume_import(g, argv[0], from_stdin ? 0 : file, e) : -1;
}

static int clone_volume(void *opts unused, int argc unused, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	return !g || volume_clone(g, argv[0], argv[1], e) < 0 ? -1 : cli_printf(e, "%s\n", argv[1]);
}

static int rename_volume(void *opts unused, int argc unused, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	return g ? volume_rename(g, argv[0], argv[1], e) : -1;
}

static int exists(void *opts unused, int argc unused, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	own(json) struct json *doc = g ? volume_inspect(g, argv[0], e) : NULL;
	return doc ? 0 : e->kind == ERR_NOT_FOUND ? (*e = (struct err){}, 1) : -1;
}

#define LS(name, flags) {name, "", "List volumes", ls_opts, countof(ls_opts), sizeof(struct ls_options), 0, 0, ls, flags}
#define RM(name, flags) {name, "VOLUME...", "Remove volumes", rm_opts, countof(rm_opts), sizeof(struct rm_options), 0, -1, rm, flags, .complete = "@volume"}
static const struct cmd cmd_volume_ls = LS("ls", 0), cmd_volume_list = LS("list", CMD_HIDDEN);
static const struct cmd cmd_volume_rm = RM("rm", 0), cmd_volume_remove = RM("remove", CMD_HIDDEN);
static const struct cmd cmd_volume_create = {"create", "[VOLUME]", "Make a volume", create_opts, countof(create_opts),
	sizeof(struct create_options), 0, 1, create, .examples = "$ hull volume create pages\n$ hull run -v pages:/www box touch /www/x"};
static const struct cmd cmd_volume_prune = {"prune", "", "Remove volumes that no container has", prune_opts, countof(prune_opts),
	sizeof(struct prune_options), 0, 0, prune};
static const struct cmd cmd_volume_export = {"export", "VOLUME", "Write the files of a volume into a tar", export_opts, countof(export_opts),
	sizeof(struct export_options), 1, 1, export, .complete = "@volume",
	.examples = "$ hull volume export -o pages.tar pages\n$ hull volume export pages | ssh there hull volume import pages"};
static const struct cmd cmd_volume_import = {"import", "VOLUME [FILE]", "Read the files of a tar into a volume", .min = 1, .max = 2, .run = import,
	.complete = "@volume @file", .about = "From FILE or stdin, compressed or not. The volume is made when it is missing; what is in it already stays, but "
		"for files of the same names."};
static const struct cmd cmd_volume_clone = {"clone", "VOLUME NEW", "Make a volume with the same files, labels and options", .min = 2, .max = 2,
	.run = clone_volume, .complete = "@volume",
	.about = "Blocks are shared where the file system can (reflink). While something writes to the volume, each file is as it is when it is read."};
static const struct cmd cmd_volume_rename = {"rename", "VOLUME NEW", "Give a volume another name", .min = 2, .max = 2, .run = rename_volume,
	.complete = "@volume", .about = "One that no container has, running or not."};
static const struct cmd cmd_volume_exists = {"exists", "VOLUME", "Is there such a volume? Status 0 or 1", .min = 1, .max = 1, .run = exists,
	.complete = "@volume"};
static const struct cmd *const below[] = {
	&cmd_volume_clone,
	&cmd_volume_create,
	&cmd_volume_exists,
	&cmd_volume_export,
	&cmd_volume_import,
	&cmd_volume_inspect,
	&cmd_volume_ls,
	&cmd_volume_list,
	&cmd_volume_prune,
	&cmd_volume_rename,
	&cmd_volume_rm,
	&cmd_volume_remove,
	NULL,
};
const struct cmd cmd_volume = {"volume", "COMMAND", "Work with volumes", .sub = below};
