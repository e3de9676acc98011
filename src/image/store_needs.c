/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_needs: what the images need of the store, whether that is there, and what can be made anew.
 *
 * A record that cannot be read is no reason to lose anything, nor to keep everything: its name is the digest of its config, which says which layers
 * the image has; the links that point at it say what it is called; and the documents that these name say the rest. So its layers are known as long
 * as its config is whole, and of all that the record itself can be written anew.
 */
#include "image/store_records.h"

#include "base/path.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* A document that is what its digest says. */
static int read_document(struct store *s, const char *digest, struct json **ret, struct err *e)
{
	own(buf) struct buf text = {};
	own(digest) struct digest *d = NULL;
	char found[DIGEST_TEXT];
	if (store_get_blob(s, digest, DOCUMENT_MAX, &text, e) < 0 || digest_begin(digest, &d, e) < 0)
		return -1;
	digest_add(d, text.data, text.len);
	digest_end(d, found);
	if (strcmp(found, digest) != 0)
		return err_set(e, ERR_CORRUPT, "it is not what its name says");
	return ret ? json_parse(buf_text(&text), text.len, ret, e) : 0;
}

static int read_config(struct store *s, const char *id, struct arena *a, struct image_config *ret, struct err *e)
{
	own(json) struct json *j = NULL;
	return read_document(s, id, &j, e) < 0 || image_config_parse(j, a, ret, e) < 0 ? err_wrap(e, "its configuration") : 0;
}

/* ---- who needs what */

void store_users_drop(struct store_users *u)
{
	strv_drop(&u->blobs);
	strv_drop(&u->layers);
}

struct counting { struct store *s; struct store_users *u; };

static int add_user(void *arg, const char *id, struct err *e unused)
{
	struct counting *c = arg;
	own(arena) struct arena a = {};
	struct image_record r;
	struct image_config config;
	struct err why = {};
	const struct strv *layers = &r.diff_ids;
	if (records_load(c->s, id, &a, &r, &why) == 0) {
		records_blobs(&r, &c->u->blobs);
	} else if (why.sys == ENOENT) {
		return 0;
	} else {
		layers = &config.rootfs.diff_ids;
		snprintf(c->u->unread, sizeof c->u->unread, "%s", id);
		if (read_config(c->s, id, &a, &config, &why) < 0) {
			c->u->blind = true;
			return 0;
		}
	}
	for (size_t i = 0; i < layers->n; i++)
		strv_add(&c->u->layers, layers->v[i]);
	return 0;
}

int store_users(struct store *s, struct store_users *ret, struct err *e)
{
	return records_walk(s, add_user, &(struct counting){s, ret}, e);
}

/* ---- is it there */

bool store_is_damage(const struct err *why)
{
	/* A library or a kernel's facility that is missing says nothing of what is to be read. */
	static const int codes[] = {0, ENOENT, EIO, EUCLEAN, EBADMSG};
	for (size_t i = 0; i < countof(codes); i++)
		if (why->sys == codes[i])
			return why->kind != ERR_UNSUPPORTED;
	return false;
}

struct checking {
	struct store *s;
	int (*each)(void *arg, const struct store_finding *f, struct err *e);
	void *arg;
};

static int check_one(void *arg, const char *id, struct err *e)
{
	struct checking *c = arg;
	own(arena) struct arena a = {};
	own(strv) struct strv blobs = {}, bad = {}, unread = {};
	struct image_record r;
	struct store_finding f = {.id = id, .record = &r};
	if (records_load(c->s, id, &a, &r, &f.why) < 0) {
		f.record = NULL;
		return f.why.sys == ENOENT ? 0 : c->each(c->arg, &f, e);
	}
	records_blobs(&r, &blobs);
	for (size_t i = 0; i < blobs.n; i++) {
		struct err why = {};
		if (strv_has(&bad, blobs.v[i]) || strv_has(&unread, blobs.v[i]) || read_document(c->s, blobs.v[i], NULL, &why) == 0)
			continue;
		strv_add(store_is_damage(&why) ? &bad : &unread, blobs.v[i]);
		if (!store_is_damage(&why))
			f.why = why;
	}
	f.bad = bad;
	f.unread = unread;
	return c->each(c->arg, &f, e);
}

static bool points_at(struct store *s, const char *link, char ret_id[DIGEST_TEXT])
{
	own(mem) char *path = mem_printf("images/names/%s", link);
	ssize_t n = readlinkat(s->root, path, ret_id, DIGEST_TEXT - 1);
	ret_id[n > 0 ? n : 0] = 0;
	return n > 0 && digest_is_valid(ret_id);
}

static bool has_record(struct store *s, const char *id)
{
	char path[DIGEST_TEXT + 16];
	records_path(id, path);
	return faccessat(s->root, path, F_OK, 0) == 0;
}

/* Images of which only names are left. An image that goes loses its names first, so it is none of those. */
static int check_links(struct checking *c, struct err *e)
{
	own(strv) struct strv links = {}, told = {};
	if (path_list(c->s->root, "images/names", &links, e) < 0)
		return -1;
	strv_sort(&links);
	for (size_t i = 0; i < links.n; i++) {
		char id[DIGEST_TEXT], now[DIGEST_TEXT];
		struct store_finding f = {.id = id};
		if (!points_at(c->s, links.v[i], id) || strv_has(&told, id) || has_record(c->s, id))
			continue;
		if (!points_at(c->s, links.v[i], now) || strcmp(id, now) != 0)
			continue;
		strv_add(&told, id);
		err_set_(&f.why, ERR_CORRUPT, "its record is missing");
		if (c->each(c->arg, &f, e) < 0)
			return -1;
	}
	return 0;
}

int store_check(struct store *s, int (*each)(void *arg, const struct store_finding *f, struct err *e), void *arg, struct err *e)
{
	struct checking c = {s, each, arg};
	return records_walk(s, check_one, &c, e) < 0 ? -1 : check_links(&c, e);
}

bool store_is_whole(struct store *s, const char *digest, bool record)
{
	own(arena) struct arena a = {};
	struct image_record r;
	struct err ignored = {};
	return record ? records_load(s, digest, &a, &r, &ignored) == 0 : read_document(s, digest, NULL, &ignored) == 0;
}

int store_discard(struct store *s, const char *digest, bool record, struct err *e)
{
	char path[DIGEST_TEXT + 16];
	if (!digest_is_valid(digest) || (!record && !records_blob_path(digest, path)))
		return err_set(e, ERR_CORRUPT, "invalid digest");
	if (record)
		records_path(digest, path);
	return path_remove_tree(s->root, path, e);
}

/* ---- a record anew */

int store_links(struct store *s, const char *id, struct arena *a, struct strv *ret_names, struct strv *ret_digests, struct err *e)
{
	own(strv) struct strv files = {};
	if (path_list(s->root, "images/names", &files, e) < 0)
		return -1;
	strv_sort(&files);
	for (size_t i = 0; i < files.n; i++) {
		char target[DIGEST_TEXT], again[LINK_TEXT];
		own(mem) char *path = mem_printf("images/names/%s", files.v[i]);
		ssize_t n = readlinkat(s->root, path, target, sizeof target - 1);
		if (n <= 0)
			continue;
		target[n] = 0;
		for (char *p = files.v[i]; *p; p++)
			if (*p == '%')
				*p = '/';
		/* A name that was cut is known to the record alone. */
		records_link_path(files.v[i], again);
		if (strcmp(target, id) == 0 && strcmp(again, path) == 0)
			arena_strv_add(a, strchr(files.v[i], '@') ? ret_digests : ret_names, files.v[i]);
	}
	return 0;
}

int store_discard_image(struct store *s, const char *id, struct err *e)
{
	own(strv) struct strv links = {};
	char target[DIGEST_TEXT];
	if (!digest_is_valid(id))
		return err_set(e, ERR_CORRUPT, "invalid digest");
	if (path_list(s->root, "images/names", &links, e) < 0)
		return -1;
	for (size_t i = 0; i < links.n; i++) {
		own(mem) char *path = mem_printf("images/names/%s", links.v[i]);
		if (points_at(s, links.v[i], target) && strcmp(target, id) == 0 && unlinkat(s->root, path, 0) < 0 && errno != ENOENT)
			return err_sys(e, "remove %s", path);
	}
	return has_record(s, id) ? store_discard(s, id, true, e) : 0;
}

struct rebuilding { struct store *s; struct arena *a; struct image_record *r; };

static void add_blob(struct rebuilding *x, const char *digest)
{
	if (digest && digest_is_valid(digest) && store_has_blob(x->s, digest) && !strv_has(&x->r->blobs, digest))
		arena_strv_add(x->a, &x->r->blobs, digest);
}

/* What an index says of a manifest: the image's own, or an attestation with its blobs. */
static void note_manifest(struct rebuilding *x, const char *digest, bool attests)
{
	own(json) struct json *j = NULL;
	struct err ignored = {};
	if (!digest || read_document(x->s, digest, &j, &ignored) < 0)
		return;
	const char *config = json_get_str(json_get(j, "config"), "digest");
	const struct json *layers = json_get(j, "layers");
	if (str_eq(config, x->r->id)) {
		x->r->manifest = arena_dup(x->a, digest);
		x->r->media_type = arena_dup(x->a, json_get_str(j, "mediaType"));
	} else if (attests) {
		add_blob(x, digest);
		add_blob(x, config);
		for (size_t i = 0; i < json_len(layers); i++)
			add_blob(x, json_get_str(json_at(layers, i), "digest"));
	}
}

static void note_digest(struct rebuilding *x, const char *digest)
{
	own(json) struct json *j = NULL;
	struct err ignored = {};
	if (read_document(x->s, digest, &j, &ignored) < 0)
		return;
	const struct json *list = json_get(j, "manifests");
	for (size_t i = 0; i < json_len(list); i++) {
		const struct json *m = json_at(list, i);
		note_manifest(x, json_get_str(m, "digest"),
			str_eq(json_get_str(json_get(m, "annotations"), "vnd.docker.reference.type"), "attestation-manifest"));
	}
	if (!list)
		note_manifest(x, digest, false);
}

int store_rebuild(struct store *s, const char *id, struct err *e)
{
	own(arena) struct arena a = {};
	struct image_config c;
	struct image_record r = {.id = arena_dup(&a, id)};
	if (store_lock(s, e) < 0)
		return -1;
	int result = read_config(s, id, &a, &c, e) < 0 ? -1 : store_links(s, id, &a, &r.names, &r.digests, e);
	if (result == 0) {
		r.diff_ids = c.rootfs.diff_ids;
		r.created = c.created;
		r.architecture = c.architecture;
		r.os = c.os;
		r.variant = c.variant;
		for (size_t i = 0; i < r.digests.n; i++)
			note_digest(&(struct rebuilding){s, &a, &r}, strchr(r.digests.v[i], '@') + 1);
		result = store_put(s, &r, NULL, 0, e);
	}
	store_unlock(s);
	return result;
}
