/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search: images in a registry by a word of their name; or the tags of a repository.
 */
#include "cli/commands.h"

#include "base/num.h"
#include "engine/login.h"

#include <string.h>

enum { LIMIT = 25, LIMIT_MAX = 100, SHORT = 45 };

struct search_options {
	struct strv filters;
	char *format;
	struct opt_num limit;
	bool no_trunc, list_tags, automated;
};
static const struct opt options[] = {
	{"automated", 0, OPT_BOOL, offset_of(struct search_options, automated), NULL, "Only automated builds", OPT_HIDDEN},
	{"filter", 'f', OPT_STRV, offset_of(struct search_options, filters), "KEY=VALUE", "Only those with: stars=N, is-official=BOOL, is-automated=BOOL"},
	{"format", 0, OPT_STR, offset_of(struct search_options, format), "FORMAT", "json, table TEMPLATE, or a template"},
	{"limit", 0, OPT_U64, offset_of(struct search_options, limit), "N", "At most so many; 25 when it is not given"},
	{"list-tags", 0, OPT_BOOL, offset_of(struct search_options, list_tags), NULL, "The tags of the repository TERM"},
	{"no-trunc", 0, OPT_BOOL, offset_of(struct search_options, no_trunc), NULL, "Show descriptions whole"},
};
static const struct cli_heading headings[] = {{"Name", "NAME"}, {"Description", "DESCRIPTION"}, {"StarCount", "STARS"}, {"IsOfficial", "OFFICIAL"},
	{"IsAutomated", "AUTOMATED"}, {"Tag", "TAG"}, {NULL, NULL}};

struct wanted { uint64_t stars; int official, automated; }; /* -1: both */

static int read_bool(const char *value, const char *key, int *ret, struct err *e)
{
	*ret = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
	return *ret || strcmp(value, "false") == 0 || strcmp(value, "0") == 0 ? 0 : err_set(e, ERR_USAGE, "invalid filter %s=%.40s: true or false", key, value);
}

static int read_filters(const struct strv *filters, struct wanted *w, struct err *e)
{
	for (size_t i = 0; i < filters->n; i++) {
		const char *stars = str_after(filters->v[i], "stars="), *official = str_after(filters->v[i], "is-official="),
			*automated = str_after(filters->v[i], "is-automated=");
		if (stars ? num_u64(stars, UINT32_MAX, &w->stars, "stars", e) < 0
			: official ? read_bool(official, "is-official", &w->official, e) < 0
			: automated ? read_bool(automated, "is-automated", &w->automated, e) < 0
			: err_set(e, ERR_USAGE, "invalid filter \"%.60s\": stars=, is-official= and is-automated= are known", filters->v[i]) < 0)
			return -1;
	}
	return 0;
}

static char *description_of(const char *text, bool whole)
{
	own(mem) char *line = mem_dup(text);
	size_t n = 0, chars = 0;
	str_harmless(line);
	for (size_t left = strlen(line); left && (whole || chars < SHORT); chars++) {
		size_t step = str_utf8(line + n, left);
		step = step ? step : 1;
		n += step;
		left -= step;
	}
	return line[n] ? mem_printf("%.*s…", (int)n, line) : mem_dup(line);
}

static struct json *rows_of(const struct json *results, const struct wanted *w, bool whole)
{
	struct json *rows = json_new_array();
	for (size_t i = 0; i < json_len(results); i++) {
		const struct json *r = json_at(results, i);
		bool official = json_truth(json_get(r, "is_official")), automated = json_truth(json_get(r, "is_automated"));
		int64_t stars = json_i64(json_get(r, "star_count"));
		if (stars < (int64_t)w->stars || (w->official >= 0 && official != w->official) || (w->automated >= 0 && automated != w->automated))
			continue;
		struct json *row = json_new_object();
		own(mem) char *name = mem_dup(json_get_str(r, "name"));
		own(mem) char *description = description_of(json_get_str(r, "description"), whole);
		own(mem) char *count = mem_printf("%lld", (long long)stars);
		str_harmless(name);
		json_set_str(row, "Name", name);
		json_set_str(row, "Description", description);
		json_set_str(row, "StarCount", count);
		json_set_str(row, "IsOfficial", official ? "[OK]" : "");
		json_set_str(row, "IsAutomated", automated ? "[OK]" : "");
		json_add(rows, row);
	}
	return rows;
}

static int list_tags(struct engine *g, const char *name, const struct search_options *o, unsigned limit, struct err *e)
{
	own(strv) struct strv tags = {};
	own(json) struct json *rows = json_new_array();
	if (search_tags(g, name, &tags, e) < 0)
		return -1;
	for (size_t i = 0; i < tags.n && (!o->limit.set || i < limit); i++) {
		struct json *row = json_new_object();
		json_set_str(row, "Name", name);
		json_set_str(row, "Tag", tags.v[i]);
		json_add(rows, row);
	}
	return cli_format_rows(rows, o->format, "table {{.Name}}\t{{.Tag}}", headings, e);
}

static int run(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct search_options *o = opts;
	struct wanted w = {.official = -1, .automated = o->automated ? 1 : -1};
	int64_t limit = o->limit.set ? o->limit.v : LIMIT;
	if (read_filters(&o->filters, &w, e) < 0)
		return -1;
	if (limit < 1 || (limit > LIMIT_MAX && !o->list_tags))
		return err_set(e, ERR_USAGE, "invalid --limit %lld: 1 to %d", (long long)limit, LIMIT_MAX);
	struct engine *g = cli_engine(e);
	if (!g)
		return -1;
	if (o->list_tags)
		return list_tags(g, argv[0], o, (unsigned)limit, e);
	own(json) struct json *results = search(g, argv[0], (unsigned)limit, e);
	if (!results)
		return -1;
	own(json) struct json *rows = rows_of(results, &w, o->no_trunc);
	return cli_format_rows(rows, o->format, "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}", headings, e);
}

const struct cmd cmd_search = {"search", "TERM", "Look for images in a registry", options, countof(options), sizeof(struct search_options), 1, 1, run,
	.about = "TERM is a word, looked for at docker.io, or REGISTRY/WORD. A registry that cannot be searched is asked for all of its names.",
	.examples = "$ hull search debian\n$ hull search localhost:5000/web\n$ hull search --list-tags localhost:5000/web"};
