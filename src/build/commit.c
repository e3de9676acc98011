/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit: an image of the target's config and layers. What is in the config depends on nothing but the inputs, so that the same build
 * gives the same id.
 */
#include "build/stage.h"

#include "build/attestation.h"
#include "build/remote_cache.h"
#include "codec/digest.h"
#include "engine/layers.h"

#include <stdio.h>
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

/* Nothing is written when all is as it is to be. */
static bool is_there(struct build *b, const char *id, const char *manifest, const struct strv *names)
{
	for (size_t i = 0; i < names->n; i++) {
		own(image) struct image image = {};
		struct err none = {};
		if (store_find(&b->g->store, names->v[i], &image, &none) < 0 || !str_eq(image.record.id, id) ||
			(*manifest && !str_eq(image.record.manifest, manifest)))
			return false;
	}
	own(image) struct image image = {};
	struct err none = {};
	if (names->n)
		return true;
	return store_find(&b->g->store, id, &image, &none) == 0 && (!*manifest || str_eq(image.record.manifest, manifest));
}

static void fill_record(const struct state *s, const struct strv *names, struct build_image *ret)
{
	struct arena *a = &ret->arena;
	struct image_record *r = &ret->record;
	const struct image_config *c = &s->config;
	for (size_t i = 0; i < c->rootfs.diff_ids.n; i++)
		arena_strv_add(a, &ret->diff_ids, c->rootfs.diff_ids.v[i]);
	for (size_t i = 0; i < names->n; i++)
		arena_strv_add(a, &r->names, names->v[i]);
	r->id = ret->id;
	r->diff_ids = ret->diff_ids;
	r->created = arena_dup(a, c->created ? c->created : "");
	r->architecture = arena_dup(a, c->architecture ? c->architecture : "");
	r->os = arena_dup(a, c->os ? c->os : "");
	r->variant = c->variant ? arena_dup(a, c->variant) : NULL;
	snprintf(ret->os, sizeof ret->os, "%s", r->os);
	snprintf(ret->architecture, sizeof ret->architecture, "%s", r->architecture);
	snprintf(ret->variant, sizeof ret->variant, "%s", r->variant ? r->variant : "");
}

int commit_image(struct build *b, const struct strv *names, struct build_image *ret, struct err *e)
{
	struct state *s = &b->states[b->target];
	struct image_record *r = &ret->record;
	own(buf) struct buf text = BUF(CONFIG_MAX);
	own(buf) struct buf manifest = BUF(CONFIG_MAX);
	if (finish(b, s, e) < 0 || engine_need_store(b->g, e) < 0 || engine_need_snap(b->g, e) < 0)
		return -1;
	own(json) struct json *j = jmap_format(&image_config_table, &s->config);
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0 || digest_of(buf_text(&text), text.len, ret->id, e) < 0)
		return err_wrap(e, "image config");
	fill_record(s, names, ret);
	if (attestation_make(b, ret, e) < 0)
		return -1;
	if (documents_has_inline_cache(b->q)) {
		own(buf) struct buf note = BUF(CONFIG_MAX / 2);
		if (remote_cache_annotation(&b->cache.used, &ret->diff_ids, &note, e) < 0)
			return -1;
		ret->cache = arena_dup(&ret->arena, buf_text(&note));
	}
	if (documents_need_manifest(b->q)) {
		if (documents_manifest(b->g, b->q, ret, text.len, &manifest, e) < 0 || digest_of(buf_text(&manifest), manifest.len, ret->manifest, e) < 0)
			return err_wrap(e, "image manifest");
		ret->manifest_size = manifest.len;
		r->manifest = ret->manifest;
		r->media_type = arena_dup(&ret->arena, b->q->docker_types ? TYPE_DOCKER_MANIFEST : TYPE_OCI_MANIFEST);
	}
	if (is_there(b, ret->id, ret->manifest, names))
		return 0;
	if (layers_size(&b->g->snap, &r->diff_ids, &r->size, e) < 0)
		return -1;
	struct store_blob blobs[] = {{ret->id, buf_text(&text), text.len}, {ret->manifest, buf_text(&manifest), manifest.len}};
	return store_put(&b->g->store, r, blobs, *ret->manifest ? 2 : 1, e);
}
