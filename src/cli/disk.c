/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk: `system df` says what takes how much, `system prune` and `system gc` make it less.
 */
#include "build/prune.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/prune.h"
#include "engine/disk.h"
#include "engine/image.h"
#include "engine/layers.h"
#include "engine/network.h"
#include "engine/volume.h"

#include "base/num.h"
#include "base/tab.h"

#include <stdio.h>
#include <stdlib.h>

struct df_options { bool verbose; char *format; };
static const struct opt df_opts[] = {
	{"format", 0, OPT_STR, offset_of(struct df_options, format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"verbose", 'v', OPT_BOOL, offset_of(struct df_options, verbose), NULL, "Show each image, container, volume and layer of the build cache"},
};

static const struct cli_heading headings[] = {{"Type", "TYPE"}, {"TotalCount", "TOTAL"}, {"Active", "ACTIVE"}, {"Size", "SIZE"},
	{"Reclaimable", "RECLAIMABLE"}, {"Bytes", "BYTES"}, {"ReclaimableBytes", "RECLAIMABLE BYTES"}, {NULL, NULL}};

static void set_number(struct json *row, const char *key, uint64_t n)
{
	char text[24];
	snprintf(text, sizeof text, "%llu", (unsigned long long)n);
	json_set_str(row, key, text);
}

static int print_totals(const struct json *usage, const char *format, struct err *e)
{
	const struct json *list = json_get(usage, "Totals");
	own(json) struct json *rows = json_new_array();
	for (size_t i = 0; i < json_len(list); i++) {
		const struct json *t = json_at(list, i);
		struct json *row = json_new_object();
		uint64_t bytes = json_u64(json_get(t, "Bytes")), reclaimable = json_u64(json_get(t, "Reclaimable"));
		char all[NUM_TEXT], less[NUM_TEXT];
		num_format_size(bytes, all);
		num_format_size(reclaimable, less);
		own(mem) char *part = bytes ? mem_printf("%s (%llu%%)", less, (unsigned long long)(reclaimable * 100 / bytes)) : mem_dup(less);
		json_set_str(row, "Type", json_get_str(t, "Type"));
		set_number(row, "TotalCount", json_u64(json_get(t, "TotalCount")));
		set_number(row, "Active", json_u64(json_get(t, "Active")));
		json_set_str(row, "Size", all);
		json_set_str(row, "Reclaimable", part);
		set_number(row, "Bytes", bytes);
		set_number(row, "ReclaimableBytes", reclaimable);
		json_add(rows, row);
	}
	return cli_format_rows(rows, format, "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}", headings, e);
}

/* A section of -v: a title, a table, with docker's columns. Cells are JSON strings, numbers or lists (the first), as a sign before the key says: # an id, @ a
 * time, = bytes, / a name, < and > what is before and behind a reference's tag, ! a command, ~ how many volumes. */
struct section { const char *title, *list, *head; const char *keys[8]; };
static const struct section sections[] = {
	{"Images space usage:", "Images", "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\tSHARED SIZE\tUNIQUE SIZE\tCONTAINERS",
		{"<RepoTags", ">RepoTags", "#Id", "@Created", "=Size", "=SharedSize", "=UniqueSize", "Containers"}},
	{"Containers space usage:", "Containers", "CONTAINER ID\tIMAGE\tCOMMAND\tLOCAL VOLUMES\tSIZE\tCREATED\tSTATUS\tNAMES",
		{"#Id", "Image", "!Command", "~Mounts", "=Bytes", "@Created", "Status", "/Names"}},
	{"Local Volumes space usage:", "Volumes", "VOLUME NAME\tLINKS\tSIZE", {"Name", "Links", "=Size"}},
	{"Build cache usage:", "BuildCache", "CACHE ID\tSIZE\tSHARED", {"#ID", "=Size", "Shared"}},
};

static char *volumes_of(const struct json *mounts)
{
	int n = 0;
	for (size_t i = 0; i < json_len(mounts); i++)
		n += str_eq(json_get_str(json_at(mounts, i), "Type"), "volume");
	return mem_printf("%d", n);
}

static char *part_of(const char *reference, bool is_tag)
{
	const char *colon = reference ? strrchr(reference, ':') : NULL;
	if (!colon || strchr(colon, '/'))
		return mem_dup(reference && !is_tag ? reference : "<none>");
	return is_tag ? mem_dup(colon + 1) : mem_ndup(reference, (size_t)(colon - reference));
}

static char *cell(const struct json *item, const char *key)
{
	char size[NUM_TEXT];
	const char *plain = key + strspn(key, "#@=/<>!~");
	const struct json *v = json_get(item, plain);
	const char *text = json_kind(v) == JSON_ARRAY ? json_str(json_at(v, 0)) : json_str(v);
	if (*key == '=')
		return mem_dup(num_format_size(json_u64(v), size));
	if (*key == '@')
		return json_i64(v) > 0 ? column_ago(json_i64(v)) : mem_dup("N/A");
	if (*key == '#')
		return column_id(text, false);
	if (*key == '<' || *key == '>')
		return part_of(text, *key == '>');
	if (*key == '~')
		return volumes_of(v);
	if (*key == '!') {
		own(mem) char *cut = column_ellipsis(text ? text : "", 20);
		return mem_printf("\"%s\"", cut);
	}
	if (json_kind(v) == JSON_BOOL)
		return mem_dup(json_truth(v) ? "true" : "false");
	if (json_kind(v) == JSON_INT)
		return mem_printf("%lld", (long long)json_i64(v));
	return mem_dup(text ? *key == '/' && *text == '/' ? text + 1 : text : "<none>");
}

static int print_verbose(const struct json *usage, struct err *e)
{
	own(buf) struct buf out = {};
	for (size_t i = 0; i < countof(sections); i++) {
		own(tab) struct tab *t = tab_new();
		const struct json *list = json_get(usage, sections[i].list);
		buf_printf(&out, "%s%s\n\n", i ? "\n" : "", sections[i].title);
		tab_split(t, sections[i].head);
		tab_line(t);
		for (size_t k = 0; k < json_len(list); k++) {
			for (size_t c = 0; c < countof(sections[i].keys) && sections[i].keys[c]; c++) {
				own(mem) char *text = cell(json_at(list, k), sections[i].keys[c]);
				tab_cell(t, text);
			}
			tab_line(t);
		}
		tab_format(t, &out);
	}
	return cli_print(&out, e);
}

static int df(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct df_options *o = opts;
	struct engine *g = cli_engine(e);
	own(json) struct json *usage = g ? disk_usage(g, e) : NULL;
	if (!usage)
		return -1;
	if (o->verbose && o->format)
		return cli_format_document(usage, o->format, e);
	return o->verbose ? print_verbose(usage, e) : print_totals(usage, o->format, e);
}

/* ---- system prune */

struct prune_options { bool all, force, volumes; struct strv filters; };
#define O(m) offset_of(struct prune_options, m)
static const struct opt prune_opts[] = {
	{"all", 'a', OPT_BOOL, O(all), NULL, "All images that no container uses, not only those without a name"},
	{"filter", 0, OPT_STRV, O(filters), "KEY=VALUE", "Only those: until=TIME, label=KEY[=VALUE], label!=…"},
	{"force", 'f', OPT_BOOL, O(force), NULL, "Do not ask"},
	{"volumes", 0, OPT_BOOL, O(volumes), NULL, "Anonymous volumes that no container has, too"},
};
#undef O

static void add_names(struct buf *out, const char *heading, const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++)
		buf_printf(out, "%s%s\n%s", i ? "" : heading, names->v[i], i + 1 == names->n ? "\n" : "");
}

static int prune_volumes(struct engine *g, const struct strv *filters, struct buf *out, struct err *e)
{
	own(strv) struct strv names = {}, labels = {};
	uint64_t bytes;
	for (size_t i = 0; i < filters->n; i++)
		if (str_has_prefix(filters->v[i], "until="))
			return err_set(e, ERR_USAGE, "--filter until= cannot be used with --volumes");
		else
			strv_add(&labels, filters->v[i]);
	if (volume_prune(g, false, &labels, &names, &bytes, e) < 0)
		return -1;
	add_names(out, "Deleted Volumes:\n", &names);
	return 0;
}

static int prune_build(struct engine *g, const struct strv *filters, struct buf *out, struct err *e)
{
	own(strv) struct strv ids = {};
	uint64_t bytes;
	int64_t unused_ns = 0;
	for (size_t i = 0; i < filters->n; i++) {
		struct err ignored = {};
		const char *until = str_after(filters->v[i], "until=");
		/* Steps have no labels; a date is no time for which they were not used. */
		if (!until || num_duration(until, &unused_ns, &ignored) < 0)
			return 0;
	}
	if (prune_cache(g, unused_ns, 0, &ids, &bytes, e) < 0)
		return -1;
	add_names(out, "Deleted build cache objects:\n", &ids);
	return 0;
}

static int prune_all(struct engine *g, const struct prune_options *o, struct buf *out, struct err *e)
{
	own(strv) struct strv networks = {};
	if (prune_print_containers(g, &o->filters, out, e) < 0 || network_prune(g, &o->filters, &networks, e) < 0)
		return -1;
	add_names(out, "Deleted Networks:\n", &networks);
	if (o->volumes && prune_volumes(g, &o->filters, out, e) < 0)
		return -1;
	return prune_build(g, &o->filters, out, e) < 0 || prune_images(g, o->all, &o->filters, out, e) < 0 ? -1 : 0;
}

static int prune(void *opts, int argc unused, char **argv unused, struct err *e)
{
	static const char *const folders[] = {""};
	const struct prune_options *o = opts;
	own(buf) struct buf out = {};
	own(prune_filters) struct prune_filters filters = {};
	uint64_t before;
	/* All of them, before anything goes. */
	if (prune_filters_parse(&o->filters, &filters, e) < 0)
		return -1;
	struct engine *g = cli_engine(e);
	for (size_t i = 0; i < o->filters.n; i++)
		if (o->volumes && str_has_prefix(o->filters.v[i], "until="))
			return err_set(e, ERR_USAGE, "--filter until= cannot be used with --volumes");
	if (!g)
		return -1;
	own(mem) char *question = mem_printf("This will remove all stopped containers, all networks that no container uses,%s all images %s, and the build "
		"cache.", o->volumes ? " all anonymous volumes that no container has," : "", o->all ? "that no container uses" : "without a name");
	if (!o->force && !cli_confirm(question))
		return 0;
	if (disk_bytes(g, folders, 1, &before, e) < 0 || prune_all(g, o, &out, e) < 0)
		return -1;
	return prune_print(g, "daemon", folders, 1, before, &out, e);
}

/* ---- system gc */

struct gc_options { struct opt_num keep; };
static const struct opt gc_opts[] = {
	{"keep", 0, OPT_SIZE, offset_of(struct gc_options, keep), "BYTES", "Remove build cache and images that no container uses, the longest unused first, "
		"until all of the store takes no more"},
};

struct used { char *id; int64_t ns; };
struct used_list { struct engine *g; struct arena arena; struct { struct used *v; size_t n; } all; };

static int older_first(const void *a, const void *b)
{
	const struct used *x = a, *y = b;
	return x->ns != y->ns ? (x->ns < y->ns ? -1 : 1) : strcmp(x->id, y->id);
}

static int note_use(void *arg, const struct image *i, struct err *e unused)
{
	struct used_list *l = arg;
	*arena_push(&l->arena, &l->all) = (struct used){arena_dup(&l->arena, i->record.id), store_used_ns(&l->g->store, i->record.id)};
	return 0;
}

static int remove_until(struct engine *g, uint64_t keep, const struct used_list *l, struct json *removed, struct err *e)
{
	static const char *const folders[] = {""};
	uint64_t now;
	for (size_t i = 0; i < l->all.n; i++) {
		struct err why = {};
		if (disk_bytes(g, folders, 1, &now, e) < 0)
			return -1;
		if (now <= keep)
			return 0;
		if (image_remove_whole(g, l->all.v[i].id, removed, &why) < 0 && why.kind != ERR_CONFLICT && why.kind != ERR_NOT_FOUND)
			return *e = why, -1;
	}
	return 0;
}

/* What was used longest ago first; an image that a container has stays. */
static int remove_images(struct engine *g, uint64_t keep, struct json *removed, struct err *e)
{
	struct used_list l = {.g = g};
	int r = store_each(&g->store, note_use, &l, NULL, e);
	if (l.all.n)
		qsort(l.all.v, l.all.n, sizeof *l.all.v, older_first);
	if (r == 0)
		r = remove_until(g, keep, &l, removed, e);
	arena_drop(&l.arena);
	return r;
}

static int gc(void *opts, int argc unused, char **argv unused, struct err *e)
{
	static const char *const root[] = {""}, *const cache_folders[] = {"build"};
	const struct gc_options *o = opts;
	own(json) struct json *removed = json_new_array();
	own(strv) struct strv ids = {};
	own(buf) struct buf out = {};
	uint64_t before, now, keep = o->keep.set ? (uint64_t)o->keep.v : 0, bytes;
	struct engine *g = cli_engine(e);
	if (!g || disk_bytes(g, root, 1, &before, e) < 0)
		return -1;
	layers_forget_partial(g);
	if (layers_collect(g, removed, e) < 0 || disk_bytes(g, root, 1, &now, e) < 0)
		return -1;
	if (o->keep.set && now > keep) {
		own(json) struct json *cache = prune_list(g, e);
		uint64_t have = 0, over = now - keep;
		for (size_t i = 0; i < json_len(cache); i++)
			have += json_u64(json_get(json_at(cache, i), "Size"));
		if (!cache || disk_bytes(g, cache_folders, 1, &bytes, e) < 0)
			return -1;
		/* 0 is no bound there: one byte is as good as nothing. */
		if ((have || bytes) && prune_cache(g, 0, have > over ? have - over : 1, &ids, &bytes, e) < 0)
			return -1;
		if (remove_images(g, keep, removed, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < json_len(removed); i++)
		if (json_get_str(json_at(removed, i), "Deleted"))
			buf_printf(&out, "Deleted: %s\n", json_get_str(json_at(removed, i), "Deleted"));
	for (size_t i = 0; i < ids.n; i++)
		buf_printf(&out, "Deleted build cache object: %s\n", ids.v[i]);
	return prune_print(g, "daemon", root, 1, before, &out, e);
}

const struct cmd cmd_df = {"df", "", "Show what takes how much of the disk", df_opts, countof(df_opts), sizeof(struct df_options), 0, 0, df,
	.about = "Bytes are those of the disk, as du(1) counts them, and together the rows are what `du` says of hull's root. A layer counts once, for the "
		"images that have it; one that only the build cache keeps, for that. Other is the rest: what is kept about the store itself, and what no "
		"record knows, which `hull system gc` removes. Templates have .Bytes and .ReclaimableBytes besides docker's keys.",
	.examples = "$ hull system df\n$ hull system df --format '{{.Type}} {{.Bytes}}'"};
const struct cmd cmd_system_prune = {"prune", "", "Remove what is not used", prune_opts, countof(prune_opts), sizeof(struct prune_options), 0, 0, prune};
const struct cmd cmd_gc = {"gc", "", "Make the store smaller", gc_opts, countof(gc_opts), sizeof(struct gc_options), 0, 0, gc,
	.about = "Layers that nothing uses go. With --keep, then build cache, what was used longest ago first, and then images that no container "
		"has, those first that were not pulled, named, started or built on for the longest time, until all of the store takes no more than "
		"that; containers and volumes stay.",
	.examples = "$ hull system gc --keep 10g"};
