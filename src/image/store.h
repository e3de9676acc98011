/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: the images that are here: blobs by digest, one record per image, names that point at them.
 *
 *   <root>/blobs/sha256/<hex>        manifests, indexes, configs, byte for byte
 *   <root>/images/<config hex>.json  one record per image (struct image_record)
 *   <root>/images/names/<escaped>    a symlink whose target is the image's id, for each name and each repository@digest:
 *                                    docker.io%library%nginx:latest -> sha256:…
 *   <root>/images/lock               held while anything of this changes
 *
 * Every file is complete under its final name. Layers are snap's; the store only knows their diff_ids.
 * An image's id is the digest of its config, as docker's classic store has it. Finding a name reads one link, one
 * record and one config, takes no lock and looks at no other image.
 *
 * What changes the store takes its lock by itself. Who has to do two things as one (see that the layers are there and
 * add the image; remove an image and its layers) wraps them in store_lock() and store_unlock(); these nest.
 */
#pragma once

#include "image/ref.h"
#include "image/types.h"

struct store { int root, lock; unsigned depth; bool swept; };
int store_open(struct store *s, int root, struct err *e) must_use; /* makes the folders */
void store_drop(struct store *s);
int store_lock(struct store *s, struct err *e) must_use; /* waits */
void store_unlock(struct store *s);

int store_put_blob(struct store *s, const char *digest, const void *p, size_t n, struct err *e) must_use; /* checks the digest */
int store_get_blob(struct store *s, const char *digest, size_t max, struct buf *ret, struct err *e) must_use;
bool store_has_blob(struct store *s, const char *digest);

struct image_record {
	char *id;              /* sha256:… of the config */
	char *manifest;        /* digest of the platform's manifest, "" when loaded without one */
	char *media_type;
	struct strv names;     /* whole references with tags */
	struct strv digests;   /* registry/repository@digest: what it was pulled as (of the index where there was one) */
	struct strv pushed;    /* of these digests those of the user's own, which was pushed there and not pulled */
	struct strv blobs;     /* digests of what else belongs to it: attestations */
	struct strv diff_ids;
	uint64_t size;         /* of its unpacked layers, as docker's SIZE */
	char *created;         /* from the config */
	char *architecture, *os, *variant;
	char *tagged_at;       /* RFC 3339 */
};
extern const struct jtable image_record_table;

/* One image with its config and the arena that holds them. */
struct image {
	struct arena arena;
	struct image_record record;
	struct image_config config;
	struct json *document; /* the config as JSON */
};
void image_drop(struct image *i);

/* By name (defaults applied), name@digest, id or a unique id prefix. ERR_NOT_FOUND `no such image: x`,
 * ERR_CONFLICT when a prefix is ambiguous. Whether it is of a platform: platform_check(). */
int store_find(struct store *s, const char *text, struct image *ret, struct err *e) must_use;
/* Its id alone, also of one whose record cannot be read; id: DIGEST_TEXT. */
int store_resolve(struct store *s, const char *text, char *id, struct err *e) must_use;
/* Adds the record, or adds its names and digests to the one that is there, and points them at it (names that pointed
 * elsewhere move). Its config's blob must be there, unless it is in `blobs`, which are put under the same lock. tagged_at NULL: now. */
struct store_blob { const char *digest; const void *data; size_t len; };
int store_put(struct store *s, const struct image_record *r, const struct store_blob *blobs, size_t nblobs, struct err *e) must_use;
int store_add(struct store *s, const struct image_record *r, struct err *e) must_use;
int store_tag(struct store *s, const char *id, const struct ref *name, struct err *e) must_use;
/* Removes a name (tag, or digest); ret_left: how many names and digests the image has left. With the last tag of a repository
 * its digests go too, as docker has it. The record stays. A name that is not there: ERR_NOT_FOUND. */
int store_untag(struct store *s, const struct ref *name, size_t *ret_left, struct err *e) must_use;
/* Removes the record and all blobs that no record needs; appends diff_ids that no image uses any more. A record that cannot be read keeps what it may
 * need (store_users). */
int store_remove(struct store *s, const char *id, struct strv *ret_layers, struct err *e) must_use;
/* When an image was last used: pulled, named, or taken for a container or a build; to the minute. root: the store's; nothing needs to be open. */
void store_use(int root, const char *id);
int64_t store_used_ns(const struct store *s, const char *id); /* 0: it cannot be told */
/* Calls each(arg, image) for all images, the newest first; an unreadable record is skipped and counted. */
int store_each(struct store *s, int (*each)(void *arg, const struct image *i, struct err *e), void *arg, size_t *ret_bad, struct err *e) must_use;
/* What the images need. unread: one whose record cannot be read; it counts with the layers that its config names, and may need any blob. blind: of
 * one not even that can be read: it may need any layer. */
struct store_users { struct strv blobs, layers; char unread[136]; bool blind; };
void store_users_drop(struct store_users *u);
int store_users(struct store *s, struct store_users *ret, struct err *e) must_use;

/* store_needs.c: reads all that images need of the store, and calls each() for every one of them. record NULL: it cannot be read, or is not there
 * although names point at it, why says it. bad:
 * its blobs that are missing or not what their names say; unread: those that cannot be read now, why says it. */
struct store_finding {
	const char *id;
	const struct image_record *record;
	struct strv bad, unread;
	struct err why;
};
int store_check(struct store *s, int (*each)(void *arg, const struct store_finding *f, struct err *e), void *arg, struct err *e) must_use;
/* Is it damaged (missing, wrong, or the disk does not give it back), and not only out of reach for now? */
bool store_is_damage(const struct err *why);
/* A blob, or the record of an image. */
bool store_is_whole(struct store *s, const char *digest, bool record);
int store_discard(struct store *s, const char *digest, bool record, struct err *e) must_use;
int store_discard_image(struct store *s, const char *id, struct err *e) must_use; /* the record, and the names that point at it */
/* The names and digests that point at an image, whatever its record says; without those too long for a file's name. */
int store_links(struct store *s, const char *id, struct arena *a, struct strv *ret_names, struct strv *ret_digests, struct err *e) must_use;
/* A record that is damaged, of what is here besides; without its size. */
int store_rebuild(struct store *s, const char *id, struct err *e) must_use;
