/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts: a destination is an absolute, clean path and stands once. volumes of other containers (--volumes-from) come
 * first, -v and --mount replace what is at their destination, and the image's VOLUMEs (and -v /path) are made as anonymous volumes
 * where nothing else is.
 *
 * Volumes are named by records alone, without a count: who removes one looks for its name in all records while
 * holding volumes.lock exclusively, and a create holds it shared from the first volume it names until its record is there.
 */
#include "engine/mounts.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/userns.h"
#include "engine/volume.h"
#include "snap/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* first: the first row that this one must not replace. */
static int put_after(struct container_entry *c, const struct mount_point *m, size_t first, struct err *e)
{
	struct container_record *r = &c->record;
	if (m->destination[0] != '/')
		return err_set(e, ERR_USAGE, "invalid mount path \"%s\": it must be absolute", m->destination);
	own(mem) char *clean = path_clean(m->destination);
	if (strcmp(clean, "/") == 0)
		return err_set(e, ERR_USAGE, "invalid mount path \"%s\": the root cannot be mounted over", m->destination);
	size_t i = 0;
	while (i < r->mounts.n && strcmp(r->mounts.v[i].destination, clean) != 0)
		i++;
	if ((i < r->mounts.n && i >= first) || (first != SIZE_MAX && map_get(&r->host.tmpfs, clean)))
		return err_set(e, ERR_USAGE, "duplicate mount point: %s", clean);
	struct mount_point *at;
	if (i == r->mounts.n || first != SIZE_MAX) {
		/* Given rows stay together at the end: one that is replaced goes. */
		if (i < r->mounts.n)
			memmove(&r->mounts.v[i], &r->mounts.v[i + 1], (--r->mounts.n - i) * sizeof *r->mounts.v);
		at = arena_push(&c->arena, &r->mounts);
	} else {
		at = &r->mounts.v[i];
	}
	*at = *m;
	at->destination = arena_dup(&c->arena, clean);
	return 0;
}

/* The words behind the second colon of -v. */
static int bind_words(struct container_entry *c, const char *words, struct mount_point *m, struct err *e)
{
	static const char *const propagation[] = {"private", "rprivate", "shared", "rshared", "slave", "rslave"};
	own(strv) struct strv v = {};
	strv_split(&v, words, ',');
	for (size_t i = 0; i < v.n; i++) {
		const char *w = v.v[i];
		bool known = false;
		for (size_t k = 0; k < countof(propagation); k++)
			if (str_eq(w, propagation[k])) {
				m->propagation = arena_dup(&c->arena, w);
				known = true;
			}
		if (str_eq(w, "ro") || str_eq(w, "readonly"))
			m->rw = false;
		else if (str_eq(w, "rro"))
			m->rw = false, m->recursive_ro = true;
		else if (str_eq(w, "nocopy"))
			m->no_copy = true;
		else if (str_eq(w, "bind"))
			m->non_recursive = true;
		else if (!known && !str_eq(w, "rw") && !str_eq(w, "z") && !str_eq(w, "Z") && !str_eq(w, "rbind") &&
			!str_eq(w, "consistent") && !str_eq(w, "cached") && !str_eq(w, "delegated") && !str_eq(w, "copy"))
			return err_set(e, ERR_USAGE, "invalid volume option \"%s\" (ro, rw, rro, nocopy, z, Z, bind, rbind and propagations are known)", w);
	}
	return 0;
}

struct resolve {
	struct engine *g;
	struct container_entry *c;
	size_t given; /* the first row of -v and --mount */
	struct mounts_plan *plan;
};

void mounts_plan_drop(struct mounts_plan *p)
{
	fd_drop(&p->lock);
	strv_drop(&p->anonymous);
	strv_drop(&p->sources);
}

static int hold_volumes(struct resolve *s, struct err *e)
{
	if (s->plan->lock < 0)
		s->plan->lock = path_lock(s->g->root, "volumes.lock", false, true, e);
	return s->plan->lock < 0 ? -1 : 0;
}

static int volume_source(struct resolve *s, const char *name, struct mount_point *m, struct err *e)
{
	struct engine *g = s->g;
	struct container_entry *c = s->c;
	char id[ID_LEN + 1];
	if (str_is_empty(name)) {
		num_random_id(id);
		name = id;
		strv_add(&s->plan->anonymous, id);
	}
	if (!volume_name_is_valid(name))
		return err_set(e, ERR_USAGE, "invalid volume name \"%s\": letters, digits, _ . and - are allowed; a directory of the host "
			"begins with /", name);
	if (hold_volumes(s, e) < 0)
		return -1;
	m->type = arena_dup(&c->arena, "volume");
	m->name = arena_dup(&c->arena, name);
	m->driver = arena_dup(&c->arena, "local");
	own(mem) char *path = volume_path(g, name);
	m->source = arena_dup(&c->arena, path);
	return 0;
}

static int put_bind(struct resolve *s, const char *text, size_t first, struct err *e)
{
	struct container_entry *c = s->c;
	own(strv) struct strv f = {};
	strv_split(&f, text, ':');
	if (f.n < 1 || f.n > 3 || str_is_empty(f.v[0]) || (f.n > 1 && str_is_empty(f.v[1])))
		return err_set(e, ERR_USAGE, "invalid volume \"%s\": it is [SOURCE:]PATH[:OPTIONS]", text);
	struct mount_point m = {.rw = true, .mode = arena_dup(&c->arena, f.n == 3 ? f.v[2] : ""), .propagation = (char *)(uintptr_t) ""};
	m.destination = f.n == 1 ? f.v[0] : f.v[1];
	if (f.n == 3 && bind_words(c, f.v[2], &m, e) < 0)
		return -1;
	if (f.n > 1 && f.v[0][0] == '/') {
		m.type = arena_dup(&c->arena, "bind");
		own(mem) char *clean = path_clean(f.v[0]);
		m.source = arena_dup(&c->arena, clean);
		if (str_is_empty(m.propagation))
			m.propagation = arena_dup(&c->arena, "rprivate");
		/* docker makes a missing source of -v (not of --mount) */
		struct stat st;
		if (stat(clean, &st) < 0) {
			if (errno != ENOENT)
				return err_sys(e, "bind source %s", clean);
			strv_add(&s->plan->sources, clean);
		}
	} else if (volume_source(s, f.n > 1 ? f.v[0] : NULL, &m, e) < 0) {
		return -1;
	}
	return put_after(c, &m, first, e);
}

static int put_request(struct resolve *s, const struct mount_request *q, struct err *e)
{
	struct container_entry *c = s->c;
	if (str_is_empty(q->target))
		return err_set(e, ERR_USAGE, "invalid mount: it needs a target");
	struct mount_point m = {.rw = !q->read_only, .destination = q->target, .mode = (char *)(uintptr_t) "",
		.propagation = (char *)(uintptr_t) ""};
	if (str_eq(q->type, "tmpfs")) {
		m.type = q->type;
		m.source = (char *)(uintptr_t) "";
		return put_after(c, &m, s->given, e);
	}
	if (str_eq(q->type, "volume")) {
		if (volume_source(s, q->source, &m, e) < 0)
			return -1;
		m.no_copy = q->volume && q->volume->no_copy;
		m.subpath = q->volume ? q->volume->subpath : NULL;
		return put_after(c, &m, s->given, e);
	}
	if (!str_eq(q->type, "bind"))
		return err_set(e, ERR_USAGE, "invalid mount type \"%s\": bind, volume and tmpfs are known", q->type ? q->type : "");
	struct stat st;
	if (str_is_empty(q->source) || q->source[0] != '/')
		return err_set(e, ERR_USAGE, "invalid mount: a bind needs an absolute source");
	if (stat(q->source, &st) < 0) {
		if (errno != ENOENT || !q->bind || !q->bind->create_mountpoint)
			return err_sys(e, "bind source %s", q->source);
		strv_add(&s->plan->sources, q->source);
	}
	m.type = q->type;
	m.source = q->source;
	m.propagation = q->bind && !str_is_empty(q->bind->propagation) ? q->bind->propagation : (char *)(uintptr_t) "rprivate";
	m.non_recursive = q->bind && q->bind->non_recursive;
	m.recursive_ro = q->read_only && !(q->bind && q->bind->ro_non_recursive);
	return put_after(c, &m, s->given, e);
}

static int put_volumes_from(struct resolve *s, const char *text, struct err *e)
{
	struct engine *g = s->g;
	struct container_entry *c = s->c;
	own(mem) char *name = mem_dup(text);
	char *mode = strchr(name, ':');
	if (mode)
		*mode++ = 0;
	if (mode && !str_eq(mode, "ro") && !str_eq(mode, "rw") && !str_eq(mode, "z") && !str_eq(mode, "Z"))
		return err_set(e, ERR_USAGE, "invalid --volumes-from \"%s\": ro or rw may follow the name", text);
	char id[65];
	own(container_entry) struct container_entry other = {.dir = -1, .lock = -1};
	if (hold_volumes(s, e) < 0 || containers_find(&g->containers, name, id, e) < 0 || containers_load(&g->containers, id, 0, &other, e) < 0)
		return err_wrap(e, "--volumes-from");
	for (size_t i = 0; i < other.record.mounts.n; i++) {
		const struct mount_point *from = &other.record.mounts.v[i];
		struct arena *a = &c->arena;
		struct mount_point m = *from;
		m.type = arena_dup(a, from->type);
		m.name = arena_dup(a, from->name);
		m.source = arena_dup(a, from->source);
		m.driver = arena_dup(a, from->driver);
		m.mode = arena_dup(a, from->mode);
		m.propagation = arena_dup(a, from->propagation);
		m.subpath = arena_dup(a, from->subpath);
		if (str_eq(mode, "ro"))
			m.rw = false;
		m.no_copy = true;
		if (put_after(c, &m, SIZE_MAX, e) < 0)
			return -1;
	}
	return 0;
}

static bool has_destination(const struct container_entry *c, const char *path)
{
	own(mem) char *clean = path_clean(path);
	for (size_t i = 0; i < c->record.mounts.n; i++)
		if (strcmp(c->record.mounts.v[i].destination, clean) == 0)
			return true;
	return false;
}

static int resolve(struct resolve *s, struct err *e)
{
	struct container_record *r = &s->c->record;
	for (size_t i = 0; i < r->host.volumes_from.n; i++)
		if (put_volumes_from(s, r->host.volumes_from.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < r->host.tmpfs.n; i++) {
		own(mem) char *clean = path_clean(r->host.tmpfs.v[i].key);
		if (clean[0] != '/' || !clean[1])
			return err_set(e, ERR_USAGE, "invalid --tmpfs \"%s\": the path must be absolute, and not the root", r->host.tmpfs.v[i].key);
		r->host.tmpfs.v[i].key = arena_dup(&s->c->arena, clean);
	}
	s->given = r->mounts.n;
	for (size_t i = 0; i < r->host.binds.n; i++) {
		size_t before = r->mounts.n;
		if (put_bind(s, r->host.binds.v[i], s->given, e) < 0)
			return -1;
		/* A row of volumes-from went for this one. */
		s->given -= r->mounts.n == before;
	}
	for (size_t i = 0; i < r->host.mounts.n; i++) {
		size_t before = r->mounts.n;
		if (put_request(s, &r->host.mounts.v[i], e) < 0)
			return -1;
		s->given -= r->mounts.n == before;
	}
	/* A VOLUME of the image or -v /path where nothing was mounted yet is an anonymous volume. */
	for (size_t i = 0; i < r->config.volumes.n; i++) {
		const char *path = r->config.volumes.v[i];
		own(mem) char *clean = path_clean(path);
		if (!has_destination(s->c, clean) && !map_get(&r->host.tmpfs, clean) && put_bind(s, path, SIZE_MAX, e) < 0)
			return -1;
	}
	return 0;
}

int mounts_resolve(struct engine *g, struct container_entry *c, struct mounts_plan *ret, struct err *e)
{
	struct resolve s = {.g = g, .c = c, .plan = ret};
	return resolve(&s, e);
}

static void keep_request(struct container_entry *c, const struct mount_request *q)
{
	struct arena *a = &c->arena;
	struct mount_request *m = arena_push(a, &c->record.host.mounts);
	*m = *q;
	m->type = arena_dup(a, q->type);
	m->source = arena_dup(a, q->source);
	m->target = arena_dup(a, q->target);
	m->consistency = arena_dup(a, q->consistency);
}

int mounts_add(struct engine *g, struct container_entry *c, const struct host_config *more, struct mounts_plan *ret, struct err *e)
{
	struct resolve s = {.g = g, .c = c, .plan = ret};
	for (size_t i = 0; i < more->binds.n; i++) {
		if (put_bind(&s, more->binds.v[i], 0, e) < 0)
			return -1;
		arena_strv_add(&c->arena, &c->record.host.binds, more->binds.v[i]);
	}
	for (size_t i = 0; i < more->mounts.n; i++) {
		if (put_request(&s, &more->mounts.v[i], e) < 0)
			return -1;
		keep_request(c, &more->mounts.v[i]);
	}
	return 0;
}

int mounts_create(struct engine *g, const struct container_entry *c, const struct mounts_plan *p, struct err *e)
{
	for (size_t i = 0; i < p->sources.n; i++)
		if (path_mkdirs(AT_FDCWD, p->sources.v[i], 0755, e) < 0)
			return err_wrap(e, "bind source");
	for (size_t i = 0; i < c->record.mounts.n; i++) {
		const struct mount_point *m = &c->record.mounts.v[i];
		if (str_eq(m->type, "volume") && volume_ensure(g, m->name, strv_has(&p->anonymous, m->name), e) < 0)
			return -1;
	}
	return 0;
}

bool mounts_use_volume(const struct container_state *s, const char *name)
{
	for (size_t i = 0; i < s->mounts.n; i++)
		if (str_eq(s->mounts.v[i].type, "volume") && str_eq(s->mounts.v[i].name, name))
			return true;
	return false;
}

void mounts_forget(struct engine *g, struct container_entry *c)
{
	struct err ignored = {};
	own(fd) int lock = -1;
	for (size_t i = 0; i < c->record.mounts.n; i++) {
		const struct mount_point *m = &c->record.mounts.v[i];
		if (!str_eq(m->type, "volume") || !volume_is_anonymous(g, m->name))
			continue;
		if (lock < 0)
			lock = path_lock(g->root, "volumes.lock", true, true, &ignored);
		own(strv) struct strv users = {};
		if (lock >= 0 && volume_users(g, m->name, c->id, &users, &ignored) == 0 && !users.n)
			(void)!volume_delete(g, m->name, &ignored);
	}
}

/* Volumes hold ids as if there was no user namespace (spec_mounts.c), so they are filled from the layers as they are, not
 * from a root that is mapped. A plain user's hull cannot map mounts: there the container's ids are the volume's. */
static int open_plain_root(struct engine *g, const struct container_entry *c, struct err *e)
{
	struct snap_mount m = {.layers = &c->record.layers, .dir = -1, .read_only = true};
	return engine_need_snap(g, e) < 0 ? -1 : snap_mount(&g->snap, &m, e);
}

/* A new volume of a container that sees other ids belongs to the container's user, where that is said in numbers. */
static void choose_owner(const struct container_entry *c, const struct userns_maps *maps, uint32_t *uid, uint32_t *gid)
{
	unsigned u = 0, n = 0;
	if (c->record.config.user && sscanf(c->record.config.user, "%u:%u", &u, &n) < 1)
		u = 0;
	*uid = copy_shift(u, maps->uids, maps->nuids);
	*gid = copy_shift(n, maps->gids, maps->ngids);
	*uid = *uid == UINT32_MAX ? 0 : *uid;
	*gid = *gid == UINT32_MAX ? 0 : *gid;
}

int mounts_fill_volumes(struct engine *g, struct container_entry *c, int root, const struct userns_maps *maps, struct err *e)
{
	own(fd) int plain = -1;
	bool shifted = maps->nuids && !g->rootless && !c->record.host.rootfs;
	uint32_t uid = 0, gid = 0;
	if (g->rootless && maps->nuids)
		choose_owner(c, maps, &uid, &gid);
	for (size_t i = 0; i < c->record.mounts.n; i++) {
		const struct mount_point *m = &c->record.mounts.v[i];
		/* Who made the container may have been killed before it made the volume. */
		if (str_eq(m->type, "volume") && volume_ensure(g, m->name, strlen(m->name) == ID_LEN && num_is_hex(m->name, ID_LEN), e) < 0)
			return -1;
		if (!str_eq(m->type, "volume") || !str_is_empty(m->subpath) || (m->no_copy && !uid) || !volume_is_new(g, m->name))
			continue;
		if (shifted && plain < 0 && (plain = open_plain_root(g, c, e)) < 0)
			return -1;
		struct err missing = {};
		own(fd) int from = m->no_copy ? -1 : path_open_in(shifted ? plain : root, m->destination, O_RDONLY | O_DIRECTORY, 0, &missing);
		if (volume_fill(g, m->name, from, uid, gid, e) < 0)
			return -1;
	}
	return 0;
}
