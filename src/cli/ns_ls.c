/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns_ls: `ns ls`, as lsns(8): every namespace, who is in it, and the container it belongs to.
 */
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/tools.h"
#include "engine/container.h"
#include "engine/owners.h"
#include "sys/accounts.h"
#include "sys/nsfs.h"

#include "base/num.h"

#include <strings.h>

struct ls_options {
	struct strv types;
	char *format, *output, *task;
	bool json, quiet, no_trunc;
};
#define O(m) offset_of(struct ls_options, m)
static const struct opt ls_opts[] = {
	{"format", 0, OPT_STR, O(format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"json", 'J', OPT_BOOL, O(json), NULL, "As --format json"},
	{"no-trunc", 'u', OPT_BOOL, O(no_trunc), NULL, "Do not cut commands off", 0, NULL, "notruncate"},
	{"output", 'o', OPT_STR, O(output), "LIST", "Columns: NS, TYPE, NPROCS, PID, PPID, USER, CONTAINER, COMMAND, PATH"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Print numbers only: of the namespaces, or of the one's processes"},
	{"task", 'p', OPT_STR, O(task), "PID|CONTAINER", "Only the namespaces of that process, or of a container's first one"},
	{"type", 't', OPT_STRV, O(types), "TYPE", "Only those of a type: mnt, net, ipc, pid, uts, user, cgroup, time", 0, "mnt net ipc pid uts user cgroup time"},
};
#undef O

static const struct cli_heading headings[] = {{"NS", "NS"}, {"Type", "TYPE"}, {"Processes", "NPROCS"}, {"PID", "PID"}, {"PPID", "PPID"}, {"User", "USER"},
	{"Container", "CONTAINER"}, {"Command", "COMMAND"}, {"Path", "PATH"}, {NULL, NULL}};

static struct json *row_of(const struct nsfs_row *n, const struct owners *owners, bool full)
{
	struct json *row = json_new_object();
	own(mem) char *ino = mem_printf("%llu", (unsigned long long)n->ino), *count = mem_printf("%zu", n->processes);
	own(mem) char *pid = n->pid ? mem_printf("%d", (int)n->pid) : mem_dup(""), *user = n->pid ? accounts_user_name(n->uid) : mem_dup("");
	own(mem) char *parent = n->pid ? mem_printf("%d", (int)n->parent) : mem_dup("");
	own(mem) char *container = owners_of_namespace(owners, n->ino, n->kind, n->pid);
	own(mem) char *command = column_ellipsis(n->command ? n->command : "", full ? SIZE_MAX : 50);
	str_harmless(command);
	json_set_str(row, "NS", ino);
	json_set_str(row, "Type", nsfs_kinds[n->kind].type);
	json_set_str(row, "Processes", count);
	json_set_str(row, "PID", pid);
	json_set_str(row, "PPID", parent);
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

/* "NS,PID" into "table {{.NS}}\t{{.PID}}". */
static int columns_of(const char *list, struct buf *out, struct err *e)
{
	own(strv) struct strv names = {};
	strv_split(&names, list, ',');
	for (size_t i = 0; i < names.n; i++) {
		const struct cli_heading *h = headings;
		while (h->key && strcasecmp(h->title, names.v[i]) != 0)
			h++;
		if (!h->key)
			return err_set(e, ERR_USAGE,
				"unknown column \"%.60s\": NS, TYPE, NPROCS, PID, PPID, USER, CONTAINER, COMMAND and PATH are known", names.v[i]);
		buf_printf(out, "%s{{.%s}}", i ? "\t" : "table ", h->key);
	}
	return 0;
}

/* A pid, or a container: as `ns enter --target` has it. Before the engine is opened: a plain user's goes to a user namespace of its own, from
 * where there is less to see. */
static int scan(const struct ls_options *o, const char *number, struct nsfs_list *ret, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct err no_pid = {};
	uint64_t n = 0;
	if (number)
		return num_u64(number, UINT64_MAX, &n, "number of a namespace", e) < 0 ? -1 : nsfs_members(n, ret, e);
	if (!o->task)
		return nsfs_scan(0, ret, e);
	if (num_u64(o->task, UINT64_MAX, &n, "pid", &no_pid) == 0) {
		if (n > 0 && n <= INT32_MAX && nsfs_scan((pid_t)n, ret, &no_pid) == 0)
			return 0;
		if (n == 0 || n > INT32_MAX)
			err_set_(&no_pid, ERR_NOT_FOUND, "process %.24s: no such process", o->task);
	}
	/* A container may be called by a number too. */
	struct engine *g = cli_engine(e);
	if (!g || container_get_running(g, o->task, &c, e) < 0)
		return no_pid.kind == ERR_NOT_FOUND ? (*e = no_pid, -1) : -1;
	return nsfs_scan((pid_t)c.state.pid, ret, e);
}

static int print(const struct ls_options *o, const char *number, struct err *e)
{
	unsigned types;
	own(nsfs_list) struct nsfs_list l = {};
	own(owners) struct owners owners = {};
	own(json) struct json *rows = json_new_array();
	own(buf) struct buf columns = {};
	if (read_types(&o->types, &types, e) < 0 || (o->output && columns_of(o->output, &columns, e) < 0))
		return -1;
	if (number && (o->task || o->types.n))
		return err_set(e, ERR_USAGE, "a namespace by its number does not go with --task and --type");
	if (scan(o, number, &l, e) < 0)
		return -1;
	struct engine *g = cli_engine(e);
	if (!g || owners_load(g, &owners, e) < 0)
		return -1;
	for (size_t i = 0; i < l.n; i++)
		if (types & 1u << l.v[i].kind)
			json_add(rows, row_of(&l.v[i], &owners, o->no_trunc || o->format || o->json));
	const char *format = o->quiet ? number ? "{{.PID}}" : "{{.NS}}" : o->json ? "json" : o->output ? buf_text(&columns) : o->format;
	return cli_format_rows(rows, format,
		number ? "table {{.PID}}\t{{.PPID}}\t{{.User}}\t{{.Container}}\t{{.Command}}" :
		"table {{.NS}}\t{{.Type}}\t{{.Processes}}\t{{.PID}}\t{{.User}}\t{{.Container}}\t{{.Command}}", headings, e);
}

static int ls(void *opts, int argc, char **argv, struct err *e)
{
	return tools_status(print(opts, argc ? argv[0] : NULL, e), e);
}

const struct cmd cmd_ns_ls = {"ls", "[NAMESPACE]", "List namespaces, who is in them, and their containers", ls_opts, countof(ls_opts),
	sizeof(struct ls_options), 0, 1, ls,
	.about = "As lsns(8). A namespace without processes is one that a file is kept for; the file stands in place of the command. "
	"Of a namespace that is given by its number the processes are listed.",
	.examples = "$ hull ns ls -t net\n$ hull ns ls -p $$\n$ hull ns ls 4026531840"};
