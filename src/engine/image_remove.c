/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_remove: docker's rules for tag and rmi. A name is a reference, one of possibly several; the image goes with its last name, or
 * when it is named by its id. Containers keep what they need: the layers of an image that is removed by force stay until the
 * last container that has them goes.
 */
#include "engine/layers.h"

#include "codec/digest.h"
#include "engine/events.h"
#include "engine/prune.h"
#include "engine/trust.h"

#include <errno.h>
#include <string.h>

int image_tag(struct engine *g, const char *source, const char *target, struct err *e)
{
	struct ref name;
	own(image) struct image image = {};
	if (ref_parse(target, &name, e) < 0)
		return -1;
	if (*name.digest)
		return err_set(e, ERR_USAGE, "invalid name \"%s\": a name that is given has no digest", target);
	if (engine_need_store(g, e) < 0 || store_find(&g->store, source, &image, e) < 0)
		return -1;
	if (store_tag(&g->store, image.record.id, &name, e) < 0)
		return -1;
	char text[REF_TEXT];
	event_other(g, "image", "tag", image.record.id, "name", ref_format_familiar(&name, text));
	return 0;
}

static void note(struct json *ret, const char *key, const char *value)
{
	struct json *j = json_new_object();
	json_set_str(j, key, value);
	json_add(ret, j);
}

/* The first container made of the image, running ones first. */
static int find_user(struct engine *g, const char *image, char ret_id[65], bool *ret_running, struct err *e)
{
	own(strv) struct strv ids = {};
	*ret_id = 0;
	*ret_running = false;
	if (containers_ids(&g->containers, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n && !*ret_running; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		struct err gone = {};
		if (containers_load(&g->containers, ids.v[i], ENTRY_STATE_ONLY, &c, &gone) < 0 || !str_eq(c.state.image, image))
			continue;
		const char *status = container_status(g, &c);
		*ret_running = str_eq(status, "running") || str_eq(status, "paused") || str_eq(status, "restarting");
		memcpy(ret_id, c.id, 65);
	}
	return 0;
}

static int check_use(struct engine *g, const char *text, const char *id, bool force, struct err *e)
{
	char user[65];
	bool running;
	if (find_user(g, id, user, &running, e) < 0)
		return -1;
	if (running)
		return err_set(e, ERR_CONFLICT, "image %.200s is in use by running container %.12s: remove that first", text, user);
	if (*user && !force)
		return err_set(e, ERR_CONFLICT, "image %.200s is in use by stopped container %.12s: remove that first, or force it with -f", text, user);
	return 0;
}

/* What text names of the image: the reference itself, or nothing when it is the id. */
static bool is_name_of(const struct image *image, const char *text, struct ref *ret)
{
	struct err ignored = {};
	char whole[REF_TEXT];
	if (ref_parse(text, ret, &ignored) < 0)
		return false;
	if (*ret->digest)
		return true;
	return strv_has(&image->record.names, ref_format(ret, whole));
}

static void note_untagged(struct json *ret, const char *name)
{
	struct ref r;
	struct err ignored = {};
	char text[REF_TEXT];
	note(ret, "Untagged", ref_parse(name, &r, &ignored) == 0 ? ref_format_familiar(&r, text) : name);
}

static bool is_of_one_repository(const struct strv *names)
{
	struct ref first, other;
	struct err ignored = {};
	for (size_t i = 0; i < names->n; i++) {
		if (ref_parse(names->v[i], i ? &other : &first, &ignored) < 0)
			return false;
		if (i && (strcmp(first.registry, other.registry) != 0 || strcmp(first.repository, other.repository) != 0))
			return false;
	}
	return true;
}

static int delete(struct engine *g, const struct image *image, bool keep_layers, struct json *ret, struct err *e)
{
	own(strv) struct strv unused_layers = {};
	for (size_t i = 0; i < image->record.names.n; i++)
		note_untagged(ret, image->record.names.v[i]);
	for (size_t i = 0; i < image->record.digests.n; i++)
		note_untagged(ret, image->record.digests.v[i]);
	if (store_remove(&g->store, image->record.id, &unused_layers, e) < 0)
		return -1;
	trust_forget(g, image->record.manifest);
	note(ret, "Deleted", image->record.id);
	for (size_t i = 0; i < image->record.names.n; i++)
		event_of_name(g, "untag", image->record.id, image->record.names.v[i]);
	event_other(g, "image", "delete", image->record.id, "name", image->record.id);
	return keep_layers ? 0 : layers_collect(g, ret, e);
}

static int untag(struct engine *g, const char *text, const struct image *image, const struct ref *name, bool force, bool no_prune,
	struct json *ret, struct err *e)
{
	char whole[REF_TEXT], familiar[REF_TEXT];
	bool is_last = *name->digest ? image->record.names.n == 0 && image->record.digests.n <= 1 : image->record.names.n == 1;
	if (is_last) {
		if (check_use(g, text, image->record.id, force, e) < 0)
			return -1;
		return delete(g, image, no_prune, ret, e);
	}
	size_t left;
	ref_format(name, whole);
	if (store_untag(&g->store, name, &left, e) < 0)
		return -1;
	note(ret, "Untagged", ref_format_familiar(name, familiar));
	event_other(g, "image", "untag", image->record.id, "name", familiar);
	return 0;
}

/* By force also one whose record is damaged, which nobody could use nor remove, with all of its names. */
static int remove_damaged(struct engine *g, const char *text, bool no_prune, struct json *ret, struct err *e)
{
	struct err why = *e, ignored = {};
	char id[DIGEST_TEXT];
	/* Where a file should be is something else: of that `system check` lets nothing go, but who names it may. */
	bool is_damage = store_is_damage(&why) || why.sys == EISDIR || why.sys == ELOOP;
	if (why.kind == ERR_NOT_FOUND || !is_damage || store_resolve(&g->store, text, id, &ignored) < 0)
		return -1;
	*e = (struct err){};
	if (check_use(g, text, id, true, e) < 0 || store_discard_image(&g->store, id, e) < 0)
		return -1;
	engine_warn(g, "%s: it is removed without", why.text);
	note(ret, "Deleted", id);
	event_other(g, "image", "delete", id, "name", id);
	return no_prune ? 0 : layers_collect(g, ret, e);
}

int image_remove(struct engine *g, const char *text, bool force, bool no_prune, struct json *ret, struct err *e)
{
	struct ref name;
	if (engine_need_store(g, e) < 0 || store_lock(&g->store, e) < 0)
		return -1;
	own(image) struct image image = {};
	int r = store_find(&g->store, text, &image, e);
	if (r < 0) {
		r = force ? remove_damaged(g, text, no_prune, ret, e) : -1;
	} else if (is_name_of(&image, text, &name)) {
		r = untag(g, text, &image, &name, force, no_prune, ret, e);
	} else if (image.record.names.n > 1 && !force && !is_of_one_repository(&image.record.names)) {
		r = err_set(e, ERR_CONFLICT, "image %.200s has names in several repositories: remove these, or force it with -f", text);
	} else {
		r = check_use(g, text, image.record.id, force, e) < 0 ? -1 : delete(g, &image, no_prune, ret, e);
	}
	store_unlock(&g->store);
	return r;
}

int image_remove_whole(struct engine *g, const char *id, struct json *ret, struct err *e)
{
	own(image) struct image image = {};
	if (engine_need_store(g, e) < 0 || store_lock(&g->store, e) < 0)
		return -1;
	int r = store_find(&g->store, id, &image, e) < 0 || check_use(g, id, image.record.id, false, e) < 0 ? -1 : delete(g, &image, false, ret, e);
	store_unlock(&g->store);
	return r;
}

int image_prune(struct engine *g, bool all, const struct strv *given, struct json *ret, struct err *e)
{
	own(prune_filters) struct prune_filters filters = {};
	if (prune_filters_parse(given, &filters, e) < 0)
		return -1;
	if (!all)
		strv_add(&filters.list, "dangling=true");
	struct image_list_request q = {.filters = &filters.list, .all = true};
	own(json) struct json *rows = image_list(g, &q, e);
	if (!rows)
		return -1;
	for (size_t i = 0; i < json_len(rows); i++) {
		const struct json *image = json_at(rows, i);
		if (!prune_filters_take(&filters, image))
			continue;
		/* One in use keeps all of its names. */
		struct err why = {};
		if (image_remove_whole(g, json_get_str(image, "Id"), ret, &why) < 0 && why.kind != ERR_CONFLICT && why.kind != ERR_NOT_FOUND)
			return *e = why, -1;
	}
	layers_forget_partial(g);
	/* Those that a removed container, or nobody any more, had. */
	return engine_need_snap(g, e) < 0 || layers_collect(g, ret, e) < 0 ? -1 : 0;
}

bool image_prune_is_all(const struct strv *filters, bool all, struct strv *ret_rest)
{
	for (size_t i = 0; i < filters->n; i++)
		if (str_eq(filters->v[i], "dangling=false") || str_eq(filters->v[i], "dangling=0"))
			all = true;
		else if (!str_eq(filters->v[i], "dangling=true") && !str_eq(filters->v[i], "dangling=1"))
			strv_add(ret_rest, filters->v[i]);
	return all;
}
