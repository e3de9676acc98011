/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check: see check.h. Records that are damaged are made anew first, of what is here besides. Then everything is read and what is wrong is noted, with
 * the images that it touches. To repair, each of those images is pulled by digest: what is whole is not fetched again, and what is damaged stays in
 * its place until the other comes. Last, what was noted is looked at once more: mended is what is there and whole, whoever brought it.
 * The other records come after that (check_records.c).
 */
#include "engine/check.h"

#include "base/fd.h"
#include "engine/image.h"
#include "engine/layers.h"
#include "engine/migrate.h"
#include "image/partial.h"

#include <stdio.h>
#include <string.h>

/* lost: names that its record does not have any more. */
struct image_note { char *name, *id, *source, *platform; struct strv layers, lost; };
struct check {
	struct engine *g;
	struct arena *a;
	struct storage_report *report;
	struct { struct image_note *v; size_t n; } images;
};

static struct storage_damage *note(struct check *c, const char *kind, const char *id, const struct err *why)
{
	struct storage_damage *d = arena_push(c->a, &c->report->damage);
	*d = (struct storage_damage){.kind = kind, .id = arena_dup(c->a, id), .damaged = store_is_damage(why)};
	snprintf(d->why, sizeof d->why, "%s", why->text);
	return d;
}

static void add_why(struct storage_damage *d, const struct err *why)
{
	size_t n = strlen(d->why);
	snprintf(d->why + n, sizeof d->why - n, "; %s", why->text);
}

static int on_image(void *arg, const struct store_finding *f, struct err *e unused)
{
	struct check *c = arg;
	struct err damaged = {};
	c->report->images++;
	if (!f->record) {
		bool noted = false;
		for (size_t i = 0; i < c->report->damage.n; i++)
			noted |= str_eq(c->report->damage.v[i].id, f->id);
		if (!noted)
			note(c, "image", f->id, &f->why);
		return 0;
	}
	const struct image_record *r = f->record;
	struct image_note *i = arena_push(c->a, &c->images);
	*i = (struct image_note){.name = arena_dup(c->a, r->names.n ? r->names.v[0] : f->id), .id = arena_dup(c->a, f->id)};
	if (r->digests.n)
		i->source = arena_dup(c->a, r->digests.v[0]);
	i->platform = arena_printf(c->a, "%s/%s%s%s", r->os, r->architecture, str_is_empty(r->variant) ? "" : "/", r->variant ? r->variant : "");
	for (size_t k = 0; k < r->diff_ids.n; k++)
		arena_strv_add(c->a, &i->layers, r->diff_ids.v[k]);
	err_set_(&damaged, ERR_CORRUPT, "it is missing, or not what its name says");
	for (size_t k = 0; k < f->bad.n; k++)
		arena_strv_add(c->a, &note(c, "blob", f->bad.v[k], &damaged)->images, i->name);
	for (size_t k = 0; k < f->unread.n; k++)
		arena_strv_add(c->a, &note(c, "blob", f->unread.v[k], &f->why)->images, i->name);
	return 0;
}

/* How large its layers are is no part of its config. */
static int put_size(struct check *c, const char *id, struct err *e)
{
	own(image) struct image image = {};
	struct err missing = {};
	if (store_find(&c->g->store, id, &image, e) < 0)
		return -1;
	if (layers_size(&c->g->snap, &image.record.diff_ids, &image.record.size, &missing) < 0)
		return 0;
	return store_put(&c->g->store, &image.record, NULL, 0, e);
}

/* A record that is damaged: anew, or as an image to pull by what its links call it. */
static int on_unreadable(void *arg, const struct store_finding *f, struct err *e)
{
	struct check *c = arg;
	struct strv names = {}, digests = {};
	struct err why = {};
	if (f->record)
		return 0;
	struct storage_damage *d = note(c, "image", f->id, &f->why);
	if (!d->damaged)
		return 0;
	if (store_rebuild(&c->g->store, f->id, &why) == 0 && put_size(c, f->id, &why) == 0) {
		d->mended = true;
		return 0;
	}
	add_why(d, &why);
	if (store_links(&c->g->store, f->id, c->a, &names, &digests, e) < 0)
		return -1;
	struct image_note *i = arena_push(c->a, &c->images);
	*i = (struct image_note){.id = arena_dup(c->a, f->id), .source = digests.n ? digests.v[0] : NULL, .lost = names};
	i->name = names.n ? names.v[0] : i->id;
	arena_strv_add(c->a, &d->images, i->name);
	return 0;
}

static void check_layer(struct check *c, const char *diff_id, bool repair)
{
	struct err why = {};
	bool mended = false;
	c->report->layers++;
	int r = snap_verify(&c->g->snap, diff_id, repair, &mended, &why);
	if (r == 0 && !mended)
		return;
	if (r == 0)
		err_set_(&why, ERR_CORRUPT, "its EROFS metadata is damaged");
	struct storage_damage *d = note(c, "layer", diff_id, &why);
	d->mended = r == 0;
	for (size_t i = 0; i < c->images.n; i++)
		if (strv_has(&c->images.v[i].layers, diff_id))
			arena_strv_add(c->a, &d->images, c->images.v[i].name);
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
		check_layer(c, ids.v[i], repair);
	return 0;
}

static void on_compressed(void *arg, const char *diff_id, const char *digest, const struct err *why)
{
	struct check *c = arg;
	note(c, "compressed", digest, why)->layer = arena_dup(c->a, diff_id);
}

static int discard(struct check *c, const struct storage_damage *d, struct err *e)
{
	if (str_eq(d->kind, "layer"))
		return snap_remove_layer(&c->g->snap, d->id, e);
	if (str_eq(d->kind, "compressed")) {
		compressed_remove(c->g->root, d->layer, d->id);
		return 0;
	}
	return str_eq(d->kind, "image") ? store_discard_image(&c->g->store, d->id, e) : store_discard(&c->g->store, d->id, false, e);
}

static bool is_whole(struct check *c, const struct storage_damage *d)
{
	bool ignored;
	struct err why = {};
	if (str_eq(d->kind, "layer"))
		return snap_verify(&c->g->snap, d->id, false, &ignored, &why) == 0;
	return !str_eq(d->kind, "compressed") && store_is_whole(&c->g->store, d->id, str_eq(d->kind, "image"));
}

static int fetch(struct check *c, const struct image_note *x, struct err *e)
{
	struct image_pull_request r = {.reference = x->source, .platform = x->platform};
	struct image_pulled_list done = {};
	if (!x->source)
		return err_set(e, ERR_NOT_FOUND, "it came from no registry: load it again");
	if (image_pull(c->g, &r, c->a, &done, e) < 0)
		return -1;
	for (size_t i = 0; i < x->lost.n && store_is_whole(&c->g->store, x->id, true); i++) {
		struct ref name;
		if (ref_parse(x->lost.v[i], &name, e) < 0 || store_tag(&c->g->store, x->id, &name, e) < 0)
			return -1;
	}
	return 0;
}

static bool touches(const struct storage_damage *d, const struct image_note *x)
{
	return d->damaged && !d->mended && strv_has(&d->images, x->name);
}

static void fetch_all(struct check *c)
{
	struct storage_damage *v = c->report->damage.v;
	size_t n = c->report->damage.n;
	for (size_t i = 0; i < n; i++) {
		struct err why = {};
		if (!str_eq(v[i].kind, "layer") || !v[i].damaged || v[i].mended)
			continue;
		/* What runs on them keeps the rest of its files. */
		if (storage_in_use(c->g, v[i].id, &why) < 0) {
			add_why(&v[i], &why);
			v[i].damaged = false;
		} else if (v[i].images.n) {
			snap_distrust(&c->g->snap, v[i].id);
		}
	}
	for (size_t k = 0; k < c->images.n; k++) {
		struct err why = {};
		bool touched = false;
		for (size_t i = 0; i < n; i++)
			touched |= touches(&v[i], &c->images.v[k]);
		if (!touched || fetch(c, &c->images.v[k], &why) == 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (touches(&v[i], &c->images.v[k]))
				add_why(&v[i], &why);
	}
}

static int finish(struct check *c, bool remove, struct err *e)
{
	for (size_t i = 0; i < c->report->damage.n; i++) {
		struct storage_damage *d = &c->report->damage.v[i];
		if (d->mended || !d->damaged)
			continue;
		d->mended = is_whole(c, d);
		/* A copy of a layer as it came: whoever has the layer can do without. */
		bool spare = str_eq(d->kind, "compressed") && snap_has_layer(&c->g->snap, d->layer);
		if (d->mended || (!spare && !remove))
			continue;
		if (discard(c, d, e) < 0)
			return -1;
		d->removed = !spare;
		d->mended = spare || str_eq(d->kind, "image");
	}
	return 0;
}

/* Layers that nobody needs are not worth mending. */
static int collect(struct check *c, struct err *e)
{
	own(json) struct json *gone = json_new_array();
	if (layers_collect(c->g, gone, e) < 0)
		return -1;
	for (size_t i = 0; i < c->report->damage.n; i++) {
		struct storage_damage *d = &c->report->damage.v[i];
		if (str_eq(d->kind, "layer") && !d->mended && !d->images.n && !snap_has_layer(&c->g->snap, d->id))
			d->removed = d->mended = true;
	}
	return 0;
}

int storage_check(struct engine *g, enum storage_repair how, struct arena *a, struct storage_report *ret, struct err *e)
{
	struct check c = {.g = g, .a = a, .report = ret};
	if (engine_need_store(g, e) < 0 || engine_need_storage(g, e) < 0)
		return -1;
	own(fd) int hold = layers_hold(g, e);
	if (hold < 0 || (how != STORAGE_LOOK && store_check(&g->store, on_unreadable, &c, e) < 0) || store_check(&g->store, on_image, &c, e) < 0 ||
		check_layers(&c, how != STORAGE_LOOK, e) < 0 || compressed_check(g->root, on_compressed, &c, e) < 0)
		return -1;
	if (how == STORAGE_LOOK)
		return records_check(g, false, a, ret, e);
	fetch_all(&c);
	if (finish(&c, how == STORAGE_REMOVE, e) < 0)
		return -1;
	fd_drop(&hold);
	return collect(&c, e) < 0 ? -1 : records_check(g, true, a, ret, e);
}
