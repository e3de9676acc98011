/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_set: `cgroup set` and `cgroup get`, as cgset and cgget of libcgroup.
 */
#include "cli/commands.h"
#include "cli/tools.h"
#include "runtime/cgroup_keys.h"

#include "base/fd.h"

struct set_options {
	struct strv params;
	char *from;
};
static const struct opt set_opts[] = {
	{"copy-from", 0, OPT_STR, offset_of(struct set_options, from), "GROUP", "All settings of another group"},
	{"param", 'r', OPT_STRV, offset_of(struct set_options, params), "NAME=VALUE", "A parameter, by its name of cgroup v1 or v2"},
};

static int set_one(const struct set_options *o, const char *text, struct err *e)
{
	own(arena) struct arena a = {};
	struct cgroup_named g, from;
	uint32_t rows;
	if (cgroup_named_parse(text, &a, &g, e) < 0 || cgroup_named_find(&g, &rows, e) < 0)
		return -1;
	if (o->from && (cgroup_named_parse(o->from, &a, &from, e) < 0 || cgroup_key_copy(&from, &g, e) < 0))
		return -1;
	for (size_t i = 0; i < o->params.n; i++) {
		const char *equals = strchr(o->params.v[i], '=');
		own(mem) char *key = mem_ndup(o->params.v[i], (size_t)(equals - o->params.v[i]));
		if (cgroup_key_set(&g, key, equals + 1, e) < 0)
			return -1;
	}
	return 0;
}

static int set_it(const struct set_options *o, int argc, char **argv, struct err *e)
{
	if (!o->params.n && !o->from)
		return err_set(e, ERR_USAGE, "what is to be set? -r NAME=VALUE or --copy-from GROUP");
	for (size_t i = 0; i < o->params.n; i++)
		if (!strchr(o->params.v[i], '=') || o->params.v[i][0] == '=')
			return err_set(e, ERR_USAGE, "invalid -r \"%.100s\": it is NAME=VALUE", o->params.v[i]);
	for (int i = 0; i < argc; i++)
		if (set_one(o, argv[i], e) < 0)
			return -1;
	return 0;
}

static int set(void *opts, int argc, char **argv, struct err *e)
{
	return tools_status(set_it(opts, argc, argv, e), e);
}

struct get_options {
	struct strv params, groups;
	bool all, no_heads, values;
};
#define O(m) offset_of(struct get_options, m)
static const struct opt get_opts[] = {
	{"all", 'a', OPT_BOOL, O(all), NULL, "All parameters of all controllers"},
	{"group", 'g', OPT_STRV, O(groups), "CONTROLLERS[:PATH]", "All parameters of these controllers"},
	{"no-headers", 'n', OPT_BOOL, O(no_heads), NULL, "Do not print the groups' names"},
	{"param", 'r', OPT_STRV, O(params), "NAME", "A parameter, by its name of cgroup v1 or v2"},
	{"values-only", 'v', OPT_BOOL, O(values), NULL, "Do not print the parameters' names"},
};
#undef O

static void put(const struct get_options *o, const char *key, const char *value, struct buf *out)
{
	if (!o->values)
		buf_printf(out, "%s: ", key);
	for (const char *p = value; *p; p++) {
		buf_char(out, *p);
		if (*p == '\n' && !o->values)
			buf_char(out, '\t');
	}
	buf_char(out, '\n');
}

/* What cannot be read just now (memory.pressure_level …) has no line. */
static int get_row(const struct get_options *o, const struct cgroup_named *g, int row, const char *controller, struct buf *out, struct err *e)
{
	own(strv) struct strv keys = {};
	own(fd) int dir = cgroup_named_open(g, row, e);
	if (dir < 0 || cgroup_key_list(dir, controller, false, &keys, e) < 0)
		return -1;
	for (size_t i = 0; i < keys.n; i++) {
		own(buf) struct buf value = BUF(16 << 20);
		struct err ignored = {};
		if (cgroup_key_get(g, keys.v[i], &value, &ignored) == 0)
			put(o, keys.v[i], buf_text(&value), out);
	}
	return 0;
}

static int get_controllers(const struct get_options *o, const char *names, const struct cgroup_named *g, struct buf *out, struct err *e)
{
	own(strv) struct strv list = {};
	strv_split(&list, names, ',');
	for (size_t i = 0; i < list.n; i++) {
		const char *v2;
		int row = cgroup_named_row(list.v[i], &v2, e);
		const char *prefix = strcmp(list.v[i], "io") == 0 && row != CGROUPFS_V2 ? "blkio" : v2 ? v2 : list.v[i];
		if (row < 0 || get_row(o, g, row, row == CGROUPFS_V2 && !v2 ? "cgroup" : prefix, out, e) < 0)
			return -1;
	}
	return 0;
}

static int get_group(const struct get_options *o, const char *path, struct buf *out, struct err *e)
{
	own(arena) struct arena a = {};
	struct cgroup_named g;
	uint32_t rows;
	if (cgroup_named_parse(path, &a, &g, e) < 0 || cgroup_named_find(&g, &rows, e) < 0)
		return -1;
	if (!o->no_heads)
		buf_printf(out, "%s:\n", path);
	for (size_t i = 0; i < o->params.n; i++) {
		own(buf) struct buf value = BUF(16 << 20);
		if (cgroup_key_get(&g, o->params.v[i], &value, e) < 0)
			return -1;
		put(o, o->params.v[i], buf_text(&value), out);
	}
	for (size_t i = 0; i < o->groups.n; i++)
		if (!strchr(o->groups.v[i], ':') && get_controllers(o, o->groups.v[i], &g, out, e) < 0)
			return -1;
	for (int i = 0; o->all && i < CGROUPFS_ROWS; i++)
		if (rows & 1u << i && get_row(o, &g, i, "", out, e) < 0)
			return -1;
	if (!o->no_heads)
		buf_char(out, '\n');
	return 0;
}

/* -g memory:/lab: that group, whatever else is named. */
static int get_named(const struct get_options *o, const char *text, struct buf *out, struct err *e)
{
	own(arena) struct arena a = {};
	struct cgroup_named g;
	uint32_t rows;
	own(mem) char *names = mem_ndup(text, strcspn(text, ":"));
	if (cgroup_named_parse(text, &a, &g, e) < 0 || cgroup_named_find(&g, &rows, e) < 0)
		return -1;
	if (!o->no_heads)
		buf_printf(out, "%s:\n", strchr(text, ':') + 1);
	int r = 0;
	for (int i = 0; strcmp(names, "*") == 0 && r == 0 && i < CGROUPFS_ROWS; i++)
		r = rows & 1u << i ? get_row(o, &g, i, "", out, e) : 0;
	if (strcmp(names, "*") != 0)
		r = get_controllers(o, *names ? names : "unified", &g, out, e);
	if (!o->no_heads)
		buf_char(out, '\n');
	return r;
}

static int get_it(const struct get_options *o, int argc, char **argv, struct err *e)
{
	own(buf) struct buf out = {};
	size_t named = 0;
	for (size_t i = 0; i < o->groups.n; i++)
		named += strchr(o->groups.v[i], ':') != NULL;
	if (!named && !argc)
		return err_set(e, ERR_USAGE, "which group?");
	if (argc && !o->params.n && !o->all && named == o->groups.n)
		return err_set(e, ERR_USAGE, "which parameters? -r NAME, -g CONTROLLER or -a");
	for (size_t i = 0; i < o->groups.n; i++)
		if (strchr(o->groups.v[i], ':') && get_named(o, o->groups.v[i], &out, e) < 0)
			return -1;
	for (int i = 0; i < argc; i++)
		if (get_group(o, argv[i], &out, e) < 0)
			return -1;
	return cli_print(&out, e);
}

static int get(void *opts, int argc, char **argv, struct err *e)
{
	return tools_status(get_it(opts, argc, argv, e), e);
}

const struct cmd cmd_cgroup_set = {"set", "PATH...", "Set parameters of control groups", set_opts, countof(set_opts), sizeof(struct set_options), 1, -1, set,
	.about = "As cgset(1). memory.limit_in_bytes and memory.max, cpu.shares and cpu.weight, cpu.cfs_quota_us and cpu.max, freezer.state and "
	"cgroup.freeze, blkio and io parameters … are understood on both versions of cgroups, and their values translated; what one version alone "
	"has goes to it as it is.",
	.examples = "$ hull cgroup set -r memory.max=64M -r pids.max=20 /lab\n$ hull cgroup set --copy-from /lab /lab2"};
const struct cmd cmd_cgroup_get = {"get", "[PATH...]", "Print parameters of control groups", get_opts, countof(get_opts), sizeof(struct get_options),
	0, -1, get,
	.about = "As cgget(1). A parameter is printed under the name it was asked for, whichever version of cgroups is here.",
	.examples = "$ hull cgroup get -r memory.max -r memory.current /lab\n$ hull cgroup get -g pids:/lab\n$ hull cgroup get -nv -r pids.max /lab"};
