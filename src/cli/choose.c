/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choose: the list is made first, then each is taken by its id. Who comes meanwhile is not of it; who goes meanwhile, or is no longer in one of the
 * states that the verb takes, is no error, for nobody named it.
 *
 * --all means those that the verb can do something to: stop and kill do not complain about what has ended. A filter without --all means the
 * same ones; one for the status takes the place of the verb's own choice.
 */
#include "cli/choose.h"

#include "base/path.h"
#include "cli/prune.h"
#include "engine/container.h"
#include "engine/list.h"

#include <fcntl.h>

const char *const choice_live[] = {"running", "paused", "restarting", NULL};

static int check(const struct choice *c, const struct choice_rule *r, int argc, struct err *e)
{
	const bool many = c->all || c->filters.n > 0;
	if (many && c->latest)
		return err_set(e, ERR_USAGE, "--latest is one container: it does not go with --%s", c->all ? "all" : "filter");
	if ((many || c->latest) && (argc > 0 || c->cidfiles.n > 0))
		return err_set(e, ERR_USAGE, "--%s does not go with containers that are named: leave one of them away",
			c->latest ? "latest" : c->all ? "all" : "filter");
	if (!many && !c->latest && argc == 0 && c->cidfiles.n == 0)
		return err_set(e, ERR_USAGE, "\"%s\" needs at least 1 argument: %s [OPTIONS] %s, or %s--latest", r->cmd->name, r->cmd->name, r->cmd->usage,
			str_eq(r->cmd->opts[0].name, "all") ? "--all, " : "");
	return 0;
}

int choice_id_file(const char *option, const char *path, bool lenient, struct strv *ret, struct err *e)
{
	own(buf) struct buf b = {.max = 4096};
	struct err why = {};
	if (path_read(AT_FDCWD, path, &b, &why) < 0) {
		if (lenient && why.kind == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return err_wrap(e, "--%s", option);
	}
	own(mem) char *text = buf_take(&b);
	text[strcspn(text, "\n")] = 0;
	const char *id = str_trim(text);
	if (!*id)
		return err_set(e, ERR_USAGE, "--%s %.200s: there is no id in it", option, path);
	strv_add(ret, id);
	return 0;
}

struct listing {
	const struct prune_filters *filters;
	struct strv *ids;
};

static int add_row(void *arg, struct json *row, struct err *e unused)
{
	const struct listing *l = arg;
	const char *id = json_get_str(row, "Id");
	if (id && prune_filters_take(l->filters, row))
		strv_add(l->ids, id);
	return 0;
}

/* A list filters by what `ps` knows; age and labels that must not be there are looked at row by row. */
static int add_listed(const struct choice *c, const struct choice_rule *r, struct engine *g, struct strv *ret, struct err *e)
{
	own(prune_filters) struct prune_filters filters = {};
	own(strv) struct strv ours = {};
	bool by_status = c->latest;
	for (size_t i = 0; i < c->filters.n; i++) {
		const char *f = c->filters.v[i];
		bool here = str_has_prefix(f, "until=") || str_has_prefix(f, "label!=");
		by_status |= str_has_prefix(f, "status=");
		strv_add(here ? &ours : &filters.list, f);
	}
	if (prune_filters_parse(&ours, &filters, e) < 0)
		return -1;
	for (size_t i = 0; !by_status && r->states && r->states[i]; i++) {
		own(mem) char *status = mem_printf("status=%s", r->states[i]);
		strv_add(&filters.list, status);
	}
	struct container_list_request q = {.all = true, .last = c->latest ? 1 : -1, .filters = &filters.list};
	return container_list_each(g, &q, add_row, &(struct listing){&filters, ret}, e);
}

int choice_names(const struct choice *c, const struct choice_rule *r, struct engine *g, int argc, char **argv, struct strv *ret, struct err *e)
{
	if (check(c, r, argc, e) < 0)
		return -1;
	for (int i = 0; i < argc; i++)
		strv_add(ret, argv[i]);
	for (size_t i = 0; i < c->cidfiles.n; i++)
		if (choice_id_file("cidfile", c->cidfiles.v[i], r->ignore, ret, e) < 0)
			return -1;
	if (c->all && c->filters.n == 0 && !r->states)
		return containers_ids(&g->containers, false, ret, e);
	if ((c->all || c->filters.n > 0 || c->latest) && add_listed(c, r, g, ret, e) < 0)
		return -1;
	return c->latest && ret->n == 0 ? err_set(e, ERR_NOT_FOUND, "--latest: there is no container") : 0;
}

struct each {
	int (*one)(const char *name, void *arg, struct err *e);
	void *arg;
	struct engine *g;
	const char *const *states; /* or NULL: any */
};

static bool has_left(const struct each *each, const char *id)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct err why = {};
	if (!each->states)
		return false;
	if (container_get(each->g, id, 0, &c, &why) < 0)
		return why.kind == ERR_NOT_FOUND;
	const char *status = container_status(each->g, &c);
	for (size_t i = 0; each->states[i]; i++)
		if (str_eq(each->states[i], status))
			return false;
	return true;
}

static int one_of_many(const char *name, void *arg, struct err *e)
{
	const struct each *each = arg;
	struct err why = {};
	int r = each->one(name, each->arg, &why);
	if (r < 0 && (why.kind == ERR_NOT_FOUND || (why.kind == ERR_CONFLICT && has_left(each, name))))
		return 1;
	return r < 0 ? (*e = why, -1) : r;
}

int choice_each(const struct choice *c, const struct choice_rule *r, struct engine *g, int argc, char **argv, bool at_once,
	int (*one)(const char *name, void *arg, struct err *e), void *arg, struct err *e)
{
	own(strv) struct strv names = {};
	struct each each = {one, arg, g, r->states};
	const bool many = c->all || c->filters.n > 0;
	for (size_t i = 0; i < c->filters.n; i++)
		if (str_has_prefix(c->filters.v[i], "status="))
			each.states = NULL;
	if (choice_names(c, r, g, argc, argv, &names, e) < 0)
		return -1;
	return (at_once ? cli_each_at_once : cli_each)((int)names.n, names.v, true, many ? one_of_many : one, many ? (void *)&each : arg);
}

int choice_latest(const struct cmd *cmd, bool latest, int least, int most, int *argc, char ***argv, struct strv *hold, struct err *e)
{
	const struct choice c = {.latest = true};
	const struct choice_rule rule = {.cmd = cmd};
	const int n = *argc + latest;
	if (n < least || (most >= 0 && n > most)) {
		int limit = n < least ? least : most;
		return err_set(e, ERR_USAGE, "\"%s\" needs %s %d argument%s: %s%s %s; with --latest without the container", cmd->name,
			least == most ? "exactly" : n < least ? "at least" : "at most", limit, limit == 1 ? "" : "s", cmd->name, cmd->nopts ? " [OPTIONS]" : "",
			cmd->usage);
	}
	if (!latest)
		return 0;
	struct engine *g = cli_engine(e);
	if (!g || choice_names(&c, &rule, g, 0, NULL, hold, e) < 0)
		return -1;
	for (int i = 0; i < *argc; i++)
		strv_add(hold, (*argv)[i]);
	*argc = (int)hold->n;
	*argv = hold->v;
	return 0;
}
