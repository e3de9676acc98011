/* SPDX-License-Identifier: Apache-2.0 */
/* documents: see documents.h. */
#include "build/documents.h"

#include "base/fd.h"
#include "build/remote_cache.h"
#include "codec/digest.h"
#include "image/platform.h"
#include "snap/export.h"

#include <stdio.h>
#include <unistd.h>

enum { DOCUMENT_MAX = 4 << 20 };

void build_image_drop(struct build_image *i)
{
	arena_drop(&i->arena);
}

bool documents_need_index(const struct build_request *q)
{
	for (size_t i = 0; i < q->annotations.n; i++)
		if (q->annotations.v[i].level != BUILD_MANIFEST)
			return true;
	return q->platforms.n > 1 || q->provenance || q->sbom || build_switch(q, "BUILDKIT_MULTI_PLATFORM");
}

bool documents_has_inline_cache(const struct build_request *q)
{
	for (size_t i = 0; i < q->cache_to.n; i++)
		if (q->cache_to.v[i].kind == BUILD_CACHE_INLINE)
			return true;
	return build_switch(q, "BUILDKIT_INLINE_CACHE");
}

bool documents_need_manifest(const struct build_request *q)
{
	return q->annotations.n || documents_has_inline_cache(q) || q->docker_types || q->has_format || documents_need_index(q);
}

static bool is_of(const struct build_annotation *a, const struct build_image *i)
{
	struct err ignored = {};
	return str_is_empty(a->platform) || (i && platform_check(a->platform, i->os, i->architecture, i->variant, &ignored) == 0);
}

static struct json *annotations(const struct build_request *q, enum build_level level, const struct build_image *i)
{
	struct json *j = NULL;
	for (size_t k = 0; k < q->annotations.n; k++) {
		const struct build_annotation *a = &q->annotations.v[k];
		if (a->level != level || !is_of(a, i))
			continue;
		if (!j)
			j = json_new_object();
		json_set_str(j, a->key, a->value);
	}
	return j;
}

static void set_annotations(struct json *to, const struct build_request *q, enum build_level level, const struct build_image *i)
{
	struct json *j = annotations(q, level, i);
	if (j)
		json_set(to, "annotations", j);
}

/* Of a layer that is kept as files it is not known without making its archive: then what is in it. */
static int tar_size(struct engine *g, const char *diff_id, uint64_t *ret, struct err *e)
{
	int fd = -1;
	uint64_t offset;
	struct snap_layer_info info;
	int r = snap_export_range(&g->snap, diff_id, &fd, &offset, ret, e);
	fd_drop(&fd);
	if (r)
		return r < 0 ? -1 : 0;
	if (snap_layer_info(&g->snap, diff_id, &info, e) < 0)
		return -1;
	*ret = info.bytes;
	return 0;
}

int documents_manifest(struct engine *g, const struct build_request *q, const struct build_image *i, size_t config_size, struct buf *ret, struct err *e)
{
	own(json) struct json *j = json_new_object();
	struct json *layers = json_new_array();
	json_set(j, "schemaVersion", json_new_i64(2));
	json_set_str(j, "mediaType", q->docker_types ? TYPE_DOCKER_MANIFEST : TYPE_OCI_MANIFEST);
	json_set(j, "config", descriptor_json(q->docker_types ? TYPE_DOCKER_CONFIG : TYPE_OCI_CONFIG, i->id, config_size));
	json_set(j, "layers", layers);
	for (size_t k = 0; k < i->diff_ids.n; k++) {
		uint64_t size;
		if (tar_size(g, i->diff_ids.v[k], &size, e) < 0)
			return -1;
		json_add(layers, descriptor_json(q->docker_types ? "application/vnd.docker.image.rootfs.diff.tar" : "application/vnd.oci.image.layer.v1.tar",
			i->diff_ids.v[k], size));
	}
	struct json *notes = annotations(q, BUILD_MANIFEST, i);
	if (i->cache && !notes)
		notes = json_new_object();
	if (i->cache)
		json_set_str(notes, REMOTE_CACHE_ANNOTATION, i->cache);
	if (notes)
		json_set(j, "annotations", notes);
	json_format(j, 2, ret);
	return buf_check(ret, e);
}

/* --- the index --- */

static struct json *platform(const struct build_image *i)
{
	struct json *j = json_new_object();
	json_set_str(j, "architecture", i->architecture);
	json_set_str(j, "os", i->os);
	if (*i->variant)
		json_set_str(j, "variant", i->variant);
	return j;
}

/* --- attestations --- */

static struct json *subjects(const struct build_image *i, const struct strv *names)
{
	struct json *list = json_new_array();
	for (size_t k = 0; k < (names->n ? names->n : 1); k++) {
		struct json *s = json_new_object(), *digest = json_new_object();
		struct ref ref;
		struct err ignored = {};
		char text[REF_TEXT];
		own(buf) struct buf name = BUF(4096);
		if (k < names->n && ref_parse(names->v[k], &ref, &ignored) == 0) {
			own(mem) char *tag = mem_dup(ref.tag);
			*ref.tag = 0;
			buf_printf(&name, "pkg:docker/%s@%s?platform=%s%%2F%s", ref_format_familiar(&ref, text), tag, i->os, i->architecture);
		}
		json_set_str(s, "name", name.len ? buf_text(&name) : "_");
		json_set_str(digest, "sha256", digest_hex(i->manifest));
		json_set(s, "digest", digest);
		json_add(list, s);
	}
	return list;
}

static int attest(struct build_image *i, const struct strv *names, struct err *e)
{
	for (size_t k = 0; k < i->predicates.n; k++) {
		own(json) struct json *j = json_new_object();
		own(json) struct json *predicate = NULL;
		if (json_parse(i->predicates.v[k].text, strlen(i->predicates.v[k].text), &predicate, e) < 0)
			return err_wrap(e, "attestation");
		json_set_str(j, "_type", "https://in-toto.io/Statement/v0.1");
		json_set_str(j, "predicateType", i->predicates.v[k].type);
		json_set(j, "subject", subjects(i, names));
		json_set(j, "predicate", take(predicate));
		if (attest_add(&i->arena, &i->attest, i->predicates.v[k].type, j, e) < 0)
			return -1;
	}
	return attest_make(&i->arena, &i->attest, e);
}

static struct json *attest_entry(const struct build_image *i)
{
	struct json *d = descriptor_json(TYPE_OCI_MANIFEST, i->attest.manifest.digest, i->attest.manifest.len);
	struct json *notes = json_new_object(), *nowhere = json_new_object();
	json_set_str(notes, ATTEST_REFERENCE, i->manifest);
	json_set_str(notes, ATTEST_TYPE, ATTEST_MANIFEST);
	json_set(d, "annotations", notes);
	json_set_str(nowhere, "architecture", "unknown");
	json_set_str(nowhere, "os", "unknown");
	json_set(d, "platform", nowhere);
	return d;
}

static int make_index(const struct build_request *q, struct build_image *images, size_t n, const struct strv *names, struct buf *text, struct err *e)
{
	own(json) struct json *j = json_new_object();
	struct json *list = json_new_array();
	json_set(j, "schemaVersion", json_new_i64(2));
	json_set_str(j, "mediaType", q->docker_types ? TYPE_DOCKER_LIST : TYPE_OCI_INDEX);
	json_set(j, "manifests", list);
	for (size_t i = 0; i < n; i++) {
		struct json *d = descriptor_json(q->docker_types ? TYPE_DOCKER_MANIFEST : TYPE_OCI_MANIFEST, images[i].manifest, images[i].manifest_size);
		json_set(d, "platform", platform(&images[i]));
		set_annotations(d, q, BUILD_MANIFEST_DESCRIPTOR, &images[i]);
		json_add(list, d);
	}
	for (size_t i = 0; i < n; i++) {
		if (!images[i].predicates.n)
			continue;
		if (attest(&images[i], names, e) < 0)
			return -1;
		json_add(list, attest_entry(&images[i]));
	}
	set_annotations(j, q, BUILD_INDEX, NULL);
	json_format(j, 2, text);
	return buf_check(text, e);
}

/* Of this machine's platform, else the first. */
static size_t main_image(const struct build_image *images, size_t n)
{
	struct platform_want mine;
	struct err ignored = {};
	if (platform_parse(NULL, &mine, &ignored) < 0)
		return 0;
	size_t best = 0;
	int least = -1;
	for (size_t i = 0; i < n; i++) {
		int rank = platform_rank(&mine, images[i].os, images[i].architecture, images[i].variant);
		if (rank >= 0 && (least < 0 || rank < least)) {
			best = i;
			least = rank;
		}
	}
	return best;
}

/* The record with the index and what is attested. */
static int put(struct engine *g, struct build_image *i, const struct strv *digests, const struct strv *names, const struct store_blob *index, struct err *e)
{
	struct image_record r = i->record;
	struct arena *a = &i->arena;
	struct { struct store_blob *v; size_t n; } blobs = {};
	*arena_push(a, &blobs) = *index;
	for (size_t k = 0; k < i->attest.statements.n; k++) {
		const struct attest_blob *s = &i->attest.statements.v[k].blob;
		*arena_push(a, &blobs) = (struct store_blob){s->digest, s->text, s->len};
	}
	if (i->attest.manifest.len) {
		*arena_push(a, &blobs) = (struct store_blob){i->attest.config.digest, i->attest.config.text, i->attest.config.len};
		*arena_push(a, &blobs) = (struct store_blob){i->attest.manifest.digest, i->attest.manifest.text, i->attest.manifest.len};
	}
	/* Without a name nothing else says that the index is of use. */
	for (size_t k = 0; k < blobs.n; k++)
		arena_strv_add(a, &r.blobs, blobs.v[k].digest);
	r.digests = *digests;
	r.names = names ? *names : (struct strv){};
	return store_put(&g->store, &r, blobs.v, blobs.n, e);
}

int documents_index(struct engine *g, const struct build_request *q, struct build_image *images, size_t n, const struct strv *names, char ret[136],
	struct err *e)
{
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	own(strv) struct strv digests = {};
	if (make_index(q, images, n, names, &text, e) < 0 || digest_of(buf_text(&text), text.len, ret, e) < 0 || engine_need_store(g, e) < 0)
		return err_wrap(e, "index");
	for (size_t i = 0; i < names->n; i++) {
		struct ref ref;
		char whole[REF_TEXT];
		if (ref_parse(names->v[i], &ref, e) < 0)
			return -1;
		*ref.tag = 0;
		own(mem) char *line = mem_printf("%s@%s", ref_format(&ref, whole), ret);
		if (!strv_has(&digests, line))
			strv_add(&digests, line);
	}
	size_t main = main_image(images, n);
	struct store_blob blob = {ret, buf_text(&text), text.len};
	/* A name is given last: whoever finds it finds all of them. */
	for (size_t i = 0; i < n; i++)
		if (i != main && put(g, &images[i], &digests, NULL, &blob, e) < 0)
			return -1;
	return put(g, &images[main], &digests, names, &blob, e);
}
