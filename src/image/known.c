/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known: see known.h.
 */
#include "image/known.h"

#include "base/path.h"
#include "codec/digest.h"

#include <stdio.h>
#include <unistd.h>

enum { BLOBS_MAX = 8, REPOSITORIES_MAX = 8, FILE_MAX = 64 << 10, MANIFEST_MAX = 4 << 20 };

#define S struct known_blob
static const struct jfield blob_fields[] = {
	JF(S, "digest", digest, JT_STR),
	JF(S, "size", size, JT_U64),
	JF(S, "mediaType", media_type, JT_STR),
	JF(S, "diffId", diff_id, JT_STR),
	JF(S, "repositories", repositories, JT_STRV),
};
#undef S
static const struct jtable blob_table = JTABLE(struct known_blob, blob_fields);

static struct known_blob *find(struct known *k, const char *digest)
{
	for (size_t i = 0; i < k->n; i++)
		if (strcmp(k->v[i].digest, digest) == 0)
			return &k->v[i];
	return NULL;
}

static void add(struct arena *a, struct known *k, const struct known_blob *b, const struct strv *repositories)
{
	struct known_blob *there = find(k, b->digest);
	if (!there) {
		if (k->n == BLOBS_MAX)
			return;
		there = arena_push(a, k);
		*there = (struct known_blob){arena_dup(a, b->digest), arena_dup(a, b->media_type ? b->media_type : ""), arena_dup(a, b->diff_id), b->size, {}};
	}
	for (size_t i = 0; i < repositories->n && there->repositories.n < REPOSITORIES_MAX; i++)
		if (!strv_has(&there->repositories, repositories->v[i]))
			arena_strv_add(a, &there->repositories, repositories->v[i]);
}

static void path_of(const char *layer, char out[DIGEST_TEXT + 24])
{
	snprintf(out, DIGEST_TEXT + 24, "images/wire/%s.json", digest_hex(layer));
}

static void load(struct store *s, const char *layer, struct arena *a, struct known *k)
{
	char path[DIGEST_TEXT + 24];
	own(json) struct json *j = NULL;
	struct err ignored = {};
	path_of(layer, path);
	if (json_read(s->root, path, FILE_MAX, &j, &ignored) < 0)
		return;
	const struct json *blobs = json_get(j, "blobs");
	for (size_t i = 0; i < json_len(blobs); i++) {
		struct known_blob b = {};
		if (jmap_parse(&blob_table, json_at(blobs, i), 0, a, &b, path, &ignored) == 0 && b.digest && digest_is_valid(b.digest) && b.diff_id &&
			digest_is_valid(b.diff_id))
			add(a, k, &b, &b.repositories);
	}
}

static void save(struct store *s, const char *layer, const struct known *k)
{
	char path[DIGEST_TEXT + 24];
	own(json) struct json *j = json_new_object();
	own(buf) struct buf text = BUF(FILE_MAX);
	struct json *blobs = json_new_array();
	struct err ignored = {};
	for (size_t i = 0; i < k->n; i++)
		json_add(blobs, jmap_format(&blob_table, &k->v[i]));
	json_set(j, "blobs", blobs);
	json_format(j, 0, &text);
	path_of(layer, path);
	if (!path_exists(s->root, "images/wire") && path_mkdirs(s->root, "images/wire", 0700, &ignored) < 0)
		return;
	(void)!path_write(s->root, path, buf_text(&text), text.len, 0600, 0, &ignored);
}

void known_add(struct store *s, const char *layer, const struct known_blob *blob, const char *repository)
{
	own(arena) struct arena a = {};
	struct known old = {}, new = {};
	struct strv here = {};
	load(s, layer, &a, &old);
	struct known_blob *there = find(&old, blob->digest);
	if (there && (!repository || strv_has(&there->repositories, repository)))
		return;
	if (repository)
		arena_strv_add(&a, &here, repository);
	add(&a, &new, blob, &here);
	for (size_t i = 0; i < old.n; i++)
		add(&a, &new, &old.v[i], &old.v[i].repositories);
	save(s, layer, &new);
}

void known_confirm(struct store *s, const char *layer, const char *digest, const char *repository)
{
	own(arena) struct arena a = {};
	struct known k = {};
	load(s, layer, &a, &k);
	const struct known_blob *there = find(&k, digest);
	if (there)
		known_add(s, layer, there, repository);
}

void known_sweep(struct store *s, bool (*has)(void *arg, const char *diff_id), void *arg)
{
	own(strv) struct strv names = {};
	struct err ignored = {};
	if (!path_exists(s->root, "images/wire") || path_list(s->root, "images/wire", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		char diff_id[DIGEST_TEXT];
		own(mem) char *path = mem_printf("images/wire/%s", names.v[i]);
		size_t n = strcspn(names.v[i], ".");
		snprintf(diff_id, sizeof diff_id, "%s:%.*s", n == 64 ? "sha256" : "sha512", (int)n, names.v[i]);
		if (!digest_is_valid(diff_id) || !has(arg, diff_id))
			unlinkat(s->root, path, 0);
	}
}

struct gathering {
	struct store *s;
	struct arena *a;
	const struct strv *diff_ids;
	struct known *ret;
};

/* What one manifest says of our layers. */
static void take_manifest(struct gathering *g, const char *digest, const struct strv *diff_ids, const struct strv *repositories)
{
	own(buf) struct buf text = {};
	own(json) struct json *j = NULL;
	own(arena) struct arena a = {};
	struct manifest m;
	struct err ignored = {};
	if (str_is_empty(digest) || store_get_blob(g->s, digest, MANIFEST_MAX, &text, &ignored) < 0 ||
		json_parse(buf_text(&text), text.len, &j, &ignored) < 0 || types_document(NULL, j) == DOCUMENT_INDEX ||
		manifest_parse(j, &a, &m, &ignored) < 0 || m.layers.n != diff_ids->n)
		return;
	for (size_t i = 0; i < diff_ids->n; i++)
		for (size_t k = 0; k < g->diff_ids->n; k++) {
			const struct descriptor *d = &m.layers.v[i];
			if (strcmp(diff_ids->v[i], g->diff_ids->v[k]) == 0)
				add(g->a, &g->ret[k], &(struct known_blob){d->digest, d->media_type, diff_ids->v[i], d->size, {}}, repositories);
		}
}

/* What the image's own manifests say is said again by pushing them; what they say of layers is nobody else's business. */
static void take_image(struct gathering *g, const struct image_record *r)
{
	own(strv) struct strv repositories = {};
	for (size_t k = 0; k < r->digests.n; k++) {
		const char *at = strchr(r->digests.v[k], '@');
		if (at)
			strv_add_n(&repositories, r->digests.v[k], (size_t)(at - r->digests.v[k]));
	}
	take_manifest(g, r->manifest, &r->diff_ids, &repositories);
	for (size_t k = 0; k < r->digests.n; k++) {
		const char *at = strchr(r->digests.v[k], '@');
		struct strv none = {};
		if (at && !str_eq(at + 1, r->manifest))
			take_manifest(g, at + 1, &r->diff_ids, &none);
	}
}

struct known *known_of_layers(struct store *s, const struct image_record *image, const struct strv *diff_ids, struct arena *a)
{
	struct gathering g = {s, a, diff_ids, arena_alloc(a, (diff_ids->n + 1) * sizeof(struct known))};
	take_image(&g, image);
	for (size_t i = 0; i < diff_ids->n; i++)
		load(s, diff_ids->v[i], a, &g.ret[i]);
	return g.ret;
}
