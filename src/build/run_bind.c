/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_bind: what RUN --mount=type=bind shows. What has to be mounted first (a stage or an image, a context whose files belong to somebody,
 * one with ignored files, a view that can be written to) is mounted nowhere, and given to the container as it is.
 */
#include "build/run.h"

#include "base/fd.h"
#include "base/path.h"
#include "build/hide.h"
#include "build/owned.h"
#include "build/place.h"
#include "snap/overlay.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A place inside of a mount that is attached nowhere, as a mount of its own: older kernels clone none of those, so a child attaches it in a
 * mount namespace of its own and hands the clone over. */
static int clone_inside(struct run *r, int mounted, const char *source, struct err *e)
{
	int s[2], got = -1;
	size_t n = 1;
	struct err why = {};
	own(mem) char *place = mem_printf("%s/build/running/%s", r->x->b->g->root_path, r->id);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) < 0)
		return err_sys(e, "socket");
	own(fd) int ours = s[0];
	own(fd) int theirs = s[1];
	pid_t pid = fork();
	if (pid == 0) {
		int clone = -1;
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
			err_sys_(&why, "a mount namespace");
		int at = why.kind ? -1 : open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (at >= 0 && mount_attach(mounted, at, &why) == 0) {
			int top = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = path_open_in(top, source, O_PATH, 0, &why);
			clone = fd < 0 ? -1 : mount_clone(fd, "", false, &why);
		}
		_exit(fd_send(theirs, &why, sizeof why, &clone, clone >= 0, &why) < 0);
	}
	fd_drop(&theirs);
	if (pid < 0)
		return err_sys(e, "fork");
	ssize_t m = fd_recv(ours, &why, sizeof why, &got, &n, e);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (m == sizeof why && n == 1)
		return got;
	if (m >= 0)
		*e = why;
	return run_mounts_wrong(r, e, "source %.200s: %s", source, e->text);
}

/* A writable view: what is written goes to the work directory. mounted: what the lower directory is on, when that is attached nowhere; -1. */
static int writable(struct run *r, int lower, int mounted, size_t i, struct err *e)
{
	char upper[32], work[32];
	bool detached = mounted >= 0;
	snprintf(upper, sizeof upper, "mount-%zu-upper", i);
	snprintf(work, sizeof work, "mount-%zu-work", i);
	if (mkdirat(r->dir, upper, 0755) < 0 || mkdirat(r->dir, work, 0700) < 0)
		return err_sys(e, "--mount");
	own(fd) int u = path_open_dir(r->dir, upper, e);
	own(fd) int w = u < 0 ? -1 : path_open_dir(r->dir, work, e);
	struct stat st;
	if (w < 0 || fstat(lower, &st) < 0 || fchown(u, st.st_uid, st.st_gid) < 0 || fchmod(u, st.st_mode & 07777) < 0)
		return w < 0 ? -1 : err_sys(e, "--mount");
	struct overlay o = {.lowers = &lower, .n = 1, .upper = u, .work = w, .user_xattrs = r->x->b->g->rootless, .is_volatile = true,
		.detached = &detached, .mounts = &mounted, .nmounts = detached, .attach_at = r->dir};
	return overlay_mount(&o, e);
}

/* A bind's source below root, resolved inside of it; mounted as for writable(). */
static int place_source(struct run *r, int root, int mounted, struct run_mount *m, size_t i, struct err *e)
{
	char link[64];
	struct stat st;
	const char *source = str_is_empty(m->source) ? "." : m->source;
	own(fd) int fd = path_open_in(root, source, O_PATH, 0, e);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? run_mounts_wrong(r, e, "source %.300s", e->text) : err_sys(e, "--mount");
	m->path = "-";
	if (m->rw && S_ISDIR(st.st_mode)) {
		own(fd) int lower = path_open_in(root, source, O_RDONLY | O_DIRECTORY, 0, e);
		m->ready = lower < 0 ? -1 : writable(r, lower, mounted, i, e);
		return m->ready < 0 ? -1 : 0;
	}
	m->rw = false;
	if (mounted >= 0) {
		m->ready = clone_inside(r, mounted, source, e);
		return m->ready < 0 ? -1 : 0;
	}
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	own(mem) char *whole = realpath(link, NULL);
	if (!whole)
		return err_sys(e, "--mount");
	m->path = arena_dup(&r->c.arena, whole);
	return 0;
}

/* A writable view of a whole mount that is attached nowhere, or that itself. */
static int place_view(struct run *r, int view, bool is_dir, struct run_mount *m, size_t i, struct err *e)
{
	m->path = "-";
	m->rw &= is_dir;
	own(fd) int below = m->rw ? openat(view, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (m->rw && below < 0)
		return err_sys(e, "--mount");
	m->ready = m->rw ? writable(r, below, view, i, e) : fcntl(view, F_DUPFD_CLOEXEC, 3);
	return m->ready < 0 ? -1 : 0;
}

/* What the ignore file leaves out is not seen: a layer of its own says that it is gone. owned: the directory, on a mount of its own; or -1.
 * -1 without an error: it leaves nothing out. */
static int without_ignored(struct run *r, const struct context *c, const char *path, int at, int owned, size_t i, struct err *e)
{
	char name[32];
	bool hides = false, rootless = r->x->b->g->rootless, detached[] = {false, owned >= 0};
	snprintf(name, sizeof name, "mount-%zu-hidden", i);
	if (mkdirat(r->dir, name, 0755) < 0)
		return err_sys(e, "--mount");
	own(fd) int hidden = path_open_dir(r->dir, name, e);
	own(fd) int seen = hidden < 0 ? -1 : openat(owned >= 0 ? owned : at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (seen < 0)
		return hidden < 0 ? -1 : err_sys(e, "--mount");
	if (hide_ignored(&c->ignore, seen, path, hidden, rootless, &hides, e) < 0 || !hides)
		return -1;
	struct overlay o = {.lowers = (int[]){hidden, seen}, .n = 2, .upper = -1, .work = -1, .user_xattrs = rootless, .read_only = true,
		.detached = detached, .mounts = &owned, .nmounts = owned >= 0, .attach_at = r->dir};
	return overlay_mount(&o, e);
}

static int place_context(struct run *r, const struct context *c, struct run_mount *m, size_t i, struct err *e)
{
	struct err why = {};
	struct place p __attribute__((cleanup(place_drop))) = {};
	if (place_find(c->dir, str_is_empty(m->source) ? "." : m->source, true, &p, e) < 0)
		return -1;
	if (!p.exists)
		return place_source(r, c->dir, -1, m, i, e);
	own(fd) int at = path_open_in(c->dir, p.path.len ? buf_text(&p.path) : ".", O_PATH, 0, e);
	if (at < 0)
		return -1;
	bool is_dir = S_ISDIR(p.st.st_mode);
	own(fd) int owned = r->x->b->g->rootless ? -1 : owned_by_root(c->dir, at);
	own(fd) int view = is_dir && c->ignore.rows.n ? without_ignored(r, c, buf_text(&p.path), at, owned, i, &why) : -1;
	if (why.kind)
		return *e = why, -1;
	if (view < 0 && owned < 0)
		return place_source(r, c->dir, -1, m, i, e);
	return place_view(r, view >= 0 ? view : owned, is_dir, m, i, e);
}

int run_bind_place(struct run *r, struct run_mount *m, size_t i, struct err *e)
{
	struct build *b = r->x->b;
	if (str_is_empty(m->from))
		return place_context(r, &b->context, m, i, e);
	struct source of = {};
	if (source_find(b, r->x->s, m->from, NULL, &r->c.arena, &of, NULL, e) < 0)
		return -1;
	if (of.context)
		return place_context(r, of.context, m, i, e);
	struct snap_mount q = {.layers = &of.layers, .dir = -1, .read_only = true};
	own(fd) int mounted = snap_mount(&b->g->snap, &q, e);
	return mounted < 0 ? -1 : place_source(r, mounted, mounted, m, i, e);
}
