/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_pull: the registry's side is src/image/pull.h, the layers' side snap; here the streams of the one go to the other.
 * hull-registry writes a blob into a pipe whose read end a worker has; what it knows of all of them (bytes, retries, errors)
 * comes as events.
 */
#include "engine/image_remote.h"
#include "engine/events.h"
#include "engine/layers.h"
#include "engine/trust.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "image/known.h"
#include "image/partial.h"
#include "image/platform.h"
#include "image/pull.h"
#include "sys/child.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARTIAL_MIN = 256 << 10 };              /* what is smaller comes again as fast as it is kept */
static const uint64_t PARTIAL_MAX = 20ull << 30; /* bytes of all that pulls left behind */
static const int64_t PARTIAL_NS = 14ll * 24 * 3600 * 1000000000;

/* A layer on its way. */
struct lane {
	struct partial partial;
	unsigned try;
	struct err why; /* what hull-registry said of it, when the worker is to say more */
};
struct pulling {
	struct engine *g;
	struct pull *p;
	struct lane *lanes;
	bool keeps; /* the blobs, as they came */
	char repository[REF_TEXT];
	struct layer_work work;
};

static bool has_layer(void *arg, size_t i)
{
	struct pulling *x = arg;
	const struct descriptor *d = &x->p->manifest.layers.v[i];
	const char *diff_id = x->work.v[i].in.diff_id;
	if (!snap_has_layer(&x->g->snap, diff_id))
		return false;
	own(fd) int kept = x->keeps ? compressed_open(x->g->root, diff_id, d->digest, d->size) : -1;
	return !x->keeps || kept >= 0;
}

/* The stream of a layer: what an earlier pull left of its blob, and the rest from the registry. */
static int open_layer(void *arg, size_t i, struct err *e)
{
	struct pulling *x = arg;
	struct lane *l = &x->lanes[i];
	const struct descriptor *d = &x->p->manifest.layers.v[i];
	struct snap_ingest *in = &x->work.v[i].in;
	if (partial_open(x->g->root, d->digest, &l->partial, e) < 0)
		return -1;
	/* Who had it may have finished between our looking and our lock. */
	if (has_layer(x, i)) {
		partial_close(x->g->root, &l->partial);
		return err_set(e, ERR_CONFLICT, "it is here");
	}
	if (l->partial.bytes > d->size) {
		if (ftruncate(l->partial.fd, 0) < 0)
			return err_sys(e, "partial blob");
		l->partial.bytes = 0;
	}
	in->partial = x->keeps || l->partial.bytes || d->size >= PARTIAL_MIN ? l->partial.fd : -1;
	in->partial_bytes = l->partial.bytes;
	if (l->partial.bytes < d->size || !d->size)
		return pull_fetch_from(x->p, i, l->partial.bytes, l->try, e);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return null < 0 ? err_sys(e, "/dev/null") : null;
}

static int await_layer(void *arg, size_t i, struct err *e)
{
	struct pulling *x = arg;
	return partial_wait(x->g->root, x->p->manifest.layers.v[i].digest, e);
}

static int on_events(void *arg, struct err *e)
{
	struct pulling *x = arg;
	struct pull_event ev;
	int r;
	while ((r = pull_event(x->p, &ev, e)) > 0) {
		if (ev.layer >= x->work.n || ev.try != x->lanes[ev.layer].try)
			continue;
		uint64_t total = x->work.v[ev.layer].total;
		switch (ev.kind) {
		case PULL_BYTES: layers_show(&x->work, ev.layer, ev.bytes < total ? LAYER_DOWNLOADING : LAYER_UNPACKING, ev.bytes, NULL); break;
		case PULL_RETRY: layers_show(&x->work, ev.layer, LAYER_RETRYING, ev.bytes, ev.why.text); break;
		case PULL_DONE: layers_show(&x->work, ev.layer, LAYER_UNPACKING, total, NULL); break;
		case PULL_FAILED:
			x->lanes[ev.layer].why = ev.why;
			/* Whose beginning was here: its worker knows whether it was that. And when nobody reads any more what comes, it knows why. */
			if (x->lanes[ev.layer].partial.bytes || ev.why.kind == ERR_SYSTEM)
				break;
			*e = ev.why;
			return -1;
		}
	}
	return r;
}

static int close_layer(void *arg, size_t i, const struct err *why, struct err *e)
{
	struct pulling *x = arg;
	struct lane *l = &x->lanes[i];
	const struct descriptor *d = &x->p->manifest.layers.v[i];
	char *diff_id = x->p->config.rootfs.diff_ids.v[i];
	struct stat st;
	if (!why)
		known_add(&x->g->store, diff_id, &(struct known_blob){d->digest, d->media_type, diff_id, d->size, {}}, x->repository);
	if (!why && x->keeps)
		return partial_keep(x->g->root, &l->partial, diff_id, e);
	if (!why) {
		partial_remove(x->g->root, &l->partial);
		return 0;
	}
	/* The worker empties what it had when that was not what it should be: perhaps because of its beginning, which was here. */
	bool was_bad = l->partial.fd >= 0 && l->partial.bytes && fstat(l->partial.fd, &st) == 0 && st.st_size == 0 && why->kind == ERR_CORRUPT;
	partial_close(x->g->root, &l->partial);
	if (!was_bad && on_events(x, e) < 0)
		return -1;
	if (was_bad && l->try == 0) {
		l->try = 1;
		return 1;
	}
	bool knows_better = l->why.kind == ERR_SYSTEM && why->sys;
	return l->why.kind && !knows_better ? (*e = l->why, -1) : 0;
}

static void short_name(const char *digest, char out[16])
{
	const char *colon = strchr(digest, ':');
	memcpy(out, colon ? colon + 1 : digest, strnlen(colon ? colon + 1 : digest, 12));
}

static int unpack(struct engine *g, struct pull *p, const struct image_pull_request *r, struct err *e)
{
	size_t n = p->manifest.layers.n;
	const struct settings *s = engine_settings(g, e);
	if (!s)
		return -1;
	struct layer_source *v = arena_alloc(&p->arena, (n + 1) * sizeof *v);
	for (size_t i = 0; i < n; i++) {
		const struct descriptor *d = &p->manifest.layers.v[i];
		short_name(d->digest, v[i].name);
		v[i].total = d->size;
		v[i].in = (struct snap_ingest){.fd = -1, .length = UINT64_MAX, .blob_digest = d->digest, .blob_size = d->size,
			.diff_id = p->config.rootfs.diff_ids.v[i]};
	}
	struct pulling x = {.g = g, .p = p, .keeps = r->keep_compressed || s->keep_compressed, .work = {.snap = &g->snap, .v = v, .n = n,
		.open = open_layer, .has = has_layer, .await = await_layer, .closed = close_layer, .watch = p->sock, .watched = on_events,
		.counts_blob = true, .progress = r->progress,
		.parallel = s->concurrent_downloads > 0 ? (unsigned)s->concurrent_downloads : 0}};
	x.lanes = arena_alloc(&p->arena, (n + 1) * sizeof *x.lanes);
	for (size_t i = 0; i < n; i++)
		x.lanes[i] = (struct lane){.partial = {.fd = -1}};
	x.work.arg = &x;
	struct ref bare = p->ref;
	*bare.tag = *bare.digest = 0;
	ref_format(&bare, x.repository);
	int result = layers_unpack(&x.work, e);
	for (size_t i = 0; i < n; i++)
		partial_close(g->root, &x.lanes[i].partial);
	for (size_t i = 0; result == 0 && i < n; i++)
		known_confirm(&g->store, v[i].in.diff_id, p->manifest.layers.v[i].digest, x.repository);
	return result;
}

static int pull_one(struct engine *g, struct pull *p, const struct image_pull_request *r, struct arena *a, struct image_pulled_list *ret,
	struct err *e)
{
	char familiar[REF_TEXT];
	uint64_t size;
	own(image) struct image before = {};
	struct err none = {};
	struct trust trust __attribute__((cleanup(trust_drop))) = {};
	if (pull_resolve(p, e) < 0 || trust_pull(g, p, &trust, e) < 0)
		return -1;
	ref_format_familiar(&p->ref, familiar);
	struct image_pulled done = {.reference = arena_dup(a, familiar), .digest = arena_dup(a, p->index_digest), .id = arena_dup(a, p->record.id)};
	own(fd) int hold = layers_hold(g, e);
	if (hold < 0)
		return -1;
	done.was_here = store_find(&g->store, familiar, &before, &none) == 0 && str_eq(before.record.id, p->record.id) &&
		layers_are_here(&g->snap, &before.record.diff_ids);
	if (r->progress && r->progress->begin)
		r->progress->begin(r->progress->arg, familiar, p->manifest.layers.n);
	if (unpack(g, p, r, e) < 0 || layers_size(&g->snap, &p->config.rootfs.diff_ids, &size, e) < 0 ||
		pull_commit(p, &g->store, size, e) < 0 || trust_keep(g, p, &trust, e) < 0)
		return -1;
	event_of_reference(g, "pull", &p->ref);
	*arena_push(a, ret) = done;
	return 0;
}

static int pull_all(struct engine *g, struct pull *p, const struct image_pull_request *r, struct arena *a, struct image_pulled_list *ret,
	struct err *e)
{
	own(strv) struct strv tags = {};
	if (!r->all_tags)
		return pull_one(g, p, r, a, ret, e);
	if (pull_tags(p, &tags, e) < 0)
		return -1;
	for (size_t i = 0; i < tags.n; i++)
		if (pull_select(p, tags.v[i], e) < 0 || pull_one(g, p, r, a, ret, e) < 0)
			return -1;
	return 0;
}

static int pull_from(struct engine *g, const struct image_pull_request *r, const char *name, const struct endpoint *at, struct arena *a,
	struct image_pulled_list *ret, struct err *e)
{
	struct pull_options o;
	struct pull p = {};
	if (image_remote_options_at(g, at, a, &o, e) < 0)
		return -1;
	if (!str_is_empty(r->platform))
		o.platform = r->platform;
	o.store = &g->store;
	if (pull_open(&p, name, &o, e) < 0)
		return -1;
	int result = pull_all(g, &p, r, a, ret, e);
	pull_drop(&p);
	return result;
}

/* Mirrors first, then the registry itself. */
static int pull_name(struct engine *g, const struct image_pull_request *r, const char *name, struct arena *a, struct image_pulled_list *ret,
	struct err *e)
{
	struct endpoints places = {};
	struct ref ref;
	const struct registries *all = image_remote_registries(g, e);
	if (!all || ref_parse(name, &ref, e) < 0 || registries_resolve(all, &ref, true, a, &places, e) < 0)
		return -1;
	size_t before = ret->n;
	for (size_t i = 0; i < places.n; i++) {
		if (pull_from(g, r, name, &places.v[i], a, ret, e) == 0)
			return 0;
		if (i + 1 == places.n || !image_remote_may_be_elsewhere(e))
			return -1;
		ret->n = before;
	}
	return -1;
}

int image_pull(struct engine *g, const struct image_pull_request *r, struct arena *a, struct image_pulled_list *ret, struct err *e)
{
	own(strv) struct strv names = {};
	if (engine_need_store(g, e) < 0 || engine_need_storage(g, e) < 0)
		return -1;
	engine_warn_ids(g);
	partial_sweep(g->root, PARTIAL_MAX, PARTIAL_NS);
	const struct registries *all = image_remote_registries(g, e);
	if (!all || registries_names(all, r->reference, &names, e) < 0)
		return err_wrap(e, "pull %s", r->reference);
	for (size_t i = 0; i < names.n; i++) {
		if (pull_name(g, r, names.v[i], a, ret, e) == 0)
			return 0;
		if (i + 1 == names.n || !image_remote_may_be_elsewhere(e))
			return -1;
	}
	return -1;
}

static bool is_box(const struct ref *r)
{
	return strcmp(r->registry, "docker.io") == 0 && strcmp(r->repository, "library/box") == 0 && strcmp(r->tag, "latest") == 0 && !*r->digest;
}

struct box_load {
	struct engine *g;
	const char *path;
};

static int load_box_archive(void *arg, struct err *e)
{
	struct box_load *b = arg;
	own(strv) struct strv names = {};
	return image_load_trusted(b->g, b->path, -1, NULL, NULL, &names, e);
}

/* The image that comes with hull. Twenty first runs at once load it once. */
static int load_box(struct engine *g, struct image *ret, struct err *e)
{
	own(mem) char *path = engine_data(g, "box.tar");
	struct err none = {};
	if (!path)
		return err_set(e, ERR_NOT_FOUND, "no such image: box (its archive is not installed in %s)", HULL_DATADIR);
	own(fd) int lock = path_lock(g->root, "box.lock", true, true, e);
	if (lock < 0)
		return -1;
	if (store_find(&g->store, "box", ret, &none) == 0)
		return 0;
	return child_do(load_box_archive, &(struct box_load){g, path}, e) < 0 ? -1 : store_find(&g->store, "box", ret, e);
}

int image_find(struct engine *g, const char *text, struct image *ret, struct err *e)
{
	own(strv) struct strv names = {};
	struct err ignored = {};
	if (store_find(&g->store, text, ret, e) == 0)
		return 0;
	if (e->kind != ERR_NOT_FOUND || ref_is_id(text))
		return -1;
	const struct registries *all = image_remote_registries(g, &ignored);
	if (!all || registries_names(all, text, &names, &ignored) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		if (strcmp(names.v[i], text) != 0 && store_find(&g->store, names.v[i], ret, &ignored) == 0)
			return 0;
	return -1;
}

/* 1: it is here; 0: it is not, or of another platform when `fetch` may bring the right one. */
static int find(struct engine *g, const char *reference, const char *platform, bool fetch, struct image *ret, struct err *e)
{
	own(image) struct image image = {};
	struct ref ref;
	if (image_find(g, reference, &image, e) < 0) {
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		if (ref_parse(reference, &ref, e) < 0)
			return -1;
		if (!is_box(&ref))
			return 0;
		if (load_box(g, &image, e) < 0)
			return -1;
	}
	if (platform_check(platform, image.record.os, image.record.architecture, image.record.variant, e) < 0)
		return fetch && e->kind == ERR_NOT_FOUND ? 0 : err_wrap(e, "image %s", reference);
	if (trust_start(g, reference, &image, e) < 0)
		return -1;
	/* Records are written after the layers; that one is missing means that the disk lost it. */
	if (!layers_are_here(&g->snap, &image.record.diff_ids)) {
		err_set_(e, ERR_CORRUPT, "image %s: a layer of it is missing", reference);
		return fetch ? 0 : -1;
	}
	store_use(g->root, image.record.id);
	*ret = image;
	image = (struct image){};
	return 1;
}

int image_ensure(struct engine *g, const char *reference, const char *policy, const char *platform,
	const struct image_progress *progress, struct image *ret, struct err *e)
{
	bool always = str_eq(policy, "always"), never = str_eq(policy, "never");
	if (!always && !never && !str_is_empty(policy) && !str_eq(policy, "missing"))
		return err_set(e, ERR_USAGE, "invalid --pull \"%s\": always, missing and never are known", policy);
	if (engine_need_store(g, e) < 0 || engine_need_snap(g, e) < 0)
		return -1;
	struct err why = {};
	int found = always ? 0 : find(g, reference, platform, !never && !ref_is_id(reference), ret, &why);
	if (found == 1)
		return 0;
	if (found < 0 || never) {
		*e = why;
		return found < 0 || why.kind != ERR_NOT_FOUND || why.text[0] == 0
			? -1 : err_set(e, ERR_NOT_FOUND, "no such image: %.200s", reference);
	}
	struct arena a = {};
	struct image_pulled_list list = {};
	struct image_pull_request r = {.reference = reference, .platform = platform, .progress = progress};
	int result = image_pull(g, &r, &a, &list, e);
	/* A short name may stand for something else. */
	if (result == 0)
		result = store_find(&g->store, list.n ? list.v[0].reference : reference, ret, e);
	arena_drop(&a);
	return result;
}
