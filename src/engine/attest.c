/* SPDX-License-Identifier: Apache-2.0 */
/* attest: see attest.h. */
#include "engine/attest.h"

#include "codec/digest.h"

enum { DOCUMENT_MAX = 32 << 20 };
#define TYPE_STATEMENT "application/vnd.in-toto+json"
#define PREDICATE_TYPE "in-toto.io/predicate-type"

static int blob(struct arena *a, const struct json *j, struct attest_blob *ret, struct err *e)
{
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	json_format(j, 2, &text);
	if (buf_check(&text, e) < 0)
		return err_wrap(e, "attestation");
	ret->text = arena_ndup(a, buf_text(&text), text.len);
	ret->len = text.len;
	return digest_of(ret->text, ret->len, ret->digest, e);
}

int attest_add(struct arena *a, struct attest *t, const char *predicate_type, const struct json *statement, struct err *e)
{
	struct attest_statement *s = arena_push(a, &t->statements);
	s->predicate_type = arena_dup(a, predicate_type);
	return blob(a, statement, &s->blob, e);
}

int attest_make(struct arena *a, struct attest *t, struct err *e)
{
	own(json) struct json *config = json_new_object();
	own(json) struct json *manifest = json_new_object();
	struct json *rootfs = json_new_object(), *ids = json_new_array(), *layers = json_new_array();
	json_set_str(config, "architecture", "unknown");
	json_set_str(config, "os", "unknown");
	json_set(config, "config", json_new_object());
	json_set_str(rootfs, "type", "layers");
	json_set(rootfs, "diff_ids", ids);
	json_set(config, "rootfs", rootfs);
	json_set(manifest, "schemaVersion", json_new_i64(2));
	json_set_str(manifest, "mediaType", TYPE_OCI_MANIFEST);
	for (size_t i = 0; i < t->statements.n; i++) {
		const struct attest_statement *s = &t->statements.v[i];
		struct json *layer = descriptor_json(TYPE_STATEMENT, s->blob.digest, s->blob.len), *notes = json_new_object();
		json_set_str(notes, PREDICATE_TYPE, s->predicate_type);
		json_set(layer, "annotations", notes);
		json_add(layers, layer);
		json_add(ids, json_new_str(s->blob.digest));
	}
	if (blob(a, config, &t->config, e) < 0) {
		json_drop(&layers);
		return -1;
	}
	json_set(manifest, "config", descriptor_json(TYPE_OCI_CONFIG, t->config.digest, t->config.len));
	json_set(manifest, "layers", layers);
	return blob(a, manifest, &t->manifest, e);
}

bool attest_is(const struct descriptor *d)
{
	return str_eq(map_get(&d->annotations, ATTEST_TYPE), ATTEST_MANIFEST) && map_get(&d->annotations, ATTEST_REFERENCE);
}

static int load(struct store *s, struct arena *a, const char *digest, struct attest_blob *ret, struct err *e)
{
	own(buf) struct buf text = {};
	if (!digest || !digest_is_valid(digest) || strlen(digest) >= sizeof ret->digest || !store_has_blob(s, digest))
		return 0;
	if (store_get_blob(s, digest, DOCUMENT_MAX, &text, e) < 0)
		return err_wrap(e, "attestation");
	memcpy(ret->digest, digest, strlen(digest) + 1);
	ret->text = arena_ndup(a, buf_text(&text), text.len);
	ret->len = text.len;
	return 1;
}

int attest_load(struct store *s, struct arena *a, const char *digest, struct attest *ret, struct err *e)
{
	own(json) struct json *j = NULL;
	*ret = (struct attest){};
	int r = load(s, a, digest, &ret->manifest, e);
	if (r != 1)
		return r;
	if (json_parse(ret->manifest.text, ret->manifest.len, &j, e) < 0)
		return err_wrap(e, "attestation");
	r = load(s, a, json_get_str(json_get(j, "config"), "digest"), &ret->config, e);
	const struct json *layers = json_get(j, "layers");
	for (size_t i = 0; r == 1 && i < json_len(layers); i++) {
		const struct json *layer = json_at(layers, i);
		const char *type = json_get_str(json_get(layer, "annotations"), PREDICATE_TYPE);
		struct attest_statement *n = arena_push(a, &ret->statements);
		n->predicate_type = arena_dup(a, type ? type : "");
		r = str_eq(json_get_str(layer, "mediaType"), TYPE_STATEMENT) ? load(s, a, json_get_str(layer, "digest"), &n->blob, e) : 0;
	}
	return r;
}

int attest_move(struct arena *a, const struct attest *from, const char *old, const char *new, struct attest *ret, struct err *e)
{
	*ret = (struct attest){};
	for (size_t i = 0; i < from->statements.n; i++) {
		const struct attest_statement *s = &from->statements.v[i];
		own(json) struct json *j = NULL;
		if (json_parse(s->blob.text, s->blob.len, &j, e) < 0)
			return err_wrap(e, "attestation");
		const struct json *subjects = json_get(j, "subject");
		for (size_t k = 0; k < json_len(subjects); k++) {
			struct json *digest = json_get(json_at(subjects, k), "digest");
			if (str_eq(json_get_str(digest, "sha256"), digest_hex(old)))
				json_set_str(digest, "sha256", digest_hex(new));
		}
		if (attest_add(a, ret, s->predicate_type, j, e) < 0)
			return -1;
	}
	return attest_make(a, ret, e);
}
