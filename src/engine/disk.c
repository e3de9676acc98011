/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk: one walk over the root gives bytes by the first two parts of each path ("layers/<hex>", "containers/<id>"); records then say whose each
 * is. A layer is an image's if any image has it, else the build cache's, else a container's, else nobody's.
 */
#include "engine/disk.h"

#include "base/num.h"
#include "base/path.h"
#include "codec/digest.h"
#include "engine/container.h"
#include "engine/list.h"
#include "engine/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

const char *const disk_words[DISK_KINDS] = {"Images", "Containers", "Local Volumes", "Build Cache", "Other"};

struct part { char *folder, *name; uint64_t bytes; }; /* name "": the folder itself, and files in it that are no names */
struct inode { dev_t dev; ino_t ino; };
struct walk {
	struct arena arena;
	struct { struct part *v; size_t n; } parts;
	struct part *last;
	struct { struct inode *v; size_t n, room; } links; /* open addressing */
};

static void walk_drop(struct walk *w)
{
	free(w->links.v);
	arena_drop(&w->arena);
}

static struct part *part_of(struct walk *w, const char *path)
{
	size_t n = strcspn(path, "/");
	const char *name = path[n] ? path + n + 1 : "";
	size_t m = strcspn(name, "/");
	if (w->last && strlen(w->last->folder) == n && strncmp(w->last->folder, path, n) == 0 && strlen(w->last->name) == m &&
		strncmp(w->last->name, name, m) == 0)
		return w->last;
	struct part *p = arena_push(&w->arena, &w->parts);
	*p = (struct part){arena_ndup(&w->arena, path, n), arena_ndup(&w->arena, name, m), 0};
	return w->last = p;
}

static struct inode *find_inode(struct walk *w, const struct inode *of)
{
	size_t i = (size_t)(of->ino * 0x9e3779b97f4a7c15u) & (w->links.room - 1);
	while (w->links.v[i].ino && (w->links.v[i].ino != of->ino || w->links.v[i].dev != of->dev))
		i = (i + 1) & (w->links.room - 1);
	return &w->links.v[i];
}

static bool was_seen(struct walk *w, const struct stat *st)
{
	struct inode x = {st->st_dev, st->st_ino};
	if (2 * w->links.n >= w->links.room) {
		struct inode *old = w->links.v;
		size_t n = w->links.room;
		w->links.room = n ? 2 * n : 256;
		w->links.v = mem_alloc(w->links.room * sizeof *old);
		for (size_t i = 0; i < n; i++)
			if (old[i].ino)
				*find_inode(w, &old[i]) = old[i];
		free(old);
	}
	struct inode *at = find_inode(w, &x);
	if (at->ino)
		return true;
	*at = x;
	w->links.n++;
	return false;
}

static int add_below(struct walk *w, struct engine *g, const char *folder, struct err *e)
{
	own(mem) char *path = *folder ? mem_printf("%s/%s", g->root_path, folder) : mem_dup(g->root_path);
	size_t skip = strlen(g->root_path) + 1;
	char *const roots[] = {path, NULL};
	FTS *f = fts_open(roots, FTS_PHYSICAL | FTS_XDEV, NULL);
	if (!f)
		return err_sys(e, "%s", path);
	for (FTSENT *x; (x = fts_read(f));) {
		/* What goes away meanwhile is not there; DP is a directory again. */
		if (x->fts_info == FTS_DP || x->fts_info == FTS_NS || x->fts_info == FTS_DNR || x->fts_info == FTS_ERR)
			continue;
		const struct stat *st = x->fts_statp;
		if (!S_ISDIR(st->st_mode) && st->st_nlink > 1 && was_seen(w, st))
			continue;
		part_of(w, strlen(x->fts_path) > skip ? x->fts_path + skip : "")->bytes += (uint64_t)st->st_blocks * 512;
	}
	fts_close(f);
	return 0;
}

int disk_bytes(struct engine *g, const char *const *folders, size_t n, uint64_t *ret, struct err *e)
{
	struct walk w __attribute__((cleanup(walk_drop))) = {};
	*ret = 0;
	for (size_t i = 0; i < n; i++)
		if (add_below(&w, g, folders[i], e) < 0)
			return -1;
	for (size_t i = 0; i < w.parts.n; i++)
		*ret += w.parts.v[i].bytes;
	return 0;
}

/* ---- whose it is */

struct known_image {
	char *id, *manifest;
	struct json *names;  /* owned by the arena's owner: dropped with usage */
	struct strv layers, digests;
	int64_t created;
	uint64_t users;
};
struct known_container { char *id, *image; struct strv layers; bool runs; };
struct usage {
	struct engine *g;
	struct arena arena;
	struct walk walk;
	struct { struct known_image *v; size_t n; } images;
	struct { struct known_container *v; size_t n; } containers;
	struct strv cached; /* hex */
	struct json *volumes;
	struct { uint64_t count, active, bytes, free; } total[DISK_KINDS];
};

static void usage_drop(struct usage *u)
{
	for (size_t i = 0; i < u->images.n; i++)
		json_drop(&u->images.v[i].names);
	json_drop(&u->volumes);
	strv_drop(&u->cached);
	walk_drop(&u->walk);
	arena_drop(&u->arena);
}

static void copy_list(struct arena *a, struct strv *to, const struct strv *from)
{
	for (size_t i = 0; i < from->n; i++)
		arena_strv_add(a, to, from->v[i]);
}

static int note_image(void *arg, const struct image *i, struct err *e unused)
{
	struct usage *u = arg;
	struct known_image *x = arena_push(&u->arena, &u->images);
	*x = (struct known_image){.id = arena_dup(&u->arena, i->record.id), .names = json_new_array(),
		.manifest = arena_dup(&u->arena, i->record.manifest ? i->record.manifest : ""),
		.created = i->record.created ? num_time_of(i->record.created) / 1000000000 : 0};
	copy_list(&u->arena, &x->layers, &i->record.diff_ids);
	copy_list(&u->arena, &x->digests, &i->record.digests);
	for (size_t k = 0; k < i->record.names.n; k++) {
		struct ref r;
		struct err ignored = {};
		char text[REF_TEXT];
		if (ref_parse(i->record.names.v[k], &r, &ignored) == 0)
			json_add(x->names, json_new_str(ref_format_familiar(&r, text)));
	}
	return 0;
}

static int note_containers(struct usage *u, struct err *e)
{
	own(strv) struct strv ids = {};
	if (containers_ids(&u->g->containers, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		struct err gone = {};
		if (containers_load(&u->g->containers, ids.v[i], 0, &c, &gone) < 0)
			continue;
		const char *status = container_status(u->g, &c);
		struct known_container *x = arena_push(&u->arena, &u->containers);
		*x = (struct known_container){.id = arena_dup(&u->arena, c.id), .image = arena_dup(&u->arena, c.state.image ? c.state.image : ""),
			.runs = str_eq(status, "running") || str_eq(status, "paused") || str_eq(status, "restarting")};
		copy_list(&u->arena, &x->layers, &c.record.layers);
		for (size_t k = 0; k < u->images.n; k++)
			u->images.v[k].users += strcmp(u->images.v[k].id, x->image) == 0;
	}
	return 0;
}

static bool has_layer(const struct strv *diff_ids, const char *hex)
{
	for (size_t i = 0; i < diff_ids->n; i++)
		if (strcmp(digest_hex(diff_ids->v[i]), hex) == 0)
			return true;
	return false;
}

struct owners { size_t images, used_images, containers; bool cached; };

static struct owners owners_of(const struct usage *u, const char *hex)
{
	struct owners o = {.cached = strv_has(&u->cached, hex)};
	for (size_t i = 0; i < u->images.n; i++)
		if (has_layer(&u->images.v[i].layers, hex)) {
			o.images++;
			o.used_images += u->images.v[i].users > 0;
		}
	for (size_t i = 0; i < u->containers.n; i++)
		o.containers += has_layer(&u->containers.v[i].layers, hex);
	return o;
}

static bool is_layer(const struct part *p)
{
	size_t n = strlen(p->name);
	return strcmp(p->folder, "layers") == 0 && (n == 64 || n == 128) && strspn(p->name, "0123456789abcdef") == n;
}

static void give(struct usage *u, enum disk_kind k, const struct part *p, bool reclaimable)
{
	u->total[k].bytes += p->bytes;
	if (reclaimable)
		u->total[k].free += p->bytes;
}

static void take_layer(struct usage *u, const struct part *p)
{
	struct owners o = owners_of(u, p->name);
	if (o.images)
		give(u, DISK_IMAGES, p, !o.used_images && !o.containers && !o.cached);
	else if (o.cached)
		give(u, DISK_CACHE, p, !o.containers);
	else if (o.containers)
		give(u, DISK_CONTAINERS, p, false);
	else
		give(u, DISK_OTHER, p, true);
}

static bool is_stopped(const struct usage *u, const char *id)
{
	for (size_t i = 0; i < u->containers.n; i++)
		if (strcmp(u->containers.v[i].id, id) == 0)
			return !u->containers.v[i].runs;
	return false;
}

static bool is_unused_volume(const struct usage *u, const char *name)
{
	for (size_t i = 0; i < json_len(u->volumes); i++) {
		const struct json *v = json_at(u->volumes, i);
		if (str_eq(json_get_str(v, "Name"), name))
			return json_i64(json_get(v, "Links")) == 0;
	}
	return false;
}

static void take_part(struct usage *u, const struct part *p)
{
	static const struct { const char *folder; enum disk_kind kind; } rows[] = {{"blobs", DISK_IMAGES}, {"images", DISK_IMAGES},
		{"containers", DISK_CONTAINERS}, {"names", DISK_CONTAINERS}, {"volumes", DISK_VOLUMES}, {"build", DISK_CACHE}};
	if (is_layer(p))
		return take_layer(u, p);
	if (strcmp(p->folder, "layers") == 0)
		return give(u, DISK_OTHER, p, str_has_prefix(p->name, "tmp-"));
	for (size_t i = 0; i < countof(rows); i++) {
		if (strcmp(rows[i].folder, p->folder) != 0)
			continue;
		bool reclaimable = (rows[i].kind == DISK_CONTAINERS && is_stopped(u, p->name)) ||
			(rows[i].kind == DISK_VOLUMES && is_unused_volume(u, p->name)) ||
			(rows[i].kind == DISK_IMAGES && strcmp(p->name, "partial") == 0) ||
			(rows[i].kind == DISK_CACHE && *p->name && strcmp(p->name, "running") != 0);
		return give(u, rows[i].kind, p, reclaimable);
	}
	give(u, DISK_OTHER, p, false);
}

static uint64_t file_bytes(struct engine *g, const char *path)
{
	struct stat st;
	return fstatat(g->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : (uint64_t)st.st_blocks * 512;
}

/* Documents and record of an image that goes: blobs are shared seldom, and then counted with the first. */
static void take_documents(struct usage *u, struct strv *counted, const struct known_image *i)
{
	struct strv blobs = {};
	own(mem) char *record = mem_printf("images/%s.json", digest_hex(i->id));
	u->total[DISK_IMAGES].free += file_bytes(u->g, record);
	arena_strv_add(&u->arena, &blobs, i->id);
	arena_strv_add(&u->arena, &blobs, i->manifest);
	for (size_t k = 0; k < i->digests.n; k++)
		if (strchr(i->digests.v[k], '@'))
			arena_strv_add(&u->arena, &blobs, strchr(i->digests.v[k], '@') + 1);
	for (size_t k = 0; k < blobs.n; k++) {
		own(mem) char *path = mem_printf("blobs/%.*s/%s", (int)strcspn(blobs.v[k], ":"), blobs.v[k], digest_hex(blobs.v[k]));
		if (!*digest_hex(blobs.v[k]) || strv_has(counted, path))
			continue;
		strv_add(counted, path);
		u->total[DISK_IMAGES].free += file_bytes(u->g, path);
	}
}

/* Blobs that are kept of layers go with them. */
static void take_compressed(struct usage *u)
{
	own(strv) struct strv layers = {};
	struct err ignored = {};
	if (!path_exists(u->g->root, "images/compressed") || path_list(u->g->root, "images/compressed", &layers, &ignored) < 0)
		return;
	for (size_t i = 0; i < layers.n; i++) {
		own(strv) struct strv blobs = {};
		own(mem) char *folder = mem_printf("images/compressed/%s", layers.v[i]);
		struct owners o = owners_of(u, layers.v[i]);
		if (o.used_images || o.containers || o.cached || path_list(u->g->root, folder, &blobs, &ignored) < 0)
			continue;
		u->total[DISK_IMAGES].free += file_bytes(u->g, folder);
		for (size_t k = 0; k < blobs.n; k++) {
			own(mem) char *path = mem_printf("%s/%s", folder, blobs.v[k]);
			u->total[DISK_IMAGES].free += file_bytes(u->g, path);
		}
	}
}

static int read_records(struct usage *u, struct err *e)
{
	size_t bad = 0;
	if (engine_need_store(u->g, e) < 0 || engine_need_snap(u->g, e) < 0 || store_each(&u->g->store, note_image, u, &bad, e) < 0 ||
		note_containers(u, e) < 0)
		return -1;
	if (bad)
		engine_warn(u->g, "%zu image records cannot be read", bad);
	if (path_exists(u->g->root, "build/layers") && path_list(u->g->root, "build/layers", &u->cached, e) < 0)
		return -1;
	struct strv none = {};
	u->volumes = volume_list(u->g, &none, e);
	if (!u->volumes)
		return -1;
	for (size_t i = 0; i < json_len(u->volumes); i++) {
		struct json *v = json_at(u->volumes, i);
		own(strv) struct strv users = {};
		if (volume_users(u->g, json_get_str(v, "Name"), "", &users, e) < 0)
			return -1;
		json_set(v, "Links", json_new_u64(users.n));
	}
	return 0;
}

static void count(struct usage *u)
{
	own(strv) struct strv counted = {};
	for (size_t i = 0; i < u->walk.parts.n; i++)
		take_part(u, &u->walk.parts.v[i]);
	take_compressed(u);
	u->total[DISK_IMAGES].count = u->images.n;
	for (size_t i = 0; i < u->images.n; i++)
		if (u->images.v[i].users)
			u->total[DISK_IMAGES].active++;
		else
			take_documents(u, &counted, &u->images.v[i]);
	u->total[DISK_CONTAINERS].count = u->containers.n;
	for (size_t i = 0; i < u->containers.n; i++)
		u->total[DISK_CONTAINERS].active += u->containers.v[i].runs;
	u->total[DISK_VOLUMES].count = json_len(u->volumes);
	for (size_t i = 0; i < json_len(u->volumes); i++)
		u->total[DISK_VOLUMES].active += json_u64(json_get(json_at(u->volumes, i), "Links")) > 0;
	u->total[DISK_CACHE].count = u->cached.n;
}

/* ---- the document */

static uint64_t bytes_of(const struct usage *u, const char *folder, const char *name)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < u->walk.parts.n; i++)
		if (strcmp(u->walk.parts.v[i].folder, folder) == 0 && strcmp(u->walk.parts.v[i].name, name) == 0)
			sum += u->walk.parts.v[i].bytes;
	return sum;
}

static struct json *totals(const struct usage *u)
{
	struct json *list = json_new_array();
	for (size_t k = 0; k < DISK_KINDS; k++) {
		struct json *j = json_new_object();
		json_set_str(j, "Type", disk_words[k]);
		json_set(j, "TotalCount", json_new_u64(u->total[k].count));
		json_set(j, "Active", json_new_u64(u->total[k].active));
		json_set(j, "Bytes", json_new_u64(u->total[k].bytes));
		json_set(j, "Reclaimable", json_new_u64(u->total[k].free));
		json_add(list, j);
	}
	return list;
}

static struct json *images(const struct usage *u)
{
	struct json *list = json_new_array();
	for (size_t i = 0; i < u->images.n; i++) {
		const struct known_image *x = &u->images.v[i];
		struct json *j = json_new_object();
		uint64_t shared = 0, single = 0;
		for (size_t k = 0; k < x->layers.n; k++) {
			const char *hex = digest_hex(x->layers.v[k]);
			bool again = false;
			for (size_t m = 0; m < k; m++)
				again = again || strcmp(x->layers.v[m], x->layers.v[k]) == 0;
			if (!again)
				*(owners_of(u, hex).images > 1 ? &shared : &single) += bytes_of(u, "layers", hex);
		}
		json_set_str(j, "Id", x->id);
		json_set(j, "RepoTags", json_ref(x->names));
		json_set(j, "Created", json_new_i64(x->created));
		json_set(j, "Size", json_new_u64(shared + single));
		json_set(j, "SharedSize", json_new_u64(shared));
		json_set(j, "UniqueSize", json_new_u64(single));
		json_set(j, "Containers", json_new_u64(x->users));
		json_add(list, j);
	}
	return list;
}

static struct json *containers(const struct usage *u, struct err *e)
{
	struct strv none = {};
	struct container_list_request q = {.all = true, .filters = &none};
	struct json *list = container_list(u->g, &q, e);
	for (size_t i = 0; i < json_len(list); i++) {
		struct json *j = json_at(list, i);
		json_set(j, "Bytes", json_new_u64(bytes_of(u, "containers", json_get_str(j, "Id"))));
	}
	return list;
}

static struct json *volumes(const struct usage *u)
{
	struct json *list = json_new_array();
	for (size_t i = 0; i < json_len(u->volumes); i++) {
		const struct json *v = json_at(u->volumes, i);
		struct json *j = json_new_object();
		json_set_str(j, "Name", json_get_str(v, "Name"));
		json_set(j, "Links", json_ref(json_get(v, "Links")));
		json_set(j, "Size", json_new_u64(bytes_of(u, "volumes", json_get_str(v, "Name"))));
		json_add(list, j);
	}
	return list;
}

static struct json *cache(const struct usage *u)
{
	struct json *list = json_new_array();
	for (size_t i = 0; i < u->cached.n; i++) {
		struct owners o = owners_of(u, u->cached.v[i]);
		struct json *j = json_new_object();
		json_set_str(j, "ID", u->cached.v[i]);
		json_set(j, "Size", json_new_u64(bytes_of(u, "layers", u->cached.v[i])));
		json_set(j, "Shared", json_new_bool(o.images || o.containers));
		json_add(list, j);
	}
	return list;
}

struct json *disk_usage(struct engine *g, struct err *e)
{
	struct usage u __attribute__((cleanup(usage_drop))) = {.g = g};
	if (read_records(&u, e) < 0 || add_below(&u.walk, g, "", e) < 0)
		return NULL;
	count(&u);
	struct json *list = containers(&u, e);
	if (!list)
		return NULL;
	struct json *j = json_new_object();
	json_set(j, "Totals", totals(&u));
	json_set(j, "Images", images(&u));
	json_set(j, "Containers", list);
	json_set(j, "Volumes", volumes(&u));
	json_set(j, "BuildCache", cache(&u));
	return j;
}
