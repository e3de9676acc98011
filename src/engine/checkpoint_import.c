/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint_import: the archive is unpacked into a directory of the root's imports, locked, so that the next import removes what a killed one left there;
 * then a container is made of the record, as a clone is, and gets the layer, the volumes and the checkpoint.
 */
#include "engine/checkpoint_archive.h"

#include "base/fd.h"
#include "base/path.h"
#include "engine/clone.h"
#include "engine/image.h"
#include "engine/volume.h"
#include "snap/files.h"
#include "snap/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 16 << 20 };
static const char imports[] = "imports";

struct import {
	struct engine *g;
	struct checkpoint_import *r;
	char *path;
	int top, lock, stage; /* stage: below top, what is in the archive */
	struct container_entry from; /* the record alone */
};

static void import_drop(struct import *x)
{
	struct err ignored = {};
	container_entry_drop(&x->from);
	fd_drop(&x->stage);
	if (x->lock >= 0)
		(void)!path_remove_tree(x->g->root, x->path, &ignored);
	unlinkat(x->g->root, imports, AT_REMOVEDIR);
	fd_drop(&x->lock);
	fd_drop(&x->top);
	mem_drop(&x->path);
}

/* What others left that were killed. */
static void sweep(struct engine *g)
{
	own(strv) struct strv names = {};
	struct err ignored = {};
	own(fd) int all = openat(g->root, imports, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (all < 0 || path_list(all, ".", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		own(fd) int dir = path_open_dir(all, names.v[i], &ignored);
		own(fd) int lock = dir < 0 ? -1 : path_lock(dir, ".lock", true, false, &ignored);
		if (lock >= 0)
			(void)!path_remove_tree(all, names.v[i], &ignored);
	}
}

static int try_stage(struct import *x, struct err *e)
{
	if (path_mkdirs(x->g->root, imports, 0700, e) < 0)
		return -1;
	if (mkdirat(x->g->root, x->path, 0700) < 0)
		return err_sys(e, "%s", x->path);
	x->top = path_open_dir(x->g->root, x->path, e);
	x->lock = x->top < 0 ? -1 : path_lock(x->top, ".lock", true, true, e);
	if (x->lock < 0)
		return -1;
	if (mkdirat(x->top, "files", 0700) < 0)
		return err_sys(e, "%s", x->path);
	x->stage = path_open_dir(x->top, "files", e);
	return x->stage < 0 ? -1 : 0;
}

/* Another one may sweep it away before it is locked. */
static int open_stage(struct import *x, struct err *e)
{
	sweep(x->g);
	x->path = mem_printf("%s/%d", imports, (int)getpid());
	for (int i = 0; try_stage(x, e) < 0; i++) {
		if (e->sys != ENOENT || i == 10)
			return -1;
		fd_drop(&x->lock);
		fd_drop(&x->top);
		*e = (struct err){};
	}
	return 0;
}

static int unpack(struct import *x, struct err *e)
{
	struct transfer t = {.keep_owner = true, .no_devices = true};
	own(fd) int in = str_eq(x->r->path, "-") ? fcntl(0, F_DUPFD_CLOEXEC, 3) : open(x->r->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (in < 0)
		return err_sys(e, "%.300s", x->r->path);
	int r = transfer_unpack(&t, in, x->stage, "/", e);
	transfer_drop(&t);
	return r;
}

/* A file of the archive, nothing else; ERR_NOT_FOUND. */
static int open_file(const struct import *x, const char *name, struct err *e)
{
	struct stat st;
	own(fd) int fd = path_open_in(x->stage, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, e);
	if (fd < 0)
		return e->sys == ENOENT ? err_set(e, ERR_NOT_FOUND, "%s is not in the archive", name) : -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, ERR_CORRUPT, "%s: not a file", name);
	return take_fd(fd);
}

static int read_text(const struct import *x, const char *name, struct json **ret, struct err *e)
{
	own(buf) struct buf b = BUF(TEXT_MAX);
	own(fd) int fd = open_file(x, name, e);
	own(stream) struct stream *s = fd < 0 ? NULL : stream_fd(fd, UINT64_MAX);
	if (fd < 0 || stream_to_buf(s, &b, e) < 0)
		return -1;
	return json_parse(buf_text(&b), b.len, ret, e) < 0 ? err_wrap(e, "%s", name) : 0;
}

static int read_record(struct import *x, struct err *e)
{
	own(json) struct json *head = NULL;
	if (read_text(x, "hull.json", &head, e) < 0)
		return e->kind == ERR_NOT_FOUND ? err_set(e, ERR_CORRUPT, "it is no archive of `container checkpoint --export`") : -1;
	if (json_i64(json_get(head, "Version")) != 1)
		return err_set(e, ERR_UNSUPPORTED, "it was written by another version of hull");
	if (read_text(x, "container.json", &x->from.document, e) < 0)
		return -1;
	if (jmap_parse(&container_record_table, x->from.document, 0, &x->from.arena, &x->from.record, "container.json", e) < 0)
		return -1;
	const struct container_record *r = &x->from.record;
	if (str_is_empty(r->image) || str_is_empty(r->config.image) || str_is_empty(r->name) || !str_is_empty(r->host.pod) || r->host.rootfs)
		return err_set(e, ERR_CORRUPT, "container.json: not the record of such a container");
	snprintf(x->from.id, sizeof x->from.id, "%s", r->id ? r->id : "");
	return 0;
}

static int list_volumes(struct import *x, struct err *e)
{
	return path_exists(x->g->root, "volumes") ? path_list(x->g->root, "volumes", &x->r->there, e) : 0;
}

static int volume_file(const struct import *x, size_t i, struct err *e)
{
	char name[40];
	snprintf(name, sizeof name, "volumes/%zu.tar", i);
	return open_file(x, name, e);
}

/* The very image. */
static int find_image(struct import *x, struct image *ret, struct err *e)
{
	struct container_record *r = &x->from.record;
	struct image named __attribute__((cleanup(image_drop))) = {};
	struct err other = {};
	if (engine_need_store(x->g, e) < 0)
		return -1;
	if (image_find(x->g, r->image, ret, e) < 0) {
		if (e->kind != ERR_NOT_FOUND || image_ensure(x->g, r->config.image, "missing", NULL, NULL, ret, e) < 0)
			return -1;
		if (!str_eq(ret->record.id, r->image))
			return err_set(e, ERR_CONFLICT, "image %.200s is another one here: %.19s is needed, load it", r->config.image, r->image);
	}
	if (image_find(x->g, r->config.image, &named, &other) < 0 || !str_eq(named.record.id, r->image))
		r->config.image = r->image;
	return 0;
}

static int make_container(struct import *x, char ret_id[65], struct err *e)
{
	struct image image __attribute__((cleanup(image_drop))) = {};
	struct container_record *r = &x->from.record;
	bool mapped = str_is_empty(r->host.userns_mode);
	if (find_image(x, &image, e) < 0)
		return -1;
	clone_take_away(&x->from.arena, &image.config.config, &r->config);
	r->host.cid_file = NULL;
	struct create_request q = {.name = x->r->name ? x->r->name : r->name + 1, .config = &r->config, .host = &r->host, .arena = &x->from.arena,
		.uid_map = mapped ? r->uid_map : NULL, .gid_map = mapped ? r->gid_map : NULL};
	return container_new(x->g, &q, ret_id, e);
}

static int fill_root(struct import *x, const struct container_entry *c, struct err *e)
{
	struct snap_layer_info info = {};
	if (x->r->ignore_rootfs)
		return 0;
	own(fd) int tar = open_file(x, "rootfs.tar", e);
	if (tar < 0)
		return e->kind == ERR_NOT_FOUND ? 0 : -1;
	own(fd) int upper = openat(c->dir, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (upper < 0)
		return errno == ENOENT ? err_set(e, ERR_UNSUPPORTED, "overlay is not to be had here: leave its files out with --ignore-rootfs")
			: err_sys(e, "its files");
	const struct files f = {.tree = upper, .form = x->g->rootless ? WHITEOUT_OVERLAY_USER : WHITEOUT_OVERLAY, .in_userns = x->g->rootless};
	own(stream) struct stream *plain = stream_fd(tar, UINT64_MAX);
	return files_unpack(&f, plain, 0, &info, e);
}

/* Nobody's files are mixed with others': by the volumes that the new container has, whatever the old one's record says of its own. */
static int check_volumes(const struct import *x, const struct container_entry *c, struct err *e)
{
	for (size_t i = 0; i < c->record.mounts.n && !x->r->ignore_volumes; i++) {
		const struct mount_point *m = &c->record.mounts.v[i];
		if (str_eq(m->type, "volume") && strv_has(&x->r->there, m->name))
			return err_set(e, ERR_CONFLICT, "volume %.200s is there already: go on with that one by --ignore-volumes", m->name);
	}
	return 0;
}

/* By their places in the container: those without a name have other ones here. */
static int fill_volumes(struct import *x, const struct container_entry *c, struct err *e)
{
	const struct container_record *old = &x->from.record;
	for (size_t i = 0; i < old->mounts.n && !x->r->ignore_volumes; i++) {
		struct err missing = {};
		own(fd) int tar = str_eq(old->mounts.v[i].type, "volume") ? volume_file(x, i, &missing) : -1;
		if (tar < 0 && missing.kind && missing.kind != ERR_NOT_FOUND)
			return *e = missing, -1;
		for (size_t k = 0; tar >= 0 && k < c->record.mounts.n; k++) {
			const struct mount_point *m = &c->record.mounts.v[k];
			if (str_eq(m->type, "volume") && str_eq(m->destination, old->mounts.v[i].destination) && volume_import(x->g, m->name, tar, e) < 0)
				return -1;
		}
	}
	return 0;
}

/* criu opens them as it finds them, and writes its log beside them. */
static int check_images(int images, struct err *e)
{
	own(strv) struct strv names = {};
	if (path_list(images, ".", &names, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		struct stat st;
		if (fstatat(images, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(e, "checkpoint/%.200s", names.v[i]);
		if (!S_ISREG(st.st_mode))
			return err_set(e, ERR_CORRUPT, "checkpoint/%.200s: not a file", names.v[i]);
	}
	return 0;
}

static int fill(struct import *x, const char *id, const char *checkpoint, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	own(fd) int images = openat(x->stage, "checkpoint", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (images < 0)
		return err_sys(e, "checkpoint in the archive");
	if (check_images(images, e) < 0 || container_get(x->g, id, ENTRY_LOCK, &c, e) < 0 || check_volumes(x, &c, e) < 0 || fill_root(x, &c, e) < 0 ||
		fill_volumes(x, &c, e) < 0)
		return -1;
	if (path_mkdirs(c.dir, "checkpoints", 0700, e) < 0)
		return -1;
	own(fd) int place = path_open_dir(c.dir, "checkpoints", e);
	if (place < 0)
		return -1;
	return fchmod(images, 0700) < 0 || renameat(x->stage, "checkpoint", place, checkpoint) < 0 ? err_sys(e, "checkpoint %s", checkpoint) : 0;
}

void checkpoint_import_undo(struct engine *g, const struct checkpoint_import *r, const char *id)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct err ignored = {};
	if (container_get(g, id, 0, &c, &ignored) < 0)
		return;
	(void)!container_delete(g, id, true, false, &ignored);
	for (size_t i = 0; i < c.record.mounts.n; i++)
		if (str_eq(c.record.mounts.v[i].type, "volume") && !strv_has(&r->there, c.record.mounts.v[i].name))
			(void)!volume_remove(g, c.record.mounts.v[i].name, false, &ignored);
}

int checkpoint_import(struct engine *g, struct checkpoint_import *r, const char *checkpoint, char ret_id[65], struct err *e)
{
	struct import x __attribute__((cleanup(import_drop))) = {.g = g, .r = r, .top = -1, .lock = -1, .stage = -1, .from = {.dir = -1, .lock = -1}};
	if (open_stage(&x, e) < 0 || unpack(&x, e) < 0 || read_record(&x, e) < 0 || list_volumes(&x, e) < 0 || make_container(&x, ret_id, e) < 0)
		return err_wrap(e, "import %.300s", r->path);
	if (fill(&x, ret_id, checkpoint, e) == 0)
		return 0;
	checkpoint_import_undo(g, r, ret_id);
	return err_wrap(e, "import %.300s", r->path);
}
