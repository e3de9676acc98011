/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list_containers: `ps`. The engine's summaries become rows with docker's keys, every cell a string.
 *
 * Only the columns that the format shows are made: with hundreds of containers the others would cost more than those. Sizes
 * cost a walk through the writable layers, so they are asked for only when --size or the format shows them.
 */
#include "cli/columns.h"
#include "cli/commands.h"
#include "codec/tmpl.h"
#include "engine/list.h"

#include <ctype.h>
#include <stdlib.h>

struct ps_options {
	bool all, latest, no_trunc, noheading, pod, quiet, size;
	char *format, *sort;
	struct strv filters;
	struct opt_num last;
};
#define O(m) offset_of(struct ps_options, m)
static const struct opt ps_opts[] = {
	{"all", 'a', OPT_BOOL, O(all), NULL, "Show all containers, not only those that run"},
	{"filter", 'f', OPT_STRV, O(filters), "filter", "Only those: status=, name=, label=KEY[=VALUE], id=, ancestor=, exited=, before=, since=, "
		"volume=, network=, publish=, expose=, health=, pod="},
	{"format", 0, OPT_STR, O(format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"last", 'n', OPT_I64, O(last), "int", "Show the last n created containers, whatever their state"},
	{"latest", 'l', OPT_BOOL, O(latest), NULL, "Show the container that was created last, whatever its state"},
	{"no-trunc", 0, OPT_BOOL, O(no_trunc), NULL, "Do not cut anything off"},
	{"noheading", 0, OPT_BOOL, O(noheading), NULL, "Without the line of headings"},
	{"pod", 'p', OPT_BOOL, O(pod), NULL, "Show the pods they are in"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Print ids only"},
	{"size", 's', OPT_BOOL, O(size), NULL, "Show sizes"},
	{"sort", 0, OPT_STR, O(sort), "KEY", "By command, created, id, image, names, runningfor, size or status (the newest first)", 0,
		"command created id image names runningfor size status"},
};
#undef O

static const struct cli_heading headings[] = {{"ID", "CONTAINER ID"}, {"Names", "NAMES"}, {"Image", "IMAGE"}, {"Command", "COMMAND"},
	{"CreatedAt", "CREATED AT"}, {"RunningFor", "CREATED"}, {"Ports", "PORTS"}, {"State", "STATE"}, {"Status", "STATUS"}, {"Size", "SIZE"},
	{"Labels", "LABELS"}, {"Mounts", "MOUNTS"}, {"LocalVolumes", "LOCAL VOLUMES"}, {"Networks", "NETWORKS"}, {"Platform", "PLATFORM"},
	{"Pod", "POD ID"}, {"PodName", "PODNAME"}, {NULL, NULL}};

static const char *text_of(const struct json *item, const char *key)
{
	const char *s = json_get_str(item, key);
	return s ? s : "";
}

/* An image that was named by its id is shown by it; a digest behind a name is left away. */
static char *image_of(const struct json *item, bool full)
{
	const char *image = text_of(item, "Image");
	if (!*image)
		return mem_dup("<no image>");
	own(mem) char *id = column_id(json_get_str(item, "ImageID"), false), *named = column_id(image, false);
	if (full)
		return mem_dup(image);
	if (strcmp(id, named) == 0)
		return take(id);
	size_t n = strcspn(image, "@");
	return n ? mem_ndup(image, n) : mem_dup(image);
}

static char *command_of(const struct json *item, bool full)
{
	own(mem) char *cut = full ? mem_dup(text_of(item, "Command")) : column_ellipsis(text_of(item, "Command"), 20);
	own(buf) struct buf b = {};
	tmpl_quote(cut, strlen(cut), &b);
	return buf_take(&b);
}

static char *names_of(const struct json *item, bool full unused)
{
	const struct json *names = json_get(item, "Names");
	own(buf) struct buf b = {};
	for (size_t i = 0; i < json_len(names); i++) {
		const char *name = json_str(json_at(names, i));
		if (name)
			buf_printf(&b, "%s%s", b.len ? "," : "", name + (*name == '/'));
	}
	return buf_take(&b);
}

static char *mounts_of(const struct json *item, bool full)
{
	const struct json *mounts = json_get(item, "Mounts");
	own(buf) struct buf b = {};
	for (size_t i = 0; i < json_len(mounts); i++) {
		const struct json *m = json_at(mounts, i);
		const char *name = text_of(m, "Name");
		own(mem) char *cut = column_ellipsis(*name ? name : text_of(m, "Source"), full ? SIZE_MAX : 15);
		buf_printf(&b, "%s%s", i ? "," : "", cut);
	}
	return buf_take(&b);
}

static char *volumes_of(const struct json *item, bool full unused)
{
	const struct json *mounts = json_get(item, "Mounts");
	int local = 0;
	for (size_t i = 0; i < json_len(mounts); i++)
		local += strcmp(text_of(json_at(mounts, i), "Driver"), "local") == 0;
	return mem_printf("%d", local);
}

static char *networks_of(const struct json *item, bool full unused)
{
	own(buf) struct buf b = {};
	struct json_iter it = {};
	while (json_next(json_get(json_get(item, "NetworkSettings"), "Networks"), &it))
		buf_printf(&b, "%s%s", b.len ? "," : "", it.key);
	if (!b.len)
		buf_str(&b, text_of(json_get(item, "HostConfig"), "NetworkMode"));
	return buf_take(&b);
}

static char *size_of(const struct json *item, bool full unused)
{
	int64_t all = json_i64(json_get(item, "SizeRootFs"));
	own(mem) char *own_size = column_size(json_i64(json_get(item, "SizeRw"))), *virtual = column_size(all);
	return all > 0 ? mem_printf("%s (virtual %s)", own_size, virtual) : take(own_size);
}

static char *platform_of(const struct json *item, bool full unused)
{
	const struct json *p = json_get(json_get(item, "ImageManifestDescriptor"), "platform");
	const char *variant = text_of(p, "variant");
	return p ? mem_printf("%s/%s%s%s", text_of(p, "os"), text_of(p, "architecture"), *variant ? "/" : "", variant) : mem_dup("");
}

static char *id_of(const struct json *item, bool full)
{
	return column_id(json_get_str(item, "Id"), full);
}

static char *created_of(const struct json *item, bool full unused)
{
	return column_time(json_i64(json_get(item, "Created")));
}

static char *age_of(const struct json *item, bool full unused)
{
	return column_ago(json_i64(json_get(item, "Created")));
}

static char *labels_of(const struct json *item, bool full unused)
{
	return column_map(json_get(item, "Labels"));
}

static char *ports_of(const struct json *item, bool full unused)
{
	return column_ports(json_get(item, "Ports"));
}

static char *pod_of(const struct json *item, bool full)
{
	const char *id = json_get_str(item, "Pod");
	return id ? column_id(id, full) : mem_dup("");
}

static char *pod_name_of(const struct json *item, bool full unused)
{
	return mem_dup(text_of(item, "PodName"));
}

static char *state_of(const struct json *item, bool full unused)
{
	return mem_dup(text_of(item, "State"));
}

static char *status_of(const struct json *item, bool full unused)
{
	return mem_dup(text_of(item, "Status"));
}

static const struct {
	const char *key;
	char *(*text)(const struct json *item, bool full);
} columns[] = {{"Command", command_of}, {"CreatedAt", created_of}, {"ID", id_of}, {"Image", image_of}, {"Labels", labels_of},
	{"LocalVolumes", volumes_of}, {"Mounts", mounts_of}, {"Names", names_of}, {"Networks", networks_of}, {"Platform", platform_of}, {"Pod", pod_of}, {"PodName", pod_name_of},
	{"Ports", ports_of}, {"RunningFor", age_of}, {"Size", size_of}, {"State", state_of}, {"Status", status_of}};

/* Does the format show a row as a whole? A dot that begins no key, a variable, or "json". */
static bool shows_all(const char *format)
{
	if (strchr(format, '$') || strstr(format, "json"))
		return true;
	for (const char *dot = strchr(format, '.'); dot; dot = strchr(dot + 1, '.'))
		if (!isalpha((unsigned char)dot[1]))
			return true;
	return false;
}

static struct json *row_of(const struct json *item, const char *format, bool all, bool full)
{
	struct json *row = json_new_object();
	for (size_t i = 0; i < countof(columns); i++)
		if (all || strstr(format, columns[i].key)) {
			own(mem) char *text = columns[i].text(item, full);
			json_set_str(row, columns[i].key, text);
		}
	if (json_has(item, "Labels"))
		json_set(row, ".labels", json_ref(json_get(item, "Labels")));
	return row;
}

#define COLUMNS "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"

struct listing {
	struct cli_rows *rows;
	const char *format;
	bool all_columns, full;
};

/* podman's --sort: by what the item has under a key; NULL: by their names. The oldest comes first where it is when they were made. */
#define CREATED "Created"
static const struct order {
	const char *word, *key;
} orders[] = {{"command", "Command"}, {"created", CREATED}, {"id", "Id"}, {"image", "Image"}, {"names", NULL}, {"runningfor", CREATED},
	{"size", "SizeRw"}, {"status", "Status"}};

static int compare(const void *x, const void *y, void *arg)
{
	const struct order *o = arg;
	const struct json *a = *(struct json *const *)x, *b = *(struct json *const *)y;
	if (str_eq(o->key, "SizeRw")) {
		int64_t m = json_i64(json_get(a, o->key)), n = json_i64(json_get(b, o->key));
		return m < n ? -1 : m > n;
	}
	own(mem) char *s = o->key ? mem_dup(text_of(a, o->key)) : names_of(a, true), *t = o->key ? mem_dup(text_of(b, o->key)) : names_of(b, true);
	return strcmp(s, t);
}

static int show(void *arg, struct json *item, struct err *e);

static int show_sorted(struct engine *g, const struct container_list_request *r, const struct order *o, struct listing *l, struct err *e)
{
	own(json) struct json *items = container_list(g, r, e);
	if (!items)
		return -1;
	size_t n = json_len(items);
	struct json **v = mem_alloc((n + 1) * sizeof *v);
	for (size_t i = 0; i < n; i++)
		v[i] = json_at(items, n - 1 - i);
	/* Seconds are too few to sort by: the list is in that order. */
	if (n && !str_eq(o->key, CREATED))
		qsort_r(v, n, sizeof *v, compare, (void *)(uintptr_t)o);
	int result = 0;
	for (size_t i = 0; i < n && result == 0; i++)
		result = show(l, v[i], e);
	mem_drop(&v);
	return result;
}

static const struct order *find_order(const char *word, struct err *e)
{
	for (size_t i = 0; i < countof(orders); i++)
		if (str_eq(orders[i].word, word))
			return &orders[i];
	err_set_(e, ERR_USAGE, "invalid --sort \"%.60s\": command, created, id, image, names, runningfor, size and status are known", word);
	return NULL;
}

static int show(void *arg, struct json *item, struct err *e)
{
	struct listing *l = arg;
	own(json) struct json *row = row_of(item, l->format, l->all_columns, l->full);
	return cli_rows_add(l->rows, row, e);
}

static int ps(void *opts, int argc unused, char **argv unused, struct err *e)
{
	const struct ps_options *o = opts;
	struct engine *g = cli_engine(e);
	const struct order *order = o->sort ? find_order(o->sort, e) : NULL;
	if (o->sort && !order)
		return -1;
	bool size = o->size || str_eq(o->sort, "size") || (o->format && strstr(o->format, ".Size") && !o->quiet);
	struct container_list_request r = {.all = o->all, .size = size, .last = o->latest ? 1 : o->last.set ? o->last.v : -1, .filters = &o->filters};
	own(mem) char *preset = mem_printf("%s%s%s", COLUMNS, o->size ? "\t{{.Size}}" : "", o->pod ? "\t{{.Pod}}\t{{.PodName}}" : "");
	const char *format = o->quiet ? "{{.ID}}" : o->format;
	const char *shown = str_is_empty(format) || strcmp(format, "table") == 0 ? preset : format;
	own(cli_rows) struct cli_rows *rows = NULL;
	if (!g || cli_rows_new(format, preset, headings, &rows, e) < 0)
		return -1;
	if (o->noheading)
		cli_rows_no_heading(rows);
	struct listing l = {rows, shown, shows_all(shown), o->no_trunc};
	return (order ? show_sorted(g, &r, order, &l, e) : container_list_each(g, &r, show, &l, e)) < 0 ? -1 : cli_rows_print(rows, e);
}

const struct cmd cmd_ps = {"ps", "", "List containers", ps_opts, countof(ps_opts), sizeof(struct ps_options), 0, 0, ps,
	.examples = "$ hull ps -a\n$ hull ps --filter status=exited -q\n$ hull ps --format 'table {{.Names}}\\t{{.Status}}'\n$ hull ps --format json"};
