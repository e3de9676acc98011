/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: see check.h. First everything is read and what is wrong is noted, with the images that it touches; then, to repair, what is
 * damaged goes, and each of those images is pulled by digest: what is still here is not fetched again. Last, what was noted is looked at
 * once more: mended is what is there and whole, whoever brought it. The other records come after that (check_records.c).
 */
#include "engine/check.h"

#include "base/fd.h"
#include "engine/image.h"
#include "engine/layers.h"
#include "image/partial.h"

#include <stdio.h>
#include <string.h>

struct image_note { char *name, *source, *platform; struct strv layers; };
struct check {
	struct engine *g;
	struct arena *a;
	struct storage_report *report;
	struct { struct image_note *v; size_t n; } images;
	struct strv copies; /* layers of the damaged compressed blobs */
};

static struct storage_damage *note(struct check *c, const char *kind, const char *id, const struct err *why)
{
	struct storage_damage *d = arena_push(c->a, &c->report->damage);
	*d = (struct storage_damage){.kind = kind, .id = arena_dup(c->a, id)};
	snprintf(d->why, sizeof d->why, "%s", why->text);
	return d;
}

static int on_image(void *arg, const struct store_finding *f, struct err *e unused)
{
	struct check *c = arg;
	struct err damaged = {};
	c->report->images++;
	if (!f->record) {
		note(c, "image", f->id, &f->why);
		return 0;
	}
	const struct image_record *r = f->record;
	struct image_note *i = arena_push(c->a, &c->images);
	*i = (struct image_note){.name = arena_dup(c->a, r->names.n ? r->names.v[0] : f->id)};
	if (r->digests.n)
		i->source = arena_dup(c->a, r->digests.v[0]);
	i->platform = arena_printf(c->a, "%s/%s%s%s", r->os, r->architecture, str_is_empty(r->variant) ? "" : "/", r->variant ? r->variant : "");
	for (size_t k = 0; k < r->diff_ids.n; k++)
		arena_strv_add(c->a, &i->layers, r->diff_ids.v[k]);
	err_set_(&damaged, ERR_CORRUPT, "it is missing, or not what its name says");
	for (size_t k = 0; k < f->bad.n; k++)
		arena_strv_add(c->a, &note(c, "blob", f->bad.v[k], &damaged)->images, i->name);
	return 0;
}

static int check_layer(struct check *c, const char *diff_id, bool repair, struct err *e)
{
	struct err why = {};
	bool mended = false;
	c->report->layers++;
	if (snap_verify(&c->g->snap, diff_id, repair, &mended, &why) < 0) {
		if (why.kind != ERR_CORRUPT && why.kind != ERR_NOT_FOUND)
			return *e = why, err_wrap(e, "layer %.19s", diff_id);
	} else if (mended) {
		err_set_(&why, ERR_CORRUPT, "its EROFS metadata is damaged");
	} else {
		return 0;
	}
	struct storage_damage *d = note(c, "layer", diff_id, &why);
	d->mended = mended;
	for (size_t i = 0; i < c->images.n; i++)
		if (strv_has(&c->images.v[i].layers, diff_id))
			arena_strv_add(c->a, &d->images, c->images.v[i].name);
	return 0;
}

/* Each layer that is here or that an image names. */
static int check_layers(struct check *c, bool repair, struct err *e)
{
	own(strv) struct strv ids = {};
	if (snap_list(&c->g->snap, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < c->images.n; i++)
		for (size_t k = 0; k < c->images.v[i].layers.n; k++)
			if (!strv_has(&ids, c->images.v[i].layers.v[k]))
				strv_add(&ids, c->images.v[i].layers.v[k]);
	for (size_t i = 0; i < ids.n; i++)
		if (check_layer(c, ids.v[i], repair, e) < 0)
			return -1;
	return 0;
}

/* A copy of a layer as it came: whoever has the layer can do without. */
static void on_compressed(void *arg, const char *diff_id, const char *digest)
{
	struct check *c = arg;
	struct err why = {};
	err_set_(&why, ERR_CORRUPT, "it is not what its name says");
	arena_strv_add(c->a, &c->copies, diff_id);
	note(c, "compressed", digest, &why);
}

static int discard(struct check *c, const struct storage_damage *d, struct err *e)
{
	if (str_eq(d->kind, "layer"))
		return snap_remove_layer(&c->g->snap, d->id, e);
	if (str_eq(d->kind, "compressed")) {
		for (size_t i = 0; i < c->copies.n; i++)
			compressed_remove(c->g->root, c->copies.v[i], d->id);
		return 0;
	}
	return store_discard(&c->g->store, d->id, str_eq(d->kind, "image"), e);
}

/* What a damage is after all: an image without a record is gone, which is not damage any more. */
static bool is_whole(struct check *c, const struct storage_damage *d)
{
	bool ignored;
	struct err why = {};
	if (str_eq(d->kind, "layer"))
		return snap_verify(&c->g->snap, d->id, false, &ignored, &why) == 0;
	return str_eq(d->kind, "image") || store_has_blob(&c->g->store, d->id);
}

static int fetch(struct check *c, const char *name, struct err *e)
{
	for (size_t i = 0; i < c->images.n; i++) {
		const struct image_note *x = &c->images.v[i];
		if (!str_eq(x->name, name))
			continue;
		if (!x->source)
			return err_set(e, ERR_NOT_FOUND, "it came from no registry: load it again");
		struct image_pull_request r = {.reference = x->source, .platform = x->platform};
		struct image_pulled_list done = {};
		return image_pull(c->g, &r, c->a, &done, e);
	}
	return err_set(e, ERR_NOT_FOUND, "no image needs it");
}

static int repair_all(struct check *c, struct err *e)
{
	struct strv images = {};
	struct storage_damage *v = c->report->damage.v;
	size_t n = c->report->damage.n;
	for (size_t i = 0; i < n; i++) {
		if (v[i].mended)
			continue;
		if (discard(c, &v[i], e) < 0)
			return -1;
		for (size_t k = 0; k < v[i].images.n; k++)
			if (!strv_has(&images, v[i].images.v[k]))
				arena_strv_add(c->a, &images, v[i].images.v[k]);
	}
	for (size_t k = 0; k < images.n; k++) {
		struct err why = {};
		if (fetch(c, images.v[k], &why) == 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (strv_has(&v[i].images, images.v[k]))
				snprintf(v[i].why + strlen(v[i].why), sizeof v[i].why - strlen(v[i].why), "; %s", why.text);
	}
	for (size_t i = 0; i < n; i++)
		v[i].mended |= v[i].images.n == 0 || is_whole(c, &v[i]);
	return 0;
}

int storage_check(struct engine *g, bool repair, struct arena *a, struct storage_report *ret, struct err *e)
{
	struct check c = {.g = g, .a = a, .report = ret};
	if (engine_need_store(g, e) < 0 || engine_need_storage(g, e) < 0)
		return -1;
	own(fd) int hold = layers_hold(g, e);
	if (hold < 0 || store_check(&g->store, on_image, &c, e) < 0 ||
		check_layers(&c, repair, e) < 0 || compressed_check(g->root, on_compressed, &c, e) < 0)
		return -1;
	return (repair && repair_all(&c, e) < 0) || records_check(g, repair, a, ret, e) < 0 ? -1 : 0;
}
