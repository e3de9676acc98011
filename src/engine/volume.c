/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume: see volume.h. volume.json is written last and removed first, so a directory without it is half made: it is used
 * as new, and removed by the next command that removes volumes. `Filled` turns true when the image's content was copied
 * (or when there was none to copy).
 */
#include "engine/volume.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/disk.h"
#include "engine/events.h"
#include "engine/mounts.h"
#include "engine/volume_record.h"
#include "snap/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define S struct volume
static const struct jfield fields[] = {
	JF(S, "CreatedAt", created, JT_STR),
	JF(S, "Labels", labels, JT_MAP),
	JF(S, "Options", options, JT_MAP),
	JFF(S, "Anonymous", anonymous, JT_BOOL, JF_ALWAYS),
	JFF(S, "Filled", filled, JT_BOOL, JF_ALWAYS),
	JF(S, "Project", project, JT_U32),
};
#undef S
static const struct jtable table = JTABLE(struct volume, fields);

bool volume_name_is_valid(const char *name)
{
	return container_name_is_valid(name);
}

char *volume_path(const struct engine *g, const char *name)
{
	return mem_printf("%s/volumes/%s/_data", g->root_path, name);
}

int volume_open(const struct engine *g, const char *name, struct err *e)
{
	own(mem) char *path = mem_printf("volumes/%s", name);
	return path_open_dir(g->root, path, e);
}

int volume_load(int dir, struct arena *a, struct volume *ret, struct err *e)
{
	own(json) struct json *j = NULL;
	if (json_read(dir, "volume.json", 65536, &j, e) < 0)
		return -1;
	return jmap_parse(&table, j, 0, a, ret, "volume.json", e);
}

int volume_store(int dir, const struct volume *v, struct err *e)
{
	own(json) struct json *j = jmap_format(&table, v);
	own(buf) struct buf b = BUF(65536);
	json_format(j, 0, &b);
	return path_write(dir, "volume.json", buf_text(&b), b.len, 0600, PATH_SYNC, e);
}

/* A quota is set on an empty directory: what is made in it then is counted. */
static int make_limited(struct engine *g, const char *name, struct volume *v, struct err *e)
{
	struct volume_wish w;
	if (volume_options_wish(&v->options, &w, e) < 0)
		return -1;
	if (!w.bytes && !w.inodes)
		return 0;
	own(mem) char *path = mem_printf("volumes/%s", name);
	if (path_mkdirs(g->root, path, 0755, e) < 0)
		return -1;
	own(fd) int dir = volume_open(g, name, e);
	if (dir < 0 || path_exists(dir, "volume.json"))
		return dir < 0 ? -1 : 0;
	if (volume_quota_set(g, dir, &w, &v->project, e) < 0) {
		(void)!unlinkat(g->root, path, AT_REMOVEDIR);
		return -1;
	}
	return 0;
}

int volume_dress(int dir, const char *data, const struct volume *v, struct err *e)
{
	struct volume_wish w;
	if (volume_options_wish(&v->options, &w, e) < 0)
		return -1;
	if (!w.has_uid && !w.has_gid)
		return 0;
	return fchownat(dir, data, w.has_uid ? (uid_t)w.uid : (uid_t)-1, w.has_gid ? (gid_t)w.gid : (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 ?
		err_sys(e, "give it its owner") : 0;
}

static int ensure(struct engine *g, const char *name, struct volume *v, struct err *e)
{
	if (!volume_name_is_valid(name))
		return err_set(e, ERR_USAGE,
			"invalid volume name \"%s\": letters, digits, _ . and - are allowed; a directory of the host begins with /",
			name);
	own(mem) char *data = mem_printf("volumes/%s/_data", name);
	/* What containers leave in volumes is closed to the users of the machine, setuid programs above all. */
	if (path_mkdirs(g->root, "volumes", 0700, e) < 0 || make_limited(g, name, v, e) < 0 || path_mkdirs(g->root, data, 0755, e) < 0)
		return err_wrap(e, "volume %s", name);
	own(fd) int dir = volume_open(g, name, e);
	if (dir < 0)
		return -1;
	if (path_exists(dir, "volume.json"))
		return 0;
	char now[NUM_TEXT];
	v->created = num_format_time(num_now_ns(), now);
	if (volume_dress(dir, "_data", v, e) < 0 || volume_store(dir, v, e) < 0)
		return -1;
	event_other(g, "volume", "create", name, "driver", "local");
	return 0;
}

int volume_ensure(struct engine *g, const char *name, bool anonymous, struct err *e)
{
	struct volume v = {.anonymous = anonymous};
	return ensure(g, name, &v, e);
}

int volume_mount(struct engine *g, const char *name, struct arena *a, struct volume_mount *ret, struct err *e)
{
	own(arena) struct arena own_arena = {};
	struct volume v = {};
	struct err missing = {};
	*ret = (struct volume_mount){};
	/* It is made when it is needed. */
	if (volume_find(g, name, &own_arena, &v, &missing) < 0)
		return missing.kind == ERR_NOT_FOUND ? 0 : (*e = missing, -1);
	ret->type = arena_dup(a, map_get(&v.options, "type"));
	ret->device = arena_dup(a, map_get(&v.options, "device"));
	ret->options = arena_dup(a, map_get(&v.options, "o"));
	ret->is_bind = ret->device && volume_is_bind(&v.options);
	return 0;
}

int volume_create(struct engine *g, const char *name, const struct map *labels, const struct map *options, char **ret_name, struct err *e)
{
	char id[ID_LEN + 1];
	struct volume v = {.anonymous = str_is_empty(name)};
	if (labels)
		v.labels = *labels;
	if (options) {
		v.options = *options;
		/* What it has comes from where it is mounted. */
		v.filled = map_get(options, "type") || map_get(options, "device");
		if (volume_options_check(options, e) < 0)
			return -1;
	}
	if (v.anonymous) {
		num_random_id(id);
		name = id;
	}
	own(fd) int lock = path_lock(g->root, "volumes.lock", false, true, e);
	if (lock < 0 || ensure(g, name, &v, e) < 0)
		return -1;
	*ret_name = mem_dup(name);
	return 0;
}

bool volume_is_anonymous(const struct engine *g, const char *name)
{
	struct err ignored = {};
	own(arena) struct arena a = {};
	struct volume v = {};
	own(fd) int dir = volume_open(g, name, &ignored);
	return dir >= 0 && volume_load(dir, &a, &v, &ignored) == 0 && v.anonymous;
}

static void forget_quota(struct engine *g, const char *name)
{
	own(arena) struct arena a = {};
	struct volume v = {};
	struct err ignored = {};
	own(fd) int dir = volume_open(g, name, &ignored);
	if (dir >= 0 && volume_load(dir, &a, &v, &ignored) == 0)
		volume_quota_clear(dir, v.project);
}

int volume_delete(struct engine *g, const char *name, struct err *e)
{
	if (!volume_name_is_valid(name))
		return err_set(e, ERR_USAGE, "invalid volume name \"%s\"", name);
	own(mem) char *path = mem_printf("volumes/%s", name);
	own(mem) char *record = mem_printf("%s/volume.json", path);
	forget_quota(g, name);
	bool there = unlinkat(g->root, record, 0) == 0;
	if (!there && errno != ENOENT)
		return err_sys(e, "remove volume %s", name);
	if (path_remove_tree(g->root, path, e) < 0)
		return err_wrap(e, "volume %s", name);
	if (there)
		event_other(g, "volume", "destroy", name, "driver", "local");
	return 0;
}

bool volume_is_new(const struct engine *g, const char *name)
{
	struct err ignored = {};
	own(arena) struct arena a = {};
	struct volume v = {};
	own(fd) int dir = volume_open(g, name, &ignored);
	return dir >= 0 && volume_load(dir, &a, &v, &ignored) == 0 && !v.filled;
}

static bool is_empty(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	while (d && n < 3 && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n == 2;
}

/* Whole or not at all: a copy beside it takes its place. */
static int copy_in(int dir, int from, const struct volume *v, struct err *e)
{
	if (path_remove_tree(dir, "_data.tmp", e) < 0 || path_mkdirs(dir, "_data.tmp", 0755, e) < 0)
		return -1;
	own(fd) int to = path_open_dir(dir, "_data.tmp", e);
	if (to < 0 || copy_tree(from, to, e) < 0 || volume_dress(dir, "_data.tmp", v, e) < 0) {
		struct err ignored = {};
		(void)!path_remove_tree(dir, "_data.tmp", &ignored);
		return -1;
	}
	return renameat(dir, "_data.tmp", dir, "_data") < 0 ? err_sys(e, "fill") : 0;
}

int volume_fill(struct engine *g, const char *name, int from, uid_t uid, gid_t gid, struct err *e)
{
	own(arena) struct arena a = {};
	struct volume v = {};
	own(fd) int dir = volume_open(g, name, e);
	own(fd) int lock = dir < 0 ? -1 : path_lock(dir, "lock", true, true, e);
	if (lock < 0 || volume_load(dir, &a, &v, e) < 0)
		return -1;
	if (v.filled)
		return 0;
	own(fd) int data = path_open_dir(dir, "_data", e);
	if (data < 0)
		return -1;
	/* Something is in it: a container with nocopy had it, or its owner put it there. */
	bool is_used = !is_empty(data);
	if (!is_used && from >= 0 && copy_in(dir, from, &v, e) < 0)
		return err_wrap(e, "volume %s", name);
	if (!is_used && from < 0 && (uid || gid) && fchown(data, uid, gid) < 0)
		return err_sys(e, "volume %s", name);
	if (volume_dress(dir, "_data", &v, e) < 0)
		return -1;
	v.filled = true;
	return volume_store(dir, &v, e);
}

int volume_users(struct engine *g, const char *name, const char *except, struct strv *ret, struct err *e)
{
	own(strv) struct strv ids = {};
	if (containers_ids(&g->containers, false, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		struct err gone = {};
		if (str_eq(ids.v[i], except))
			continue;
		if (containers_load(&g->containers, ids.v[i], ENTRY_STATE_ONLY, &c, &gone) < 0) {
			if (gone.kind == ERR_NOT_FOUND)
				continue;
			*e = gone;
			return -1;
		}
		if (mounts_use_volume(&c.state, name))
			strv_add(ret, ids.v[i]);
	}
	return 0;
}

static bool has_record(const struct engine *g, const char *name)
{
	own(mem) char *record = mem_printf("volumes/%s/volume.json", name);
	return path_exists(g->root, record);
}

static int names(struct engine *g, struct strv *ret, struct err *e)
{
	own(strv) struct strv all = {};
	struct err why = {};
	if (path_list(g->root, "volumes", &all, &why) < 0)
		return why.sys == ENOENT ? 0 : (*e = why, -1);
	for (size_t i = 0; i < all.n; i++)
		if (volume_name_is_valid(all.v[i]) && has_record(g, all.v[i]))
			strv_add(ret, all.v[i]);
	strv_sort(ret);
	return 0;
}

static struct json *map_json(const struct map *m)
{
	struct json *j = json_new_object();
	for (size_t i = 0; i < m->n; i++)
		json_set_str(j, m->v[i].key, m->v[i].value);
	return j;
}

static struct json *document(const struct engine *g, const char *name, const struct volume *v)
{
	struct json *j = json_new_object();
	own(mem) char *path = volume_path(g, name);
	json_set_str(j, "CreatedAt", v->created ? v->created : "");
	json_set_str(j, "Driver", "local");
	json_set(j, "Labels", map_json(&v->labels));
	json_set_str(j, "Mountpoint", path);
	json_set_str(j, "Name", name);
	json_set(j, "Options", v->options.n ? map_json(&v->options) : NULL);
	json_set_str(j, "Scope", "local");
	return j;
}

static bool has_label(const struct map *labels, const char *want)
{
	const char *eq = strchr(want, '=');
	own(mem) char *key = eq ? mem_ndup(want, (size_t)(eq - want)) : mem_dup(want);
	const char *value = map_get(labels, key);
	return value && (!eq || strcmp(value, eq + 1) == 0);
}

/* Filters of one key are alternatives, but labels must all be there. 1: takes it, 0: does not. */
static int passes(struct engine *g, const struct strv *filters, const char *name, const struct volume *v, struct err *e)
{
	static const char *const keys[] = {"dangling", "driver", "label", "name", "label!", "until"};
	bool asked[countof(keys)] = {}, found[countof(keys)] = {}, missing = false;
	for (size_t i = 0; filters && i < filters->n; i++) {
		const char *f = filters->v[i];
		size_t k = 0;
		while (k < countof(keys) && !(str_has_prefix(f, keys[k]) && f[strlen(keys[k])] == '='))
			k++;
		if (k == countof(keys))
			return err_set(e, ERR_USAGE, "invalid filter \"%s\": dangling, driver, label, label!, name and until are known", f);
		const char *value = strchr(f, '=') + 1;
		asked[k] = true;
		if (k == 0) {
			own(strv) struct strv users = {};
			bool want = str_eq(value, "true") || str_eq(value, "1");
			if (volume_users(g, name, NULL, &users, e) < 0)
				return -1;
			found[k] |= want == (users.n == 0);
		} else if (k == 1) {
			found[k] |= str_eq(value, "local");
		} else if (k == 2) {
			found[k] = true;
			missing |= !has_label(&v->labels, value);
		} else if (k == 4) {
			found[k] = true;
			missing |= has_label(&v->labels, value);
		} else if (k == 5) {
			int64_t at;
			if (num_time(value, num_now_ns(), &at, e) < 0)
				return err_wrap(e, "--filter until");
			found[k] |= num_time_of(v->created) < at;
		} else {
			found[k] |= strstr(name, value) != NULL;
		}
	}
	for (size_t k = 0; k < countof(keys); k++)
		missing |= asked[k] && !found[k];
	return !missing;
}

struct json *volume_list(struct engine *g, const struct strv *filters, struct err *e)
{
	own(json) struct json *list = json_new_array();
	own(strv) struct strv all = {};
	struct volume none = {};
	if (names(g, &all, e) < 0 || passes(g, filters, "", &none, e) < 0)
		return NULL;
	for (size_t i = 0; i < all.n; i++) {
		own(arena) struct arena a = {};
		struct volume v = {};
		struct err gone = {};
		own(fd) int dir = volume_open(g, all.v[i], &gone);
		if (dir < 0 || volume_load(dir, &a, &v, &gone) < 0)
			continue;
		int yes = passes(g, filters, all.v[i], &v, e);
		if (yes < 0)
			return NULL;
		if (yes)
			json_add(list, document(g, all.v[i], &v));
	}
	return take(list);
}

int volume_find(struct engine *g, const char *name, struct arena *a, struct volume *v, struct err *e)
{
	struct err gone = {};
	own(fd) int dir = volume_name_is_valid(name) ? volume_open(g, name, &gone) : -1;
	if (dir < 0 || volume_load(dir, a, v, &gone) < 0)
		return err_set(e, ERR_NOT_FOUND, "no such volume: %.200s", name);
	return 0;
}

struct json *volume_inspect(struct engine *g, const char *name, struct err *e)
{
	own(arena) struct arena a = {};
	struct volume v = {};
	return volume_find(g, name, &a, &v, e) < 0 ? NULL : document(g, name, &v);
}

static int remove_unused(struct engine *g, const char *name, struct err *e)
{
	own(strv) struct strv users = {};
	if (volume_users(g, name, NULL, &users, e) < 0)
		return -1;
	if (users.n)
		return err_set(e, ERR_CONFLICT, "volume %s is in use by container %.12s", name, users.v[0]);
	return volume_delete(g, name, e);
}

/* What killed commands were just making or removing; volumes.lock is held exclusively. */
static void remove_half_made(struct engine *g)
{
	struct err ignored = {};
	own(strv) struct strv all = {};
	if (path_list(g->root, "volumes", &all, &ignored) < 0)
		return;
	for (size_t i = 0; i < all.n; i++) {
		if (!volume_name_is_valid(all.v[i]) || has_record(g, all.v[i]))
			continue;
		/* Who holds its lock is still making it. */
		own(fd) int dir = volume_open(g, all.v[i], &ignored);
		own(fd) int lock = dir < 0 ? -1 : path_lock(dir, "lock", true, false, &ignored);
		if (lock >= 0)
			(void)!volume_delete(g, all.v[i], &ignored);
	}
}

int volume_remove(struct engine *g, const char *name, bool force, struct err *e)
{
	own(arena) struct arena a = {};
	struct volume v = {};
	own(fd) int lock = path_lock(g->root, "volumes.lock", true, true, e);
	if (lock < 0)
		return -1;
	remove_half_made(g);
	if (volume_find(g, name, &a, &v, e) < 0)
		return force ? 0 : -1;
	return remove_unused(g, name, e);
}

int volume_prune_scope(const struct strv *filters, bool *all, struct strv *ret, struct err *e)
{
	for (size_t i = 0; i < filters->n; i++) {
		const char *value = str_after(filters->v[i], "all=");
		if (!value)
			strv_add(ret, filters->v[i]);
		else if (num_bool(value, all, "filter all", e) < 0)
			return -1;
	}
	return 0;
}

int volume_prune(struct engine *g, bool all, const struct strv *filters, struct strv *ret_names, uint64_t *ret_bytes, struct err *e)
{
	own(strv) struct strv list = {};
	/* A filter is wrong also where there is nothing to look at. */
	if (passes(g, filters, "", &(struct volume){}, e) < 0)
		return -1;
	own(fd) int lock = path_lock(g->root, "volumes.lock", true, true, e);
	if (lock < 0 || names(g, &list, e) < 0)
		return -1;
	remove_half_made(g);
	static const char *const folders[] = {"volumes"};
	uint64_t before, after;
	if (disk_bytes(g, folders, 1, &before, e) < 0)
		return -1;
	for (size_t i = 0; i < list.n; i++) {
		own(arena) struct arena a = {};
		struct volume v = {};
		struct err skipped = {};
		own(fd) int dir = volume_open(g, list.v[i], &skipped);
		if (dir < 0 || volume_load(dir, &a, &v, &skipped) < 0 || (!all && !v.anonymous))
			continue;
		int yes = passes(g, filters, list.v[i], &v, e);
		if (yes < 0)
			return -1;
		if (!yes || remove_unused(g, list.v[i], &skipped) < 0)
			continue;
		strv_add(ret_names, list.v[i]);
	}
	if (disk_bytes(g, folders, 1, &after, e) < 0)
		return -1;
	*ret_bytes = before > after ? before - after : 0;
	event_pruned(g, "volume", *ret_bytes);
	return 0;
}
