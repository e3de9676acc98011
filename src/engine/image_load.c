/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_load: images from an archive. All layers of one image are there before its record is written, so a load that is cut off
 * leaves whole images and layers that the next collection takes.
 */
#include "engine/layers.h"
#include "engine/events.h"
#include "engine/trust.h"

#include "base/fd.h"
#include "image/archive.h"
#include "image/archive_index.h"
#include "image/known.h"

#include <stdio.h>
#include <string.h>

static void short_name(const struct archive_layer *l, char out[16])
{
	const char *digest = l->blob_digest ? l->blob_digest : l->diff_id, *colon = strchr(digest, ':');
	memcpy(out, colon ? colon + 1 : digest, strnlen(colon ? colon + 1 : digest, 12));
}

struct loading { struct engine *g; const struct archive_image *image; };

/* The layer was made of the blob: both digests were checked. */
static int close_layer(void *arg, size_t i, const struct err *why, struct err *e)
{
	const struct loading *x = arg;
	const struct archive_layer *l = &x->image->layers.v[i];
	if (why)
		return *e = *why, -1;
	if (l->blob_digest && l->media_type && strcmp(l->blob_digest, l->diff_id) != 0)
		known_add(&x->g->store, l->diff_id, &(struct known_blob){l->blob_digest, l->media_type, l->diff_id, l->length, {}}, NULL);
	return 0;
}

static int unpack(struct engine *g, struct archive *a, const struct archive_image *image, const struct image_progress *progress, struct err *e)
{
	struct layer_source *v = arena_alloc(&a->arena, (image->layers.n + 1) * sizeof *v);
	for (size_t i = 0; i < image->layers.n; i++) {
		const struct archive_layer *l = &image->layers.v[i];
		short_name(l, v[i].name);
		v[i].total = l->length;
		v[i].in = (struct snap_ingest){.fd = l->fd, .offset = l->offset, .length = l->length, .blob_digest = l->blob_digest,
			.blob_size = l->length, .diff_id = l->diff_id};
	}
	struct loading x = {g, image};
	struct layer_work w = {.snap = &g->snap, .v = v, .n = image->layers.n, .watch = -1, .progress = progress, .closed = close_layer, .arg = &x};
	return layers_unpack(&w, e);
}

static int load_one(struct engine *g, struct archive *a, size_t i, const struct image_progress *progress, struct strv *ret, struct err *e)
{
	const struct archive_image *image = &a->images.v[i];
	uint64_t size;
	if (progress && progress->begin)
		progress->begin(progress->arg, image->names.n ? image->names.v[0] : image->record.id, image->layers.n);
	if (unpack(g, a, image, progress, e) < 0 || layers_size(&g->snap, &image->config.rootfs.diff_ids, &size, e) < 0 ||
		archive_commit(a, i, &g->store, size, e) < 0)
		return err_wrap(e, "image %.80s", image->names.n ? image->names.v[0] : image->record.id);
	event_of_name(g, "load", image->record.id, image->names.n ? image->names.v[0] : image->record.id);
	for (size_t k = 0; k < image->names.n; k++) {
		struct ref ref;
		char text[REF_TEXT];
		if (ref_parse(image->names.v[k], &ref, e) < 0)
			return -1;
		strv_add(ret, ref_format_familiar(&ref, text));
	}
	if (!image->names.n)
		strv_add(ret, image->record.id);
	return 0;
}

/* Which of the policy's transports it is. */
static const char *transport_of(const struct archive *a)
{
	if (a->flat)
		return "dir";
	return archive_index_has(a->index, "oci-layout") ? a->dir >= 0 ? "oci" : "oci-archive" : "docker-archive";
}

/* By the name that it was asked for, else by all that it has there. */
static int check_trust(const struct archive *a, const char *path, const char *name, struct err *e)
{
	for (size_t i = 0; i < a->images.n; i++) {
		const struct strv *refs = &a->images.v[i].refs;
		if (name && strv_has(refs, name))
			return trust_archive(transport_of(a), path, name, e);
		for (size_t k = 0; k < refs->n || k == 0; k++)
			if (trust_archive(transport_of(a), path, refs->n ? refs->v[k] : NULL, e) < 0)
				return -1;
	}
	return 0;
}

enum load_manner { LOAD_ASKED, LOAD_TRUSTED, LOAD_NAMELESS };
static int load(struct engine *g, const char *path, int fd, const char *platform, const char *name, enum load_manner manner,
	const struct image_progress *progress, struct strv *ret_names, struct err *e)
{
	struct archive a = {};
	if (engine_need_store(g, e) < 0 || engine_need_storage(g, e) < 0)
		return -1;
	engine_warn_ids(g);
	own(fd) int hold = layers_hold(g, e);
	if (hold < 0 || archive_open(&a, path, fd, g->root, platform, e) < 0)
		return -1;
	int r = name && archive_select(&a, name, e) < 0 ? err_wrap(e, "%.300s", path ? path : "-") : 0;
	if (r == 0 && manner != LOAD_TRUSTED)
		r = check_trust(&a, path, name, e);
	if (r == 0 && manner == LOAD_NAMELESS && a.images.n != 1)
		r = err_set(e, ERR_USAGE, "%.300s: it has %zu images: say which, as in DIR:TAG", path, a.images.n);
	for (size_t i = 0; i < a.images.n && manner == LOAD_NAMELESS; i++)
		a.images.v[i].names = (struct strv){};
	for (size_t i = 0; r == 0 && i < a.images.n; i++)
		r = load_one(g, &a, i, progress, ret_names, e);
	archive_drop(&a);
	return r;
}

int image_load(struct engine *g, const char *path, int fd, const char *platform, const struct image_progress *progress,
	struct strv *ret_names, struct err *e)
{
	return image_load_named(g, path, fd, platform, NULL, progress, ret_names, e);
}

int image_load_named(struct engine *g, const char *path, int fd, const char *platform, const char *name, const struct image_progress *progress,
	struct strv *ret_names, struct err *e)
{
	return load(g, path, fd, platform, name, LOAD_ASKED, progress, ret_names, e);
}

int image_load_trusted(struct engine *g, const char *path, int fd, const char *platform, const struct image_progress *progress,
	struct strv *ret_names, struct err *e)
{
	return load(g, path, fd, platform, NULL, LOAD_TRUSTED, progress, ret_names, e);
}

int image_load_nameless(struct engine *g, const char *path, const char *platform, const char *name, char ret_id[136], struct err *e)
{
	own(strv) struct strv ids = {};
	if (load(g, path, -1, platform, name, LOAD_NAMELESS, NULL, &ids, e) < 0)
		return -1;
	snprintf(ret_id, 136, "%s", ids.v[0]);
	return 0;
}
