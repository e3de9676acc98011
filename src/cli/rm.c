/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rm: containers go. -f kills what runs, and does not mind what is not there. prune takes all that have ended or were
 * never started.
 */
#include "cli/commands.h"
#include "cli/prune.h"
#include "engine/container.h"
#include "engine/disk.h"
#include "engine/list.h"

#include "base/num.h"

struct rm_options {
	bool force, volumes, link;
	/* worked out */
	struct engine *g;
};
static const struct opt rm_opts[] = {
	{"force", 'f', OPT_BOOL, offset_of(struct rm_options, force), NULL, "Kill it if it runs; one that is not there is no error"},
	{"link", 'l', OPT_BOOL, offset_of(struct rm_options, link), NULL, "Refused: there are no links", OPT_HIDDEN},
	{"volumes", 'v', OPT_BOOL, offset_of(struct rm_options, volumes), NULL, "Remove its anonymous volumes too"},
};

static int rm_one(const char *name, void *arg, struct err *e)
{
	const struct rm_options *o = arg;
	struct err why = {};
	if (container_delete(o->g, name, o->force, o->volumes, &why) == 0)
		return 0;
	/* docker prints the name of a missing one neither */
	if (o->force && why.kind == ERR_NOT_FOUND)
		return 1;
	*e = why;
	return -1;
}

static int rm(void *opts, int argc, char **argv, struct err *e)
{
	struct rm_options *o = opts;
	if (o->link)
		return err_set(e, ERR_USAGE, "--link: hull makes no links between containers, so there is none to remove");
	o->g = cli_engine(e);
	if (!o->g)
		return -1;
	return o->force ? cli_each_at_once(argc, argv, true, rm_one, o) : cli_each(argc, argv, true, rm_one, o);
}

struct prune_options { bool force; struct strv filters; };
static const struct opt prune_opts[] = {
	{"filter", 0, OPT_STRV, offset_of(struct prune_options, filters), "KEY=VALUE", "Only those: until=TIME, label=KEY[=VALUE], label!=…"},
	{"force", 'f', OPT_BOOL, offset_of(struct prune_options, force), NULL, "Do not ask"},
};

static void remove_rows(struct engine *g, const struct json *rows, const struct prune_filters *filters, struct buf *out)
{
	bool any = false;
	for (size_t i = 0; i < json_len(rows); i++) {
		const struct json *row = json_at(rows, i);
		const char *id = json_get_str(row, "Id");
		struct err why = {};
		if (!id || !prune_filters_take(filters, row))
			continue;
		/* One that was started meanwhile is running: it stays. */
		if (container_delete(g, id, false, false, &why) < 0) {
			if (why.kind != ERR_CONFLICT && why.kind != ERR_NOT_FOUND)
				cli_complain(&why);
			continue;
		}
		buf_printf(out, "%s%s\n", any ? "" : "Deleted Containers:\n", id);
		any = true;
	}
	if (any)
		buf_char(out, '\n');
}

int prune_containers(struct engine *g, const struct strv *given, struct buf *out, struct err *e)
{
	own(prune_filters) struct prune_filters filters = {};
	if (prune_filters_parse(given, &filters, e) < 0)
		return -1;
	strv_add(&filters.list, "status=created");
	strv_add(&filters.list, "status=exited");
	strv_add(&filters.list, "status=dead");
	struct container_list_request q = {.all = true, .filters = &filters.list};
	own(json) struct json *rows = container_list(g, &q, e);
	if (!rows)
		return -1;
	remove_rows(g, rows, &filters, out);
	return 0;
}

static int prune(void *opts, int argc unused, char **argv unused, struct err *e)
{
	static const char *const folders[] = {"containers", "names"};
	const struct prune_options *o = opts;
	own(prune_filters) struct prune_filters filters = {};
	own(buf) struct buf out = {};
	uint64_t before;
	struct engine *g = cli_engine(e);
	if (!g || prune_filters_parse(&o->filters, &filters, e) < 0)
		return -1;
	if (!o->force && !cli_confirm("This will remove all stopped containers."))
		return 0;
	if (disk_bytes(g, folders, countof(folders), &before, e) < 0 || prune_containers(g, &o->filters, &out, e) < 0)
		return -1;
	return prune_print(g, "container", folders, countof(folders), before, &out, e);
}

const struct cmd cmd_rm = {"rm", "CONTAINER...", "Remove containers", rm_opts, countof(rm_opts), sizeof(struct rm_options), 1, -1, rm,
	.complete = "@container"};
const struct cmd cmd_container_prune = {"prune", "", "Remove all containers that do not run", prune_opts, countof(prune_opts),
	sizeof(struct prune_options), 0, 0, prune};
