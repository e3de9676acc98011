/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume_files: volumes as archives, copies of them, another name, their size. What takes long does not hold volumes.lock: a volume that is
 * being made is known by the lock in its directory, and has no record until it is whole.
 */
#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"
#include "engine/disk.h"
#include "engine/events.h"
#include "engine/volume_record.h"
#include "snap/copy.h"
#include "snap/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Its files: a volume that is mounted only in containers has none here, but for one that is another directory. */
static int open_data(struct engine *g, const char *name, const struct volume *v, struct err *e)
{
	own(fd) int dir = volume_open(g, name, e);
	const char *device = map_get(&v->options, "device");
	if (dir < 0)
		return -1;
	if (!map_get(&v->options, "type") && !device)
		return path_open_dir(dir, "_data", e);
	if (!volume_is_bind(&v->options))
		return err_set(e, ERR_UNSUPPORTED, "volume %.200s is a %.60s that is mounted in containers only", name, map_get(&v->options, "type"));
	int fd = open(device, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "volume %.200s: %.200s", name, device) : fd;
}

static int put_out(void *arg, const void *b, size_t n, struct err *e)
{
	return fd_write_all(*(const int *)arg, b, n) < 0 ? err_sys(e, "write the archive") : 0;
}

int volume_export(struct engine *g, const char *name, int out, struct err *e)
{
	own(arena) struct arena a = {};
	struct volume v = {}, after = {};
	struct transfer t = {};
	if (volume_find(g, name, &a, &v, e) < 0)
		return -1;
	own(fd) int data = open_data(g, name, &v, e);
	if (data < 0)
		return -1;
	struct tar_writer *tar = tar_writer_new(put_out, &out);
	int r = transfer_pack(&t, data, ".", tar, e) < 0 ? -1 : tar_write_end(tar, e);
	tar_writer_drop(&tar);
	transfer_drop(&t);
	if (r < 0)
		return err_wrap(e, "volume %.200s", name);
	return volume_find(g, name, &a, &after, e) < 0 ? err_set(e, ERR_CONFLICT, "volume %.200s was removed while it was read", name) : 0;
}

int volume_import(struct engine *g, const char *name, int in, struct err *e)
{
	own(arena) struct arena a = {};
	struct volume v = {};
	struct err missing = {};
	struct transfer t = {.no_devices = g->rootless};
	bool is_new = volume_find(g, name, &a, &v, &missing) < 0;
	own(mem) char *made = NULL;
	if (is_new && volume_create(g, name, NULL, NULL, &made, e) < 0)
		return -1;
	own(fd) int dir = volume_open(g, name, e);
	own(fd) int data = dir < 0 || (is_new && volume_find(g, name, &a, &v, e) < 0) ? -1 : open_data(g, name, &v, e);
	if (data < 0)
		return -1;
	t.dress_root = is_new || !v.filled;
	int r = transfer_unpack(&t, in, data, "/", e);
	transfer_drop(&t);
	if (r < 0) {
		if (is_new)
			(void)!volume_remove(g, name, true, &missing);
		return err_wrap(e, "volume %.200s", name);
	}
	own(fd) int lock = path_lock(dir, "lock", true, true, e);
	if (lock < 0 || volume_load(dir, &a, &v, e) < 0)
		return -1;
	v.filled = true;
	return volume_store(dir, &v, e);
}

/* A directory without a record, held by its lock, so that nobody takes it for what a killed command left. */
static int make_place(struct engine *g, const char *name, int *ret_lock, struct err *e)
{
	own(mem) char *path = mem_printf("volumes/%s", name);
	if (!volume_name_is_valid(name))
		return err_set(e, ERR_USAGE, "invalid volume name \"%s\": letters, digits, _ . and - are allowed", name);
	own(fd) int volumes = path_lock(g->root, "volumes.lock", true, true, e);
	if (volumes < 0)
		return -1;
	if (mkdirat(g->root, path, 0755) < 0)
		return errno == EEXIST ? err_set(e, ERR_EXISTS, "volume %.200s is there already", name) : err_sys(e, "volume %.200s", name);
	own(fd) int dir = path_open_dir(g->root, path, e);
	if (dir < 0)
		return -1;
	*ret_lock = path_lock(dir, "lock", true, true, e);
	return *ret_lock < 0 ? -1 : take_fd(dir);
}

static int fill_clone(struct engine *g, int data, int dir, const struct volume *v, const char *name, struct err *e)
{
	char now[NUM_TEXT];
	struct volume made = *v;
	struct volume_wish w;
	made.project = 0;
	made.anonymous = false;
	made.created = num_format_time(num_now_ns(), now);
	if (volume_options_wish(&v->options, &w, e) < 0 || ((w.bytes || w.inodes) && volume_quota_set(g, dir, &w, &made.project, e) < 0))
		return -1;
	if (mkdirat(dir, "_data", 0755) < 0)
		return err_sys(e, "make it");
	own(fd) int to = path_open_dir(dir, "_data", e);
	if (to < 0 || (data >= 0 && copy_tree(data, to, e) < 0) || volume_store(dir, &made, e) < 0) {
		volume_quota_clear(dir, made.project);
		return -1;
	}
	event_other(g, "volume", "create", name, "driver", "local");
	return 0;
}

int volume_clone(struct engine *g, const char *name, const char *to, struct err *e)
{
	own(arena) struct arena a = {};
	struct volume v = {};
	struct err ignored = {};
	own(fd) int lock = -1;
	if (volume_find(g, name, &a, &v, e) < 0)
		return -1;
	bool is_plain = !map_get(&v.options, "type") && !map_get(&v.options, "device");
	own(fd) int data = is_plain ? open_data(g, name, &v, e) : -1;
	own(fd) int dir = is_plain && data < 0 ? -1 : make_place(g, to, &lock, e);
	if (dir < 0)
		return -1;
	if (fill_clone(g, data, dir, &v, to, e) == 0)
		return 0;
	(void)!volume_delete(g, to, &ignored);
	return err_wrap(e, "clone volume %.200s", name);
}

int volume_rename(struct engine *g, const char *name, const char *to, struct err *e)
{
	own(arena) struct arena a = {};
	own(strv) struct strv users = {};
	struct volume v = {};
	if (!volume_name_is_valid(to))
		return err_set(e, ERR_USAGE, "invalid volume name \"%s\": letters, digits, _ . and - are allowed", to);
	own(fd) int lock = path_lock(g->root, "volumes.lock", true, true, e);
	if (lock < 0 || volume_find(g, name, &a, &v, e) < 0 || volume_users(g, name, NULL, &users, e) < 0)
		return -1;
	if (users.n)
		return err_set(e, ERR_CONFLICT, "volume %s is in use by container %.12s: its record has that name", name, users.v[0]);
	own(mem) char *from_path = mem_printf("volumes/%s", name), *to_path = mem_printf("volumes/%s", to);
	if (renameat2(g->root, from_path, g->root, to_path, RENAME_NOREPLACE) < 0)
		return errno == EEXIST ? err_set(e, ERR_EXISTS, "volume %.200s is there already", to) : err_sys(e, "rename volume %.200s", name);
	own(fd) int dir = volume_open(g, to, e);
	/* Whoever gives a volume a name wants it kept. */
	v.anonymous = false;
	if (dir < 0 || volume_store(dir, &v, e) < 0)
		return -1;
	event_other(g, "volume", "destroy", name, "driver", "local");
	event_other(g, "volume", "create", to, "driver", "local");
	return 0;
}

int volume_size(struct engine *g, const char *name, uint64_t *ret_bytes, uint64_t *ret_users, struct err *e)
{
	own(strv) struct strv users = {};
	own(mem) char *path = mem_printf("volumes/%s/_data", name);
	const char *folders[] = {path};
	if (volume_users(g, name, NULL, &users, e) < 0 || disk_bytes(g, folders, 1, ret_bytes, e) < 0)
		return -1;
	*ret_users = users.n;
	return 0;
}
