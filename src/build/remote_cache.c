/* SPDX-License-Identifier: Apache-2.0 */
/* remote_cache: see remote_cache.h. */
#include "build/remote_cache.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "build/cache.h"
#include "codec/digest.h"
#include "engine/layers.h"
#include "engine/manifest.h"
#include "image/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DOCUMENT_MAX = 4 << 20, LAYERS_MAX = 500, KEY = 64 };

static void warn(const struct build_request *q, const char *what, const struct build_cache *c, const struct err *e)
{
	own(mem) char *text = mem_printf("%s %.200s: %s", what, c->place, e->text);
	struct build_event ev = {.kind = BUILD_WARNING, .name = "", .text = text, .len = strlen(text)};
	if (q->event)
		q->event(q->arg, &ev);
}

/* --- the annotation --- */

static ssize_t index_of(const struct strv *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return (ssize_t)i;
	return -1;
}

int remote_cache_annotation(const struct strv *used, const struct strv *layers, struct buf *ret, struct err *e)
{
	own(json) struct json *j = json_new_object();
	struct json *keys = json_new_object();
	json_set(j, "version", json_new_i64(1));
	json_set(j, "keys", keys);
	for (size_t i = 0; i < used->n; i++) {
		own(mem) char *key = mem_ndup(used->v[i], KEY);
		const char *layer = used->v[i] + KEY + 1;
		ssize_t at = *layer ? index_of(layers, layer) : -1;
		if (at >= 0 || !*layer)
			json_set(keys, key, json_new_i64(at));
	}
	json_format(j, 0, ret);
	return buf_check(ret, e);
}

/* --- import --- */

/* The steps that an image's manifest tells of; 1: it tells of none. */
static int take_in(struct cache *c, struct engine *g, const struct image *image, struct err *e)
{
	own(buf) struct buf text = {};
	own(json) struct json *j = NULL;
	own(json) struct json *notes = NULL;
	const struct image_record *r = &image->record;
	struct json_iter it = {};
	if (str_is_empty(r->manifest) || !store_has_blob(&g->store, r->manifest))
		return 1;
	if (store_get_blob(&g->store, r->manifest, DOCUMENT_MAX, &text, e) < 0 || json_parse(buf_text(&text), text.len, &j, e) < 0)
		return -1;
	const char *note = json_get_str(json_get(j, "annotations"), REMOTE_CACHE_ANNOTATION);
	if (!note)
		return 1;
	if (json_parse(note, strlen(note), &notes, e) < 0)
		return err_wrap(e, "annotation " REMOTE_CACHE_ANNOTATION);
	const struct strv *ids = &image->config.rootfs.diff_ids;
	while (json_next(json_get(notes, "keys"), &it)) {
		int64_t at = json_i64(it.value);
		own(key) struct key none = {};
		struct cached hit;
		if (json_kind(it.value) != JSON_INT || !num_is_hex(it.key, KEY) || at < -1 || at >= (int64_t)ids->n)
			return err_set(e, ERR_CORRUPT, "annotation " REMOTE_CACHE_ANNOTATION ": \"%.80s\"", it.key);
		int found = cache_get(c, g, it.key, false, &hit, e);
		if (found < 0 || (found == 0 && cache_put(c, it.key, &none, at < 0 ? "" : ids->v[at], "imported", e) < 0))
			return -1;
	}
	return 0;
}

static char *place_of(const struct build_cache *c)
{
	char digest[DIGEST_TEXT] = "";
	struct err none = {};
	(void)!digest_of(c->place, strlen(c->place), digest, &none);
	return mem_printf("imported/%s", digest_hex(digest));
}

static bool is_known(const struct cache *c, const char *place, const char *digest)
{
	own(buf) struct buf text = BUF(256);
	struct err none = {};
	return path_exists(c->dir, place) && path_read(c->dir, place, &text, &none) == 0 && str_eq(buf_text(&text), digest);
}

static int remember(const struct cache *c, const char *place, const char *digest, struct err *e)
{
	return path_mkdirs(c->dir, "imported", 0700, e) < 0 ? -1 : path_write(c->dir, place, digest, strlen(digest), 0600, 0, e);
}

/* What was fetched for the cache alone is no image of the user's. */
static void forget_image(struct engine *g, const char *name)
{
	own(json) struct json *gone = json_new_array();
	struct err ignored = {};
	(void)!image_remove(g, name, false, false, gone, &ignored);
}

static int from_registry(struct engine *g, const struct build_cache *from, struct cache *c, struct err *e)
{
	own(image) struct image here = {};
	own(image) struct image image = {};
	own(buf) struct buf text = {};
	own(arena) struct arena a = {};
	own(mem) char *place = place_of(from);
	struct image_pulled_list pulled = {};
	char digest[DIGEST_TEXT];
	struct err ignored = {};
	bool was_here = store_find(&g->store, from->place, &here, &ignored) == 0;
	if (was_here && from->near && take_in(c, g, &here, e) == 0)
		return 0;
	if (manifest_inspect(g, from->place, &text, e) < 0 || digest_of(buf_text(&text), text.len, digest, e) < 0)
		return -1;
	if (is_known(c, place, digest))
		return 0;
	struct image_pull_request q = {.reference = from->place};
	if (image_pull(g, &q, &a, &pulled, e) < 0 || store_find(&g->store, from->place, &image, e) < 0)
		return -1;
	int r = take_in(c, g, &image, e);
	if (!was_here)
		forget_image(g, from->place);
	if (r == 1)
		return err_set(e, ERR_NOT_FOUND, "it tells of no steps");
	return r < 0 ? -1 : remember(c, place, digest, e);
}

static int from_local(struct engine *g, const struct build_cache *from, struct cache *c, struct err *e)
{
	own(strv) struct strv names = {};
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	own(mem) char *place = place_of(from), *index = path_join(from->place, "index.json");
	char digest[DIGEST_TEXT];
	int r = 1;
	if (path_read(AT_FDCWD, index, &text, e) < 0 || digest_of(buf_text(&text), text.len, digest, e) < 0)
		return -1;
	if (is_known(c, place, digest))
		return 0;
	if (image_load(g, from->place, -1, NULL, NULL, &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		own(image) struct image image = {};
		if (store_find(&g->store, names.v[i], &image, e) < 0)
			return -1;
		int one = take_in(c, g, &image, e);
		forget_image(g, names.v[i]);
		if (one < 0)
			return -1;
		r = one == 0 ? 0 : r;
	}
	return r == 1 ? err_set(e, ERR_NOT_FOUND, "it tells of no steps") : remember(c, place, digest, e);
}

int remote_cache_import(struct engine *g, const struct build_request *q, struct err *e)
{
	own(cache) struct cache c = {.dir = -1};
	if (!q->cache_from.n || q->no_cache)
		return 0;
	if (cache_open(&c, g, e) < 0 || engine_need_store(g, e) < 0 || engine_need_snap(g, e) < 0)
		return -1;
	for (size_t i = 0; i < q->cache_from.n; i++) {
		const struct build_cache *from = &q->cache_from.v[i];
		struct err why = {};
		if ((from->kind == BUILD_CACHE_LOCAL ? from_local(g, from, &c, &why) : from_registry(g, from, &c, &why)) < 0)
			warn(q, "--cache-from", from, &why);
	}
	return 0;
}

/* --- export --- */

/* An image of these layers, which has no name; ret: its id. */
static int make_image(struct engine *g, const struct strv *used, const struct strv *layers, char ret[136], struct err *e)
{
	struct build_request plain = {};
	struct build_image i __attribute__((cleanup(build_image_drop))) = {};
	struct platform_want mine;
	own(buf) struct buf note = BUF(DOCUMENT_MAX / 2);
	own(buf) struct buf config = BUF(DOCUMENT_MAX);
	own(buf) struct buf manifest = BUF(DOCUMENT_MAX);
	char type[] = "layers", created[] = "1970-01-01T00:00:00Z", comment[] = "hull build cache";
	if (platform_parse(NULL, &mine, e) < 0 || remote_cache_annotation(used, layers, &note, e) < 0)
		return -1;
	struct image_config c = {.created = created, .architecture = mine.architecture, .os = mine.os, .comment = comment,
		.rootfs = {.type = type, .diff_ids = *layers}};
	own(json) struct json *j = jmap_format(&image_config_table, &c);
	json_format(j, 0, &config);
	if (digest_of(buf_text(&config), config.len, i.id, e) < 0)
		return -1;
	struct build_annotation a = {BUILD_MANIFEST, NULL, mem_dup(REMOTE_CACHE_ANNOTATION), buf_take(&note)};
	plain.annotations.v = &a;
	plain.annotations.n = 1;
	i.diff_ids = *layers;
	int r = documents_manifest(g, &plain, &i, config.len, &manifest, e);
	mem_drop(&a.key);
	mem_drop(&a.value);
	if (r < 0 || digest_of(buf_text(&manifest), manifest.len, i.manifest, e) < 0)
		return -1;
	char media_type[] = TYPE_OCI_MANIFEST;
	struct image_record rec = {.id = i.id, .manifest = i.manifest, .media_type = media_type, .diff_ids = *layers, .created = created,
		.architecture = mine.architecture, .os = mine.os};
	if (layers_size(&g->snap, layers, &rec.size, e) < 0)
		return -1;
	snprintf(ret, 136, "%s", i.id);
	struct store_blob blobs[] = {{i.id, buf_text(&config), config.len}, {i.manifest, buf_text(&manifest), manifest.len}};
	return store_put(&g->store, &rec, blobs, 2, e);
}

static int to_registry(struct engine *g, const struct build_cache *to, const char *id, struct err *e)
{
	own(arena) struct arena a = {};
	struct image_pushed_list list = {};
	struct image_push_request q = {.reference = to->place, .source = id, .compression = to->compression, .level = to->level,
		.force_compression = to->force_compression};
	return image_push(g, &q, &a, &list, e);
}

/* A layout that is there is replaced: it does not grow with every build. */
static int to_local(struct engine *g, const struct build_cache *to, const char *id, struct err *e)
{
	struct strv references = {};
	own(arena) struct arena a = {};
	own(mem) char *new = mem_printf("%s.tmp-%d", to->place, (int)getpid()), *old = mem_printf("%s.old-%d", to->place, (int)getpid());
	own(mem) char *index = path_join(to->place, "index.json");
	struct stat st;
	bool there = lstat(to->place, &st) == 0, layout = access(index, F_OK) == 0;
	if (there && !layout && rmdir(to->place) < 0)
		return err_set(e, ERR_EXISTS, "%.200s is there, and no cache", to->place);
	arena_strv_add(&a, &references, id);
	struct image_save_request q = {.references = &references, .name = "cache", .form = "oci-dir", .path = new, .fd = -1, .single = true};
	struct err ignored = {};
	if (image_save(g, &q, e) < 0) {
		(void)!path_remove_tree(AT_FDCWD, new, &ignored);
		return -1;
	}
	if (layout && rename(to->place, old) < 0)
		return err_sys(e, "%.200s", to->place);
	if (rename(new, to->place) < 0)
		return err_sys(e, "%.200s", to->place);
	return layout ? path_remove_tree(AT_FDCWD, old, e) : 0;
}

static void choose_layers(const struct strv *used, const struct strv *image, bool max, struct strv *ret)
{
	for (size_t i = 0; i < image->n; i++)
		if (!strv_has(ret, image->v[i]))
			strv_add(ret, image->v[i]);
	for (size_t i = used->n; max && i-- > 0 && ret->n < LAYERS_MAX;) {
		const char *layer = used->v[i] + KEY + 1;
		if (*layer && !strv_has(ret, layer))
			strv_add(ret, layer);
	}
}

static int export_to(struct engine *g, const struct build_cache *to, const struct strv *used, const struct strv *image, struct err *e)
{
	own(strv) struct strv layers = {};
	char id[136];
	choose_layers(used, image, to->max, &layers);
	if (!layers.n)
		return 0;
	if (engine_need_store(g, e) < 0 || make_image(g, used, &layers, id, e) < 0)
		return -1;
	int r = to->kind == BUILD_CACHE_LOCAL ? to_local(g, to, id, e) : to_registry(g, to, id, e);
	own(json) struct json *gone = json_new_array();
	struct err ignored = {};
	(void)!image_remove(g, id, true, true, gone, &ignored);
	return r;
}

int remote_cache_export(struct engine *g, const struct build_request *q, const struct strv *used, const struct strv *image, struct err *e)
{
	for (size_t i = 0; i < q->cache_to.n; i++) {
		const struct build_cache *to = &q->cache_to.v[i];
		struct err why = {};
		if (to->kind == BUILD_CACHE_INLINE || export_to(g, to, used, image, &why) == 0)
			continue;
		if (!to->ignore_error) {
			*e = why;
			return err_wrap(e, "--cache-to %.200s", to->place);
		}
		warn(q, "--cache-to", to, &why);
	}
	return 0;
}
