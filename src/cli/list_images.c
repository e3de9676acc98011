/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list_images: `images`. docker has a row for each name of an image: a tag, or a digest where the repository has no tag; with
 * --digests a row for each pair of the two. --tree shows an image once, its names and its platform below it.
 */
#include "cli/columns.h"
#include "cli/commands.h"
#include "engine/image.h"
#include "engine/list.h"

#include "base/num.h"
#include "base/tab.h"

struct images_options {
	bool all, digests, no_trunc, quiet, tree;
	char *format;
	struct strv filters;
};
#define O(m) offset_of(struct images_options, m)
static const struct opt images_opts[] = {
	{"all", 'a', OPT_BOOL, O(all), NULL, "Show intermediate images too"},
	{"digests", 0, OPT_BOOL, O(digests), NULL, "Show digests"},
	{"filter", 'f', OPT_STRV, O(filters), "filter", "Only those: reference=PATTERN, dangling=true, label=KEY[=VALUE], before=, since=, until="},
	{"format", 0, OPT_STR, O(format), "string", "A Go template for each row, \"table TEMPLATE\" or \"json\"", 0, "table json"},
	{"no-trunc", 0, OPT_BOOL, O(no_trunc), NULL, "Do not cut anything off"},
	{"quiet", 'q', OPT_BOOL, O(quiet), NULL, "Print ids only"},
	{"tree", 0, OPT_BOOL, O(tree), NULL, "Show each image once, with its names and its platform"},
};
#undef O

static const struct cli_heading headings[] = {{"Repository", "REPOSITORY"}, {"Tag", "TAG"}, {"Digest", "DIGEST"}, {"ID", "IMAGE ID"},
	{"CreatedAt", "CREATED AT"}, {"CreatedSince", "CREATED"}, {"Size", "SIZE"}, {"VirtualSize", "SIZE"}, {"Containers", "CONTAINERS"},
	{"SharedSize", "SHARED SIZE"}, {"UniqueSize", "UNIQUE SIZE"}, {NULL, NULL}};

struct rows { struct json *list; const struct json *item; bool full; };

static void add_row(struct rows *r, const char *repository, const char *tag, const char *digest)
{
	struct json *row = json_new_object();
	int64_t created = json_i64(json_get(r->item, "Created"));
	own(mem) char *at = column_time(created), *ago = created > 0 ? column_ago(created) : mem_dup("");
	own(mem) char *id = column_id(json_get_str(r->item, "Id"), r->full), *size = column_size(json_i64(json_get(r->item, "Size")));
	const struct json *n = json_get(r->item, "Containers");
	own(mem) char *containers = json_i64(n) >= 0 && n ? mem_printf("%lld", (long long)json_i64(n)) : mem_dup("N/A");
	json_set_str(row, "Containers", containers);
	json_set_str(row, "CreatedAt", at);
	json_set_str(row, "CreatedSince", ago);
	json_set_str(row, "Digest", digest ? digest : "<none>");
	json_set_str(row, "ID", id);
	json_set_str(row, "Repository", repository ? repository : "<none>");
	json_set_str(row, "SharedSize", "N/A");
	json_set_str(row, "Size", size);
	json_set_str(row, "Tag", tag ? tag : "<none>");
	json_set_str(row, "UniqueSize", "N/A");
	json_set_str(row, "VirtualSize", size);
	json_add(r->list, row);
}

/* "host:5000/a/b:tag" in two; without a tag *ret_tag is NULL. */
static char *split_tag(const char *name, const char **ret_tag)
{
	const char *slash = strrchr(name, '/'), *colon = strchr(slash ? slash : name, ':');
	*ret_tag = colon ? colon + 1 : NULL;
	return colon ? mem_ndup(name, (size_t)(colon - name)) : mem_dup(name);
}

static bool has_tag(const struct json *tags, const char *repository)
{
	for (size_t i = 0; i < json_len(tags); i++) {
		const char *tag, *name = json_str(json_at(tags, i));
		own(mem) char *other = name ? split_tag(name, &tag) : NULL;
		if (str_eq(other, repository))
			return true;
	}
	return false;
}

/* A tag's row; with digests one for each digest of the same repository. */
static void add_tag(struct rows *r, const char *name, bool digests)
{
	const struct json *list = json_get(r->item, "RepoDigests");
	const char *tag;
	own(mem) char *repository = split_tag(name, &tag);
	bool any = false;
	for (size_t i = 0; digests && i < json_len(list); i++) {
		const char *digest = json_str(json_at(list, i)), *at = digest ? strchr(digest, '@') : NULL;
		if (at && strlen(repository) == (size_t)(at - digest) && str_has_prefix(digest, repository)) {
			add_row(r, repository, tag, at + 1);
			any = true;
		}
	}
	if (!any)
		add_row(r, repository, tag, NULL);
}

static void add_image(struct rows *r, bool digests)
{
	const struct json *tags = json_get(r->item, "RepoTags"), *list = json_get(r->item, "RepoDigests");
	size_t before = json_len(r->list);
	for (size_t i = 0; i < json_len(tags); i++) {
		const char *name = json_str(json_at(tags, i));
		if (name && strcmp(name, "<none>:<none>") != 0)
			add_tag(r, name, digests);
	}
	for (size_t i = 0; i < json_len(list); i++) {
		const char *digest = json_str(json_at(list, i)), *at = digest ? strchr(digest, '@') : NULL;
		own(mem) char *repository = at ? mem_ndup(digest, (size_t)(at - digest)) : NULL;
		if (repository && strcmp(repository, "<none>") != 0 && !has_tag(tags, repository))
			add_row(r, repository, NULL, digests ? at + 1 : NULL);
	}
	if (json_len(r->list) == before)
		add_row(r, NULL, NULL, NULL);
}

static char *platform_of(struct engine *g, const char *id)
{
	struct err ignored = {};
	own(json) struct json *doc = image_inspect(g, id, NULL, &ignored);
	const char *os = json_get_str(doc, "Os"), *arch = json_get_str(doc, "Architecture"), *variant = json_get_str(doc, "Variant");
	return os && arch ? mem_printf("%s/%s%s%s", os, arch, str_is_empty(variant) ? "" : "/", variant ? variant : "") : mem_dup("unknown");
}

/* Ids of the images that containers have. */
static struct json *used_images(struct engine *g, struct err *e)
{
	struct container_list_request r = {.all = true, .last = -1, .filters = &(struct strv){}};
	own(json) struct json *containers = container_list(g, &r, e);
	if (!containers)
		return NULL;
	struct json *used = json_new_object();
	for (size_t i = 0; i < json_len(containers); i++) {
		const char *id = json_get_str(json_at(containers, i), "ImageID");
		if (id)
			json_set(used, id, json_new_bool(true));
	}
	return used;
}

static int print_tree(struct engine *g, const struct json *items, bool full, struct err *e)
{
	own(json) struct json *used = used_images(g, e);
	own(tab) struct tab *t = tab_new();
	own(buf) struct buf out = {};
	if (!used)
		return -1;
	tab_split(t, "IMAGE\tID\tDISK USAGE\tIN USE");
	tab_line(t);
	for (size_t i = 0; i < json_len(items); i++) {
		const struct json *item = json_at(items, i), *tags = json_get(item, "RepoTags");
		const char *id = json_get_str(item, "Id"), *name = json_str(json_at(tags, 0));
		own(mem) char *short_id = column_id(id, full), *size = column_size(json_i64(json_get(item, "Size")));
		own(mem) char *platform = platform_of(g, id ? id : ""), *leaf = mem_printf("└─ %s", platform);
		tab_cell(t, name ? name : "<untagged>");
		tab_cell(t, short_id);
		tab_cell(t, size);
		tab_cell(t, id && json_has(used, id) ? "yes" : "");
		tab_line(t);
		for (size_t k = 1; k < json_len(tags); k++) {
			own(mem) char *other = mem_printf("├─ %s", json_str(json_at(tags, k)) ? json_str(json_at(tags, k)) : "");
			tab_cell(t, other);
			tab_line(t);
		}
		tab_cell(t, leaf);
		tab_line(t);
	}
	tab_format(t, &out);
	return cli_print(&out, e);
}

#define REST "{{.ID}}\t{{if .CreatedSince}}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}"

static int images(void *opts, int argc, char **argv, struct err *e)
{
	const struct images_options *o = opts;
	if (o->tree && (o->quiet || o->format || o->digests))
		return err_set(e, ERR_USAGE, "--tree cannot be combined with --quiet, --format or --digests");
	struct engine *g = cli_engine(e);
	bool digests = o->digests || (o->format && strstr(o->format, ".Digest"));
	struct image_list_request q = {.filters = &o->filters, .reference = argc ? argv[0] : NULL, .all = o->all, .digests = digests};
	own(json) struct json *items = g ? image_list(g, &q, e) : NULL;
	if (!items)
		return -1;
	if (o->tree)
		return print_tree(g, items, o->no_trunc, e);
	struct rows r = {.list = json_new_array(), .full = o->no_trunc};
	own(json) struct json *list = r.list;
	for (size_t i = 0; i < json_len(items); i++) {
		r.item = json_at(items, i);
		add_image(&r, digests);
	}
	return cli_format_rows(list, o->quiet ? "{{.ID}}" : o->format,
		o->digests ? "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t" REST : "table {{.Repository}}\t{{.Tag}}\t" REST, headings, e);
}

const struct cmd cmd_images = {"images", "[REPOSITORY[:TAG]]", "List images", images_opts, countof(images_opts), sizeof(struct images_options), 0, 1,
	images, .complete = "@image",
	.examples = "$ hull images\n$ hull images 'debian*'\n$ hull images --filter dangling=true -q\n$ hull images --format '{{.Repository}}:{{.Tag}}'"};
