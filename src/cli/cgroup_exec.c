/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_exec: `cgroup exec` and `cgroup classify`, as cgexec and cgclassify of libcgroup.
 */
#include "base/num.h"
#include "cli/commands.h"
#include "cli/tools.h"
#include "engine/ns_run.h"
#include "engine/sticky.h"
#include "runtime/cgroup_named.h"

#include <unistd.h>

struct exec_options {
	struct strv groups;
	bool sticky;
};
static const struct opt exec_opts[] = {
	{"group", 'g', OPT_STRV, offset_of(struct exec_options, groups), "CONTROLLERS:PATH", "The group, in the hierarchies of these controllers; several may be named"},
	{"sticky", 0, OPT_BOOL, offset_of(struct exec_options, sticky), NULL, "\"cgroup rules\" leaves the command and its children there"},
};

static int enter_all(const struct strv *groups, pid_t pid, struct err *e)
{
	own(arena) struct arena a = {};
	struct cgroup_named *g = arena_alloc(&a, (groups->n + 1) * sizeof *g);
	uint32_t rows;
	if (!groups->n)
		return err_set(e, ERR_USAGE, "which group? -g CONTROLLERS:PATH");
	for (size_t i = 0; i < groups->n; i++)
		if (cgroup_named_parse(groups->v[i], &a, &g[i], e) < 0 || cgroup_named_find(&g[i], &rows, e) < 0)
			return -1;
	for (size_t i = 0; i < groups->n; i++)
		if (cgroup_named_enter(&g[i], pid, e) < 0)
			return -1;
	return 0;
}

static int mark(pid_t pid, bool on, struct err *e)
{
	struct engine *g = cli_engine(e);
	return g ? sticky_set(g, pid, on, e) : -1;
}

static int exec(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct exec_options *o = opts;
	const struct ns_who who = {};
	/* Marked first: between the two a rules engine would move us back. */
	if ((o->sticky && mark(getpid(), true, e) < 0) || enter_all(&o->groups, 0, e) < 0)
		return tools_status(-1, e);
	cli_restore_umask();
	return ns_exec(&who, argv, e);
}

struct classify_options {
	struct strv groups;
	bool sticky, cancel;
	/* worked out */
	int status;
};
#define O(m) offset_of(struct classify_options, m)
static const struct opt classify_opts[] = {
	{"cancel-sticky", 0, OPT_BOOL, O(cancel), NULL, "\"cgroup rules\" may move them again"},
	{"group", 'g', OPT_STRV, O(groups), "CONTROLLERS:PATH", "The group, in the hierarchies of these controllers; several may be named"},
	{"sticky", 0, OPT_BOOL, O(sticky), NULL, "\"cgroup rules\" leaves them and their children there"},
};
#undef O

static int classify_one(const char *name, void *arg, struct err *e)
{
	const struct classify_options *o = arg;
	uint64_t pid;
	if (num_u64(name, INT32_MAX, &pid, "process id", e) < 0)
		return -1;
	if (!pid)
		return err_set(e, ERR_NOT_FOUND, "process 0: no such process");
	if ((o->sticky || o->cancel) && mark((pid_t)pid, o->sticky, e) < 0)
		return -1;
	return o->cancel && !o->groups.n ? 0 : enter_all(&o->groups, (pid_t)pid, e);
}

static int classify(void *opts, int argc, char **argv, struct err *e)
{
	struct classify_options *o = opts;
	if (o->sticky && o->cancel)
		return tools_status(err_set(e, ERR_USAGE, "--sticky and --cancel-sticky exclude each other"), e);
	if (!o->groups.n && !o->cancel)
		return tools_rules_classify(argc, argv, o->sticky, e);
	return cli_each(argc, argv, false, classify_one, o);
}

const struct cmd cmd_cgroup_exec = {"exec", "COMMAND [ARG...]", "Run a command in control groups", exec_opts, countof(exec_opts), sizeof(struct exec_options),
	1, -1, exec, CMD_STRICT, .about = "As cgexec(1).", .examples = "$ hull cgroup exec -g memory,pids:/lab make -j8"};
const struct cmd cmd_cgroup_classify = {"classify", "PID...", "Move processes into control groups", classify_opts, countof(classify_opts),
	sizeof(struct classify_options), 1, -1, classify,
	.about = "As cgclassify(1). Without -g each goes where /etc/cgrules.conf says.", .examples = "$ hull cgroup classify -g cpu:/lab $$"};
