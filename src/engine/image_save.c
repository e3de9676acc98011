/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_save: what is kept of a layer is its plain tar, so that is what goes into the archive: for a layer that is a file a copy of bytes,
 * under the digest that the image's config has. Of a layer of which only files are kept an archive is made again; it has another
 * digest, and the image of it another id (image_push does the same).
 *
 * Where all of an image's blobs are kept as they came, they go instead, and its digest stays.
 *
 * The manifest that the image came with goes as it is where it names exactly these blobs; else one is made. So does the index that it came with, where
 * more of it is here than this image: its other platforms, what is attested of them.
 */
#include "engine/image.h"

#include "base/fd.h"
#include "codec/digest.h"
#include "codec/stream.h"
#include "engine/events.h"
#include "engine/attest.h"
#include "engine/layers.h"
#include "image/partial.h"
#include "image/save.h"
#include "snap/export.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DOCUMENT_MAX = 4 << 20 };

struct saved { struct image *image; struct strv names; };
struct made { char *diff_id, *digest; uint64_t size; }; /* a layer, as it is in the archive */
struct saving {
	struct engine *g;
	const struct image_save_request *r;
	enum save_form form;
	struct save *out;
	struct arena arena;
	struct { struct saved *v; size_t n; } all;
	struct { struct made *v; size_t n; } made;
	size_t layer; /* for the progress */
	char name[16];
	uint64_t total;
};

static void saving_drop(struct saving *x)
{
	for (size_t i = 0; i < x->all.n; i++)
		image_drop(x->all.v[i].image);
	save_drop(&x->out);
	arena_drop(&x->arena);
}

/* ---- which images */

/* Takes *image. name: NULL when it was named by its id. */
static void add_image(struct saving *x, struct image *image, const char *name)
{
	struct saved *s = NULL;
	for (size_t i = 0; i < x->all.n && !s; i++)
		if (strcmp(x->all.v[i].image->record.id, image->record.id) == 0)
			s = &x->all.v[i];
	if (!s) {
		s = arena_push(&x->arena, &x->all);
		s->image = arena_alloc(&x->arena, sizeof *s->image);
		*s->image = *image;
		*image = (struct image){};
	}
	if (name && !strv_has(&s->names, name))
		arena_strv_add(&x->arena, &s->names, name);
}

struct tags { const struct ref *repository; struct strv found; };

static int collect_tags(void *arg, const struct image *i, struct err *e unused)
{
	struct tags *t = arg;
	for (size_t k = 0; k < i->record.names.n; k++) {
		struct ref r;
		struct err ignored = {};
		if (ref_parse(i->record.names.v[k], &r, &ignored) == 0 && strcmp(r.registry, t->repository->registry) == 0 &&
			strcmp(r.repository, t->repository->repository) == 0)
			strv_add(&t->found, i->record.names.v[k]);
	}
	return 0;
}

static int find_one(struct saving *x, const char *text, bool is_name, struct err *e)
{
	own(image) struct image image = {};
	struct ref r;
	char name[REF_TEXT];
	struct err why = {};
	if (image_find_platform(x->g, text, x->r->platform, &image, &why) < 0 &&
		(why.kind != ERR_NOT_FOUND || image_ensure(x->g, text, "never", x->r->platform, NULL, &image, e) < 0))
		return why.kind != ERR_NOT_FOUND ? *e = why, -1 : -1;
	if (is_name && ref_parse(text, &r, e) < 0)
		return -1;
	if (is_name && *r.digest)
		is_name = false;
	add_image(x, &image, is_name ? ref_format(&r, name) : NULL);
	return 0;
}

static int find_images(struct saving *x, const char *text, struct err *e)
{
	struct ref r;
	struct err ignored = {};
	const char *slash = strrchr(text, '/'), *last = slash ? slash : text;
	bool is_name = ref_parse(text, &r, &ignored) == 0;
	if (is_name && !strchr(last, ':') && !strchr(text, '@')) {
		struct tags t = {.repository = &r};
		int result = store_each(&x->g->store, collect_tags, &t, NULL, e);
		strv_sort(&t.found);
		for (size_t i = 0; result == 0 && i < t.found.n; i++)
			result = find_one(x, t.found.v[i], true, e);
		size_t n = t.found.n;
		strv_drop(&t.found);
		if (result < 0 || n)
			return result;
	}
	own(image) struct image image = {};
	if (ref_is_id(text) && image_find(x->g, text, &image, &ignored) == 0 && is_name) {
		char name[REF_TEXT];
		is_name = strv_has(&image.record.names, ref_format(&r, name));
	}
	return find_one(x, text, is_name, e);
}

static int find_renamed(struct saving *x, const char *text, struct err *e)
{
	struct ref r;
	char name[REF_TEXT];
	if (find_one(x, text, false, e) < 0)
		return -1;
	if (!*x->r->name)
		return 0;
	if ((x->form == SAVE_OCI_DIR || x->form == SAVE_OCI_ARCHIVE) && save_is_bare(x->r->name)) {
		arena_strv_add(&x->arena, &x->all.v[0].names, x->r->name);
		return 0;
	}
	if (ref_parse(x->r->name, &r, e) < 0)
		return -1;
	*r.digest = 0;
	arena_strv_add(&x->arena, &x->all.v[0].names, ref_format(&r, name));
	return 0;
}

/* ---- one image */

static void show(void *arg, uint64_t bytes)
{
	const struct saving *x = arg;
	const struct image_progress *p = x->r->progress;
	if (p && p->layer)
		p->layer(p->arg, x->layer, x->name, bytes < x->total ? LAYER_WRITING : LAYER_DONE, bytes, x->total, NULL);
}

struct packing { struct digest *hash; int fd; uint64_t bytes; };

static int put_packed(void *arg, const void *p, size_t n, struct err *e)
{
	struct packing *k = arg;
	digest_add(k->hash, p, n);
	k->bytes += n;
	return fd_write_all(k->fd, p, n) < 0 ? err_sys(e, "write") : 0;
}

/* The layer's tar as a file: fd, offset, bytes and digest. */
static int open_tar(struct saving *x, const char *diff_id, struct save_blob *b, char digest[DIGEST_TEXT], struct err *e)
{
	bool exact;
	int whole = snap_export_range(&x->g->snap, diff_id, &b->fd, &b->offset, &b->size, e);
	snprintf(digest, DIGEST_TEXT, "%s", diff_id);
	if (whole != 0)
		return whole < 0 ? -1 : 0;
	own(digest) struct digest *hash = NULL;
	struct packing k = {.fd = engine_scratch(x->g, e)};
	b->fd = k.fd;
	if (k.fd < 0 || digest_begin(NULL, &hash, e) < 0)
		return -1;
	k.hash = hash;
	if (snap_export(&x->g->snap, diff_id, put_packed, &k, &exact, e) < 0)
		return -1;
	digest_end(hash, digest);
	b->size = k.bytes;
	return 0;
}

static const struct made *put_layer(struct saving *x, const char *diff_id, struct err *e)
{
	char digest[DIGEST_TEXT];
	struct save_blob b = {.fd = -1, .digest = digest, .progress = show, .arg = x};
	snprintf(x->name, sizeof x->name, "%.12s", digest_hex(diff_id));
	for (size_t i = 0; i < x->made.n; i++)
		if (strcmp(x->made.v[i].diff_id, diff_id) == 0) {
			x->total = x->made.v[i].size;
			show(x, x->total);
			return &x->made.v[i];
		}
	int r = open_tar(x, diff_id, &b, digest, e);
	x->total = b.size;
	if (r == 0)
		r = save_put(x->out, &b, e);
	fd_drop(&b.fd);
	if (r < 0)
		return err_wrap(e, "layer %s", x->name), NULL;
	show(x, x->total);
	struct made *m = arena_push(&x->arena, &x->made);
	*m = (struct made){arena_dup(&x->arena, diff_id), arena_dup(&x->arena, digest), b.size};
	return m;
}

struct text { const char *digest; char *text; size_t len; };

static int put_document(struct saving *x, struct text *d, const char *known_digest, struct err *e)
{
	char digest[DIGEST_TEXT];
	if (!known_digest && digest_of(d->text, d->len, digest, e) < 0)
		return -1;
	d->digest = arena_dup(&x->arena, known_digest ? known_digest : digest);
	return save_put(x->out, &(struct save_blob){.digest = d->digest, .size = d->len, .text = d->text, .fd = -1}, e);
}

static int put_config(struct saving *x, const struct image *i, const struct strv *digests, struct text *d, struct err *e)
{
	own(buf) struct buf text = {};
	own(buf) struct buf new = BUF(DOCUMENT_MAX);
	bool same = true;
	if (store_get_blob(&x->g->store, i->record.id, DOCUMENT_MAX, &text, e) < 0)
		return err_wrap(e, "image config");
	for (size_t k = 0; k < digests->n; k++)
		same = same && strcmp(digests->v[k], i->config.rootfs.diff_ids.v[k]) == 0;
	if (!same && image_config_with_layers(buf_text(&text), text.len, digests, &new, e) < 0)
		return -1;
	const struct buf *b = same ? &text : &new;
	*d = (struct text){.text = arena_ndup(&x->arena, buf_text(b), b->len), .len = b->len};
	return put_document(x, d, same ? i->record.id : NULL, e);
}

/* The manifest that the image came with, when it is still true; 0: it is not. */
static int put_old_manifest(struct saving *x, const struct image *i, const struct made *const *v, const struct text *config, struct text *d,
	char **ret_type, struct json **ret_old, struct err *e)
{
	own(buf) struct buf text = {};
	struct manifest m = {};
	struct err ignored = {};
	if (str_is_empty(i->record.manifest) || store_get_blob(&x->g->store, i->record.manifest, DOCUMENT_MAX, &text, &ignored) < 0 ||
		json_parse(buf_text(&text), text.len, ret_old, &ignored) < 0 || manifest_parse(*ret_old, &x->arena, &m, &ignored) < 0)
		return 0;
	bool same = strcmp(m.config.digest, config->digest) == 0 && m.layers.n == i->config.rootfs.diff_ids.n;
	for (size_t k = 0; same && k < m.layers.n; k++)
		same = strcmp(m.layers.v[k].digest, v[k]->digest) == 0 && m.layers.v[k].size == v[k]->size;
	if (!same)
		return 0;
	*ret_type = str_is_empty(m.media_type) ? i->record.media_type : m.media_type;
	*d = (struct text){.text = arena_ndup(&x->arena, buf_text(&text), text.len), .len = text.len};
	return put_document(x, d, i->record.manifest, e) < 0 ? -1 : 1;
}

static int put_manifest(struct saving *x, const struct image *i, const struct made *const *v, const struct text *config, struct text *d,
	char **ret_type, struct err *e)
{
	own(json) struct json *old = NULL;
	int r = put_old_manifest(x, i, v, config, d, ret_type, &old, e);
	if (r != 0)
		return r < 0 ? -1 : 0;
	own(json) struct json *j = json_new_object();
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	struct json *layers = json_new_array();
	for (size_t k = 0; k < i->config.rootfs.diff_ids.n; k++)
		json_add(layers, descriptor_json("application/vnd.oci.image.layer.v1.tar", v[k]->digest, v[k]->size));
	json_set(j, "schemaVersion", json_new_i64(2));
	json_set_str(j, "mediaType", TYPE_OCI_MANIFEST);
	json_set(j, "config", descriptor_json(TYPE_OCI_CONFIG, config->digest, config->len));
	json_set(j, "layers", layers);
	if (json_get(old, "annotations"))
		json_set(j, "annotations", json_ref(json_get(old, "annotations")));
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0)
		return err_wrap(e, "manifest");
	*ret_type = arena_dup(&x->arena, TYPE_OCI_MANIFEST);
	*d = (struct text){.text = arena_ndup(&x->arena, buf_text(&text), text.len), .len = text.len};
	return put_document(x, d, NULL, e);
}

/* As it came, where all of its blobs are kept (pull --keep-compressed). 0: they are not. */
static int save_kept(struct saving *x, const struct saved *s, struct save_image *ret, struct err *e)
{
	const struct image *i = s->image;
	const struct strv *ids = &i->config.rootfs.diff_ids;
	own(buf) struct buf text = {};
	own(buf) struct buf config = {};
	own(json) struct json *j = NULL;
	struct manifest m = {};
	struct err ignored = {};
	if (str_is_empty(i->record.manifest) || store_get_blob(&x->g->store, i->record.manifest, DOCUMENT_MAX, &text, &ignored) < 0 ||
		json_parse(buf_text(&text), text.len, &j, &ignored) < 0 || manifest_parse(j, &x->arena, &m, &ignored) < 0 ||
		strcmp(m.config.digest, i->record.id) != 0 || m.layers.n != ids->n || !ids->n)
		return 0;
	/* All of them are looked at before the first is written. */
	for (size_t k = 0; k < ids->n; k++) {
		own(fd) int fd = compressed_open_whole(x->g->root, ids->v[k], m.layers.v[k].digest, m.layers.v[k].size);
		if (fd < 0)
			return 0;
	}
	if (store_get_blob(&x->g->store, i->record.id, DOCUMENT_MAX, &config, e) < 0)
		return err_wrap(e, "image config");
	struct strv *layers = arena_alloc(&x->arena, sizeof *layers);
	*layers = (struct strv){};
	for (size_t k = 0; k < ids->n; k++) {
		const struct descriptor *d = &m.layers.v[k];
		own(fd) int fd = compressed_open(x->g->root, ids->v[k], d->digest, d->size);
		x->layer = k;
		x->total = d->size;
		snprintf(x->name, sizeof x->name, "%.12s", digest_hex(ids->v[k]));
		if (save_put(x->out, &(struct save_blob){.digest = d->digest, .size = d->size, .fd = fd, .progress = show, .arg = x}, e) < 0)
			return err_wrap(e, "layer %s", x->name);
		show(x, x->total);
		arena_strv_add(&x->arena, layers, d->digest);
	}
	struct text documents[] = {{.text = arena_ndup(&x->arena, buf_text(&config), config.len), .len = config.len},
		{.text = arena_ndup(&x->arena, buf_text(&text), text.len), .len = text.len}};
	if (put_document(x, &documents[0], i->record.id, e) < 0 || put_document(x, &documents[1], i->record.manifest, e) < 0)
		return -1;
	*ret = (struct save_image){.names = &s->names, .config = documents[0].digest, .layers = layers,
		.manifest = {.media_type = str_is_empty(m.media_type) ? i->record.media_type : m.media_type, .digest = (char *)(uintptr_t)documents[1].digest,
			.size = text.len}};
	return 1;
}

/* ret: as the archive lists it, with its own manifest. */
static int save_image(struct saving *x, const struct saved *s, struct save_image *ret, struct err *e)
{
	const struct image *i = s->image;
	const struct strv *ids = &i->config.rootfs.diff_ids;
	const struct image_progress *p = x->r->progress;
	const struct made **v = arena_alloc(&x->arena, (ids->n + 1) * sizeof *v);
	struct strv digests = {};
	struct text config, manifest;
	char *type = NULL;
	if (p && p->begin)
		p->begin(p->arg, s->names.n ? s->names.v[0] : i->record.id, ids->n);
	int r = save_kept(x, s, ret, e);
	if (r != 0)
		return r < 0 ? -1 : 0;
	for (size_t k = 0; k < ids->n; k++) {
		x->layer = k;
		const struct made *m = put_layer(x, ids->v[k], e);
		if (!m)
			return -1;
		arena_strv_add(&x->arena, &digests, m->digest);
		/* x->made grows: what it has moved */
		v[k] = arena_alloc(&x->arena, sizeof *m);
		*(struct made *)(uintptr_t)v[k] = *m;
	}
	if (put_config(x, i, &digests, &config, e) < 0 || put_manifest(x, i, v, &config, &manifest, &type, e) < 0)
		return -1;
	struct strv *layers = arena_alloc(&x->arena, sizeof *layers);
	*layers = digests;
	*ret = (struct save_image){.names = &s->names, .config = config.digest, .layers = layers,
		.manifest = {.media_type = type, .digest = (char *)(uintptr_t)manifest.digest, .size = manifest.len}};
	return 0;
}

/* ---- an index */

static int put_attest_blob(struct saving *x, const struct attest_blob *b, struct err *e)
{
	return save_put(x->out, &(struct save_blob){.digest = b->digest, .size = b->len, .text = b->text, .fd = -1}, e);
}

/* What is attested of an image that is in the archive by now; d: its entry in the index. 0: it is not here. */
static int save_attestation(struct saving *x, const struct image_index *index, size_t i, struct json *list, struct err *e)
{
	struct attest t, moved;
	const char *of = map_get(&index->manifests.v[i].annotations, ATTEST_REFERENCE);
	struct json *d = json_at(list, i);
	int r = attest_load(&x->g->store, &x->arena, index->manifests.v[i].digest, &t, e);
	if (r != 1)
		return r;
	for (size_t k = 0; k < index->manifests.n; k++) {
		const char *now = json_get_str(json_at(list, k), "digest");
		if (strcmp(index->manifests.v[k].digest, of) != 0 || strcmp(now, of) == 0)
			continue;
		if (attest_move(&x->arena, &t, of, now, &moved, e) < 0)
			return -1;
		t = moved;
		json_set_str(json_get(d, "annotations"), ATTEST_REFERENCE, now);
	}
	json_set_str(d, "digest", t.manifest.digest);
	json_set(d, "size", json_new_u64(t.manifest.len));
	for (size_t k = 0; k < t.statements.n; k++)
		if (put_attest_blob(x, &t.statements.v[k].blob, e) < 0)
			return -1;
	return put_attest_blob(x, &t.config, e) < 0 || put_attest_blob(x, &t.manifest, e) < 0 ? -1 : 1;
}

/* An image of an index; 0: it is not here. `whole`: the one that was asked for, as the archive lists it. */
static int save_child(struct saving *x, const char *digest, struct json *d, const struct saved *whole, struct save_image *ret, struct err *e)
{
	own(image) struct image image = {};
	struct saved one = {.image = &image};
	struct save_image now;
	bool is_whole = whole && str_eq(whole->image->record.manifest, digest);
	if (!is_whole && !image_of_manifest(x->g, digest, &image))
		return 0;
	if (save_image(x, is_whole ? whole : &one, &now, e) < 0)
		return -1;
	if (is_whole)
		*ret = now;
	if (strcmp(now.manifest.digest, digest) != 0) {
		json_set_str(d, "digest", now.manifest.digest);
		json_set(d, "size", json_new_u64(now.manifest.size));
		json_set_str(d, "mediaType", now.manifest.media_type);
	}
	return 1;
}

struct entry_list { struct json *v; bool is_new; };

/* Puts what the index names, the images first: what is attested of them follows their digests. What is not here is left out of the list. */
static int save_entries(struct saving *x, const struct image_index *index, const struct saved *whole, struct json *list, struct entry_list *left,
	struct save_image *out, struct err *e)
{
	bool *there = arena_alloc(&x->arena, index->manifests.n + 1);
	for (int attests = 0; attests < 2; attests++)
		for (size_t i = 0; i < index->manifests.n; i++) {
			const struct descriptor *m = &index->manifests.v[i];
			if (attest_is(m) != (attests == 1))
				continue;
			int r = attests ? save_attestation(x, index, i, list, e) : save_child(x, m->digest, json_at(list, i), whole, out, e);
			if (r < 0)
				return -1;
			if (r == 0 && !whole)
				return err_set(e, ERR_NOT_FOUND, "index %.19s: not all that it names is here", x->r->index);
			there[i] = r;
		}
	for (size_t i = 0; i < index->manifests.n; i++) {
		left->is_new |= !there[i] || strcmp(json_get_str(json_at(list, i), "digest"), index->manifests.v[i].digest) != 0;
		if (there[i])
			json_add(left->v, json_ref(json_at(list, i)));
	}
	return 0;
}

/* All that it names; what has another manifest in the archive is named by that. whole: an image of it, and then what of the rest is here. */
static int save_index(struct saving *x, const char *digest, const struct saved *whole, struct save_image *out, struct err *e)
{
	own(buf) struct buf text = {};
	own(buf) struct buf new = BUF(DOCUMENT_MAX);
	own(json) struct json *j = NULL, *list = NULL;
	struct image_index index;
	struct entry_list left = {json_new_array(), false};
	if (store_get_blob(&x->g->store, digest, DOCUMENT_MAX, &text, e) < 0 || json_parse(buf_text(&text), text.len, &j, e) < 0 ||
		image_index_parse(j, &x->arena, &index, e) < 0) {
		json_drop(&left.v);
		return err_wrap(e, "index %.19s", digest);
	}
	list = json_ref(json_get(j, "manifests"));
	int r = save_entries(x, &index, whole, list, &left, out, e);
	json_set(j, "manifests", left.v);
	if (r < 0)
		return -1;
	if (left.is_new)
		json_format(j, 2, &new);
	const struct buf *b = left.is_new ? &new : &text;
	struct text d = {.text = arena_ndup(&x->arena, buf_text(b), b->len), .len = b->len};
	if (buf_check(&new, e) < 0 || put_document(x, &d, left.is_new ? NULL : digest, e) < 0)
		return -1;
	out->manifest = (struct descriptor){.media_type = index.media_type ? index.media_type : (char *)(uintptr_t)TYPE_OCI_INDEX,
		.digest = (char *)(uintptr_t)d.digest, .size = d.len};
	return 0;
}

/* The index of a build. */
static int save_built(struct saving *x, struct err *e)
{
	struct strv names = {};
	struct save_image out = {.names = &names};
	if (save_index(x, x->r->index, NULL, &out, e) < 0)
		return -1;
	for (size_t i = 0; i < x->r->references->n; i++)
		arena_strv_add(&x->arena, &names, x->r->references->v[i]);
	if (x->r->annotations)
		out.manifest.annotations = *x->r->annotations;
	return save_add(x->out, &out, e);
}

/* The index that an image came with, if more of it is here than the image; NULL: there is none. */
static const char *index_of(struct saving *x, const struct image *image)
{
	for (size_t i = image->record.digests.n; i-- > 0;) {
		const char *at = strchr(image->record.digests.v[i], '@');
		own(buf) struct buf text = {};
		own(json) struct json *j = NULL;
		struct image_index index = {};
		struct err ignored = {};
		bool named = false, more = false;
		if (!at || str_eq(at + 1, image->record.manifest) || store_get_blob(&x->g->store, at + 1, DOCUMENT_MAX, &text, &ignored) < 0 ||
			json_parse(buf_text(&text), text.len, &j, &ignored) < 0 || types_document(NULL, j) != DOCUMENT_INDEX ||
			image_index_parse(j, &x->arena, &index, &ignored) < 0)
			continue;
		for (size_t k = 0; k < index.manifests.n; k++) {
			own(image) struct image other = {};
			struct attest t;
			const struct descriptor *m = &index.manifests.v[k];
			bool own_one = str_eq(m->digest, image->record.manifest);
			named |= own_one;
			more |= !own_one && (attest_is(m) ? attest_load(&x->g->store, &x->arena, m->digest, &t, &ignored) == 1 :
				image_of_manifest(x->g, m->digest, &other));
		}
		if (named && more)
			return at + 1;
	}
	return NULL;
}

static int save_named(struct saving *x, const struct saved *s, struct err *e)
{
	struct save_image out = {.names = &s->names};
	bool alone = x->form == SAVE_DOCKER_DIR || x->r->single || !str_is_empty(x->r->platform);
	const char *index = alone ? NULL : index_of(x, s->image);
	if (index ? save_index(x, index, s, &out, e) < 0 : save_image(x, s, &out, e) < 0)
		return -1;
	return save_add(x->out, &out, e);
}

/* ---- where it goes */

struct target { int fd; char *tmp; const char *path; bool made_dir; };

static void target_drop(struct target *t)
{
	if (t->tmp)
		unlink(t->tmp);
	if (t->made_dir)
		rmdir(t->path);
	if (t->path)
		fd_drop(&t->fd);
	mem_drop(&t->tmp);
}

/* A file is there under its name when it is whole; what is no file (a pipe, a terminal's device) is written to. */
static int open_target(struct saving *x, struct target *t, struct err *e)
{
	struct stat st;
	*t = (struct target){.fd = x->r->fd, .path = x->r->path};
	if (!t->path)
		return 0;
	t->fd = -1;
	bool there = stat(t->path, &st) == 0;
	if (save_is_dir(x->form)) {
		if (!there && mkdir(t->path, 0755) < 0)
			return err_sys(e, "%.300s", t->path);
		t->made_dir = !there;
		t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else if (there && !S_ISREG(st.st_mode)) {
		t->fd = open(t->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	} else {
		t->tmp = mem_printf("%s.tmp-%d", t->path, (int)getpid());
		t->fd = open(t->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (t->fd < 0)
			mem_drop(&t->tmp);
	}
	return t->fd < 0 ? err_sys(e, "%.300s", t->path) : 0;
}

static int save_all(struct saving *x, struct err *e)
{
	if (x->form == SAVE_DOCKER_DIR && x->all.n > 1)
		return err_set(e, ERR_USAGE, "docker-dir takes one image, and these are %zu", x->all.n);
	struct target t __attribute__((cleanup(target_drop))) = {.fd = -1};
	if (open_target(x, &t, e) < 0)
		return -1;
	if (save_open(x->form, t.fd, &x->out, e) < 0)
		return err_wrap(e, "%.300s", t.path ? t.path : "archive");
	for (size_t i = 0; i < x->all.n; i++)
		if (save_named(x, &x->all.v[i], e) < 0)
			return err_wrap(e, "image %.80s", x->all.v[i].names.n ? x->all.v[i].names.v[0] : x->all.v[i].image->record.id);
	if (x->r->index && save_built(x, e) < 0)
		return -1;
	if (save_end(x->out, e) < 0)
		return -1;
	t.made_dir = false;
	if (t.tmp && rename(t.tmp, t.path) < 0)
		return err_sys(e, "%.300s", t.path);
	mem_drop(&t.tmp);
	return 0;
}

int image_save(struct engine *g, const struct image_save_request *r, struct err *e)
{
	struct saving x __attribute__((cleanup(saving_drop))) = {.g = g, .r = r};
	if ((r->form && save_parse_form(r->form, &x.form, e) < 0) || engine_need_store(g, e) < 0 || engine_need_snap(g, e) < 0)
		return -1;
	if (save_is_dir(x.form) && !r->path)
		return err_set(e, ERR_USAGE, "%s is a directory: say where with -o", r->form);
	own(fd) int hold = layers_hold(g, e);
	if (hold < 0)
		return -1;
	for (size_t i = 0; !r->index && i < r->references->n; i++)
		if (r->name ? find_renamed(&x, r->references->v[i], e) < 0 : find_images(&x, r->references->v[i], e) < 0)
			return -1;
	if (save_all(&x, e) < 0)
		return -1;
	for (size_t i = 0; i < x.all.n; i++) {
		const struct saved *s = &x.all.v[i];
		event_of_name(g, "save", s->image->record.id, s->names.n ? s->names.v[0] : s->image->record.id);
	}
	return 0;
}
