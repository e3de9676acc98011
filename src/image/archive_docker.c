/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive_docker: the newer form says everything in manifest.json; the config is taken as it stands, its digest is the
 * image's id. The older form has no config and no diff_ids: as docker does, a config is made from the top layer's `json`, with
 * the digests of the layers as they are and one line of history for each, from the chain of parents.
 */
#include "image/archive_docker.h"

#include "codec/digest.h"
#include "codec/stream.h"

enum { CHAIN_MAX = 512 };

struct item { char *config; struct strv names, layers; };
struct items { struct { struct item *v; size_t n; } all; };

static const struct jfield item_fields[] = {
	JFF(struct item, "Config", config, JT_STR, JF_REQUIRED),
	JF(struct item, "RepoTags", names, JT_STRV),
	JF(struct item, "Layers", layers, JT_STRV),
};
static const struct jtable item_table = JTABLE(struct item, item_fields);

static int add_layer(struct archive *a, struct archive_image *i, const char *name, const char *diff_id, struct err *e)
{
	struct archive_member m;
	if (archive_index_find(a->index, name, &m, e) < 0)
		return -1;
	*arena_push(&a->arena, &i->layers) = (struct archive_layer){.fd = m.fd, .offset = m.offset, .length = m.length,
		.diff_id = arena_dup(&a->arena, diff_id)};
	return 0;
}

static int read_item(struct archive *a, const struct json *j, struct err *e)
{
	struct item item = {};
	own(buf) struct buf text = {};
	if (jmap_parse(&item_table, j, 0, &a->arena, &item, "manifest.json", e) < 0) {
		e->kind = ERR_CORRUPT;
		return -1;
	}
	struct archive_image i = {};
	if (archive_index_read(a->index, item.config, ARCHIVE_DOCUMENT_MAX, &text, e) < 0 || archive_set_config(a, &i, &text, e) < 0)
		return -1;
	const struct strv *diff_ids = &i.config.rootfs.diff_ids;
	if (item.layers.n != diff_ids->n)
		return err_set(e, ERR_CORRUPT, "manifest.json has %zu layers, the image config %zu", item.layers.n, diff_ids->n);
	for (size_t k = 0; k < item.layers.n; k++)
		if (add_layer(a, &i, item.layers.v[k], diff_ids->v[k], e) < 0)
			return -1;
	for (size_t k = 0; k < item.names.n; k++)
		archive_add_name(a, &i, item.names.v[k]);
	*arena_push(&a->arena, &a->images) = i;
	return 0;
}

int archive_docker_read(struct archive *a, struct err *e)
{
	own(buf) struct buf text = {};
	own(json) struct json *j = NULL;
	if (archive_index_read(a->index, "manifest.json", ARCHIVE_DOCUMENT_MAX, &text, e) < 0 || json_parse(buf_text(&text), text.len, &j, e) < 0)
		return err_wrap(e, "archive: manifest.json");
	if (json_kind(j) != JSON_ARRAY)
		return err_set(e, ERR_CORRUPT, "archive: manifest.json must be an array");
	if (json_len(j) > ARCHIVE_IMAGES_MAX)
		return err_set(e, ERR_LIMIT, "archive: %zu images (%d at most)", json_len(j), ARCHIVE_IMAGES_MAX);
	for (size_t k = 0; k < json_len(j); k++)
		if (read_item(a, json_at(j, k), e) < 0)
			return err_wrap(e, "archive: image %zu", k + 1);
	return 0;
}

/* One layer of the old form, from the top down. */
struct chain {
	struct { struct link { char *id, *diff_id; struct json *json; } *v; size_t n; } all;
	struct arena arena;
};

static void chain_drop(struct chain *c)
{
	for (size_t i = 0; i < c->all.n; i++)
		json_drop(&c->all.v[i].json);
	arena_drop(&c->arena);
}

static bool is_id(const char *id)
{
	return id && strlen(id) == 64 && strspn(id, "0123456789abcdef") == 64;
}

static int add_link(struct archive *a, struct chain *c, const char *id, struct err *e)
{
	own(buf) struct buf text = {};
	own(mem) char *name = mem_printf("%s/json", id);
	if (c->all.n == CHAIN_MAX)
		return err_set(e, ERR_LIMIT, "more than %d layers, or a circle of parents", CHAIN_MAX);
	struct link *l = arena_push(&c->arena, &c->all);
	l->id = arena_dup(&c->arena, id);
	if (archive_index_read(a->index, name, ARCHIVE_DOCUMENT_MAX, &text, e) < 0 || json_parse(buf_text(&text), text.len, &l->json, e) < 0)
		return err_wrap(e, "layer %.12s", id);
	if (json_kind(l->json) != JSON_OBJECT)
		return err_set(e, ERR_CORRUPT, "layer %.12s: json must be an object", id);
	return 0;
}

static int read_chain(struct archive *a, const char *id, struct chain *c, struct err *e)
{
	while (id) {
		if (!is_id(id))
			return err_set(e, ERR_CORRUPT, "the id of a layer is not one");
		if (add_link(a, c, id, e) < 0)
			return -1;
		id = json_get_str(c->all.v[c->all.n - 1].json, "parent");
		if (str_is_empty(id))
			id = NULL;
	}
	return 0;
}

static int hash_layer(struct archive *a, struct chain *c, struct link *l, struct err *e)
{
	own(mem) char *name = mem_printf("%s/layer.tar", l->id);
	struct archive_member m;
	char digest[136];
	uint64_t bytes;
	if (archive_index_find(a->index, name, &m, e) < 0)
		return -1;
	own(stream) struct stream *file = stream_range(m.fd, m.offset, m.length);
	own(stream) struct stream *plain = NULL;
	own(stream) struct stream *hash = NULL;
	enum compression found;
	if (stream_decompress(file, &plain, &found, e) < 0 || stream_hash(plain, "sha256", &hash, e) < 0 || stream_to_end(hash, &bytes, e) < 0)
		return err_wrap(e, "layer %.12s", l->id);
	stream_digest(hash, digest, &bytes);
	l->diff_id = arena_dup(&c->arena, digest);
	return 0;
}

static struct json *history_of(const struct json *layer)
{
	static const char *const keys[] = {"created", "author", "comment"};
	struct json *h = json_new_object();
	for (size_t i = 0; i < countof(keys); i++)
		if (json_get_str(layer, keys[i]))
			json_set_str(h, keys[i], json_get_str(layer, keys[i]));
	const struct json *cmd = json_get(json_get(layer, "container_config"), "Cmd");
	own(buf) struct buf line = {};
	for (size_t i = 0; i < json_len(cmd); i++)
		buf_printf(&line, "%s%s", i ? " " : "", json_str(json_at(cmd, i)) ? json_str(json_at(cmd, i)) : "");
	if (line.len)
		json_set_str(h, "created_by", line.data);
	return h;
}

static void make_config(const struct chain *c, struct buf *text)
{
	static const char *const own_keys[] = {"id", "parent", "Size", "parent_id", "layer_id", "throwaway", "rootfs", "history"};
	own(json) struct json *config = json_new_object();
	struct json *rootfs = json_new_object(), *diff_ids = json_new_array(), *history = json_new_array();
	struct json_iter it = {};
	while (json_next(c->all.v[0].json, &it)) {
		bool skip = false;
		for (size_t i = 0; i < countof(own_keys); i++)
			skip = skip || strcmp(own_keys[i], it.key) == 0;
		if (!skip)
			json_set(config, it.key, json_ref(it.value));
	}
	for (size_t i = c->all.n; i-- > 0;) {
		json_add(diff_ids, json_new_str(c->all.v[i].diff_id));
		json_add(history, history_of(c->all.v[i].json));
	}
	json_set_str(rootfs, "type", "layers");
	json_set(rootfs, "diff_ids", diff_ids);
	json_set(config, "rootfs", rootfs);
	json_set(config, "history", history);
	json_format(config, 0, text);
}

static int read_old(struct archive *a, const char *id, const struct strv *names, struct err *e)
{
	struct chain c __attribute__((cleanup(chain_drop))) = {};
	struct archive_image i = {};
	own(buf) struct buf text = BUF(ARCHIVE_DOCUMENT_MAX);
	if (read_chain(a, id, &c, e) < 0)
		return -1;
	for (size_t k = 0; k < c.all.n; k++)
		if (hash_layer(a, &c, &c.all.v[k], e) < 0)
			return -1;
	make_config(&c, &text);
	if (buf_check(&text, e) < 0 || archive_set_config(a, &i, &text, e) < 0)
		return -1;
	for (size_t k = c.all.n; k-- > 0;) {
		own(mem) char *name = mem_printf("%s/layer.tar", c.all.v[k].id);
		if (add_layer(a, &i, name, c.all.v[k].diff_id, e) < 0)
			return -1;
	}
	for (size_t k = 0; k < names->n; k++)
		archive_add_name(a, &i, names->v[k]);
	*arena_push(&a->arena, &a->images) = i;
	return 0;
}

struct heads {
	struct { struct head { char *id; struct strv names; } *v; size_t n; } all;
	struct arena arena;
};

static struct head *head_of(struct heads *h, const char *id)
{
	for (size_t i = 0; i < h->all.n; i++)
		if (strcmp(h->all.v[i].id, id) == 0)
			return &h->all.v[i];
	struct head *new = arena_push(&h->arena, &h->all);
	new->id = arena_dup(&h->arena, id);
	return new;
}

static int heads_of_names(struct archive *a, struct heads *h, struct err *e)
{
	own(buf) struct buf text = {};
	own(json) struct json *j = NULL;
	if (archive_index_read(a->index, "repositories", ARCHIVE_DOCUMENT_MAX, &text, e) < 0 || json_parse(buf_text(&text), text.len, &j, e) < 0)
		return err_wrap(e, "repositories");
	struct json_iter repository = {};
	while (json_next(j, &repository)) {
		struct json_iter tag = {};
		while (json_next(repository.value, &tag)) {
			const char *id = json_str(tag.value);
			if (!is_id(id))
				return err_set(e, ERR_CORRUPT, "repositories: the id of a layer is not one");
			struct head *head = head_of(h, id);
			arena_strv_add(&h->arena, &head->names, arena_printf(&h->arena, "%s:%s", repository.key, tag.key));
		}
	}
	return 0;
}

/* Without names: the layers that are no other's parent. */
static int heads_of_layers(struct archive *a, struct heads *h, struct err *e)
{
	own(strv) struct strv files = {};
	own(strv) struct strv parents = {};
	archive_index_list(a->index, "/json", &files);
	for (size_t i = 0; i < files.n; i++) {
		struct chain c __attribute__((cleanup(chain_drop))) = {};
		files.v[i][strlen(files.v[i]) - strlen("/json")] = 0;
		if (!is_id(files.v[i]))
			continue;
		if (add_link(a, &c, files.v[i], e) < 0)
			return -1;
		const char *parent = json_get_str(c.all.v[0].json, "parent");
		strv_add(&parents, parent ? parent : "");
	}
	for (size_t i = 0; i < files.n; i++)
		if (is_id(files.v[i]) && !strv_has(&parents, files.v[i]))
			(void)head_of(h, files.v[i]);
	return 0;
}

int archive_docker_read_old(struct archive *a, struct err *e)
{
	struct heads h = {};
	int r = archive_index_has(a->index, "repositories") ? heads_of_names(a, &h, e) : heads_of_layers(a, &h, e);
	if (r == 0 && h.all.n > ARCHIVE_IMAGES_MAX)
		r = err_set(e, ERR_LIMIT, "%zu images (%d at most)", h.all.n, ARCHIVE_IMAGES_MAX);
	for (size_t i = 0; r == 0 && i < h.all.n; i++)
		r = read_old(a, h.all.v[i].id, &h.all.v[i].names, e);
	arena_drop(&h.arena);
	return r < 0 ? err_wrap(e, "archive") : 0;
}
