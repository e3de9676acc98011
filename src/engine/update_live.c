/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update_live: first the record is changed in memory, by the rules of a create, with volumes.lock held where a volume comes; then the kernel is told
 * (live_mounts.h; device rules, and nodes made in the container's root), then the record is written. Each change is noted when it is done, with what
 * undoes it: of a mount that goes a detached copy is kept until all of the update is through, so that a tmpfs comes back with its files.
 *
 * Where device nodes cannot be made or mean nothing (a user namespace of its own, a plain user's hull) the host's is mounted there.
 */
#include "engine/update_live.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/mounts.h"
#include "engine/request.h"
#include "engine/spec.h"
#include "engine/volume.h"
#include "runtime/live_mounts.h"
#include "snap/copy.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct gone_mount {
	struct mount_point point;
	int kept; /* -1: the kernel made no copy */
	bool there;
};

struct update_live {
	struct engine *g;
	struct container_entry *c;
	const struct update_things *t;
	struct update_journal *journal;
	struct userns_maps maps;
	struct mounts_plan plan;
	bool runs;
	int ns, root; /* of the running container */
	/* done */
	struct { struct gone_mount *v; size_t n; } gone;
	struct { struct device_mapping *v; size_t n; } gone_devices, mounted; /* mounted: nodes of the host */
	struct { struct spec_device *v; size_t n; } nodes;                    /* made */
	struct strv volumes;                                                  /* made */
	bool rules, mounts;
	size_t added; /* from there on record.mounts came */
};

struct update_live *update_live_new(struct engine *g, struct container_entry *c, const struct update_things *t, struct update_journal *journal)
{
	struct update_live *j = mem_alloc(sizeof *j);
	*j = (struct update_live){.g = g, .c = c, .t = t, .journal = journal, .plan = {.lock = -1}, .ns = -1, .root = -1};
	return j;
}

void update_live_drop(struct update_live **at)
{
	struct update_live *j = *at;
	if (!j)
		return;
	for (size_t i = 0; i < j->gone.n; i++)
		fd_drop(&j->gone.v[i].kept);
	mounts_plan_drop(&j->plan);
	userns_maps_drop(&j->maps);
	fd_drop(&j->root);
	fd_drop(&j->ns);
	mem_drop(at);
}

bool update_things_any(const struct update_things *t)
{
	return t->add.binds.n || t->add.mounts.n || t->add.devices.n || t->remove_mounts.n || t->remove_devices.n;
}

static int open_root(struct update_live *j, struct err *e)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%lld/ns/mnt", (long long)j->c->state.pid);
	j->ns = open(path, O_RDONLY | O_CLOEXEC);
	if (j->ns < 0)
		return err_sys(e, "its mount namespace");
	if (!container_is_alive((pid_t)j->c->state.pid, j->c->state.start_time))
		return err_set(e, ERR_CONFLICT, "it ended just now");
	j->root = mount_top_of(j->ns, e);
	return j->root < 0 ? -1 : 0;
}

/* The mount that is at the path, by its number; 0: none. */
static uint64_t mount_at(const struct update_live *j, const char *path)
{
	struct statx st = {};
	struct err gone = {};
	own(fd) int at = j->root < 0 ? -1 : path_open_in(j->root, path, O_PATH, 0, &gone);
	if (at < 0 || statx(at, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0 || !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return 0;
	return st.stx_mnt_id;
}

static void note(struct update_live *j, struct update_touches *list, const char *path, uint64_t before, const struct device_mapping *d)
{
	*arena_push(&j->c->arena, list) = (struct update_touched){arena_dup(&j->c->arena, path), before, d ? *d : (struct device_mapping){}};
}

static uint64_t before_of(const struct update_touches *list, const char *path)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->v[i].path, path))
			return list->v[i].before;
	return 0;
}

/* The mounts of `part` as live_mounts takes them. */
static int build_part(struct update_live *j, struct container_entry *part, struct spec_build *b, struct live_mounts *m, struct arena *a,
	struct spec *spec, struct err *e)
{
	*b = (struct spec_build){.g = j->g, .c = part, .arena = a, .root = j->root, .run_dir = -1, .maps = &j->maps, .spec = spec};
	*m = (struct live_mounts){.id = j->c->id, .pid = (pid_t)j->c->state.pid, .start_time = j->c->state.start_time, .spec = spec};
	return spec_build_live(b, e);
}

static void build_drop(struct spec_build *b)
{
	for (size_t i = 0; i < b->nready; i++)
		fd_drop(&b->ready[i]);
	if (b->userns > 0)
		close(b->userns);
}

/* kept: of one that goes, see live_mounts_remove. */
static int change_live(struct update_live *j, struct container_entry *part, bool add, int *kept, struct err *e)
{
	own(arena) struct arena a = {};
	struct spec spec = {};
	struct spec_build b;
	struct live_mounts m;
	int r = build_part(j, part, &b, &m, &a, &spec, e);
	if (r == 0 && spec.mounts.n)
		r = add ? live_mounts_add(&m, e) : live_mounts_remove(&m, kept, e);
	build_drop(&b);
	return r;
}

/* The container with these mounts alone. */
static struct container_entry with_points(const struct update_live *j, struct mount_point *v, size_t n)
{
	struct container_entry part = {.record = j->c->record, .state = j->c->state, .dir = j->c->dir, .lock = -1};
	memcpy(part.id, j->c->id, sizeof part.id);
	part.record.mounts.v = v;
	part.record.mounts.n = n;
	memset(&part.record.host.tmpfs, 0, sizeof part.record.host.tmpfs);
	return part;
}

static bool has_volume(const struct update_live *j, const char *name)
{
	own(mem) char *path = volume_path(j->g, name);
	return path_exists(AT_FDCWD, path);
}

static int add_mounts(struct update_live *j, struct err *e)
{
	struct container_record *r = &j->c->record;
	const struct host_config *h = &j->t->add;
	j->added = r->mounts.n;
	if (!h->binds.n && !h->mounts.n)
		return 0;
	if (mounts_add(j->g, j->c, h, &j->plan, e) < 0)
		return -1;
	for (size_t i = j->added; i < r->mounts.n; i++)
		if (str_eq(r->mounts.v[i].type, "volume") && !has_volume(j, r->mounts.v[i].name))
			arena_strv_add(&j->c->arena, &j->volumes, r->mounts.v[i].name);
	for (size_t i = j->added; i < r->mounts.n; i++)
		note(j, &j->journal->added, r->mounts.v[i].destination, mount_at(j, r->mounts.v[i].destination), NULL);
	j->journal->volumes = j->volumes;
	if (update_journal_save(j->c->dir, j->journal, e) < 0)
		return -1;
	if (mounts_create(j->g, j->c, &j->plan, e) < 0)
		return -1;
	if (!j->runs)
		return 0;
	struct container_entry part = with_points(j, r->mounts.v + j->added, r->mounts.n - j->added);
	if (mounts_fill_volumes(j->g, &part, j->root, &j->maps, e) < 0)
		return -1;
	/* Also when it fails: who does it in the container may have been killed when it was done. */
	j->mounts = true;
	return change_live(j, &part, true, NULL, e);
}

static bool is_below(const char *path, const char *dir)
{
	const char *rest = str_after(path, dir);
	return rest && *rest == '/';
}

static void forget_text(struct container_record *r, const char *path)
{
	size_t n = 0;
	for (size_t i = 0; i < r->host.binds.n; i++) {
		own(strv) struct strv f = {};
		strv_split(&f, r->host.binds.v[i], ':');
		own(mem) char *clean = path_clean(f.n > 1 ? f.v[1] : f.v[0]);
		if (!str_eq(clean, path))
			r->host.binds.v[n++] = r->host.binds.v[i];
	}
	r->host.binds.n = n;
	n = 0;
	for (size_t i = 0; i < r->host.mounts.n; i++) {
		own(mem) char *clean = path_clean(r->host.mounts.v[i].target);
		if (!str_eq(clean, path))
			r->host.mounts.v[n++] = r->host.mounts.v[i];
	}
	r->host.mounts.n = n;
	n = 0;
	for (size_t i = 0; i < r->host.tmpfs.n; i++)
		if (!str_eq(r->host.tmpfs.v[i].key, path))
			r->host.tmpfs.v[n++] = r->host.tmpfs.v[i];
	r->host.tmpfs.n = n;
}

static int remove_mount(struct update_live *j, const char *text, struct err *e)
{
	struct container_record *r = &j->c->record;
	own(mem) char *path = path_clean(text);
	char tmpfs[] = "tmpfs";
	struct mount_point gone = {.type = tmpfs, .destination = path, .rw = true};
	struct err why = {};
	size_t i = 0;
	for (size_t k = 0; k < r->mounts.n; k++)
		if (is_below(r->mounts.v[k].destination, path))
			return err_set(e, ERR_CONFLICT, "%.200s: %.200s is mounted below it: that one first", path, r->mounts.v[k].destination);
	while (i < r->mounts.n && !str_eq(r->mounts.v[i].destination, path))
		i++;
	if (i == r->mounts.n && !map_get(&r->host.tmpfs, path))
		return err_set(e, ERR_NOT_FOUND, "it has no mount at %.200s", path);
	struct container_entry part = with_points(j, &gone, 1);
	uint64_t before = mount_at(j, path);
	note(j, &j->journal->removed, path, before, NULL);
	if (update_journal_save(j->c->dir, j->journal, e) < 0)
		return -1;
	/* Who may do so in the container may have taken it away already. */
	int kept = -1;
	bool failed = j->runs && change_live(j, &part, false, &kept, &why) < 0 && why.kind != ERR_NOT_FOUND;
	if (failed && mount_at(j, path) == before)
		return *e = why, -1;
	struct gone_mount *g = arena_push(&j->c->arena, &j->gone);
	*g = (struct gone_mount){.point = i < r->mounts.n ? r->mounts.v[i] : gone, .kept = kept};
	g->point.destination = arena_dup(&j->c->arena, path);
	g->there = j->runs && why.kind != ERR_NOT_FOUND;
	if (i < r->mounts.n)
		memmove(&r->mounts.v[i], &r->mounts.v[i + 1], (--r->mounts.n - i) * sizeof *r->mounts.v);
	forget_text(r, path);
	return failed ? (*e = why, -1) : 0;
}

/* The nodes that these devices of the host are, in *ret of the arena. */
static int list_nodes(const struct update_live *j, const struct device_mapping *v, size_t n, struct arena *a, struct spec_linux *ret, struct err *e)
{
	struct container_entry part = {.record = j->c->record};
	struct spec spec = {.linux_ = ret};
	struct spec_build b = {.g = j->g, .c = &part, .arena = a, .root = -1, .maps = &j->maps, .spec = &spec};
	memcpy(part.id, j->c->id, sizeof part.id);
	part.record.host.devices.v = (struct device_mapping *)(uintptr_t)v;
	part.record.host.devices.n = n;
	return spec_build_limits(&b, e);
}

static int write_rules(struct update_live *j, const struct container_record *by, struct err *e)
{
	own(arena) struct arena a = {};
	struct spec_linux all = {};
	struct cgroup cg = {.v2 = -1};
	struct container_state *s = &j->c->state;
	/* Without a group of its own, or the right to load rules, nothing was forbidden by them. */
	if (str_is_empty(s->cgroup) || j->g->rootless || j->c->record.host.privileged)
		return 0;
	if (list_nodes(j, by->host.devices.v, by->host.devices.n, &a, &all, e) < 0 || cgroup_open(s->cgroup, &cg, e) < 0)
		return -1;
	struct spec_resources rules = {.devices = all.resources->devices};
	int r = cgroup_update(&cg, &rules, e);
	if (r == 0 && !str_eq(cg.path, s->cgroup))
		s->cgroup = arena_dup(&j->c->arena, cg.path);
	cgroup_drop(&cg);
	return r;
}

static bool is_mounted_node(const struct update_live *j)
{
	return j->maps.nuids || j->g->rootless;
}

static int open_above(const struct update_live *j, const char *path, bool make, struct err *e)
{
	own(mem) char *above = mem_ndup(path, (size_t)(path_base(path) - path));
	return make ? path_mkdirs_in(j->root, above, 0755, (uid_t)-1, (gid_t)-1, e) : path_open_in(j->root, above, O_PATH | O_DIRECTORY, 0, e);
}

static int make_node(struct update_live *j, const struct spec_device *d, struct err *e)
{
	dev_t dev = makedev((unsigned)d->major.v, (unsigned)d->minor.v);
	mode_t type = str_eq(d->type, "b") ? S_IFBLK : S_IFCHR;
	struct stat st;
	own(fd) int dir = open_above(j, d->path, true, e);
	if (dir < 0)
		return -1;
	const char *name = path_base(d->path);
	bool made = mknodat(dir, name, type | 0600, dev) == 0;
	if (!made && errno != EEXIST)
		return err_sys(e, "make device %.200s", d->path);
	if (made) {
		struct spec_device *own = arena_push(&j->c->arena, &j->nodes);
		*own = *d;
		own->path = arena_dup(&j->c->arena, d->path);
		own->type = arena_dup(&j->c->arena, d->type);
	}
	own(fd) int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != type || st.st_rdev != dev)
		return err_set(e, ERR_CONFLICT, "device %.200s: something else is there", d->path);
	char self[40];
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	if (fchownat(fd, "", (uid_t)d->uid.v, (gid_t)d->gid.v, AT_EMPTY_PATH) < 0 || chmod(self, (mode_t)d->mode.v) < 0)
		return err_sys(e, "device %.200s", d->path);
	return 0;
}

/* Something else that is there by now stays. */
static int remove_node(const struct update_live *j, const struct spec_device *d, struct err *e)
{
	struct stat st;
	struct err why = {};
	own(fd) int dir = open_above(j, d->path, false, &why);
	const char *name = path_base(d->path);
	if (dir < 0)
		return why.sys == ENOENT || why.sys == ENOTDIR ? 0 : (*e = why, -1);
	bool is_there = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (is_there && ((!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) || st.st_rdev != makedev((unsigned)d->major.v, (unsigned)d->minor.v)))
		return 0;
	if ((!is_there || unlinkat(dir, name, 0) < 0) && errno != ENOENT)
		return err_sys(e, "remove device %.200s", d->path);
	return 0;
}

static int mount_node(struct update_live *j, const struct device_mapping *d, bool add, struct err *e)
{
	char bind[] = "bind", none[] = "";
	struct mount_point m = {.type = bind, .source = d->host, .destination = d->container, .rw = true, .propagation = none};
	struct container_entry part = with_points(j, &m, 1);
	if (add)
		*arena_push(&j->c->arena, &j->mounted) = *d;
	return change_live(j, &part, add, NULL, e);
}

static int change_nodes(struct update_live *j, const struct device_mapping *d, bool add, struct err *e)
{
	own(arena) struct arena a = {};
	struct spec_linux nodes = {};
	struct err gone = {};
	if (is_mounted_node(j))
		return mount_node(j, d, add, add ? e : &gone) < 0 && add ? -1 : 0;
	/* One that the host has no longer has no number: its node means nothing. */
	if (list_nodes(j, d, 1, &a, &nodes, &gone) < 0)
		return !add && gone.sys == ENOENT ? 0 : (*e = gone, -1);
	for (size_t i = 0; i < nodes.devices.n; i++) {
		if ((add ? make_node(j, &nodes.devices.v[i], e) : remove_node(j, &nodes.devices.v[i], e)) < 0)
			return -1;
	}
	return 0;
}

/* Is there a file? Of one that is to be mounted: which mount. */
static uint64_t node_at(const struct update_live *j, const char *path)
{
	struct err gone = {};
	if (is_mounted_node(j))
		return mount_at(j, path);
	own(fd) int at = j->root < 0 ? -1 : path_open_in(j->root, path, O_PATH | O_NOFOLLOW, 0, &gone);
	return at >= 0;
}

static int add_devices(struct update_live *j, struct err *e)
{
	struct host_config *h = &j->c->record.host;
	const struct host_config *more = &j->t->add;
	own(arena) struct arena a = {};
	struct spec_linux nodes = {};
	if (list_nodes(j, more->devices.v, more->devices.n, &a, &nodes, e) < 0)
		return -1;
	for (size_t i = 0; i < more->devices.n; i++) {
		const struct device_mapping *d = &more->devices.v[i];
		/* So it is at a start. */
		if (is_mounted_node(j) && !str_eq(d->host, d->container))
			return err_set(e, ERR_UNSUPPORTED, "device %.200s: where the host's node is mounted it keeps its path", d->host);
		for (size_t k = 0; k < h->devices.n; k++)
			if (str_eq(h->devices.v[k].container, d->container))
				return err_set(e, ERR_EXISTS, "it has a device at %.200s already", d->container);
		*arena_push(&j->c->arena, &h->devices) = (struct device_mapping){arena_dup(&j->c->arena, d->host), arena_dup(&j->c->arena, d->container),
			arena_dup(&j->c->arena, d->permissions)};
	}
	if (!j->runs || !more->devices.n)
		return 0;
	for (size_t i = 0; i < more->devices.n; i++)
		note(j, &j->journal->added_devices, more->devices.v[i].container, node_at(j, more->devices.v[i].container), &more->devices.v[i]);
	if (update_journal_save(j->c->dir, j->journal, e) < 0)
		return -1;
	j->rules = true;
	if (write_rules(j, &j->c->record, e) < 0)
		return -1;
	for (size_t i = 0; i < more->devices.n; i++)
		if (change_nodes(j, &more->devices.v[i], true, e) < 0)
			return -1;
	return 0;
}

static int remove_device(struct update_live *j, const char *path, struct err *e)
{
	struct host_config *h = &j->c->record.host;
	size_t i = 0;
	while (i < h->devices.n && !str_eq(h->devices.v[i].container, path))
		i++;
	for (size_t k = 0; i == h->devices.n && k < h->devices.n; k++)
		if (str_eq(h->devices.v[k].host, path))
			i = k;
	if (i == h->devices.n)
		return err_set(e, ERR_NOT_FOUND, "it was given no device %.200s", path);
	struct device_mapping gone = h->devices.v[i];
	memmove(&h->devices.v[i], &h->devices.v[i + 1], (--h->devices.n - i) * sizeof gone);
	if (!j->runs)
		return 0;
	note(j, &j->journal->removed_devices, gone.container, 0, &gone);
	if (update_journal_save(j->c->dir, j->journal, e) < 0)
		return -1;
	j->rules = true;
	if (write_rules(j, &j->c->record, e) < 0)
		return -1;
	*arena_push(&j->c->arena, &j->gone_devices) = gone;
	return change_nodes(j, &gone, false, e);
}

static int save(struct update_live *j, struct err *e)
{
	struct container_entry *c = j->c;
	__typeof__(c->record.mounts) points = c->record.mounts;
	const char *cgroup = c->state.cgroup;
	own(fd) int lock = container_change_state(c, e);
	if (lock < 0 || container_save_record(c, true, e) < 0)
		return -1;
	c->state.mounts.v = points.v;
	c->state.mounts.n = points.n;
	c->state.cgroup = arena_dup(&c->arena, cgroup);
	return container_save_state(c->dir, &c->state, false, e);
}

static int change(struct update_live *j, struct err *e)
{
	for (size_t i = 0; i < j->t->remove_mounts.n; i++)
		if (remove_mount(j, j->t->remove_mounts.v[i], e) < 0)
			return -1;
	for (size_t i = 0; i < j->t->remove_devices.n; i++)
		if (remove_device(j, j->t->remove_devices.v[i], e) < 0)
			return -1;
	return add_devices(j, e) < 0 ? -1 : add_mounts(j, e);
}

int update_live_do(struct update_live *j, struct err *e)
{
	struct container_entry *c = j->c;
	j->runs = str_eq(c->state.status, "running") || str_eq(c->state.status, "paused");
	if (userns_parse(&c->record, &j->maps, e) < 0 || (j->runs && open_root(j, e) < 0))
		return -1;
	return change(j, e) < 0 ? -1 : save(j, e);
}

static int put_back_mount(struct update_live *j, const struct gone_mount *gone, struct err *e)
{
	own(arena) struct arena a = {};
	struct spec spec = {};
	struct spec_build b;
	struct live_mounts m;
	struct mount_point point = gone->point;
	struct container_entry part = with_points(j, &point, 1);
	int r = build_part(j, &part, &b, &m, &a, &spec, e);
	if (r == 0 && spec.mounts.n == 1 && gone->kept > 0) {
		struct spec_mount *one = &spec.mounts.v[0];
		*one = (struct spec_mount){.destination = one->destination, .source = arena_dup(&a, "/"), .type = arena_dup(&a, "bind"), .ready = gone->kept};
		arena_strv_add(&a, &one->options, "rbind");
		if (!str_is_empty(point.propagation))
			arena_strv_add(&a, &one->options, point.propagation);
	}
	if (r == 0 && spec.mounts.n)
		r = live_mounts_add(&m, e);
	build_drop(&b);
	return r;
}

/* One by one: what somebody in the container took away already keeps none of the others. */
static int undo_mounts(struct update_live *j, struct err *e)
{
	struct container_record *r = &j->c->record;
	int result = 0;
	for (size_t i = r->mounts.n; j->mounts && i-- > j->added;) {
		struct err why = {};
		struct container_entry part = with_points(j, &r->mounts.v[i], 1);
		const char *path = r->mounts.v[i].destination;
		if (mount_at(j, path) != before_of(&j->journal->added, path) && change_live(j, &part, false, NULL, &why) < 0 &&
			why.kind != ERR_NOT_FOUND)
			*e = why, result = -1;
	}
	return result;
}

/* Those that were made, and that nobody else has by now: until here the lock was shared. */
static int undo_volumes(struct update_live *j, struct err *e)
{
	int result = 0;
	if (!j->volumes.n)
		return 0;
	fd_drop(&j->plan.lock);
	own(fd) int lock = path_lock(j->g->root, "volumes.lock", true, true, e);
	for (size_t i = lock < 0 ? 0 : j->volumes.n; i-- > 0;) {
		own(strv) struct strv users = {};
		if (volume_users(j->g, j->volumes.v[i], j->c->id, &users, e) < 0 || (!users.n && volume_delete(j->g, j->volumes.v[i], e) < 0))
			result = -1;
	}
	return lock < 0 ? -1 : result;
}

static int undo_coming(struct update_live *j, struct err *e)
{
	int result = undo_mounts(j, e);
	/* What is mounted still is not removed. */
	if (result == 0)
		result = undo_volumes(j, e);
	for (size_t i = j->mounted.n; i-- > 0;) {
		struct err why = {};
		const char *path = j->mounted.v[i].container;
		if (mount_at(j, path) != before_of(&j->journal->added_devices, path) && mount_node(j, &j->mounted.v[i], false, &why) < 0 &&
			why.kind != ERR_NOT_FOUND)
			*e = why, result = -1;
	}
	for (size_t i = j->nodes.n; i-- > 0;)
		if (remove_node(j, &j->nodes.v[i], e) < 0)
			result = -1;
	return result;
}

static void forget_device(struct host_config *h, const char *path)
{
	size_t n = 0;
	for (size_t i = 0; i < h->devices.n; i++)
		if (!str_eq(h->devices.v[i].container, path))
			h->devices.v[n++] = h->devices.v[i];
	h->devices.n = n;
}

static void forget_point(struct container_record *r, const char *path)
{
	size_t n = 0;
	for (size_t i = 0; i < r->mounts.n; i++)
		if (!str_eq(r->mounts.v[i].destination, path))
			r->mounts.v[n++] = r->mounts.v[i];
	r->mounts.n = n;
	forget_text(r, path);
}

int update_live_undo(struct update_live *j, struct container_entry *old, struct err *e)
{
	int result = undo_coming(j, e);
	for (size_t i = j->gone_devices.n; i-- > 0;)
		if (change_nodes(j, &j->gone_devices.v[i], true, e) < 0) {
			forget_device(&old->record.host, j->gone_devices.v[i].container);
			result = -1;
		}
	if (j->rules && write_rules(j, &old->record, e) < 0)
		result = -1;
	for (size_t i = j->gone.n; i-- > 0;)
		if (j->gone.v[i].there && put_back_mount(j, &j->gone.v[i], e) < 0) {
			forget_point(&old->record, j->gone.v[i].point.destination);
			result = -1;
		}
	return result;
}

static bool has_path(const struct update_touches *list, const char *path)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->v[i].path, path))
			return true;
	return false;
}

/* As the record has it, that is, a tmpfs is empty. */
static int mount_again(struct update_live *j, const char *path, struct err *e)
{
	struct container_record *r = &j->c->record;
	size_t i = 0;
	while (i < r->mounts.n && !str_eq(r->mounts.v[i].destination, path))
		i++;
	struct container_entry part = with_points(j, i < r->mounts.n ? &r->mounts.v[i] : NULL, i < r->mounts.n);
	const char *tmpfs = map_get(&r->host.tmpfs, path);
	if (tmpfs && !part.record.mounts.n)
		map_set(&j->c->arena, &part.record.host.tmpfs, path, tmpfs);
	return change_live(j, &part, true, NULL, e);
}

static void recover_coming(struct update_live *j, const struct update_journal *journal, struct err *e)
{
	for (size_t i = journal->added.n; i-- > 0;) {
		const struct update_touched *t = &journal->added.v[i];
		char tmpfs[] = "tmpfs";
		struct mount_point point = {.type = tmpfs, .destination = t->path, .rw = true};
		struct container_entry part = with_points(j, &point, 1);
		uint64_t now = mount_at(j, t->path);
		struct err why = {};
		/* The number of one that went before may be that of the one that came. */
		if (now && (now != t->before || has_path(&journal->removed, t->path)) && change_live(j, &part, false, NULL, &why) < 0 &&
			why.kind != ERR_NOT_FOUND)
			*e = why;
	}
	for (size_t i = journal->added_devices.n; i-- > 0;) {
		const struct update_touched *t = &journal->added_devices.v[i];
		bool is_new = is_mounted_node(j) ? node_at(j, t->path) != t->before : !t->before;
		if (is_new)
			(void)!change_nodes(j, &t->device, false, e);
	}
}

static void recover_going(struct update_live *j, const struct update_journal *journal, struct err *e)
{
	for (size_t i = journal->removed_devices.n; i-- > 0;) {
		const struct update_touched *t = &journal->removed_devices.v[i];
		bool is_there = is_mounted_node(j) && mount_at(j, t->path);
		if (!is_there && change_nodes(j, &t->device, true, e) < 0)
			forget_device(&j->c->record.host, t->path);
	}
	if ((journal->added_devices.n || journal->removed_devices.n) && write_rules(j, &j->c->record, e) < 0)
		return;
	for (size_t i = journal->removed.n; i-- > 0;) {
		const struct update_touched *t = &journal->removed.v[i];
		if (!mount_at(j, t->path) && t->before && mount_again(j, t->path, e) < 0)
			forget_point(&j->c->record, t->path);
	}
}

int update_live_recover(struct engine *g, struct container_entry *c, struct update_journal *journal, bool runs, struct err *e)
{
	struct update_things none = {};
	struct update_live *j = update_live_new(g, c, &none, journal);
	struct err why = {};
	int r = -1;
	j->runs = runs;
	j->volumes = journal->volumes;
	if (userns_parse(&c->record, &j->maps, e) < 0 || (runs && open_root(j, e) < 0))
		goto out;
	if (runs) {
		recover_coming(j, journal, &why);
		recover_going(j, journal, &why);
	}
	/* What is mounted still is not removed. */
	r = why.kind == ERR_NONE ? undo_volumes(j, e) : (*e = why, -1);
out:
	update_live_drop(&j);
	return r;
}
