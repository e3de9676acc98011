/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rm: containers go. -f kills what runs, and does not mind what is not there. prune takes all that have ended or were
 * never started.
 */
#include "cli/choose.h"
#include "cli/commands.h"
#include "cli/prune.h"
#include "engine/container.h"
#include "engine/disk.h"

#include "base/num.h"

#include <limits.h>

struct rm_options {
	bool force, volumes, link, ignore;
	struct opt_num timeout;
	struct choice choice;
	/* worked out */
	struct engine *g;
};
#define O(m) offset_of(struct rm_options, m)
static const struct opt rm_opts[] = {
	CHOICE_ALL(struct rm_options, choice, 'a', "All there are; what runs only with -f"),
	CHOICE_CIDFILE(struct rm_options, choice),
	CHOICE_FILTER(struct rm_options, choice, 0),
	{"force", 'f', OPT_BOOL, O(force), NULL, "Kill it if it runs; one that is not there is no error"},
	{"ignore", 'i', OPT_BOOL, O(ignore), NULL, "One that is not there is no error"},
	CHOICE_LATEST(struct rm_options, choice),
	{"link", 0, OPT_BOOL, O(link), NULL, "Refused: there are no links", OPT_HIDDEN},
	{"timeout", 't', OPT_I64, O(timeout), "SECONDS", "Stop what runs instead of killing it at once: how long to wait before SIGKILL, -1 for ever", 0, NULL, "time"},
	{"volumes", 'v', OPT_BOOL, O(volumes), NULL, "Remove its anonymous volumes too"},
};
#undef O

static int stop_first(const struct rm_options *o, const char *name, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct err unread = {};
	/* One that cannot be read is removed by force all the same. */
	return container_get(o->g, name, 0, &c, &unread) < 0 ? 0 : container_stop(o->g, &c, 0, (int)o->timeout.v, e);
}

static int rm_one(const char *name, void *arg, struct err *e)
{
	const struct rm_options *o = arg;
	struct err why = {};
	if (o->timeout.set && stop_first(o, name, e) < 0)
		return -1;
	if (container_delete(o->g, name, o->force, o->volumes, &why) == 0)
		return 0;
	/* docker prints the name of a missing one neither */
	if ((o->force || o->ignore) && why.kind == ERR_NOT_FOUND)
		return 1;
	*e = why;
	return -1;
}

static int rm(void *opts, int argc, char **argv, struct err *e)
{
	struct rm_options *o = opts;
	const struct choice_rule rule = {&cmd_rm, NULL, o->force || o->ignore};
	if (o->link)
		return err_set(e, ERR_USAGE, "--link: hull makes no links between containers, so there is none to remove");
	if (o->timeout.set && !o->force)
		return err_set(e, ERR_USAGE, "--timeout goes with --force: without it nothing that runs is removed");
	if (o->timeout.set && (o->timeout.v < -1 || o->timeout.v > INT_MAX))
		return err_set(e, ERR_USAGE, "invalid --timeout \"%lld\": seconds, -1 for ever", (long long)o->timeout.v);
	o->g = cli_engine(e);
	return o->g ? choice_each(&o->choice, &rule, o->g, argc, argv, o->force, rm_one, o, e) : -1;
}

struct prune_options { bool force; struct strv filters; };
static const struct opt prune_opts[] = {
	{"filter", 0, OPT_STRV, offset_of(struct prune_options, filters), "KEY=VALUE", "Only those: until=TIME, label=KEY[=VALUE], label!=…"},
	{"force", 'f', OPT_BOOL, offset_of(struct prune_options, force), NULL, "Do not ask"},
};

int prune_print_containers(struct engine *g, const struct strv *filters, struct buf *out, struct err *e)
{
	own(strv) struct strv ids = {};
	if (prune_containers(g, filters, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++)
		buf_printf(out, "%s%s\n", i ? "" : "Deleted Containers:\n", ids.v[i]);
	if (ids.n)
		buf_char(out, '\n');
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
	if (disk_bytes(g, folders, countof(folders), &before, e) < 0 || prune_print_containers(g, &o->filters, &out, e) < 0)
		return -1;
	return prune_print(g, "container", folders, countof(folders), before, &out, e);
}

const struct cmd cmd_rm = {"rm", "CONTAINER...", "Remove containers", rm_opts, countof(rm_opts), sizeof(struct rm_options), 0, -1, rm,
	.complete = "@container", .examples = "$ hull rm -f web\n$ hull rm --all --filter until=24h"};
const struct cmd cmd_container_prune = {"prune", "", "Remove all containers that do not run", prune_opts, countof(prune_opts),
	sizeof(struct prune_options), 0, 0, prune};
