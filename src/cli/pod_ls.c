/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod_ls: the list of pods, in podman's columns, and their documents. Filters of one key are alternatives, keys are and-ed; labels must all be there.
 */
#include "cli/columns.h"
#include "cli/pod.h"
#include "engine/pod.h"

#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>

struct ls_options {
	bool no_trunc, quiet, latest, names, ids, status, noheading;
	char *format, *sort;
	struct strv filters;
};
#define O(m) offset_of(struct ls_options, m)
static const struct opt ls_opts[] = {
	{"ctr-ids", 0, OPT_BOOL, O(ids), NULL, "Show the ids of the containers"},
	{"ctr-names", 0, OPT_BOOL, O(names), NULL, "Show the names of the containers"},
	{"ctr-status", 0, OPT_BOOL, O(status), NULL, "Show how the containers stand"},
	{"filter", 'f', OPT_STRV, O(filters), "KEY=VALUE", "Only those: id=, name=, status=, label=KEY[=VALUE], network=, ctr-ids=, ctr-names=, ctr-number=, "
		"ctr-status=, until=", 0, "id= name= status= label= network= ctr-names= ctr-number= ctr-status= until="},
	{"format", 0, OPT_STR, O(format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"latest", 'l', OPT_BOOL, O(latest), NULL, "The pod that was made last"},
	{"no-trunc", 0, OPT_BOOL, O(no_trunc), NULL, "Do not cut ids off"},
	{"noheading", 'n', OPT_BOOL, O(noheading), NULL, "Without the line of headings"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Print ids only"},
	{"sort", 0, OPT_STR, O(sort), "KEY", "By created, id, name, number or status (created)", 0, "created id name number status"},
};
#undef O

static const struct cli_heading headings[] = {{"ID", "POD ID"}, {"Name", "NAME"}, {"Status", "STATUS"}, {"Created", "CREATED"}, {"InfraID", "INFRA ID"},
	{"NumberOfContainers", "# OF CONTAINERS"}, {"ContainerIds", "IDS"}, {"ContainerNames", "NAMES"}, {"ContainerStatuses", "STATUS"},
	{"Networks", "NETWORKS"}, {"Labels", "LABELS"}, {"Cgroup", "CGROUP"}, {NULL, NULL}};

static const char *text_of(const struct json *j, const char *key)
{
	const char *s = json_get_str(j, key);
	return s ? s : "";
}

static bool any_container(const struct json *pod, const char *key, const char *want, bool prefix)
{
	const struct json *list = json_get(pod, "Containers");
	for (size_t i = 0; i < json_len(list); i++) {
		const char *have = text_of(json_at(list, i), key);
		if (prefix ? str_has_prefix(have, want) : strcmp(have, want) == 0)
			return true;
	}
	return false;
}

static bool by_id(const struct json *p, const char *want) { return str_has_prefix(text_of(p, "Id"), want); }
static bool by_name(const struct json *p, const char *want) { return strstr(text_of(p, "Name"), want) != NULL; }
static bool by_container_id(const struct json *p, const char *want) { return any_container(p, "Id", want, true); }
static bool by_container_name(const struct json *p, const char *want) { return any_container(p, "Names", want, false); }
static bool by_container_status(const struct json *p, const char *want) { return any_container(p, "Status", want, false); }
static bool by_number(const struct json *p, const char *want) { return (long long)json_len(json_get(p, "Containers")) == atoll(want); }

static bool by_status(const struct json *p, const char *want)
{
	own(mem) char *have = str_lower(mem_dup(text_of(p, "Status"))), *lower = str_lower(mem_dup(want));
	return strcmp(have, lower) == 0 || (strcmp(lower, "stopped") == 0 && strcmp(have, "exited") == 0);
}

static bool by_label(const struct json *p, const char *want)
{
	size_t n = strcspn(want, "=");
	own(mem) char *key = mem_ndup(want, n);
	const char *value = json_get_str(json_get(p, "Labels"), key);
	return value && (!want[n] || strcmp(value, want + n + 1) == 0);
}

static bool by_network(const struct json *p, const char *want)
{
	const struct json *list = json_get(p, "Networks");
	for (size_t i = 0; i < json_len(list); i++)
		if (str_eq(json_str(json_at(list, i)), want))
			return true;
	return false;
}

static bool by_time(const struct json *p, const char *want)
{
	int64_t t = 0;
	struct err ignored = {};
	return num_time(want, num_now_ns(), &t, &ignored) == 0 && num_time_of(text_of(p, "Created")) < t;
}

static const struct filter {
	const char *key;
	bool (*match)(const struct json *pod, const char *want);
	bool all;
} filters[] = {{"ctr-ids", by_container_id, false}, {"ctr-names", by_container_name, false}, {"ctr-number", by_number, false},
	{"ctr-status", by_container_status, false}, {"id", by_id, false}, {"label", by_label, true}, {"name", by_name, false},
	{"network", by_network, false}, {"status", by_status, false}, {"until", by_time, false}};

static const struct filter *find_filter(const char *text)
{
	size_t n = strcspn(text, "=");
	for (size_t i = 0; text[n] && i < countof(filters); i++)
		if (strlen(filters[i].key) == n && strncmp(filters[i].key, text, n) == 0)
			return &filters[i];
	return NULL;
}

static int check(const struct strv *v, struct err *e)
{
	int64_t t;
	for (size_t i = 0; i < v->n; i++) {
		const char *until = str_after(v->v[i], "until=");
		if (!find_filter(v->v[i]))
			return err_set(e, ERR_USAGE, "invalid --filter \"%.60s\": id, name, status, label, network, until, ctr-ids, ctr-names, ctr-number and "
				"ctr-status are known", v->v[i]);
		if (until && num_time(until, num_now_ns(), &t, e) < 0)
			return err_wrap(e, "--filter until");
	}
	return 0;
}

static bool passes(const struct json *pod, const struct strv *v)
{
	bool asked[countof(filters)] = {}, found[countof(filters)] = {};
	for (size_t i = 0; i < v->n; i++) {
		const struct filter *f = find_filter(v->v[i]);
		bool yes = f->match(pod, strchr(v->v[i], '=') + 1);
		if (f->all && !yes)
			return false;
		asked[f - filters] = true;
		found[f - filters] |= yes;
	}
	for (size_t i = 0; i < countof(filters); i++)
		if (asked[i] && !found[i])
			return false;
	return true;
}

static char *joined(const struct json *list, const char *key, size_t cut)
{
	own(buf) struct buf b = {};
	for (size_t i = 0; i < json_len(list); i++) {
		const char *s = key ? text_of(json_at(list, i), key) : json_str(json_at(list, i));
		buf_printf(&b, "%s%.*s", i ? "," : "", (int)cut, s ? s : "");
	}
	return mem_dup(buf_text(&b));
}

static void set_joined(struct json *row, const char *to, const struct json *list, const char *key, size_t cut)
{
	own(mem) char *text = joined(list, key, cut);
	json_set_str(row, to, text);
}

static struct json *row_of(const struct json *pod, bool full)
{
	struct json *row = json_new_object();
	const struct json *list = json_get(pod, "Containers");
	own(mem) char *id = column_id(json_get_str(pod, "Id"), full), *ago = column_ago(num_time_of(text_of(pod, "Created")) / 1000000000);
	own(mem) char *labels = column_map(json_get(pod, "Labels")), *number = mem_printf("%zu", json_len(list));
	const struct { const char *key, *text; } cells[] = {{"ID", id}, {"Id", id}, {"Name", text_of(pod, "Name")}, {"Status", text_of(pod, "Status")},
		{"Created", ago}, {"InfraID", ""}, {"InfraId", ""}, {"NumberOfContainers", number}, {"Labels", labels}, {"Cgroup", text_of(pod, "Cgroup")}};
	for (size_t i = 0; i < countof(cells); i++)
		json_set_str(row, cells[i].key, cells[i].text);
	set_joined(row, "ContainerIds", list, "Id", full ? 64 : 12);
	set_joined(row, "ContainerNames", list, "Names", 255);
	set_joined(row, "ContainerStatuses", list, "Status", 64);
	set_joined(row, "Networks", json_get(pod, "Networks"), NULL, 255);
	json_set(row, ".labels", json_ref(json_get(pod, "Labels")));
	return row;
}

static const char *sort_key;

static int by_sort_key(const void *x, const void *y)
{
	const struct json *const *a = x, *const *b = y;
	if (strcmp(sort_key, "number") == 0)
		return (int)json_len(json_get(*a, "Containers")) - (int)json_len(json_get(*b, "Containers"));
	const char *key = strcmp(sort_key, "id") == 0 ? "Id" : strcmp(sort_key, "name") == 0 ? "Name" : "Status";
	return strcmp(text_of(*a, key), text_of(*b, key));
}

/* Those that pass, in their order. */
static struct json *choose(const struct ls_options *o, const struct json *all)
{
	struct json *ret = json_new_array();
	size_t n = 0;
	own(mem) struct json **v = mem_alloc((json_len(all) + 1) * sizeof(struct json *));
	for (size_t i = 0; i < json_len(all) && (!o->latest || i == 0); i++)
		if (passes(json_at(all, i), &o->filters))
			v[n++] = json_at(all, i);
	sort_key = o->sort;
	if (o->sort && strcmp(o->sort, "created") != 0)
		qsort(v, n, sizeof *v, by_sort_key);
	for (size_t i = 0; i < n; i++)
		json_add(ret, json_ref(v[i]));
	return ret;
}

static int ls(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct ls_options *o = opts;
	static const char *const keys[] = {"created", "id", "name", "number", "status"};
	bool known = !o->sort;
	for (size_t i = 0; o->sort && i < countof(keys); i++)
		known |= strcmp(keys[i], o->sort) == 0;
	if (!known)
		return err_set(e, ERR_USAGE, "invalid --sort \"%.60s\": created, id, name, number and status are known", o->sort);
	struct engine *g = cli_engine(e);
	own(json) struct json *all = !g || check(&o->filters, e) < 0 ? NULL : pod_list(g, e);
	if (!all)
		return -1;
	own(json) struct json *chosen = choose(o, all);
	if (str_eq(o->format, "json") && !o->quiet)
		return cli_format_documents(chosen, NULL, e);
	own(json) struct json *rows = json_new_array();
	for (size_t i = 0; i < json_len(chosen); i++)
		json_add(rows, row_of(json_at(chosen, i), o->no_trunc));
	own(mem) char *columns = mem_printf("%s{{.ID}}\t{{.Name}}\t{{.Status}}\t{{.Created}}\t{{.NumberOfContainers}}%s%s%s", o->noheading ? "" : "table ",
		o->ids ? "\t{{.ContainerIds}}" : "", o->names ? "\t{{.ContainerNames}}" : "", o->status ? "\t{{.ContainerStatuses}}" : "");
	const char *format = o->quiet ? "{{.ID}}" : o->format ? o->format : o->noheading ? columns : NULL;
	return cli_format_rows(rows, format, columns, headings, e);
}

struct inspect_options { struct pod_choice choice; char *format; };
static const struct opt inspect_opts[] = {
	{"format", 'f', OPT_STR, offset_of(struct inspect_options, format), "string", "A Go template, or \"json\" for one line", 0, "json"},
	{"latest", 'l', OPT_BOOL, offset_of(struct inspect_options, choice.latest), NULL, "The pod that was made last"},
};

static int inspect(void *opts, int argc, char **argv, struct err *e)
{
	const struct inspect_options *o = opts;
	struct engine *g = cli_engine(e);
	own(strv) struct strv names = {};
	own(json) struct json *found = json_new_array();
	int status = 0;
	if (!g || pod_choose(g, &o->choice, argc, argv, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct err why = {};
		struct json *doc = pod_inspect(g, names.v[i], &why);
		if (doc)
			json_add(found, doc);
		else
			cli_complain(&why);
		status |= !doc;
	}
	return json_len(found) && cli_format_documents(found, o->format, e) < 0 ? -1 : status;
}

#define LS(name, flags) {name, "", "List pods", ls_opts, countof(ls_opts), sizeof(struct ls_options), 0, 0, ls, flags}
const struct cmd cmd_pod_ls = LS("ls", 0), cmd_pod_ps = LS("ps", CMD_HIDDEN), cmd_pod_list = LS("list", CMD_HIDDEN);
const struct cmd cmd_pod_inspect = {"inspect", "[POD...]", "Show all that is known of pods", inspect_opts, countof(inspect_opts),
	sizeof(struct inspect_options), 0, -1, inspect, .complete = "@pod"};
