/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff: a line a path; or podman's JSON.
 */
#include "cli/choose.h"
#include "cli/commands.h"
#include "engine/diff.h"

static int add_line(void *arg, enum snap_change what, const char *path, const struct stat *st unused, struct err *e)
{
	struct buf *out = arg;
	buf_printf(out, "%c %s\n", what, path);
	return buf_check(out, e);
}

static const struct { enum snap_change what; const char *key; } kinds[] = {
	{SNAP_CHANGED, "changed"}, {SNAP_ADDED, "added"}, {SNAP_DELETED, "deleted"}};
struct lists { struct json *v[countof(kinds)]; };

static void lists_drop(struct lists *l)
{
	for (size_t i = 0; i < countof(l->v); i++)
		json_drop(&l->v[i]);
}

static int add_path(void *arg, enum snap_change what, const char *path, const struct stat *st unused, struct err *e unused)
{
	struct lists *l = arg;
	for (size_t i = 0; i < countof(kinds); i++)
		if (kinds[i].what == what) {
			l->v[i] = l->v[i] ? l->v[i] : json_new_array();
			json_add(l->v[i], json_new_str(path));
		}
	return 0;
}

/* podman's document: what there is none of has no list. */
static int print_json(struct engine *g, const char *name, struct err *e)
{
	own(lists) struct lists l = {};
	own(buf) struct buf out = {};
	own(json) struct json *all = json_new_object();
	if (container_diff(g, name, add_path, &l, e) < 0)
		return -1;
	for (size_t i = 0; i < countof(kinds); i++)
		if (l.v[i])
			json_set(all, kinds[i].key, take(l.v[i]));
	json_format(all, 4, &out);
	buf_char(&out, '\n');
	return cli_print(&out, e);
}

struct diff_options { char *format; bool latest; };
static const struct opt diff_opts[] = {
	{"format", 0, OPT_STR, offset_of(struct diff_options, format), "json", "As one JSON document", 0, "json"},
	CHOICE_ONE(struct diff_options, latest),
};

static int diff(void *opts, int argc, char **argv, struct err *e)
{
	const struct diff_options *o = opts;
	struct engine *g = cli_engine(e);
	own(buf) struct buf out = {};
	own(strv) struct strv hold = {};
	if (o->format && !str_eq(o->format, "json"))
		return err_set(e, ERR_USAGE, "invalid --format \"%.60s\": json is known", o->format);
	if (!g || choice_latest(&cmd_diff, o->latest, 1, 1, &argc, &argv, &hold, e) < 0)
		return -1;
	if (o->format)
		return print_json(g, argv[0], e);
	return container_diff(g, argv[0], add_line, &out, e) < 0 ? -1 : cli_print(&out, e);
}

const struct cmd cmd_diff = {"diff", "CONTAINER", "Show what a container changed in its files", diff_opts, countof(diff_opts),
	sizeof(struct diff_options), 0, 1, diff, .complete = "@container",
	.about = "A: added, C: changed, D: deleted. A directory whose contents changed is changed too."};
