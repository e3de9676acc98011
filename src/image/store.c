/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: what is true, and in which order it is written.
 *
 *   A name is an image's when the link points at it and its record lists it. So adding writes blobs, then the record,
 *   then the links; removing takes the link away first, then rewrites the record. Whatever a killed process leaves in between is
 *   a name in a record that no link confirms, which readers skip, or a blob that the next use of its digest finds.
 *   A link is replaced by rename, so that a reader sees the old image or the new one.
 *
 * A name's slashes are written as %, which no reference has. A name too long for a file is cut and ends in its own digest; the
 * record has it whole.
 */
#include "image/store.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "codec/digest.h"
#include "image/platform.h"
#include "image/store_records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAME_MAX_PLAIN = 180 };

static const struct jfield record_fields[] = {
	JFF(struct image_record, "id", id, JT_STR, JF_REQUIRED),
	JF(struct image_record, "manifest", manifest, JT_STR),
	JF(struct image_record, "mediaType", media_type, JT_STR),
	JF(struct image_record, "names", names, JT_STRV),
	JF(struct image_record, "digests", digests, JT_STRV),
	JF(struct image_record, "pushed", pushed, JT_STRV),
	JF(struct image_record, "blobs", blobs, JT_STRV),
	JF(struct image_record, "diffIds", diff_ids, JT_STRV),
	JF(struct image_record, "size", size, JT_U64),
	JF(struct image_record, "created", created, JT_STR),
	JF(struct image_record, "architecture", architecture, JT_STR),
	JF(struct image_record, "os", os, JT_STR),
	JF(struct image_record, "variant", variant, JT_STR),
	JF(struct image_record, "taggedAt", tagged_at, JT_STR),
};
const struct jtable image_record_table = JTABLE(struct image_record, record_fields);

int store_open(struct store *s, int root, struct err *e)
{
	*s = (struct store){.root = fcntl(root, F_DUPFD_CLOEXEC, 3), .lock = -1};
	if (s->root < 0)
		return err_sys(e, "image store");
	if (!path_exists(s->root, "images/names") || !path_exists(s->root, "blobs/sha256"))
		if (path_mkdirs(s->root, "images/names", 0700, e) < 0 || path_mkdirs(s->root, "blobs/sha256", 0700, e) < 0) {
			store_drop(s);
			return err_wrap(e, "image store");
		}
	return 0;
}

void store_drop(struct store *s)
{
	fd_drop(&s->lock);
	fd_drop(&s->root);
	s->depth = 0;
}

/* Files that were just being written when their writer was killed: all of them, since nobody else has the lock. Only what is known of blobs
 * (known.c) is written without it: a note that is lost so is found out again. */
static void remove_half_written(struct store *s)
{
	static const char *const folders[] = {"images", "images/names", "blobs/sha256", "blobs/sha512", "images/wire"};
	for (size_t i = 0; i < countof(folders); i++) {
		own(strv) struct strv names = {};
		struct err ignored = {};
		(void)!path_list(s->root, folders[i], &names, &ignored);
		for (size_t k = 0; k < names.n; k++) {
			own(mem) char *path = mem_printf("%s/%s", folders[i], names.v[k]);
			if (str_has_prefix(names.v[k], "%tmp-") || (i != 1 && strstr(names.v[k], ".tmp-")))
				unlinkat(s->root, path, 0);
		}
	}
	s->swept = true;
}

int store_lock(struct store *s, struct err *e)
{
	if (s->depth == 0) {
		s->lock = path_lock(s->root, "images/lock", true, true, e);
		if (s->lock < 0)
			return err_wrap(e, "image store");
		if (!s->swept)
			remove_half_written(s);
	}
	s->depth++;
	return 0;
}

void store_unlock(struct store *s)
{
	if (--s->depth == 0)
		fd_drop(&s->lock);
}

/* A scope that holds the lock. */
static void unlock_drop(struct store **s)
{
	if (*s)
		store_unlock(*s);
}
#define LOCKED(s, e) \
	struct store *held_ __attribute__((cleanup(unlock_drop))) = store_lock((s), (e)) < 0 ? NULL : (s); \
	if (!held_) \
	return -1

bool records_blob_path(const char *digest, char out[DIGEST_TEXT + 16])
{
	if (!digest || !digest_is_valid(digest))
		return false;
	snprintf(out, DIGEST_TEXT + 16, "blobs/%.*s/%s", (int)strcspn(digest, ":"), digest, digest_hex(digest));
	return true;
}

static int check_blob(const char *digest, const void *p, size_t n, struct err *e)
{
	own(digest) struct digest *d = NULL;
	char found[DIGEST_TEXT];
	if (digest_begin(digest, &d, e) < 0)
		return -1;
	digest_add(d, p, n);
	digest_end(d, found);
	if (strcmp(found, digest) != 0)
		return err_set(e, ERR_CORRUPT, "digest of the content is %.19s…, not %.19s…", found, digest);
	return 0;
}

int store_put_blob(struct store *s, const char *digest, const void *p, size_t n, struct err *e)
{
	char path[DIGEST_TEXT + 16];
	if (!records_blob_path(digest, path))
		return err_set(e, ERR_CORRUPT, "invalid digest");
	if (check_blob(digest, p, n, e) < 0)
		return -1;
	/* What is there is kept, unless the disk has spoilt it. */
	own(buf) struct buf there = BUF(n + 1);
	struct err ignored = {};
	if (path_exists(s->root, path) && path_read(s->root, path, &there, &ignored) == 0 && there.len == n && memcmp(buf_text(&there), p, n) == 0)
		return 0;
	if (str_has_prefix(digest, "sha512:") && path_mkdirs(s->root, "blobs/sha512", 0700, e) < 0)
		return -1;
	return path_write(s->root, path, p, n, 0600, PATH_SYNC, e);
}

int store_get_blob(struct store *s, const char *digest, size_t max, struct buf *ret, struct err *e)
{
	char path[DIGEST_TEXT + 16];
	if (!records_blob_path(digest, path))
		return err_set(e, ERR_CORRUPT, "invalid digest");
	ret->max = max;
	return path_read(s->root, path, ret, e);
}

bool store_has_blob(struct store *s, const char *digest)
{
	char path[DIGEST_TEXT + 16];
	return records_blob_path(digest, path) && path_exists(s->root, path);
}

void records_link_path(const char *name, char out[LINK_TEXT])
{
	size_t n = (size_t)snprintf(out, LINK_TEXT, "images/names/%.*s", NAME_MAX_PLAIN, name);
	for (char *p = out + sizeof "images/names"; *p; p++)
		if (*p == '/')
			*p = '%';
	char digest[DIGEST_TEXT];
	struct err ignored = {};
	if (strlen(name) > NAME_MAX_PLAIN && digest_of(name, strlen(name), digest, &ignored) == 0)
		snprintf(out + n, LINK_TEXT - n, "%%%.50s", digest_hex(digest));
}

/* The id a name points at: 1, 0: none, -1: it cannot be told. */
static int read_link(struct store *s, const char *name, char id[DIGEST_TEXT], struct err *e)
{
	char path[LINK_TEXT];
	records_link_path(name, path);
	ssize_t n = readlinkat(s->root, path, id, DIGEST_TEXT - 1);
	if (n < 0 && errno != ENOENT && errno != EINVAL)
		return err_sys(e, "name %s", name);
	if (n <= 0)
		return 0;
	id[n] = 0;
	return digest_is_valid(id);
}

static int point_link(struct store *s, const char *name, const char *id, struct err *e)
{
	char path[LINK_TEXT], tmp[64];
	records_link_path(name, path);
	snprintf(tmp, sizeof tmp, "images/names/%%tmp-%d", (int)getpid());
	unlinkat(s->root, tmp, 0);
	if (symlinkat(id, s->root, tmp) < 0)
		return err_sys(e, "name %s", name);
	if (renameat(s->root, tmp, s->root, path) < 0) {
		err_sys_(e, "name %s", name);
		unlinkat(s->root, tmp, 0);
		return -1;
	}
	return 0;
}

static int remove_link(struct store *s, const char *name, struct err *e)
{
	char path[LINK_TEXT];
	records_link_path(name, path);
	return unlinkat(s->root, path, 0) < 0 && errno != ENOENT ? err_sys(e, "remove the name %s", name) : 0;
}

static void sync_names(struct store *s)
{
	own(fd) int d = openat(s->root, "images/names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d >= 0)
		fsync(d);
}

void records_path(const char *id, char out[DIGEST_TEXT + 16])
{
	snprintf(out, DIGEST_TEXT + 16, "images/%s.json", digest_hex(id));
}

int records_load(struct store *s, const char *id, struct arena *a, struct image_record *ret, struct err *e)
{
	char path[DIGEST_TEXT + 16];
	own(json) struct json *j = NULL;
	struct image_record r = {};
	if (!digest_is_valid(id))
		return err_set(e, ERR_CORRUPT, "image: invalid id");
	records_path(id, path);
	if (json_read(s->root, path, RECORD_MAX, &j, e) < 0)
		return -1;
	if (jmap_parse(&image_record_table, j, 0, a, &r, path, e) < 0)
		return -1;
	if (strcmp(r.id, id) != 0)
		return err_set(e, ERR_CORRUPT, "%s: the record of another image", path);
	*ret = r;
	return 0;
}

static int save_record(struct store *s, const struct image_record *r, struct err *e)
{
	char path[DIGEST_TEXT + 16];
	own(json) struct json *j = jmap_format(&image_record_table, r);
	own(buf) struct buf text = BUF(RECORD_MAX);
	json_format(j, 0, &text);
	buf_char(&text, '\n');
	if (buf_check(&text, e) < 0)
		return err_wrap(e, "image record");
	records_path(r->id, path);
	return path_write(s->root, path, text.data, text.len, 0600, PATH_SYNC, e);
}

int records_walk(struct store *s, records_fn each, void *arg, struct err *e)
{
	own(strv) struct strv names = {};
	int r = path_list(s->root, "images", &names, e);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		char id[DIGEST_TEXT];
		const char *name = names.v[i];
		size_t n = strcspn(name, ".");
		if (strcmp(name + n, ".json") != 0 || (n != 64 && n != 128))
			continue;
		snprintf(id, sizeof id, "%s:%.*s", n == 64 ? "sha256" : "sha512", (int)n, name);
		if (digest_is_valid(id))
			r = each(arg, id, e);
	}
	return r;
}

static void drop_name(struct arena *a, struct strv *names, const char *name)
{
	struct strv all = *names;
	*names = (struct strv){};
	for (size_t i = 0; i < all.n; i++)
		if (strcmp(all.v[i], name) != 0)
			arena_strv_add(a, names, all.v[i]);
}

static void merge(struct arena *a, struct strv *into, const struct strv *more)
{
	for (size_t i = 0; i < more->n; i++)
		if (!strv_has(into, more->v[i]))
			arena_strv_add(a, into, more->v[i]);
}

/* Takes `name` out of the record that has it now, when that is not `id`'s. */
static int leave_old(struct store *s, const char *name, const char *old, struct err *e)
{
	own(arena) struct arena a = {};
	struct image_record r;
	struct err why = {};
	if (records_load(s, old, &a, &r, &why) < 0)
		return why.sys && why.kind != ERR_NOT_FOUND ? (*e = why, -1) : 0;
	drop_name(&a, &r.names, name);
	drop_name(&a, &r.digests, name);
	return save_record(s, &r, e);
}

static int point_all(struct store *s, const struct strv *names, const char *id, struct err *e)
{
	for (size_t i = 0; i < names->n; i++) {
		char old[DIGEST_TEXT];
		int had = read_link(s, names->v[i], old, e);
		if (had < 0)
			return -1;
		if (had && strcmp(old, id) == 0)
			continue;
		if (point_link(s, names->v[i], id, e) < 0 || (had && leave_old(s, names->v[i], old, e) < 0))
			return -1;
	}
	return 0;
}

/* Keeps the names that a link confirms, or does not deny: with its last name an image goes. */
static void keep_true(struct store *s, struct arena *a, const char *id, struct strv *names)
{
	struct strv all = *names;
	*names = (struct strv){};
	for (size_t i = 0; i < all.n; i++) {
		char found[DIGEST_TEXT];
		struct err ignored = {};
		int r = read_link(s, all.v[i], found, &ignored);
		if (r < 0 || (r && strcmp(found, id) == 0))
			arena_strv_add(a, names, all.v[i]);
	}
}

void records_blobs(const struct image_record *r, struct strv *out)
{
	strv_add(out, r->id);
	if (!str_is_empty(r->manifest))
		strv_add(out, r->manifest);
	for (size_t i = 0; i < r->blobs.n; i++)
		strv_add(out, r->blobs.v[i]);
	for (size_t i = 0; i < r->digests.n; i++) {
		const char *at = strchr(r->digests.v[i], '@');
		if (at)
			strv_add(out, at + 1);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_sorted(const struct strv *l, const char *s)
{
	return l->n && bsearch(&s, l->v, l->n, sizeof *l->v, by_text);
}

static int all_blobs(struct store *s, struct strv *ret, struct err *e)
{
	static const char *const folders[] = {"sha256", "sha512"};
	for (size_t i = 0; i < countof(folders); i++) {
		own(strv) struct strv names = {};
		char path[32];
		snprintf(path, sizeof path, "blobs/%s", folders[i]);
		if (!path_exists(s->root, path))
			continue;
		if (path_list(s->root, path, &names, e) < 0)
			return -1;
		for (size_t k = 0; k < names.n; k++)
			strv_add_take(ret, mem_printf("%s:%s", folders[i], names.v[k]));
	}
	return 0;
}

/* Removes those blobs that no record names: none while a record cannot be read, which may name any. */
static int sweep(struct store *s, const struct strv *blobs, struct strv *layers, const struct strv *candidates, struct err *e)
{
	own(store_users) struct store_users u = {};
	if (store_users(s, &u, e) < 0)
		return -1;
	strv_sort(&u.blobs);
	strv_sort(&u.layers);
	for (size_t i = 0; !*u.unread && i < blobs->n; i++) {
		char path[DIGEST_TEXT + 16];
		if (!has_sorted(&u.blobs, blobs->v[i]) && records_blob_path(blobs->v[i], path))
			unlinkat(s->root, path, 0);
	}
	for (size_t i = 0; layers && !u.blind && i < candidates->n; i++)
		if (!has_sorted(&u.layers, candidates->v[i]) && !strv_has(layers, candidates->v[i]))
			strv_add(layers, candidates->v[i]);
	return 0;
}

static int put_record(struct store *s, const struct image_record *r, struct err *e)
{
	own(arena) struct arena a = {};
	struct image_record old = {}, new = *r;
	struct err why = {};
	char now[NUM_TEXT];
	bool had = records_load(s, r->id, &a, &old, &why) == 0;
	/* One whose content is spoilt is written anew; one that cannot be read now has names to keep. */
	if (!had && why.sys && why.kind != ERR_NOT_FOUND)
		return *e = why, -1;
	if (had) {
		keep_true(s, &a, r->id, &old.names);
		keep_true(s, &a, r->id, &old.digests);
	}
	new.names = new.digests = new.pushed = (struct strv){};
	merge(&a, &new.names, &old.names);
	merge(&a, &new.names, &r->names);
	merge(&a, &new.digests, &old.digests);
	merge(&a, &new.digests, &r->digests);
	merge(&a, &new.pushed, &old.pushed);
	merge(&a, &new.pushed, &r->pushed);
	if (!new.blobs.n)
		new.blobs = old.blobs;
	if (str_is_empty(new.manifest))
		new.manifest = old.manifest;
	if (!new.size)
		new.size = old.size;
	if (str_is_empty(new.tagged_at))
		new.tagged_at = num_format_time(num_now_ns(), now);
	if (save_record(s, &new, e) < 0 || point_all(s, &new.names, r->id, e) < 0 || point_all(s, &new.digests, r->id, e) < 0)
		return -1;
	sync_names(s);
	if (had && !str_is_empty(old.manifest) && !str_eq(old.manifest, new.manifest)) {
		struct strv blobs = {.v = &old.manifest, .n = 1};
		return sweep(s, &blobs, NULL, NULL, e);
	}
	return 0;
}

int store_put(struct store *s, const struct image_record *r, const struct store_blob *blobs, size_t nblobs, struct err *e)
{
	if (!r->id || !digest_is_valid(r->id))
		return err_set(e, ERR_BUG, "image: invalid id");
	LOCKED(s, e);
	for (size_t i = 0; i < nblobs; i++)
		if (store_put_blob(s, blobs[i].digest, blobs[i].data, blobs[i].len, e) < 0)
			return err_wrap(e, "image %.19s", r->id);
	if (!store_has_blob(s, r->id))
		return err_set(e, ERR_CONFLICT, "image %.19s: its configuration was removed meanwhile: try again", r->id);
	return put_record(s, r, e);
}

int store_add(struct store *s, const struct image_record *r, struct err *e)
{
	return store_put(s, r, NULL, 0, e);
}

int store_tag(struct store *s, const char *id, const struct ref *name, struct err *e)
{
	own(arena) struct arena a = {};
	struct image_record r;
	char text[REF_TEXT];
	char *names[] = {ref_format(name, text), NULL};
	if (*name->digest)
		return err_set(e, ERR_USAGE, "invalid name \"%s\": a name to give has a tag and no digest", text);
	LOCKED(s, e);
	if (records_load(s, id, &a, &r, e) < 0)
		return e->kind == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "no such image: %s", id) : -1;
	r.names = (struct strv){names, 1};
	r.digests = (struct strv){};
	r.tagged_at = NULL;
	return put_record(s, &r, e);
}

static bool is_of_repository(const char *name, const char *repository)
{
	const char *rest = str_after(name, repository);
	return rest && (*rest == ':' || *rest == '@');
}

int store_untag(struct store *s, const struct ref *name, size_t *ret_left, struct err *e)
{
	own(arena) struct arena a = {};
	struct image_record r;
	struct ref bare = *name;
	char text[REF_TEXT], repository[REF_TEXT], id[DIGEST_TEXT];
	if (*bare.digest)
		*bare.tag = 0;
	ref_format(&bare, text);
	*bare.tag = *bare.digest = 0;
	ref_format(&bare, repository);
	LOCKED(s, e);
	int found = read_link(s, text, id, e);
	if (found <= 0)
		return found < 0 ? -1 : err_set(e, ERR_NOT_FOUND, "no such image: %s", text);
	if (remove_link(s, text, e) < 0)
		return -1;
	size_t left = 0;
	struct err why = {};
	if (records_load(s, id, &a, &r, &why) == 0) {
		keep_true(s, &a, id, &r.names);
		keep_true(s, &a, id, &r.digests);
		bool last = true;
		for (size_t i = 0; i < r.names.n; i++)
			last = last && !is_of_repository(r.names.v[i], repository);
		struct strv digests = r.digests;
		r.digests = (struct strv){};
		for (size_t i = 0; i < digests.n; i++)
			if (!last || !is_of_repository(digests.v[i], repository))
				arena_strv_add(&a, &r.digests, digests.v[i]);
			else if (remove_link(s, digests.v[i], e) < 0)
				return -1;
		left = r.names.n + r.digests.n;
		if (save_record(s, &r, e) < 0)
			return -1;
	} else if (why.kind != ERR_NOT_FOUND) {
		*e = why;
		return -1;
	}
	sync_names(s);
	*ret_left = left;
	return 0;
}

int store_remove(struct store *s, const char *id, struct strv *ret_layers, struct err *e)
{
	own(arena) struct arena a = {};
	own(strv) struct strv blobs = {};
	struct image_record r;
	char path[DIGEST_TEXT + 16];
	LOCKED(s, e);
	if (records_load(s, id, &a, &r, e) < 0)
		return e->kind == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "no such image: %s", id) : -1;
	keep_true(s, &a, id, &r.names);
	struct strv digests = r.digests;
	keep_true(s, &a, id, &digests);
	for (size_t i = 0; i < r.names.n; i++)
		if (remove_link(s, r.names.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < digests.n; i++)
		if (remove_link(s, digests.v[i], e) < 0)
			return -1;
	records_path(id, path);
	if (unlinkat(s->root, path, 0) < 0)
		return err_sys(e, "remove image %.19s", id);
	sync_names(s);
	/* All there are: those that a killed pull or load had put, too. */
	if (all_blobs(s, &blobs, e) < 0)
		return -1;
	return sweep(s, &blobs, ret_layers, &r.diff_ids, e);
}

void image_drop(struct image *i)
{
	json_drop(&i->document);
	arena_drop(&i->arena);
	*i = (struct image){};
}

static int load_image(struct store *s, const char *id, struct image *ret, struct err *e)
{
	own(buf) struct buf text = {};
	own(image) struct image i = {};
	if (records_load(s, id, &i.arena, &i.record, e) < 0)
		return -1;
	if (store_get_blob(s, id, DOCUMENT_MAX, &text, e) < 0 || json_parse(buf_text(&text), text.len, &i.document, e) < 0 ||
		image_config_parse(i.document, &i.arena, &i.config, e) < 0)
		return err_wrap(e, "image %.19s", id);
	*ret = i;
	i = (struct image){};
	return 0;
}

struct prefix {
	const char *hex;
	char found[DIGEST_TEXT];
	size_t n;
};

static int match_prefix(void *arg, const char *id, struct err *e)
{
	struct prefix *p = arg;
	(void)e;
	if (str_has_prefix(digest_hex(id), p->hex) && p->n++ == 0)
		snprintf(p->found, sizeof p->found, "%s", id);
	return 0;
}

/* Text to id: a whole id, a name, an id's beginning, in this order. */
int store_resolve(struct store *s, const char *text, char *id, struct err *e)
{
	const char *hex = str_after(text, "sha256:");
	bool is_id = ref_is_id(text);
	struct prefix p = {.hex = hex ? hex : text};
	if (is_id && strlen(p.hex) == 64) {
		snprintf(id, DIGEST_TEXT, "sha256:%s", p.hex);
		char path[DIGEST_TEXT + 16];
		records_path(id, path);
		return path_exists(s->root, path) ? 0 : err_set(e, ERR_NOT_FOUND, "no such image: %s", text);
	}
	struct ref r;
	struct err why = {};
	bool is_name = !(hex && is_id) && ref_parse(text, &r, &why) == 0;
	if (is_name) {
		char name[REF_TEXT];
		if (*r.digest)
			*r.tag = 0;
		int found = read_link(s, ref_format(&r, name), id, e);
		if (found)
			return found < 0 ? -1 : 0;
	}
	if (is_id && records_walk(s, match_prefix, &p, e) < 0)
		return -1;
	if (p.n > 1)
		return err_set(e, ERR_CONFLICT, "image id %s is ambiguous: %zu images begin with it: write more digits", text, p.n);
	if (p.n == 1) {
		memcpy(id, p.found, sizeof p.found);
		return 0;
	}
	if (!is_name && !is_id) {
		*e = why;
		return -1;
	}
	return err_set(e, ERR_NOT_FOUND, "no such image: %s", text);
}

int store_find(struct store *s, const char *text, struct image *ret, struct err *e)
{
	char id[DIGEST_TEXT];
	/* Between the link and the record another process may have removed the image, or moved the name: look again. */
	for (int i = 0;; i++) {
		if (store_resolve(s, text, id, e) < 0)
			return -1;
		if (load_image(s, id, ret, e) == 0)
			break;
		if (e->kind != ERR_NOT_FOUND)
			return -1;
		if (i == 3)
			return err_set(e, ERR_NOT_FOUND, "no such image: %s", text);
	}
	keep_true(s, &ret->arena, id, &ret->record.names);
	keep_true(s, &ret->arena, id, &ret->record.digests);
	return 0;
}

struct listing {
	struct store *s;
	struct {
		struct entry { char id[DIGEST_TEXT]; int64_t created; } *v;
		size_t n;
	} all;
	struct arena arena;
	size_t bad;
};

static int list_one(void *arg, const char *id, struct err *e)
{
	struct listing *l = arg;
	own(arena) struct arena a = {};
	struct image_record r;
	struct err ignored = {};
	(void)e;
	if (records_load(l->s, id, &a, &r, &ignored) < 0) {
		l->bad++;
		return 0;
	}
	struct entry *x = arena_push(&l->arena, &l->all);
	snprintf(x->id, sizeof x->id, "%s", id);
	x->created = r.created ? num_time_of(r.created) : 0;
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return x->created != y->created ? (x->created < y->created ? 1 : -1) : strcmp(x->id, y->id);
}

int store_each(struct store *s, int (*each)(void *arg, const struct image *i, struct err *e), void *arg, size_t *ret_bad, struct err *e)
{
	struct listing l = {.s = s};
	int r = records_walk(s, list_one, &l, e);
	if (l.all.n)
		qsort(l.all.v, l.all.n, sizeof *l.all.v, newest_first);
	for (size_t i = 0; r == 0 && i < l.all.n; i++) {
		own(image) struct image image = {};
		struct err ignored = {};
		if (load_image(s, l.all.v[i].id, &image, &ignored) < 0) {
			l.bad += ignored.kind != ERR_NOT_FOUND || store_has_blob(s, l.all.v[i].id);
			continue;
		}
		keep_true(s, &image.arena, image.record.id, &image.record.names);
		keep_true(s, &image.arena, image.record.id, &image.record.digests);
		r = each(arg, &image, e);
	}
	arena_drop(&l.arena);
	if (ret_bad)
		*ret_bad = l.bad;
	return r;
}

/* It is the time of the record: what changes that uses the image, too. */
void store_use(int root, const char *id)
{
	char path[DIGEST_TEXT + 16];
	struct stat st;
	if (!digest_is_valid(id))
		return;
	records_path(id, path);
	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && time(NULL) - st.st_mtime >= 60)
		(void)!utimensat(root, path, NULL, AT_SYMLINK_NOFOLLOW);
}

int64_t store_used_ns(const struct store *s, const char *id)
{
	char path[DIGEST_TEXT + 16];
	struct stat st;
	records_path(id, path);
	return fstatat(s->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}
