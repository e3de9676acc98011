/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint_export: what has to be made for the archive (the layer and volumes, whose sizes a tar says first) is made in a directory beside the
 * checkpoint; then both go into a file that gets its name when it is whole.
 */
#include "engine/checkpoint_archive.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/checkpoint.h"
#include "engine/volume.h"
#include "snap/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int put_out(void *arg, const void *b, size_t n, struct err *e)
{
	return fd_write_all(*(const int *)arg, b, n) < 0 ? err_sys(e, "write the archive") : 0;
}

static int make_file(int stage, const char *name, struct err *e)
{
	int fd = openat(stage, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? err_sys(e, "%s", name) : fd;
}

static int put_layer(const struct container_entry *c, int stage, struct err *e)
{
	static const struct pack_ids as_they_are = {};
	own(fd) int tree = openat(c->dir, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	own(fd) int out = make_file(stage, "rootfs.tar", e);
	if (out < 0)
		return -1;
	if (tree < 0)
		return errno == ENOENT ? err_set(e, ERR_UNSUPPORTED, "its root is a copy of the image: leave it out with --ignore-rootfs")
			: err_sys(e, "its files");
	struct tar_writer *tar = tar_writer_new(put_out, &out);
	int r = pack_root(tree, &as_they_are, tar, e);
	tar_writer_drop(&tar);
	return r;
}

static int put_volumes(struct engine *g, const struct container_entry *c, int stage, struct err *e)
{
	if (mkdirat(stage, "volumes", 0700) < 0)
		return err_sys(e, "volumes");
	for (size_t i = 0; i < c->record.mounts.n; i++) {
		const struct mount_point *m = &c->record.mounts.v[i];
		char name[40];
		if (!str_eq(m->type, "volume"))
			continue;
		snprintf(name, sizeof name, "volumes/%zu.tar", i);
		own(fd) int out = make_file(stage, name, e);
		if (out < 0 || volume_export(g, m->name, out, e) < 0)
			return -1;
	}
	return 0;
}

static int put_texts(const struct container_entry *c, int stage, struct err *e)
{
	own(buf) struct buf text = BUF(16 << 20), record = BUF(16 << 20);
	own(json) struct json *j = json_new_object();
	json_set(j, "Version", json_new_i64(1));
	json_set_str(j, "Image", c->record.image);
	json_set_str(j, "ImageName", c->record.config.image);
	json_format(j, 0, &text);
	if (buf_check(&text, e) < 0 || path_read(c->dir, "config.json", &record, e) < 0)
		return -1;
	return path_write(stage, "hull.json", buf_text(&text), text.len, 0600, 0, e) < 0 ? -1
		: path_write(stage, "container.json", buf_text(&record), record.len, 0600, 0, e);
}

struct out { int fd; struct compressor *z; };

static int to_file(void *arg, const void *p, size_t n, struct err *e)
{
	return put_out(&((struct out *)arg)->fd, p, n, e);
}

static int to_archive(void *arg, const void *p, size_t n, struct err *e)
{
	struct out *o = arg;
	return o->z ? compress_add(o->z, p, n, e) : to_file(o, p, n, e);
}

static int write_archive(int stage, int images, enum compression kind, int fd, struct err *e)
{
	struct out o = {.fd = fd};
	struct transfer t = {.keep_owner = true};
	if (kind != COMPRESS_NONE && compress_open(kind, 0, COMPRESS_THREADS_MAX, to_file, &o, &o.z, e) < 0)
		return -1;
	struct tar_writer *tar = tar_writer_new(to_archive, &o);
	int r = transfer_pack(&t, stage, ".", tar, e) < 0 || transfer_pack(&t, images, "checkpoint", tar, e) < 0 ? -1 : tar_write_end(tar, e);
	tar_writer_drop(&tar);
	transfer_drop(&t);
	if (r == 0 && o.z)
		r = compress_end(o.z, e);
	compress_drop(&o.z);
	return r;
}

static int publish(int stage, int images, const struct checkpoint_export *r, struct err *e)
{
	if (str_eq(r->path, "-"))
		return write_archive(stage, images, r->compression, 1, e);
	own(mem) char *part = mem_printf("%s.tmp-%d", r->path, (int)getpid());
	own(fd) int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "%.300s", r->path);
	if (write_archive(stage, images, r->compression, fd, e) < 0) {
		unlink(part);
		return -1;
	}
	if (fsync(fd) == 0 && rename(part, r->path) == 0)
		return 0;
	err_sys_(e, "%.300s", r->path);
	unlink(part);
	return -1;
}

static int check(const struct container_entry *c, const struct checkpoint_export *r, struct err *e)
{
	if (!str_is_empty(c->record.host.pod))
		return err_set(e, ERR_UNSUPPORTED, "it is in a pod, which its processes need");
	if (c->record.host.rootfs)
		return err_set(e, ERR_UNSUPPORTED, "its root is a directory of the host");
	if (!r->ignore_rootfs && !str_is_empty(c->record.uid_map))
		return err_set(e, ERR_UNSUPPORTED, "its files belong to ids of its own: leave them out with --ignore-rootfs");
	return 0;
}

int checkpoint_export(struct engine *g, struct container_entry *c, const char *name, const struct checkpoint_export *r, struct err *e)
{
	struct err ignored = {};
	own(fd) int images = check(c, r, e) < 0 ? -1 : checkpoint_open(g, c, NULL, name, e);
	own(mem) char *path = mem_printf("checkpoints/.export.tmp-%d", (int)getpid());
	if (images < 0)
		return err_wrap(e, "export container %.200s", container_label(c));
	if (mkdirat(c->dir, path, 0700) < 0)
		return err_sys(e, "export container %.200s", container_label(c));
	own(fd) int stage = path_open_dir(c->dir, path, e);
	int result = stage < 0 || put_texts(c, stage, e) < 0 || (!r->ignore_rootfs && put_layer(c, stage, e) < 0) ||
		(!r->ignore_volumes && put_volumes(g, c, stage, e) < 0) || publish(stage, images, r, e) < 0 ? -1 : 0;
	(void)!path_remove_tree(c->dir, path, &ignored);
	return result < 0 ? err_wrap(e, "export container %.200s", container_label(c)) : 0;
}
