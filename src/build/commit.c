/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit: an image of the target's config and layers. What is in the config depends on nothing but the inputs, so that the same build
 * gives the same id.
 */
#include "build/stage.h"

#include "codec/digest.h"
#include "engine/layers.h"

#include <stdlib.h>

enum { CONFIG_MAX = 4 << 20 };

int config_copy(const struct image_config *from, struct arena *a, struct json **ret_document, struct image_config *ret, struct err *e)
{
	own(buf) struct buf text = BUF(CONFIG_MAX);
	own(json) struct json *j = jmap_format(&image_config_table, from);
	json_format(j, 0, &text);
	json_drop(&j);
	if (buf_check(&text, e) < 0 || json_parse(buf_text(&text), text.len, &j, e) < 0 || jmap_parse(&image_config_table, j, 0, a, ret, "", e) < 0)
		return err_wrap(e, "image config");
	*ret_document = take(j);
	return 0;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static int finish(struct build *b, struct state *s, struct err *e)
{
	struct image_config *c = &s->config;
	c->created = time_text(&s->arena, s->epoch);
	c->rootfs.type = arena_dup(&s->arena, "layers");
	for (size_t i = 0; i < b->q->labels.n; i++) {
		const char *line = b->q->labels.v[i], *eq = strchr(line, '=');
		own(mem) char *key = eq ? mem_ndup(line, (size_t)(eq - line)) : mem_dup(line);
		if (!*key)
			return err_set(e, ERR_USAGE, "--label \"%.100s\": the name is missing", line);
		map_set(&s->arena, &c->config.labels, key, eq ? eq + 1 : "");
	}
	if (c->config.labels.n)
		qsort(c->config.labels.v, c->config.labels.n, sizeof *c->config.labels.v, by_key);
	return 0;
}

static int whole_names(struct build *b, struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < b->q->tags.n; i++) {
		struct ref ref;
		char text[REF_TEXT];
		if (ref_parse(b->q->tags.v[i], &ref, e) < 0)
			return -1;
		if (*ref.digest)
			return err_set(e, ERR_USAGE, "--tag %.200s: a name cannot have a digest", b->q->tags.v[i]);
		strv_add(ret, ref_format(&ref, text));
	}
	return 0;
}

/* Nothing is written when all is as it is to be. */
static bool is_there(struct build *b, const char *id, const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++) {
		own(image) struct image image = {};
		struct err none = {};
		if (store_find(&b->g->store, names->v[i], &image, &none) < 0 || !str_eq(image.record.id, id))
			return false;
	}
	own(image) struct image image = {};
	struct err none = {};
	return names->n || store_find(&b->g->store, id, &image, &none) == 0;
}

int commit_image(struct build *b, struct build_result *ret, struct err *e)
{
	struct state *s = &b->states[b->target];
	struct image_record r = {};
	own(buf) struct buf text = BUF(CONFIG_MAX);
	if (finish(b, s, e) < 0 || whole_names(b, &ret->names, e) < 0 || engine_need_store(b->g, e) < 0 || engine_need_snap(b->g, e) < 0)
		return -1;
	own(json) struct json *j = jmap_format(&image_config_table, &s->config);
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0 || digest_of(buf_text(&text), text.len, ret->id, e) < 0)
		return err_wrap(e, "image config");
	if (is_there(b, ret->id, &ret->names))
		return 0;
	r.id = ret->id;
	r.names = ret->names;
	r.diff_ids = s->config.rootfs.diff_ids;
	r.created = s->config.created;
	r.architecture = s->config.architecture;
	r.os = s->config.os;
	r.variant = s->config.variant;
	if (layers_size(&b->g->snap, &r.diff_ids, &r.size, e) < 0)
		return -1;
	struct store_blob blob = {ret->id, buf_text(&text), text.len};
	return store_put(&b->g->store, &r, &blob, 1, e);
}
