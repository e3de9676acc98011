/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view: of a container that runs, the root of its mount namespace, which stays as long as we have it open. Of another one, its root is
 * mounted in a mount namespace of our own and its mounts upon it, as a start would do it; all of that goes with us.
 *
 * A mount that shows ids through a map takes no files from ids outside of that map, root's too: so they are made as the container's root.
 */
#include "engine/view.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/mounts.h"
#include "engine/spec.h"
#include "runtime/container.h"
#include "snap/copy.h"
#include "sys/caps.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

void view_drop(struct view *v)
{
	fd_drop(&v->root);
	fd_drop(&v->ns);
	userns_maps_drop(&v->maps);
	container_entry_drop(&v->c);
}

static bool is_running(const struct container_entry *c)
{
	return str_eq(c->state.status, "running") || str_eq(c->state.status, "paused");
}

int view_find(struct engine *g, const char *text, struct view *v, struct err *e)
{
	if (container_get(g, text, 0, &v->c, e) < 0)
		return -1;
	v->runs = is_running(&v->c);
	if (!v->runs) {
		container_entry_drop(&v->c);
		v->c = (struct container_entry){.dir = -1, .lock = -1};
		if (container_get(g, text, ENTRY_LOCK, &v->c, e) < 0)
			return -1;
		v->runs = is_running(&v->c);
		/* A start held the lock: a running one is not to be kept from its end. */
		if (v->runs)
			fd_drop(&v->c.lock);
	}
	return userns_parse(&v->c.record, &v->maps, e);
}

static int open_running(struct view *v, struct err *e)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%lld/ns/mnt", (long long)v->c.state.pid);
	v->ns = open(path, O_RDONLY | O_CLOEXEC);
	if (v->ns < 0)
		return err_sys(e, "its mount namespace");
	if (!container_is_alive((pid_t)v->c.state.pid, v->c.state.start_time))
		return err_set(e, ERR_CONFLICT, "it ended just now");
	v->root = mount_top_of(v->ns, e);
	return v->root < 0 ? -1 : 0;
}

static int place(const struct view *v, const char *path, bool is_dir, struct err *e)
{
	uint32_t uid = copy_shift(0, v->maps.uids, v->maps.nuids), gid = copy_shift(0, v->maps.gids, v->maps.ngids);
	struct err missing = {};
	if (is_dir)
		return path_mkdirs_in(v->root, path, 0755, uid, gid, e);
	int fd = path_open_in(v->root, path, O_PATH, 0, &missing);
	if (fd >= 0)
		return fd;
	own(mem) char *above = mem_ndup(path, (size_t)(path_base(path) - path));
	own(fd) int dir = path_mkdirs_in(v->root, above, 0755, uid, gid, e);
	own(fd) int made = dir < 0 ? -1 : openat(dir, path_base(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (dir >= 0 && (made < 0 || fchown(made, uid, gid) < 0))
		return err_sys(e, "make it");
	return dir < 0 ? -1 : path_open_in(v->root, path, O_PATH, 0, e);
}

static int mount_point(const struct view *v, const struct spec_mount *m, struct err *e)
{
	struct mount_words w __attribute__((cleanup(mount_words_drop))) = {};
	struct stat st;
	if (mount_parse_words(&m->options, &w, e) < 0)
		return -1;
	/* What is mounted anew at each start has nothing to show. */
	bool bind = str_eq(m->type, "bind");
	own(fd) int fs = !bind ? mount_new("tmpfs", NULL, 0, MOUNT_ATTR_RDONLY, e)
		: m->ready > 0 ? dup(m->ready) : mount_clone(AT_FDCWD, m->source, w.rbind, e);
	if (fs < 0 && m->ready <= 0)
		return -1;
	if (fs < 0 || fstat(fs, &st) < 0)
		return err_sys(e, "look");
	if (bind && (((w.rset || w.rclear) && mount_set(fs, true, w.rset, w.rclear, 0, e) < 0) ||
		mount_set(fs, false, w.set, w.clear, 0, e) < 0))
		return -1;
	own(fd) int at = place(v, m->destination, S_ISDIR(st.st_mode), e);
	return at < 0 ? -1 : mount_attach(fs, at, e);
}

static int mount_points(struct engine *g, struct view *v, struct err *e)
{
	own(arena) struct arena a = {};
	struct spec spec = {};
	struct spec_build b = {.g = g, .c = &v->c, .arena = &a, .root = v->root, .run_dir = -1, .maps = &v->maps, .spec = &spec};
	int r = spec_build_points(&b, e);
	for (size_t i = 0; r == 0 && i < spec.mounts.n; i++)
		if (mount_point(v, &spec.mounts.v[i], e) < 0)
			r = err_wrap(e, "mount %s", spec.mounts.v[i].destination);
	for (size_t i = 0; i < b.nready; i++)
		fd_drop(&b.ready[i]);
	if (b.userns > 0)
		close(b.userns);
	return r;
}

/* Nothing that is mounted here is to be seen elsewhere. */
static int go_apart(struct err *e)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, "a mount namespace");
	own(fd) int top = mount_top(e);
	return top < 0 ? -1 : mount_set(top, true, 0, 0, MS_PRIVATE, e);
}

/* Layers are found by fds that are good in the mount namespace we come from. */
static int mount_root(struct engine *g, struct view *v, struct err *e)
{
	const struct container_record *r = &v->c.record;
	struct snap_mount m = {.layers = &r->layers, .dir = v->c.dir, .uids = v->maps.uids, .nuids = v->maps.nuids, .gids = v->maps.gids,
		.ngids = v->maps.ngids};
	v->root = r->host.rootfs ? mount_clone(AT_FDCWD, r->host.rootfs, true, e) : engine_need_snap(g, e) < 0 ? -1 : snap_mount(&g->snap, &m, e);
	return v->root < 0 ? -1 : mounts_fill_volumes(g, &v->c, v->root, &v->maps, e);
}

static int attach_root(struct engine *g, struct view *v, struct err *e)
{
	own(mem) char *path = mem_printf("%s/containers/%s", g->root_path, v->c.id);
	own(fd) int at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return err_sys(e, "a place for it");
	if (mount_attach(v->root, at, e) < 0 || mount_points(g, v, e) < 0)
		return -1;
	return v->c.record.host.read_only ? mount_set(v->root, false, MOUNT_ATTR_RDONLY, 0, 0, e) : 0;
}

int views_open(struct engine *g, struct view *v, size_t n, struct err *e)
{
	bool apart = false;
	for (size_t i = 0; i < n; i++) {
		apart |= !v[i].runs;
		if ((v[i].runs ? open_running(&v[i], e) : mount_root(g, &v[i], e)) < 0)
			return err_wrap(e, "container %.200s", container_label(&v[i].c));
	}
	if (apart && go_apart(e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!v[i].runs && attach_root(g, &v[i], e) < 0)
			return err_wrap(e, "container %.200s", container_label(&v[i].c));
	return 0;
}

int view_become_root(const struct engine *g, const struct view *v, struct err *e)
{
	if (!v->maps.nuids || g->rootless)
		return 0;
	uint32_t uid = copy_shift(0, v->maps.uids, v->maps.nuids), gid = copy_shift(0, v->maps.gids, v->maps.ngids);
	uint64_t all = caps_permitted();
	setfsgid(gid);
	setfsuid(uid);
	if ((uint32_t)setfsuid((uid_t)-1) != uid || (uint32_t)setfsgid((gid_t)-1) != gid)
		return err_set(e, ERR_DENIED, "its root's ids (%u:%u) cannot be taken", uid, gid);
	/* They went with root's id. */
	return caps_apply(all, all, 0, e);
}
