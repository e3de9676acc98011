/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export: the root of a container that does not run is mounted; while it runs nothing but its own mount may have its writable layer, so
 * a process goes into its mount namespace and clones the mount that is the root there, alone, without those upon it.
 */
#include "engine/export.h"

#include "base/fd.h"
#include "engine/container.h"
#include "engine/events.h"
#include "engine/userns.h"
#include "snap/pack.h"
#include "sys/child.h"
#include "sys/mount.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

struct exporting {
	struct engine *g;
	struct container_entry *c;
	struct userns_maps maps;
	bool runs;
	int out;
};

static int put_out(void *arg, const void *p, size_t n, struct err *e)
{
	const struct exporting *x = arg;
	return fd_write_all(x->out, p, n) < 0 ? err_sys(e, "write the archive") : 0;
}

static int open_running(const struct exporting *x, struct err *e)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%lld/ns/mnt", (long long)x->c->state.pid);
	own(fd) int ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNS) < 0)
		return err_sys(e, "its mount namespace");
	return mount_clone(AT_FDCWD, "/", false, e);
}

static int open_root(const struct exporting *x, struct err *e)
{
	const struct container_record *r = &x->c->record;
	if (x->runs)
		return open_running(x, e);
	if (r->host.rootfs)
		return mount_clone(AT_FDCWD, r->host.rootfs, false, e);
	struct snap_mount m = {.layers = &r->layers, .dir = x->c->dir, .read_only = true, .uids = x->maps.uids, .nuids = x->maps.nuids,
		.gids = x->maps.gids, .ngids = x->maps.ngids};
	return snap_mount(&x->g->snap, &m, e);
}

static int work(void *arg, struct err *e)
{
	struct exporting *x = arg;
	own(fd) int mount = open_root(x, e);
	if (mount < 0)
		return -1;
	own(fd) int root = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, "root file system");
	struct tar_writer *tar = tar_writer_new(put_out, x);
	struct pack_ids ids = {x->maps.uids, x->maps.gids, x->maps.nuids, x->maps.ngids};
	int r = pack_root(root, &ids, tar, e);
	tar_writer_drop(&tar);
	return r;
}

int container_export(struct engine *g, const char *text, int out, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct exporting x = {.g = g, .c = &c, .out = out};
	if (container_get(g, text, 0, &c, e) < 0)
		return -1;
	x.runs = str_eq(c.state.status, "running") || str_eq(c.state.status, "paused");
	if (!x.runs) {
		/* So that it is not started meanwhile. */
		container_entry_drop(&c);
		if (container_get(g, text, ENTRY_LOCK, &c, e) < 0)
			return -1;
		x.runs = str_eq(c.state.status, "running") || str_eq(c.state.status, "paused");
	}
	int r = engine_need_snap(g, e) < 0 || userns_parse(&c.record, &x.maps, e) < 0 ? -1 : child_do(work, &x, e);
	userns_maps_drop(&x.maps);
	if (r == 0)
		event_container(g, &c, "export");
	return r < 0 ? err_wrap(e, "container %s", container_label(&c)) : 0;
}
