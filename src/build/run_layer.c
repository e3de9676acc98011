/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_layer: the upper directory of a RUN as a layer: first without what only the container needed, then as a tar. And: what is removed
 * of steps that were killed.
 */
#include "build/run.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "build/share.h"
#include "codec/tar.h"
#include "runtime/cgroup.h"
#include "snap/pack.h"
#include "snap/whiteout.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* One of the upper directory's own; *ret -1: there is none. */
static int open_upper(int upper, const char *path, int flags, int *ret, struct err *e)
{
	struct err why = {};
	*ret = path_open_in(upper, path, flags | O_NOFOLLOW, 0, &why);
	if (*ret >= 0 || why.kind == ERR_NOT_FOUND || why.sys == ENOTDIR || why.sys == ELOOP)
		return 0;
	*e = why;
	return -1;
}

/* Does a directory of the upper one say no more than the one that was there before? */
static int says_nothing(int upper, const struct run_above *before, struct err *e)
{
	struct stat now;
	const struct stat *was = &before->st;
	own(fd) int dir = -1;
	own(strv) struct strv names = {};
	if (open_upper(upper, before->path, O_RDONLY | O_DIRECTORY, &dir, e) < 0)
		return -1;
	if (dir < 0 || !S_ISDIR(was->st_mode))
		return 0;
	if (fstat(dir, &now) < 0)
		return err_sys(e, "look at %.200s", before->path);
	if (path_list(dir, ".", &names, e) < 0)
		return -1;
	return !names.n && !whiteout_is_opaque(dir) && now.st_mode == was->st_mode && now.st_uid == was->st_uid && now.st_gid == was->st_gid;
}

static int is_stub(int upper, const char *path, bool is_dir, struct err *e)
{
	struct stat st;
	own(fd) int fd = -1;
	if (open_upper(upper, path, O_PATH, &fd, e) < 0)
		return -1;
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "look at %.200s", path);
	return S_ISDIR(st.st_mode) || (!is_dir && S_ISREG(st.st_mode) && st.st_size == 0 && st.st_nlink == 1);
}

/* A directory that has something in it stays. */
static int remove_at(int upper, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	own(mem) char *parent = slash ? mem_ndup(path, (size_t)(slash - path)) : mem_dup(".");
	own(fd) int dir = path_open_in(upper, parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, e);
	if (dir < 0)
		return -1;
	if (unlinkat(dir, path_base(path), 0) == 0)
		return 0;
	if ((errno == EISDIR || errno == EPERM) && (unlinkat(dir, path_base(path), AT_REMOVEDIR) == 0 || errno == ENOTEMPTY || errno == EEXIST))
		return 0;
	return err_sys(e, "remove the mount point %.200s", path);
}

static int by_length(const void *a, const void *b)
{
	size_t x = strlen(((const struct run_above *)a)->path), y = strlen(((const struct run_above *)b)->path);
	return x < y ? 1 : x > y ? -1 : 0;
}

/* Mount points that were made, then the directories above that were copied up, or made, for nothing else: those within others first. What cannot
 * be looked at or removed is an error: it would be in the image. */
static int remove_stubs(struct run *r, int upper, struct err *e)
{
	for (size_t i = r->stubs.n; i-- > 0;) {
		int goes = is_stub(upper, r->stubs.v[i].path, false, e);
		if (goes < 0 || (goes && remove_at(upper, r->stubs.v[i].path, e) < 0))
			return -1;
	}
	if (r->above.n)
		qsort(r->above.v, r->above.n, sizeof *r->above.v, by_length);
	for (size_t i = 0; i < r->above.n; i++) {
		const struct run_above *a = &r->above.v[i];
		int goes = a->is_there ? says_nothing(upper, a, e) : is_stub(upper, a->path, true, e);
		if (goes < 0 || (goes && remove_at(upper, a->path, e) < 0))
			return -1;
	}
	return 0;
}

struct packing { struct run *r; int upper; bool said; int out; };

static int sink(void *arg, const void *p, size_t n, struct err *e)
{
	const struct packing *k = arg;
	return fd_write_all(k->out, p, n) < 0 ? err_sys(e, "write the layer") : 0;
}

static int write_upper(void *arg, int out, struct err *e)
{
	struct packing *k = arg;
	k->out = out;
	own(tar_writer) struct tar_writer *tar = tar_writer_new(sink, k);
	return pack_tree_until(k->upper, k->said, k->r->x->s->epoch, tar, e);
}

int run_layer(struct run *r, char layer[136], struct err *e)
{
	struct stat now;
	if (path_exists(r->dir, "tree"))
		return err_set(e, ERR_UNSUPPORTED, "RUN needs overlay, and this store's file system or kernel refuses it");
	own(fd) int upper = path_open_dir(r->dir, "upper", e);
	if (upper < 0 || fstat(upper, &now) < 0)
		return upper < 0 ? -1 : err_sys(e, "look at the layer");
	if (remove_stubs(r, upper, e) < 0)
		return -1;
	struct packing k = {.r = r, .upper = upper};
	k.said = now.st_mode != r->before.st_mode || now.st_uid != r->before.st_uid || now.st_gid != r->before.st_gid;
	own(strv) struct strv names = {};
	if (path_list(upper, ".", &names, e) < 0)
		return -1;
	if (!names.n && !k.said && !whiteout_is_opaque(upper)) {
		*layer = 0;
		return 0;
	}
	run_leaks_tell(r, upper);
	struct writing w = {.write = write_upper, .arg = &k, .again = true};
	return writing_do(r->x->b, &w, layer, e);
}

/* --- what a killed build left --- */

/* Its groups are where run_container.c wrote down. */
static void end_container(int dir, const char *id)
{
	struct cgroup cg = {.v2 = -1};
	struct err none = {};
	own(buf) struct buf said = BUF(sizeof cg.path);
	own(mem) char *usual = mem_printf("/hull/%s", id);
	bool is_told = path_read(dir, "cgroup", &said, &none) == 0 && said.len > 0;
	if (cgroup_open(is_told ? buf_text(&said) : usual, &cg, &none) < 0)
		return;
	(void)!cgroup_kill(&cg, SIGKILL, &none);
	(void)!cgroup_remove(&cg, &none);
	cgroup_drop(&cg);
}

void run_sweep(struct build *b)
{
	own(strv) struct strv ids = {};
	struct err none = {};
	share_sweep(b->cache.dir);
	if (path_list(b->cache.dir, "running", &ids, &none) < 0)
		return;
	for (size_t i = 0; i < ids.n; i++) {
		own(mem) char *path = mem_printf("running/%s", ids.v[i]);
		own(fd) int dir = path_open_dir(b->cache.dir, path, &none);
		own(fd) int lock = dir < 0 ? -1 : path_lock(dir, "lock", true, false, &none);
		if (lock < 0)
			continue;
		if (num_is_hex(ids.v[i], 64)) {
			end_container(dir, ids.v[i]);
			connect_release(b->g, ids.v[i]);
			if (path_remove_tree(b->g->containers.run, ids.v[i], &none) < 0)
				continue;
		}
		(void)!path_remove_tree(b->cache.dir, path, &none);
	}
}
