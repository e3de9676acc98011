/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns_ls: `ns ls`, as lsns(8): every namespace, who is in it, and the container it belongs to.
 */
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/tools.h"
#include "engine/owners.h"
#include "sys/accounts.h"
#include "sys/nsfs.h"

struct ls_options {
	struct strv types;
	struct opt_num pid;
	char *format;
	bool json, quiet, no_trunc;
};
#define O(m) offset_of(struct ls_options, m)
static const struct opt ls_opts[] = {
	{"format", 0, OPT_STR, O(format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"json", 'J', OPT_BOOL, O(json), NULL, "As --format json"},
	{"no-trunc", 0, OPT_BOOL, O(no_trunc), NULL, "Do not cut commands off"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Print the namespaces' numbers only"},
	{"task", 'p', OPT_U64, O(pid), "PID", "Only the namespaces of that process"},
	{"type", 't', OPT_STRV, O(types), "TYPE", "Only those of a type: mnt, net, ipc, pid, uts, user, cgroup, time", 0, "mnt net ipc pid uts user cgroup time"},
};
#undef O

static const struct cli_heading headings[] = {{"NS", "NS"}, {"Type", "TYPE"}, {"Processes", "NPROCS"}, {"PID", "PID"}, {"User", "USER"},
	{"Container", "CONTAINER"}, {"Command", "COMMAND"}, {"Path", "PATH"}, {NULL, NULL}};

static struct json *row_of(const struct nsfs_row *n, const struct owners *owners, bool full)
{
	struct json *row = json_new_object();
	own(mem) char *ino = mem_printf("%llu", (unsigned long long)n->ino), *count = mem_printf("%zu", n->processes);
	own(mem) char *pid = n->pid ? mem_printf("%d", (int)n->pid) : mem_dup(""), *user = n->pid ? accounts_user_name(n->uid) : mem_dup("");
	own(mem) char *container = owners_of_namespace(owners, n->ino, n->kind, n->pid);
	own(mem) char *command = column_ellipsis(n->command ? n->command : "", full ? SIZE_MAX : 50);
	str_harmless(command);
	json_set_str(row, "NS", ino);
	json_set_str(row, "Type", nsfs_kinds[n->kind].type);
	json_set_str(row, "Processes", count);
	json_set_str(row, "PID", pid);
	json_set_str(row, "User", user);
	json_set_str(row, "Container", container);
	json_set_str(row, "Command", n->pid ? command : n->path ? n->path : "");
	json_set_str(row, "Path", n->path ? n->path : "");
	return row;
}

static int read_types(const struct strv *types, unsigned *ret, struct err *e)
{
	*ret = types->n ? 0 : ~0u;
	for (size_t i = 0; i < types->n; i++) {
		int kind = nsfs_kind_of(types->v[i]);
		if (kind < 0)
			return err_set(e, ERR_USAGE, "unknown type of namespace \"%.60s\": mnt, net, ipc, pid, uts, user, cgroup and time are known",
				types->v[i]);
		*ret |= 1u << kind;
	}
	return 0;
}

static int print(const struct ls_options *o, struct err *e)
{
	unsigned types;
	own(nsfs_list) struct nsfs_list l = {};
	own(owners) struct owners owners = {};
	own(json) struct json *rows = json_new_array();
	if (read_types(&o->types, &types, e) < 0)
		return -1;
	if (o->pid.set && (o->pid.v < 1 || o->pid.v > INT32_MAX))
		return err_set(e, ERR_NOT_FOUND, "process %lld: no such process", (long long)o->pid.v);
	/* Before the engine is opened: a plain user's goes to a user namespace of its own, from where there is less to see. */
	if (nsfs_scan(o->pid.set ? (pid_t)o->pid.v : 0, &l, e) < 0)
		return -1;
	struct engine *g = cli_engine(e);
	if (!g || owners_load(g, &owners, e) < 0)
		return -1;
	for (size_t i = 0; i < l.n; i++)
		if (types & 1u << l.v[i].kind)
			json_add(rows, row_of(&l.v[i], &owners, o->no_trunc || o->format || o->json));
	return cli_format_rows(rows, o->quiet ? "{{.NS}}" : o->json ? "json" : o->format,
		"table {{.NS}}\t{{.Type}}\t{{.Processes}}\t{{.PID}}\t{{.User}}\t{{.Container}}\t{{.Command}}", headings, e);
}

static int ls(void *opts, int argc unused, char **argv unused, struct err *e)
{
	return tools_status(print(opts, e), e);
}

const struct cmd cmd_ns_ls = {"ls", "", "List namespaces, who is in them, and their containers", ls_opts, countof(ls_opts), sizeof(struct ls_options), 0, 0, ls,
	.about = "As lsns(8). A namespace without processes is one that a file is kept for; the file stands in place of the command.",
	.examples = "$ hull ns ls -t net\n$ hull ns ls -p $$"};
