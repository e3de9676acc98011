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

/* Splits what the list knows (label) from what only prune has (until, label!). */
static int read_filters(const struct strv *from, struct strv *ret_list, struct strv *ret_without, int64_t *ret_until, struct err *e)
{
	for (size_t i = 0; i < from->n; i++) {
		const char *f = from->v[i], *v;
		if ((v = str_after(f, "until="))) {
			if (num_time(v, num_now_ns(), ret_until, e) < 0)
				return err_wrap(e, "--filter until");
		} else if ((v = str_after(f, "label!="))) {
			strv_add(ret_without, v);
		} else if (str_has_prefix(f, "label=")) {
			strv_add(ret_list, f);
		} else {
			return err_set(e, ERR_USAGE, "invalid --filter \"%.60s\": until=, label= and label!= are known", f);
		}
	}
	return 0;
}

static bool has_label(const struct json *labels, const char *text)
{
	size_t n = strcspn(text, "=");
	own(mem) char *key = mem_ndup(text, n);
	const char *value = json_get_str(labels, key);
	return value && (!text[n] || str_eq(value, text + n + 1));
}

static bool is_wanted(const struct json *row, const struct strv *without, int64_t until_ns)
{
	if (until_ns && json_i64(json_get(row, "Created")) * 1000000000LL >= until_ns)
		return false;
	for (size_t i = 0; i < without->n; i++)
		if (has_label(json_get(row, "Labels"), without->v[i]))
			return false;
	return true;
}

static void remove_rows(struct engine *g, const struct json *rows, const struct strv *without, int64_t until_ns, struct buf *out)
{
	bool any = false;
	for (size_t i = 0; i < json_len(rows); i++) {
		const struct json *row = json_at(rows, i);
		const char *id = json_get_str(row, "Id");
		struct err why = {};
		if (!id || !is_wanted(row, without, until_ns))
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
	own(strv) struct strv filters = {};
	own(strv) struct strv without = {};
	int64_t until_ns = 0;
	if (read_filters(given, &filters, &without, &until_ns, e) < 0)
		return -1;
	strv_add(&filters, "status=created");
	strv_add(&filters, "status=exited");
	strv_add(&filters, "status=dead");
	struct container_list_request q = {.all = true, .filters = &filters};
	own(json) struct json *rows = container_list(g, &q, e);
	if (!rows)
		return -1;
	remove_rows(g, rows, &without, until_ns, out);
	return 0;
}

static int prune(void *opts, int argc unused, char **argv unused, struct err *e)
{
	static const char *const folders[] = {"containers", "names"};
	const struct prune_options *o = opts;
	own(strv) struct strv filters = {}, without = {};
	own(buf) struct buf out = {};
	int64_t until_ns = 0;
	uint64_t before;
	struct engine *g = cli_engine(e);
	if (!g || read_filters(&o->filters, &filters, &without, &until_ns, e) < 0)
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
