/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push_manifest: the documents of an image that is pushed. As long as the registry has exactly the blobs that the image's own manifest
 * names, that manifest goes there byte for byte, and the image keeps its digest. Else it is made anew of it, or of nothing: its
 * annotations stay, its media types too unless one of them cannot be said in docker's (zstd).
 */
#include "engine/push.h"

#include "codec/digest.h"

#include <stdio.h>

enum { DOCUMENT_MAX = 4 << 20 };
#define DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar"
#define OCI_LAYER    "application/vnd.oci.image.layer.v1.tar"

/* The manifest that the image came with; 0: none. */
static int load_manifest(struct push *x, struct push_one *o, struct buf *text, struct json **j, struct manifest *m, struct err *e)
{
	const struct image_record *r = &o->image->record;
	if (str_is_empty(r->manifest) || !store_has_blob(&x->g->store, r->manifest))
		return 0;
	if (store_get_blob(&x->g->store, r->manifest, DOCUMENT_MAX, text, e) < 0 || json_parse(buf_text(text), text->len, j, e) < 0 ||
		manifest_parse(*j, &x->arena, m, e) < 0)
		return err_wrap(e, "manifest %.19s", r->manifest);
	return m->layers.n == o->n ? 1 : 0;
}

static bool still_true(const struct push_one *o, const struct manifest *m)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->v[i].blob.digest, m->layers.v[i].digest) != 0 || o->v[i].blob.size != m->layers.v[i].size ||
			strcmp(o->v[i].blob_diff_id, o->v[i].diff_id) != 0)
			return false;
	return strcmp(m->config.digest, o->image->record.id) == 0;
}

/* The config, with other diff_ids where layers were packed anew. */
static int make_config(struct push *x, struct push_one *o, struct err *e)
{
	own(buf) struct buf text = {};
	bool same = true;
	if (store_get_blob(&x->g->store, o->image->record.id, DOCUMENT_MAX, &text, e) < 0)
		return err_wrap(e, "image config");
	for (size_t i = 0; i < o->n; i++)
		same = same && strcmp(o->v[i].blob_diff_id, o->v[i].diff_id) == 0;
	if (!same) {
		own(buf) struct buf new = BUF(DOCUMENT_MAX);
		struct strv ids = {};
		for (size_t i = 0; i < o->n; i++)
			arena_strv_add(&x->arena, &ids, o->v[i].blob_diff_id);
		if (image_config_with_layers(buf_text(&text), text.len, &ids, &new, e) < 0)
			return -1;
		o->config = arena_ndup(&x->arena, buf_text(&new), new.len);
		o->config_len = new.len;
		return 0;
	}
	o->config = arena_ndup(&x->arena, buf_text(&text), text.len);
	o->config_len = text.len;
	return 0;
}

static const char *layer_type(enum compression c, bool docker)
{
	if (docker)
		return c == COMPRESS_GZIP ? DOCKER_LAYER ".gzip" : DOCKER_LAYER;
	return c == COMPRESS_GZIP ? OCI_LAYER "+gzip" : c == COMPRESS_ZSTD ? OCI_LAYER "+zstd" : OCI_LAYER;
}

static int make_manifest(struct push *x, struct push_one *o, struct json *old, const char *old_type, struct err *e)
{
	own(json) struct json *j = json_new_object();
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	char digest[DIGEST_TEXT];
	struct json_iter it = {};
	struct json *layers = json_new_array();
	bool docker = str_eq(old_type, TYPE_DOCKER_MANIFEST);
	for (size_t i = 0; i < o->n; i++)
		docker = docker && push_compression_of(o->v[i].blob.media_type) != COMPRESS_ZSTD;
	for (size_t i = 0; i < o->n; i++)
		json_add(layers, descriptor_json(layer_type(push_compression_of(o->v[i].blob.media_type), docker), o->v[i].blob.digest, o->v[i].blob.size));
	o->media_type = arena_dup(&x->arena, docker ? TYPE_DOCKER_MANIFEST : TYPE_OCI_MANIFEST);
	json_set(j, "schemaVersion", json_new_i64(2));
	json_set_str(j, "mediaType", o->media_type);
	if (digest_of(o->config, o->config_len, digest, e) < 0) {
		json_drop(&layers);
		return -1;
	}
	json_set(j, "config", descriptor_json(docker ? TYPE_DOCKER_CONFIG : TYPE_OCI_CONFIG, digest, o->config_len));
	json_set(j, "layers", layers);
	while (json_next(old, &it))
		if (strcmp(it.key, "annotations") == 0 || strcmp(it.key, "subject") == 0)
			json_set(j, it.key, json_ref(it.value));
	json_format(j, 3, &text);
	if (buf_check(&text, e) < 0)
		return err_wrap(e, "manifest");
	o->manifest = arena_ndup(&x->arena, buf_text(&text), text.len);
	o->manifest_len = text.len;
	return 0;
}

int push_documents(struct push *x, struct push_one *o, struct err *e)
{
	own(buf) struct buf text = {};
	own(json) struct json *j = NULL;
	struct manifest m = {};
	char digest[DIGEST_TEXT];
	int had = load_manifest(x, o, &text, &j, &m, e);
	if (had < 0 || make_config(x, o, e) < 0)
		return -1;
	const char *type = !had ? NULL : m.media_type ? m.media_type : o->image->record.media_type;
	if (had && still_true(o, &m)) {
		o->manifest = arena_ndup(&x->arena, buf_text(&text), text.len);
		o->manifest_len = text.len;
		o->media_type = arena_dup(&x->arena, str_is_empty(type) ? TYPE_OCI_MANIFEST : type);
	} else if (make_manifest(x, o, had ? j : NULL, type, e) < 0) {
		return -1;
	}
	/* What came under a digest keeps it, whatever its algorithm. */
	bool kept = had && still_true(o, &m);
	if (kept)
		snprintf(o->digest, sizeof o->digest, "%s", o->image->record.manifest);
	else if (digest_of(o->manifest, o->manifest_len, o->digest, e) < 0)
		return -1;
	if (digest_of(o->config, o->config_len, digest, e) < 0)
		return -1;
	struct descriptor d = {.digest = kept ? o->image->record.id : digest, .size = o->config_len};
	return push_document(x->p, &d, o->config, e);
}
