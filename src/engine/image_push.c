/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_push: names, and what stands behind each: one image, or all those of the index it came with. The index goes too when every
 * manifest in it is here, or is in the repository already; its digest stays when theirs do. Else the image of this
 * machine goes alone, as docker's classic store has it.
 *
 * What is known of the layers is gathered first: it says from which repositories blobs may be mounted, and for these a token is needed
 * from the start.
 */
#include "engine/push.h"

#include "base/fd.h"
#include "codec/compress.h"
#include "codec/digest.h"
#include "engine/attest.h"
#include "engine/events.h"
#include "engine/image_remote.h"
#include "engine/layers.h"
#include "engine/trust.h"
#include "image/platform.h"

#include <stdio.h>
#include <stdlib.h>

enum { DOCUMENT_MAX = 4 << 20, SCOPES_MAX = 6 };

static void push_drop(struct push *x)
{
	for (size_t i = 0; i < x->all.n; i++)
		if (x->all.v[i].image)
			image_drop(x->all.v[i].image);
	arena_drop(&x->arena);
}

/* One image more; takes *image. */
static void add_one(struct push *x, struct image *image)
{
	struct push_one *o = arena_push(&x->arena, &x->all);
	o->image = arena_alloc(&x->arena, sizeof *o->image);
	*o->image = *image;
	*image = (struct image){};
	const struct strv *ids = &o->image->config.rootfs.diff_ids;
	struct known *known = known_of_layers(&x->g->store, &o->image->record, ids, &x->arena);
	o->n = ids->n;
	o->v = arena_alloc(&x->arena, (o->n + 1) * sizeof *o->v);
	for (size_t i = 0; i < o->n; i++) {
		o->v[i].diff_id = ids->v[i];
		o->v[i].known = known[i];
	}
}

/* "repository:x:pull,push repository:y:pull": ours, and those that may have our blobs. */
static char *scope_of(const struct push *x, const struct ref *ref)
{
	own(strv) struct strv from = {};
	own(buf) struct buf b = {};
	size_t host = strlen(ref->registry);
	buf_printf(&b, "repository:%s:pull,push", ref->repository);
	for (size_t i = 0; i < x->all.n; i++)
		for (size_t k = 0; k < x->all.v[i].n; k++) {
			const struct known *known = &x->all.v[i].v[k].known;
			for (size_t n = 0; n < known->n; n++)
				for (size_t r = 0; r < known->v[n].repositories.n; r++) {
					const char *name = known->v[n].repositories.v[r];
					bool near = strncmp(name, ref->registry, host) == 0 && name[host] == '/';
					if (near && from.n < SCOPES_MAX && strcmp(name, x->repository) != 0 && !strv_has(&from, name))
						strv_add(&from, name);
				}
		}
	for (size_t i = 0; i < from.n; i++)
		buf_printf(&b, " repository:%s:pull", from.v[i] + host + 1);
	return buf_take(&b);
}

static int push_image(struct push *x, struct push_one *o, struct err *e)
{
	if (o->manifest)
		return 0; /* went with another name */
	if (x->r->progress && x->r->progress->begin)
		x->r->progress->begin(x->r->progress->arg, x->repository, o->n);
	return push_layers(x, o, e) < 0 || push_documents(x, o, e) < 0 ? -1 : 0;
}

/* What the registry has now is what the image is known as. */
static int remember(struct push *x, const struct push_one *o, const char *digest, const char *index, size_t index_len, struct err *e)
{
	const struct image *i = o->image;
	struct image_record r = i->record;
	struct strv names = {};
	char config[DIGEST_TEXT];
	if (digest_of(o->config, o->config_len, config, e) < 0)
		return -1;
	if (strcmp(config, r.id) != 0)
		return 0; /* packed anew: another image for whoever pulls it */
	arena_strv_add(&x->arena, &names, arena_printf(&x->arena, "%s@%s", x->repository, digest));
	/* Pushed, it is no less the user's own; what came from a registry is none for having been sent to another. */
	r.pushed = trust_is_own(&i->record) ? names : (struct strv){};
	r.digests = names;
	r.names = (struct strv){};
	if (str_is_empty(r.manifest))
		r.manifest = (char *)(uintptr_t)o->digest;
	const struct store_blob blobs[] = {{o->digest, o->manifest, o->manifest_len}, {digest, index, index_len}};
	return store_put(&x->g->store, &r, blobs, index ? 2 : 1, e);
}

static void done(struct arena *a, struct image_pushed_list *ret, const char *tag, const char *digest, size_t size)
{
	*arena_push(a, ret) = (struct image_pushed){arena_dup(a, tag), arena_dup(a, digest), size};
}

/* ---- indexes */

struct index {
	struct json *document;
	struct image_index x;
	char digest[136];
	struct { ssize_t *v; size_t n; } at; /* for each manifest: its place in push.all, or -1 */
	struct { struct attest *v; size_t n; } attests; /* for each manifest; of those that are none or not here without a manifest */
	char *text;
	size_t len;
	bool is_new; /* document is not what text has */
};

static void index_drop(struct index *i)
{
	json_drop(&i->document);
}

/* The index that an image came with: the last one that names its manifest. */
static int find_index(struct push *x, const struct image *image, struct index *ret, struct err *e)
{
	for (size_t i = image->record.digests.n; i-- > 0;) {
		const char *at = strchr(image->record.digests.v[i], '@');
		own(buf) struct buf text = {};
		struct index n __attribute__((cleanup(index_drop))) = {};
		struct err ignored = {};
		if (!at || str_eq(at + 1, image->record.manifest) || store_get_blob(&x->g->store, at + 1, DOCUMENT_MAX, &text, &ignored) < 0 ||
			json_parse(buf_text(&text), text.len, &n.document, &ignored) < 0 || types_document(NULL, n.document) != DOCUMENT_INDEX ||
			image_index_parse(n.document, &x->arena, &n.x, &ignored) < 0)
			continue;
		bool named = false;
		for (size_t k = 0; k < n.x.manifests.n; k++)
			named = named || str_eq(n.x.manifests.v[k].digest, image->record.manifest);
		if (!named)
			continue;
		snprintf(n.digest, sizeof n.digest, "%s", at + 1);
		n.text = arena_ndup(&x->arena, buf_text(&text), text.len);
		n.len = text.len;
		*ret = n;
		n.document = NULL;
		return 1;
	}
	(void)e;
	return 0;
}

/* Adds those of its images that are here; `self` is in all already. */
static void add_children(struct push *x, struct index *n, size_t self)
{
	for (size_t i = 0; i < n->x.manifests.n; i++) {
		own(image) struct image image = {};
		ssize_t at = -1;
		if (str_eq(n->x.manifests.v[i].digest, x->all.v[self].image->record.manifest)) {
			at = (ssize_t)self;
		} else if (image_of_manifest(x->g, n->x.manifests.v[i].digest, &image)) {
			at = (ssize_t)x->all.n;
			add_one(x, &image);
		}
		*arena_push(&x->arena, &n->at) = at;
		struct attest *t = arena_push(&x->arena, &n->attests);
		struct err ignored = {};
		bool there = at < 0 && attest_is(&n->x.manifests.v[i]) &&
			attest_load(&x->g->store, &x->arena, n->x.manifests.v[i].digest, t, &ignored) == 1;
		if (!there)
			*t = (struct attest){};
	}
}

/* Is what is not here in the repository? Then the index can go. */
static int is_complete(struct push *x, const struct index *n, struct err *e)
{
	for (size_t i = 0; i < n->x.manifests.n; i++) {
		int there = n->at.v[i] >= 0 || n->attests.v[i].manifest.len ? 1 : push_has_manifest(x->p, n->x.manifests.v[i].digest, e);
		if (there <= 0)
			return there;
	}
	return 1;
}

static int push_blob_text(struct push *x, const struct attest_blob *b, struct err *e)
{
	struct descriptor d = {.digest = (char *)(uintptr_t)b->digest, .size = b->len};
	return push_document(x->p, &d, b->text, e);
}

/* What is attested of an image that has gone, under the digest that it has now. */
static int push_attestation(struct push *x, struct index *n, size_t i, struct err *e)
{
	struct attest *t = &n->attests.v[i], moved;
	const char *of = map_get(&n->x.manifests.v[i].annotations, ATTEST_REFERENCE);
	struct json *d = json_at(json_get(n->document, "manifests"), i);
	for (size_t k = 0; k < n->at.n; k++) {
		const char *now = n->at.v[k] >= 0 ? x->all.v[n->at.v[k]].digest : NULL;
		if (!now || strcmp(n->x.manifests.v[k].digest, of) != 0 || strcmp(now, of) == 0)
			continue;
		if (attest_move(&x->arena, t, of, now, &moved, e) < 0)
			return -1;
		*t = moved;
		json_set_str(json_get(d, "annotations"), ATTEST_REFERENCE, now);
		json_set_str(d, "digest", t->manifest.digest);
		json_set(d, "size", json_new_u64(t->manifest.len));
		n->is_new = true;
	}
	for (size_t k = 0; k < t->statements.n; k++)
		if (push_blob_text(x, &t->statements.v[k].blob, e) < 0)
			return -1;
	return push_blob_text(x, &t->config, e) < 0 ||
		push_manifest(x->p, t->manifest.digest, TYPE_OCI_MANIFEST, t->manifest.text, t->manifest.len, e) < 0 ? -1 : 0;
}

/* The index with the digests that its manifests have now. */
static int renew_index(struct push *x, struct index *n, struct err *e)
{
	struct json *list = json_get(n->document, "manifests");
	own(buf) struct buf text = BUF(DOCUMENT_MAX);
	bool same = !n->is_new;
	for (size_t i = 0; i < n->x.manifests.n; i++) {
		const struct push_one *o = n->at.v[i] >= 0 ? &x->all.v[n->at.v[i]] : NULL;
		if (!o || strcmp(o->digest, n->x.manifests.v[i].digest) == 0)
			continue;
		struct json *d = json_at(list, i);
		json_set_str(d, "digest", o->digest);
		json_set(d, "size", json_new_u64(o->manifest_len));
		json_set_str(d, "mediaType", o->media_type);
		same = false;
	}
	if (same)
		return 0;
	json_format(n->document, 3, &text);
	if (buf_check(&text, e) < 0)
		return -1;
	n->text = arena_ndup(&x->arena, buf_text(&text), text.len);
	n->len = text.len;
	return digest_of(n->text, n->len, n->digest, e);
}

static int push_index(struct push *x, struct index *n, const char *tag, struct arena *a, struct image_pushed_list *ret, struct err *e)
{
	for (size_t i = 0; i < n->at.n; i++) {
		struct push_one *o = n->at.v[i] >= 0 ? &x->all.v[n->at.v[i]] : NULL;
		if (o && (push_image(x, o, e) < 0 || push_manifest(x->p, o->digest, o->media_type, o->manifest, o->manifest_len, e) < 0))
			return -1;
	}
	for (size_t i = 0; i < n->attests.n; i++)
		if (n->attests.v[i].manifest.len && push_attestation(x, n, i, e) < 0)
			return -1;
	if (renew_index(x, n, e) < 0)
		return -1;
	const char *type = n->x.media_type ? n->x.media_type : TYPE_OCI_INDEX;
	if (push_manifest(x->p, tag, type, n->text, n->len, e) < 0)
		return -1;
	for (size_t i = 0; i < n->at.n; i++)
		if (n->at.v[i] >= 0 && remember(x, &x->all.v[n->at.v[i]], n->digest, n->text, n->len, e) < 0)
			return -1;
	done(a, ret, tag, n->digest, n->len);
	return 0;
}

static int push_alone(struct push *x, struct push_one *o, const char *tag, struct arena *a, struct image_pushed_list *ret, struct err *e)
{
	if (push_image(x, o, e) < 0 || push_manifest(x->p, tag, o->media_type, o->manifest, o->manifest_len, e) < 0 ||
		remember(x, o, o->digest, NULL, 0, e) < 0)
		return -1;
	done(a, ret, tag, o->digest, o->manifest_len);
	return 0;
}

/* ---- names */

struct plan {
	char *tag;
	size_t self;
	bool has_index;
	struct index index;
};
struct plans { struct plan *v; size_t n; };

static int select_platform(struct push *x, struct index *n, struct plan *p, struct err *e)
{
	for (size_t i = 0; i < n->at.n; i++) {
		struct err ignored = {};
		if (n->at.v[i] < 0)
			continue;
		const struct image_record *r = &x->all.v[n->at.v[i]].image->record;
		if (platform_check(x->r->platform, r->os, r->architecture, r->variant, &ignored) == 0) {
			p->self = (size_t)n->at.v[i];
			return 0;
		}
	}
	const struct image_record *r = &x->all.v[p->self].image->record;
	return platform_check(x->r->platform, r->os, r->architecture, r->variant, e);
}

static int add_plan(struct push *x, struct plans *plans, const char *name, const char *tag, struct err *e)
{
	own(image) struct image image = {};
	if (store_find(&x->g->store, name, &image, e) < 0)
		return e->kind == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "no such image: %s", name) : -1;
	struct plan *p = arena_push(&x->arena, plans);
	p->tag = arena_dup(&x->arena, tag);
	p->self = x->all.n;
	add_one(x, &image);
	int found = find_index(x, x->all.v[p->self].image, &p->index, e);
	if (found < 0)
		return -1;
	if (found)
		add_children(x, &p->index, p->self);
	p->has_index = found && str_is_empty(x->r->platform);
	return str_is_empty(x->r->platform) ? 0 : select_platform(x, &p->index, p, e);
}

struct tags { const char *repository; struct strv tags; };

static int collect_tags(void *arg, const struct image *i, struct err *e unused)
{
	struct tags *t = arg;
	for (size_t k = 0; k < i->record.names.n; k++) {
		const char *rest = str_after(i->record.names.v[k], t->repository);
		if (rest && *rest == ':' && !strv_has(&t->tags, rest + 1))
			strv_add(&t->tags, rest + 1);
	}
	return 0;
}

static int plan_all(struct push *x, const struct ref *ref, struct plans *plans, struct err *e)
{
	struct tags t = {.repository = x->repository};
	int r = 0;
	if (!x->r->all_tags)
		return add_plan(x, plans, x->r->source ? x->r->source : x->r->reference, ref->tag, e);
	if (store_each(&x->g->store, collect_tags, &t, NULL, e) < 0)
		r = -1;
	else if (!t.tags.n)
		r = err_set(e, ERR_NOT_FOUND, "no image here has a name in %s", x->r->reference);
	strv_sort(&t.tags);
	for (size_t i = 0; r == 0 && i < t.tags.n; i++) {
		own(mem) char *name = mem_printf("%s:%s", x->repository, t.tags.v[i]);
		r = add_plan(x, plans, name, t.tags.v[i], e);
	}
	strv_drop(&t.tags);
	return r;
}

static int push_plan(struct push *x, struct plan *p, struct arena *a, struct image_pushed_list *ret, struct err *e)
{
	int complete = p->has_index ? is_complete(x, &p->index, e) : 0;
	if (complete < 0)
		return -1;
	if (complete)
		return push_index(x, &p->index, p->tag, a, ret, e);
	if (p->has_index && p->index.x.manifests.n > 1 && x->r->warn)
		x->r->warn(x->g->arg, "not all platforms of the image are here: only this one is pushed");
	return push_alone(x, &x->all.v[p->self], p->tag, a, ret, e);
}

static int run(struct push *x, const struct ref *ref, struct arena *a, struct image_pushed_list *ret, struct err *e)
{
	struct plans plans = {};
	own(fd) int hold = layers_hold(x->g, e);
	if (hold < 0)
		return -1;
	int r = plan_all(x, ref, &plans, e);
	struct pull p = {.sock = -1, .pid = -1};
	if (r == 0) {
		own(mem) char *scope = scope_of(x, ref);
		r = image_remote_open(x->g, x->r->reference, scope, &p, e);
		x->p = &p;
	}
	for (size_t i = 0; r == 0 && i < plans.n; i++)
		r = push_plan(x, &plans.v[i], a, ret, e);
	if (x->p)
		pull_drop(&p);
	for (size_t i = 0; i < plans.n; i++)
		index_drop(&plans.v[i].index);
	return r;
}

int image_push(struct engine *g, const struct image_push_request *r, struct arena *a, struct image_pushed_list *ret, struct err *e)
{
	struct push x __attribute__((cleanup(push_drop))) = {.g = g, .r = r, .compression = COMPRESS_GZIP};
	struct ref ref, bare;
	char text[REF_TEXT];
	if (ref_parse(r->reference, &ref, e) < 0)
		return -1;
	if (*ref.digest)
		return err_set(e, ERR_USAGE, "cannot push \"%.300s\": a name to push has no digest", r->reference);
	if (!str_is_empty(r->compression) && compress_parse(r->compression, &x.compression, e) < 0)
		return -1;
	if (compress_check_level(x.compression, r->level, e) < 0 || engine_need_store(g, e) < 0 || engine_need_snap(g, e) < 0)
		return -1;
	bare = ref;
	*bare.tag = 0;
	x.repository = arena_dup(&x.arena, ref_format(&bare, text));
	if (run(&x, &ref, a, ret, e) < 0)
		return err_wrap(e, "push %s", ref_format_familiar(&ref, text));
	event_of_reference(g, "push", &ref);
	return 0;
}
