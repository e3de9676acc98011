/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune: see prune.h. A step is forgotten before its layer is let go, so that no key names a layer that nobody keeps.
 */
#include "build/prune.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "build/cache.h"
#include "codec/json.h"
#include "engine/events.h"
#include "engine/disk.h"
#include "engine/layers.h"
#include "engine/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRY_MAX = 4 << 20 };

struct kept { char *hex, *step; int64_t used; uint64_t bytes; bool goes; char *mount /* the volume of a cache mount; NULL: a layer */; };
struct keys {
	struct arena arena;
	struct { struct kept *v; size_t n; } layers;
	struct { char **v; size_t n; } keys, of; /* of: the layer of each, "" for none */
};

static void keys_drop(struct keys *k)
{
	arena_drop(&k->arena);
}

static int by_use(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;
	return x->used != y->used ? (x->used < y->used ? -1 : 1) : strcmp(x->hex, y->hex);
}

static int read_layers(struct cache *c, struct engine *g, struct keys *k, struct err *e)
{
	own(strv) struct strv names = {};
	if (path_list(c->dir, "layers", &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;
		struct snap_layer_info info = {};
		struct err gone = {};
		own(mem) char *path = mem_printf("layers/%s", names.v[i]);
		own(mem) char *id = mem_printf("%s:%s", strlen(names.v[i]) == 128 ? "sha512" : "sha256", names.v[i]);
		if (fstatat(c->dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (snap_layer_info(&g->snap, id, &info, &gone) < 0)
			info.bytes = 0;
		*arena_push(&k->arena, &k->layers) = (struct kept){.hex = arena_dup(&k->arena, names.v[i]), .step = arena_dup(&k->arena, ""),
			.used = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec, .bytes = info.bytes};
	}
	if (k->layers.n)
		qsort(k->layers.v, k->layers.n, sizeof *k->layers.v, by_use);
	return 0;
}

static struct kept *find(struct keys *k, const char *hex)
{
	for (size_t i = 0; i < k->layers.n; i++)
		if (strcmp(k->layers.v[i].hex, hex) == 0)
			return &k->layers.v[i];
	return NULL;
}

static int read_keys(struct cache *c, struct keys *k, struct err *e)
{
	own(strv) struct strv names = {};
	if (path_list(c->dir, "keys", &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		own(buf) struct buf text = BUF(ENTRY_MAX);
		own(json) struct json *j = NULL;
		struct err none = {};
		own(mem) char *path = mem_printf("keys/%s", names.v[i]);
		if (path_read(c->dir, path, &text, &none) < 0 || json_parse(buf_text(&text), strcspn(buf_text(&text), "\n"), &j, &none) < 0)
			json_drop(&j);
		const char *layer = j ? json_get_str(j, "layer") : NULL, *step = j ? json_get_str(j, "step") : NULL;
		const char *hex = layer && strchr(layer, ':') ? strchr(layer, ':') + 1 : "";
		*arena_push(&k->arena, &k->keys) = arena_dup(&k->arena, path);
		*arena_push(&k->arena, &k->of) = arena_dup(&k->arena, hex);
		struct kept *l = *hex ? find(k, hex) : NULL;
		if (l && step)
			l->step = arena_dup(&k->arena, step);
	}
	return 0;
}

static int read_all(struct cache *c, struct engine *g, struct keys *k, struct err *e)
{
	return engine_need_snap(g, e) < 0 || engine_need_store(g, e) < 0 || cache_open(c, g, e) < 0 || read_layers(c, g, k, e) < 0 || read_keys(c, k, e) < 0
		? -1 : 0;
}

/* When a cache mount was used last: run_mounts.c. */
static int64_t mount_used(const char *mountpoint)
{
	own(mem) char *above = mem_printf("%s/..", mountpoint);
	struct stat st;
	return stat(above, &st) < 0 ? 0 : (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static struct json *mounts(struct engine *g, struct err *e)
{
	own(strv) struct strv filters = {};
	strv_add(&filters, "label=" CACHE_MOUNT_LABEL);
	return volume_list(g, &filters, e);
}

static int add_mounts(struct engine *g, struct json *out, struct err *e)
{
	own(json) struct json *list = mounts(g, e);
	if (!list)
		return -1;
	for (size_t i = 0; i < json_len(list); i++) {
		const struct json *v = json_at(list, i);
		const char *name = json_get_str(v, "Name"), *id = json_get_str(json_get(v, "Labels"), CACHE_MOUNT_LABEL);
		uint64_t bytes, users;
		char when[NUM_TEXT];
		struct err gone = {};
		if (volume_size(g, name, &bytes, &users, &gone) < 0)
			continue;
		struct json *j = json_new_object();
		own(mem) char *text = mem_printf("cache mount %s", id ? id : "");
		json_set_str(j, "ID", name);
		json_set(j, "Size", json_new_u64(bytes));
		json_set_str(j, "LastUsedAt", num_format_time(mount_used(json_get_str(v, "Mountpoint")), when));
		json_set_str(j, "Description", text);
		json_set_str(j, "Type", "exec.cachemount");
		json_add(out, j);
	}
	return 0;
}

struct json *prune_list(struct engine *g, struct err *e)
{
	own(cache) struct cache c = {.dir = -1};
	own(keys) struct keys k = {};
	if (read_all(&c, g, &k, e) < 0)
		return NULL;
	struct json *out = json_new_array();
	for (size_t i = 0; i < k.layers.n; i++) {
		const struct kept *l = &k.layers.v[i];
		struct json *j = json_new_object();
		char when[NUM_TEXT];
		own(mem) char *id = mem_printf("%s:%s", strlen(l->hex) == 128 ? "sha512" : "sha256", l->hex);
		json_set_str(j, "ID", id);
		json_set(j, "Size", json_new_u64(l->bytes));
		json_set_str(j, "LastUsedAt", num_format_time(l->used, when));
		json_set_str(j, "Description", l->step);
		json_set_str(j, "Type", "regular");
		json_add(out, j);
	}
	if (add_mounts(g, out, e) < 0)
		json_drop(&out);
	return out;
}

static void choose(struct keys *k, int64_t unused_ns, uint64_t keep)
{
	int64_t before = num_now_ns() - unused_ns;
	uint64_t all = 0;
	for (size_t i = 0; i < k->layers.n; i++)
		all += k->layers.v[i].bytes;
	for (size_t i = 0; i < k->layers.n; i++) {
		struct kept *l = &k->layers.v[i];
		l->goes = (!unused_ns || l->used < before) && (!keep || all > keep);
		if (l->goes)
			all -= l->bytes;
	}
}

static int forget(struct cache *c, struct keys *k, bool everything, struct strv *ret_ids, struct err *e)
{
	for (size_t i = 0; i < k->keys.n; i++) {
		const struct kept *l = *k->of.v[i] ? find(k, k->of.v[i]) : NULL;
		bool goes = *k->of.v[i] ? !l || l->goes : everything;
		if (goes && unlinkat(c->dir, k->keys.v[i], 0) < 0 && errno != ENOENT)
			return err_sys(e, "build cache");
	}
	for (size_t i = 0; i < k->layers.n; i++) {
		own(mem) char *path = mem_printf("layers/%s", k->layers.v[i].hex);
		if (!k->layers.v[i].goes || k->layers.v[i].mount)
			continue;
		if (unlinkat(c->dir, path, 0) < 0 && errno != ENOENT)
			return err_sys(e, "build cache");
		strv_add_take(ret_ids, mem_printf("%s:%s", strlen(k->layers.v[i].hex) == 128 ? "sha512" : "sha256", k->layers.v[i].hex));
	}
	return 0;
}

/* Unless somebody has it. 1: it is gone. */
static int remove_mount(struct engine *g, const char *name, const char *place, int64_t unused_since, uint64_t *ret_bytes)
{
	uint64_t users = 0;
	struct err why = {};
	own(fd) int dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir >= 0 && flock(dir, LOCK_EX | LOCK_NB) == 0 && (!unused_since || mount_used(place) < unused_since) &&
		volume_size(g, name, ret_bytes, &users, &why) == 0 && !users && volume_remove(g, name, false, &why) == 0;
}

int prune_mounts(struct engine *g, int64_t unused_ns, struct strv *ret_names, uint64_t *ret_bytes, struct err *e)
{
	own(json) struct json *list = mounts(g, e);
	int64_t before = unused_ns ? num_now_ns() - unused_ns : 0;
	*ret_bytes = 0;
	if (!list)
		return -1;
	for (size_t i = 0; i < json_len(list); i++) {
		const char *name = json_get_str(json_at(list, i), "Name"), *place = json_get_str(json_at(list, i), "Mountpoint");
		uint64_t bytes = 0;
		if (!remove_mount(g, name, place, before, &bytes))
			continue;
		strv_add(ret_names, name);
		*ret_bytes += bytes;
	}
	return 0;
}

/* Cache mounts among the layers, by when they were used. */
static void read_mounts(struct engine *g, struct keys *k, const struct json *list)
{
	for (size_t i = 0; i < json_len(list); i++) {
		const char *name = json_get_str(json_at(list, i), "Name"), *place = json_get_str(json_at(list, i), "Mountpoint");
		uint64_t bytes, users;
		struct err gone = {};
		if (volume_size(g, name, &bytes, &users, &gone) == 0)
			*arena_push(&k->arena, &k->layers) = (struct kept){.hex = arena_dup(&k->arena, ""), .step = arena_dup(&k->arena, place),
				.used = mount_used(place), .bytes = bytes, .mount = arena_dup(&k->arena, name)};
	}
	if (k->layers.n)
		qsort(k->layers.v, k->layers.n, sizeof *k->layers.v, by_use);
}

/* Those that were used longest ago; what somebody has stays, and younger ones go for it. */
static void choose_any(struct engine *g, struct keys *k, uint64_t limit)
{
	uint64_t all = 0, bytes;
	for (size_t i = 0; i < k->layers.n; i++)
		all += k->layers.v[i].bytes;
	for (size_t i = 0; i < k->layers.n && all > limit; i++) {
		struct kept *l = &k->layers.v[i];
		l->goes = !l->mount || remove_mount(g, l->mount, l->step, 0, &bytes);
		all -= l->goes ? l->bytes : 0;
	}
}

int prune_to_limit(struct engine *g, uint64_t limit, struct err *e)
{
	own(cache) struct cache c = {.dir = -1};
	own(keys) struct keys k = {};
	own(json) struct json *gone = json_new_array();
	own(json) struct json *list = mounts(g, e);
	own(strv) struct strv ids = {};
	uint64_t all = 0;
	if (!list || engine_need_snap(g, e) < 0 || engine_need_store(g, e) < 0 || cache_open(&c, g, e) < 0 || read_layers(&c, g, &k, e) < 0)
		return -1;
	read_mounts(g, &k, list);
	for (size_t i = 0; i < k.layers.n; i++)
		all += k.layers.v[i].bytes;
	if (all <= limit)
		return 0;
	if (read_keys(&c, &k, e) < 0)
		return -1;
	choose_any(g, &k, limit);
	return forget(&c, &k, false, &ids, e) < 0 ? -1 : layers_collect(g, gone, e);
}

int prune_cache(struct engine *g, int64_t unused_ns, uint64_t keep, struct strv *ret_ids, uint64_t *ret_bytes, struct err *e)
{
	own(cache) struct cache c = {.dir = -1};
	own(keys) struct keys k = {};
	own(json) struct json *gone = json_new_array();
	static const char *const folders[] = {"build", "layers"};
	uint64_t before, after;
	if (read_all(&c, g, &k, e) < 0 || disk_bytes(g, folders, countof(folders), &before, e) < 0)
		return -1;
	choose(&k, unused_ns, keep);
	bool everything = !unused_ns && !keep;
	if (forget(&c, &k, everything, ret_ids, e) < 0)
		return -1;
	if (everything && (path_remove_tree(c.dir, "stat", e) < 0 || path_remove_tree(c.dir, "http", e) < 0 || path_remove_tree(c.dir, "last", e) < 0 ||
		path_remove_tree(c.dir, "imported", e) < 0 || path_remove_tree(c.dir, "logs", e) < 0))
		return -1;
	if (layers_collect(g, gone, e) < 0 || disk_bytes(g, folders, countof(folders), &after, e) < 0)
		return -1;
	*ret_bytes = before > after ? before - after : 0;
	event_pruned(g, "builder", *ret_bytes);
	return 0;
}
