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
	bool force, volumes, link, ignore, depend;
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
	{"depend", 0, OPT_BOOL, O(depend), NULL, "And those before it that require it, or use its namespaces"},
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

static bool leans_on(const struct container_record *r, const char *id)
{
	const char *const modes[] = {r->host.network_mode, r->host.ipc_mode, r->host.pid_mode, r->host.uts_mode};
	bool found = strv_has(&r->host.requires, id);
	for (size_t i = 0; i < countof(modes); i++)
		found |= modes[i] && str_eq(str_after(modes[i], "container:"), id);
	return found;
}

/* And those that lean on them, which go first. What is not there keeps its name, for what is said of it. */
static int with_dependents(struct engine *g, const struct strv *names, struct strv *ret, struct err *e)
{
	own(strv) struct strv ids = {};
	own(strv) struct strv all = {};
	char id[65];
	if (containers_ids(&g->containers, false, &all, e) < 0)
		return -1;
	for (size_t i = 0; i < names->n; i++) {
		struct err ignored = {};
		const char *name = containers_find(&g->containers, names->v[i], id, &ignored) < 0 ? names->v[i] : id;
		if (!strv_has(&ids, name))
			strv_add(&ids, name);
	}
	for (size_t i = 0; i < ids.n; i++)
		for (size_t k = 0; k < all.n; k++) {
			own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
			struct err ignored = {};
			if (!strv_has(&ids, all.v[k]) && container_get(g, all.v[k], 0, &c, &ignored) == 0 && leans_on(&c.record, ids.v[i]))
				strv_add(&ids, all.v[k]);
		}
	for (size_t i = ids.n; i-- > 0;)
		strv_add(ret, ids.v[i]);
	return 0;
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
	if (!o->g || !o->depend)
		return o->g ? choice_each(&o->choice, &rule, o->g, argc, argv, o->force, rm_one, o, e) : -1;
	own(strv) struct strv names = {};
	own(strv) struct strv list = {};
	if (choice_names(&o->choice, &rule, o->g, argc, argv, &names, e) < 0 || with_dependents(o->g, &names, &list, e) < 0)
		return -1;
	return cli_each((int)list.n, list.v, true, rm_one, o);
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
