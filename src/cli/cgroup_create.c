/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_create: `cgroup create` and `cgroup rm`, as cgcreate and cgdelete of libcgroup.
 */
#include "base/num.h"
#include "cli/commands.h"
#include "cli/tools.h"
#include "runtime/cgroup_named.h"
#include "sys/accounts.h"

#include <stdlib.h>

struct create_options {
	struct strv groups;
	char *all, *tasks, *dir_mode, *file_mode, *tasks_mode;
};
#define O(m) offset_of(struct create_options, m)
static const struct opt create_opts[] = {
	{"admin", 'a', OPT_STR, O(all), "USER:GROUP", "Who owns the group, makes groups below it and sets its limits"},
	{"dperm", 'd', OPT_STR, O(dir_mode), "MODE", "Mode of the group's directory, octal"},
	{"fperm", 'f', OPT_STR, O(file_mode), "MODE", "Mode of its files"},
	{"group", 'g', OPT_STRV, O(groups), "CONTROLLERS:PATH", "The group, in the hierarchies of these controllers; * is all of them"},
	{"tasks", 't', OPT_STR, O(tasks), "USER:GROUP", "Who may move processes into it"},
	{"tperm", 's', OPT_STR, O(tasks_mode), "MODE", "Mode of the files that take processes"},
};
#undef O

static int read_owner(const char *text, const char *option, struct cgroup_owner *ret, struct err *e)
{
	if (!text)
		return 0;
	size_t n = strcspn(text, ":");
	own(mem) char *user = mem_ndup(text, n);
	gid_t own_group = 0;
	*ret = (struct cgroup_owner){.set = true, .uid = (uid_t)-1, .gid = (gid_t)-1};
	if ((!n && !text[n]) || (text[n] && !text[n + 1] && !n))
		return err_set(e, ERR_USAGE, "invalid --%s \"%.60s\": it is USER:GROUP", option, text);
	if (n && accounts_user(user, &ret->uid, text[n] ? NULL : &own_group, e) < 0)
		return err_wrap(e, "--%s", option);
	if (!text[n])
		ret->gid = own_group;
	return text[n] && text[n + 1] && accounts_group(text + n + 1, &ret->gid, e) < 0 ? err_wrap(e, "--%s", option) : 0;
}

static int read_mode(const char *text, const char *option, int *ret, struct err *e)
{
	char *end;
	*ret = -1;
	if (!text)
		return 0;
	unsigned long mode = strtoul(text, &end, 8);
	if (!*text || *end || mode > 0777 || *text == '-' || *text == '+')
		return err_set(e, ERR_USAGE, "invalid --%s \"%.60s\": it is octal, as in 750", option, text);
	*ret = (int)mode;
	return 0;
}

/* A path alone means every hierarchy there is. */
static int make(const char *text, const struct cgroup_rights *r, struct err *e)
{
	own(arena) struct arena a = {};
	struct cgroup_named g;
	own(mem) char *named = strchr(text, ':') ? mem_dup(text) : mem_printf("*:%s", text);
	return cgroup_named_parse(named, &a, &g, e) < 0 ? -1 : cgroup_named_make(&g, r, e);
}

/* Nothing is made before all of it is understood. */
static int check(const struct strv *groups, int argc, char **argv, struct err *e)
{
	own(arena) struct arena a = {};
	struct cgroup_named g;
	if (!groups->n && !argc)
		return err_set(e, ERR_USAGE, "which group? -g CONTROLLERS:PATH");
	for (size_t i = 0; i < groups->n; i++) {
		if (!strchr(groups->v[i], ':'))
			return err_set(e, ERR_USAGE, "invalid -g \"%.200s\": it is CONTROLLERS:PATH", groups->v[i]);
		if (cgroup_named_parse(groups->v[i], &a, &g, e) < 0)
			return -1;
	}
	for (int i = 0; i < argc; i++)
		if (cgroup_named_parse(argv[i], &a, &g, e) < 0)
			return -1;
	return 0;
}

static int create_it(const struct create_options *o, int argc, char **argv, struct err *e)
{
	struct cgroup_rights r = {};
	if (read_owner(o->all, "admin", &r.all, e) < 0 || read_owner(o->tasks, "tasks", &r.tasks, e) < 0 ||
		read_mode(o->dir_mode, "dperm", &r.dir_mode, e) < 0 || read_mode(o->file_mode, "fperm", &r.file_mode, e) < 0 ||
		read_mode(o->tasks_mode, "tperm", &r.tasks_mode, e) < 0 || check(&o->groups, argc, argv, e) < 0)
		return -1;
	for (size_t i = 0; i < o->groups.n; i++)
		if (make(o->groups.v[i], &r, e) < 0)
			return -1;
	for (int i = 0; i < argc; i++)
		if (make(argv[i], &r, e) < 0)
			return -1;
	return 0;
}

static int create(void *opts, int argc, char **argv, struct err *e)
{
	return tools_status(create_it(opts, argc, argv, e), e);
}

struct rm_options {
	struct strv groups;
	bool recursive;
};
static const struct opt rm_opts[] = {
	{"group", 'g', OPT_STRV, offset_of(struct rm_options, groups), "CONTROLLERS:PATH", "The group"},
	{"recursive", 'r', OPT_BOOL, offset_of(struct rm_options, recursive), NULL, "With all groups below it"},
};

static int rm_one(const char *name, void *arg, struct err *e)
{
	const struct rm_options *o = arg;
	own(arena) struct arena a = {};
	struct cgroup_named g;
	return cgroup_named_parse(name, &a, &g, e) < 0 ? -1 : cgroup_named_remove(&g, o->recursive, e);
}

static int rm(void *opts, int argc, char **argv, struct err *e)
{
	struct rm_options *o = opts;
	if (check(&o->groups, argc, argv, e) < 0)
		return tools_status(-1, e);
	return cli_each((int)o->groups.n, o->groups.v, false, rm_one, o) | cli_each(argc, argv, false, rm_one, o);
}

const struct cmd cmd_cgroup_create = {"create", "[CONTROLLERS:PATH...]", "Make control groups", create_opts, countof(create_opts),
	sizeof(struct create_options), 0, -1, create,
	.about = "As cgcreate(1). A controller goes by its name of cgroup v1 or v2. What is missing above the group is made too; in the v2 tree the "
	"controllers are switched on there. A path without controllers is made in every hierarchy.",
	.examples = "$ hull cgroup create -g memory,pids:/lab\n$ hull cgroup create -a alice:alice -t alice:alice -g cpu:/lab/alice"};
const struct cmd cmd_cgroup_rm = {"rm", "[[CONTROLLERS:]PATH...]", "Remove control groups", rm_opts, countof(rm_opts), sizeof(struct rm_options), 0, -1, rm,
	.about = "As cgdelete(1). Processes that are in it go to the group above. A path without controllers is removed from every hierarchy that has it.",
	.examples = "$ hull cgroup rm -r memory,pids:/lab"};
