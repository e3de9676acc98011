/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_docs: GET /images/json, /images/X/json and /images/X/history. What is not known without a parent chain (docker's
 * ParentId, the ids of intermediate images) is empty, or "<missing>", as docker prints it for images that were pulled.
 */
#include "engine/image.h"

#include "base/num.h"
#include "image/platform.h"

#include <string.h>

static char *familiar(const char *name)
{
	struct ref r;
	struct err ignored = {};
	char text[REF_TEXT];
	return mem_dup(ref_parse(name, &r, &ignored) == 0 ? ref_format_familiar(&r, text) : name);
}

static struct json *familiar_names(const struct strv *names)
{
	struct json *j = json_new_array();
	for (size_t i = 0; i < names->n; i++) {
		own(mem) char *name = familiar(names->v[i]);
		json_add(j, json_new_str(name));
	}
	return j;
}

static struct json *map_json(const struct map *m)
{
	struct json *j = json_new_object();
	for (size_t i = 0; i < m->n; i++)
		json_set_str(j, m->v[i].key, m->v[i].value);
	return j;
}

enum { KEY_BEFORE, KEY_DANGLING, KEY_LABEL, KEY_REFERENCE, KEY_SINCE, KEY_UNTIL, KEYS };
static const char *const keys[KEYS] = {"before", "dangling", "label", "reference", "since", "until"};

struct query {
	struct engine *g;
	const struct image_list_request *r;
	struct json *list;
	int64_t before_ns, since_ns, until_ns; /* 0: not asked for */
};

static int find_key(const char *filter)
{
	for (int i = 0; i < KEYS; i++)
		if (str_has_prefix(filter, keys[i]) && filter[strlen(keys[i])] == '=')
			return i;
	return -1;
}

static int64_t created_ns(const struct image *i)
{
	return num_time_of(i->record.created ? i->record.created : "");
}

static int created_of(struct query *q, const char *text, int64_t *ret, struct err *e)
{
	own(image) struct image image = {};
	if (store_find(&q->g->store, text, &image, e) < 0)
		return -1;
	*ret = created_ns(&image);
	return 0;
}

static int read_filters(struct query *q, struct err *e)
{
	for (size_t i = 0; q->r->filters && i < q->r->filters->n; i++) {
		const char *f = q->r->filters->v[i];
		int key = find_key(f), r = 0;
		const char *value = key < 0 ? "" : f + strlen(keys[key]) + 1;
		if (key < 0)
			return err_set(e, ERR_USAGE, "invalid filter \"%s\": before, dangling, label, reference, since and until are known, as KEY=VALUE", f);
		if (key == KEY_BEFORE)
			r = created_of(q, value, &q->before_ns, e);
		else if (key == KEY_SINCE)
			r = created_of(q, value, &q->since_ns, e);
		else if (key == KEY_UNTIL)
			r = num_time(value, num_now_ns(), &q->until_ns, e);
		else if (key == KEY_DANGLING && !str_eq(value, "true") && !str_eq(value, "false") && !str_eq(value, "1") && !str_eq(value, "0"))
			r = err_set(e, ERR_USAGE, "invalid filter \"%s\": true or false", f);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* docker matches a pattern against name:tag and against the name alone, short and whole. */
static bool matches(const char *pattern, const char *name)
{
	struct ref r;
	struct err ignored = {};
	char text[REF_TEXT];
	if (str_match(pattern, name))
		return true;
	if (ref_parse(name, &r, &ignored) < 0)
		return false;
	if (str_match(pattern, ref_format_familiar(&r, text)) || str_match(pattern, ref_repository_familiar(&r, text)))
		return true;
	own(mem) char *whole = mem_printf("%s/%s", r.registry, r.repository);
	return str_match(pattern, whole);
}

static bool has_label(const struct image *i, const char *want)
{
	const char *eq = strchr(want, '=');
	own(mem) char *key = eq ? mem_ndup(want, (size_t)(eq - want)) : mem_dup(want);
	const char *value = map_get(&i->config.config.labels, key);
	return value && (!eq || strcmp(value, eq + 1) == 0);
}

static bool is_asked_for(const struct query *q, const char *name)
{
	bool yes = !str_is_empty(q->r->reference) && matches(q->r->reference, name);
	for (size_t k = 0; !yes && q->r->filters && k < q->r->filters->n; k++)
		yes = find_key(q->r->filters->v[k]) == KEY_REFERENCE && matches(strchr(q->r->filters->v[k], '=') + 1, name);
	return yes;
}

static bool same_repository(const char *a, const char *b)
{
	struct ref x, y;
	struct err ignored = {};
	return ref_parse(a, &x, &ignored) == 0 && ref_parse(b, &y, &ignored) == 0 && strcmp(x.registry, y.registry) == 0 &&
		strcmp(x.repository, y.repository) == 0;
}

/* The names, and digests, that are shown of this image; false: none of it is shown. */
static bool choose_names(const struct query *q, const struct image *i, struct strv *ret, struct strv *ret_digests)
{
	bool asked = !str_is_empty(q->r->reference), label = true, dangling = true;
	for (size_t k = 0; q->r->filters && k < q->r->filters->n; k++) {
		const char *f = q->r->filters->v[k], *value = strchr(f, '=') + 1;
		int key = find_key(f);
		asked |= key == KEY_REFERENCE;
		label &= key != KEY_LABEL || has_label(i, value);
		if (key == KEY_DANGLING)
			dangling &= (str_eq(value, "true") || str_eq(value, "1")) == (i->record.names.n == 0);
	}
	int64_t created = created_ns(i);
	if (!label || !dangling || (q->before_ns && created >= q->before_ns) || (q->since_ns && created <= q->since_ns) ||
		(q->until_ns && created >= q->until_ns))
		return false;
	for (size_t n = 0; n < i->record.names.n; n++)
		if (!asked || is_asked_for(q, i->record.names.v[n]))
			strv_add(ret, i->record.names.v[n]);
	/* That of another repository would be shown as an image more. */
	for (size_t n = 0; n < i->record.digests.n; n++) {
		bool yes = !asked;
		for (size_t k = 0; !yes && k < ret->n; k++)
			yes = same_repository(ret->v[k], i->record.digests.v[n]);
		if (yes)
			strv_add(ret_digests, i->record.digests.v[n]);
	}
	return ret->n || !asked;
}

static int add_image(void *arg, const struct image *i, struct err *e)
{
	(void)e;
	struct query *q = arg;
	own(strv) struct strv names = {};
	own(strv) struct strv digests = {};
	if (!choose_names(q, i, &names, &digests))
		return 0;
	struct json *j = json_new_object();
	json_set(j, "Containers", json_new_i64(-1));
	json_set(j, "Created", json_new_i64(created_ns(i) / 1000000000));
	json_set_str(j, "Id", i->record.id);
	json_set(j, "Labels", i->config.config.labels.n ? map_json(&i->config.config.labels) : NULL);
	json_set_str(j, "ParentId", "");
	json_set(j, "RepoDigests", familiar_names(&digests));
	json_set(j, "RepoTags", familiar_names(&names));
	json_set(j, "SharedSize", json_new_i64(-1));
	json_set(j, "Size", json_new_u64(i->record.size));
	json_add(q->list, j);
	return 0;
}

struct json *image_list(struct engine *g, const struct image_list_request *r, struct err *e)
{
	own(json) struct json *list = json_new_array();
	struct query q = {.g = g, .r = r, .list = list};
	size_t bad = 0;
	if (engine_need_store(g, e) < 0 || read_filters(&q, e) < 0 || store_each(&g->store, add_image, &q, &bad, e) < 0)
		return NULL;
	if (bad)
		engine_warn(g, "%zu image records cannot be read", bad);
	return take(list);
}

static int find(struct engine *g, const char *text, const char *platform, struct image *ret, struct err *e)
{
	return engine_need_store(g, e) < 0 ? -1 : image_find_platform(g, text, platform, ret, e);
}

int image_raw(struct engine *g, const char *text, const char *platform, struct buf *ret, struct err *e)
{
	own(image) struct image image = {};
	if (find(g, text, platform, &image, e) < 0)
		return -1;
	if (str_is_empty(image.record.manifest))
		return err_set(e, ERR_NOT_FOUND, "image %s came without a manifest", text);
	return store_get_blob(&g->store, image.record.manifest, 4 << 20, ret, e);
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

/* docker's Config has every key, whatever the image says. */
static struct json *config_json(const struct image *i)
{
	static const struct { const char *key; enum { TEXT, NO, NONE, MAP } preset; } all[] = {{"Hostname", TEXT}, {"Domainname", TEXT},
		{"User", TEXT}, {"AttachStdin", NO}, {"AttachStdout", NO}, {"AttachStderr", NO}, {"Tty", NO}, {"OpenStdin", NO},
		{"StdinOnce", NO}, {"Env", NONE}, {"Cmd", NONE}, {"Image", TEXT}, {"Volumes", NONE}, {"WorkingDir", TEXT},
		{"Entrypoint", NONE}, {"OnBuild", NONE}, {"Labels", NONE}};
	const struct json *config = json_get(i->document, "config");
	struct json *j = json_new_object();
	for (size_t k = 0; k < countof(all); k++) {
		struct json *v = json_get(config, all[k].key);
		json_set(j, all[k].key, v ? json_ref(v) : all[k].preset == TEXT ? json_new_str("") : all[k].preset == NO ? json_new_bool(false) : NULL);
	}
	struct json_iter it = {};
	while (json_next(config, &it))
		if (!json_has(j, it.key))
			json_set(j, it.key, json_ref(it.value));
	return j;
}

struct json *image_inspect(struct engine *g, const char *text, const char *platform, struct err *e)
{
	own(image) struct image i = {};
	if (find(g, text, platform, &i, e) < 0 || engine_need_snap(g, e) < 0)
		return NULL;
	struct json *j = json_new_object(), *graph = json_new_object(), *rootfs = json_new_object(), *layers = json_new_array(),
		*meta = json_new_object();
	json_set_str(j, "Id", i.record.id);
	json_set(j, "RepoTags", familiar_names(&i.record.names));
	json_set(j, "RepoDigests", familiar_names(&i.record.digests));
	json_set_str(j, "Parent", or_empty(i.config.parent));
	json_set_str(j, "Comment", or_empty(i.config.comment));
	json_set_str(j, "Created", or_empty(i.config.created));
	json_set_str(j, "DockerVersion", or_empty(i.config.docker_version));
	json_set_str(j, "Author", or_empty(i.config.author));
	json_set(j, "Config", config_json(&i));
	json_set_str(j, "Architecture", or_empty(i.config.architecture));
	if (!str_is_empty(i.config.variant))
		json_set_str(j, "Variant", i.config.variant);
	json_set_str(j, "Os", or_empty(i.config.os));
	if (!str_is_empty(i.config.os_version))
		json_set_str(j, "OsVersion", i.config.os_version);
	json_set(j, "Size", json_new_u64(i.record.size));
	json_set(graph, "Data", json_new_object());
	json_set_str(graph, "Name", snap_driver(&g->snap));
	json_set(j, "GraphDriver", graph);
	for (size_t k = 0; k < i.record.diff_ids.n; k++)
		json_add(layers, json_new_str(i.record.diff_ids.v[k]));
	json_set_str(rootfs, "Type", "layers");
	json_set(rootfs, "Layers", layers);
	json_set(j, "RootFS", rootfs);
	json_set_str(meta, "LastTagTime", or_empty(i.record.tagged_at));
	json_set(j, "Metadata", meta);
	return j;
}

static struct json *history_row(struct engine *g, const struct image *i, const struct image_history *h, const char *diff_id, bool newest)
{
	struct json *j = json_new_object();
	struct snap_layer_info info = {};
	struct err gone = {};
	/* A layer that is lost is shown, with nothing in it: `run` tells the loss. */
	if (diff_id && snap_layer_info(&g->snap, diff_id, &info, &gone) < 0)
		info.bytes = 0;
	json_set_str(j, "Comment", or_empty(h->comment));
	json_set(j, "Created", json_new_i64(num_time_of(or_empty(h->created)) / 1000000000));
	json_set_str(j, "CreatedBy", or_empty(h->created_by));
	json_set_str(j, "Id", newest ? i->record.id : "<missing>");
	json_set(j, "Size", json_new_u64(info.bytes));
	json_set(j, "Tags", newest && i->record.names.n ? familiar_names(&i->record.names) : NULL);
	return j;
}

struct json *image_history(struct engine *g, const char *text, const char *platform, struct err *e)
{
	own(image) struct image i = {};
	if (find(g, text, platform, &i, e) < 0 || engine_need_snap(g, e) < 0)
		return NULL;
	const struct strv *layers = &i.config.rootfs.diff_ids;
	struct json *list = json_new_array();
	/* An image without a history, or with less of it than layers: the layers above stand for themselves. */
	size_t n = i.config.history.n, layer = layers->n, said = 0;
	for (size_t k = 0; k < n; k++)
		said += !i.config.history.v[k].empty_layer;
	static const struct image_history untold = {};
	bool newest = true;
	for (; layer > said; newest = false)
		json_add(list, history_row(g, &i, &untold, layers->v[--layer], newest));
	for (size_t k = n; k-- > 0; newest = false) {
		const struct image_history *h = &i.config.history.v[k];
		const char *diff_id = h->empty_layer || !layer ? NULL : layers->v[--layer];
		json_add(list, history_row(g, &i, h, diff_id, newest));
	}
	return list;
}
