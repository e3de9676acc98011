/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_index: images of several platforms under one name. A name stands for the one that was pulled last; the others are found by
 * the index that they came with.
 */
#include "engine/image.h"
#include "engine/layers.h"

#include "image/platform.h"

enum { DOCUMENT_MAX = 4 << 20 };

bool image_of_manifest(struct engine *g, const char *digest, struct image *ret)
{
	own(buf) struct buf text = {};
	own(json) struct json *j = NULL;
	own(arena) struct arena a = {};
	own(image) struct image image = {};
	struct manifest m;
	struct err ignored = {};
	if (store_get_blob(&g->store, digest, DOCUMENT_MAX, &text, &ignored) < 0 || json_parse(buf_text(&text), text.len, &j, &ignored) < 0 ||
		manifest_parse(j, &a, &m, &ignored) < 0 || store_find(&g->store, m.config.digest, &image, &ignored) < 0 ||
		!str_eq(image.record.manifest, digest) || !layers_are_here(&g->snap, &image.record.diff_ids))
		return false;
	*ret = image;
	image = (struct image){};
	return true;
}

static bool find_in_index(struct engine *g, const char *digest, const char *platform, struct image *ret)
{
	own(buf) struct buf text = {};
	own(json) struct json *j = NULL;
	own(arena) struct arena a = {};
	struct image_index x;
	struct err ignored = {};
	if (store_get_blob(&g->store, digest, DOCUMENT_MAX, &text, &ignored) < 0 || json_parse(buf_text(&text), text.len, &j, &ignored) < 0 ||
		types_document(NULL, j) != DOCUMENT_INDEX || image_index_parse(j, &a, &x, &ignored) < 0)
		return false;
	for (size_t i = 0; i < x.manifests.n; i++) {
		own(image) struct image image = {};
		if (!image_of_manifest(g, x.manifests.v[i].digest, &image) ||
			platform_check(platform, image.record.os, image.record.architecture, image.record.variant, &ignored) < 0)
			continue;
		*ret = image;
		image = (struct image){};
		return true;
	}
	return false;
}

int image_find_platform(struct engine *g, const char *text, const char *platform, struct image *ret, struct err *e)
{
	own(image) struct image image = {};
	if (image_find(g, text, &image, e) < 0)
		return -1;
	const struct image_record *r = &image.record;
	if (!str_is_empty(platform) && platform_check(platform, r->os, r->architecture, r->variant, e) < 0) {
		if (e->kind != ERR_NOT_FOUND || engine_need_snap(g, e) < 0)
			return -1;
		for (size_t i = 0; i < r->digests.n; i++) {
			const char *at = strchr(r->digests.v[i], '@');
			if (at && find_in_index(g, at + 1, platform, ret))
				return 0;
		}
		return err_wrap(e, "image %s", text);
	}
	*ret = image;
	image = (struct image){};
	return 0;
}
