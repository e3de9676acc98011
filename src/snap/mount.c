/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount: roots of containers, see snap.h.
 *
 * On the path of a start: one openat a layer, upper and work, then overlay.c. No directory is read, no mount table.
 *
 * With id maps the layers are shown through an idmapped clone of their mount, so that one layer serves all maps. upper
 * is taken as it is: overlay writes to it with the ids of whoever mounts, which a clone of it could not express.
 *
 * Whether overlay works here is found out by mounting, not by asking first: a refusal costs only those who are
 * refused. Then, if the container has written nothing yet, its upper and work are replaced by a copy of the layers;
 * owners in a copy are shifted, so the maps need no mount. The copy is made as tree.tmp and renamed: tree is complete.
 */
#include "snap/snap.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/digest.h"
#include "snap/apply.h"
#include "snap/copy.h"
#include "snap/info.h"
#include "snap/overlay.h"
#include "sys/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#define VOLATILE_MARK "work/incompat/volatile"

/* What makes up one root while it is put together. */
struct stack {
	int clone;       /* the idmapped clone of the directory of layers, -1: no maps */
	int *lowers;     /* the uppermost first */
	size_t n;
	int upper, work; /* -1: read only */
};

static void stack_drop(struct stack *k)
{
	for (size_t i = 0; i < k->n; i++)
		close(k->lowers[i]);
	free(k->lowers);
	fd_drop(&k->clone);
	fd_drop(&k->upper);
	fd_drop(&k->work);
}

static const char *forced(void)
{
	const char *v = getenv("HULL_STORAGE");
	return str_eq(v, "copy") || str_eq(v, "overlay") ? v : NULL;
}

const char *snap_driver(struct snap *s)
{
	static const unsigned long not_taken[] = {OVERLAYFS_SUPER_MAGIC, NFS_SUPER_MAGIC, MSDOS_SUPER_MAGIC,
		EXFAT_SUPER_MAGIC, ECRYPTFS_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC};
	struct statfs fs;
	if (forced())
		return forced();
	if (!s->refused && fstatfs(s->layers, &fs) == 0)
		for (size_t i = 0; i < countof(not_taken); i++)
			s->refused |= (unsigned long)fs.f_type == not_taken[i];
	return s->refused ? "copy" : "overlay";
}

static int open_form(int layers, const char *diff_id, const char *form, int mode, struct err *e)
{
	char path[DIGEST_TEXT + 8];
	if (!digest_is_valid(diff_id))
		return err_set(e, ERR_CORRUPT, "invalid layer digest \"%.80s\"", diff_id);
	snprintf(path, sizeof path, "%s/%s", digest_hex(diff_id), form);
	int fd = openat(layers, path, mode | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "layer %.19s", diff_id) : fd;
}

/* *ret_last: nothing below this layer shows. */
static int open_layer(int layers, const char *diff_id, int mode, bool *ret_last, struct err *e)
{
	int fd = open_form(layers, diff_id, "tree", mode, e);
	*ret_last = false;
	if (fd < 0 && e->sys == ENOENT) {
		fd = open_form(layers, diff_id, "opaque", mode, e);
		*ret_last = fd >= 0;
	}
	return fd;
}

/* What stands for the layers that an image does not have: overlay wants one, and two when nothing is above them. */
static int open_empty(const struct snap *s, int layers, struct err *e)
{
	for (int i = 0;; i++) {
		int fd = openat(layers, "empty", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (errno != ENOENT || i || (mkdirat(s->layers, "empty", 0755) < 0 && errno != EEXIST))
			return err_sys(e, "layers/empty");
	}
}

static int map_ids(const struct snap *s, const struct snap_mount *m, struct stack *k, struct err *e)
{
	own(fd) int userns = overlay_userns(m, e);
	k->clone = userns < 0 ? -1 : mount_clone(s->layers, "", false, e);
	return k->clone < 0 ? -1 : mount_idmap(k->clone, userns, false, e);
}

static int open_stack(const struct snap *s, const struct snap_mount *m, struct stack *k, struct err *e)
{
	size_t n = m->layers->n, least = m->dir < 0 ? 2 : 1;
	if (n > OVERLAY_MAX_LOWERS)
		return err_set(e, ERR_LIMIT, "the image has %zu layers: overlay stacks %d", n, OVERLAY_MAX_LOWERS);
	if (n == 0 && m->dir < 0)
		return err_set(e, ERR_USAGE, "the image has no layers");
	if (m->nuids + m->ngids && map_ids(s, m, k, e) < 0)
		return -1;
	int layers = k->clone < 0 ? s->layers : k->clone;
	k->lowers = mem_alloc((n + least) * sizeof *k->lowers);
	bool last = false;
	for (; k->n < n && !last; k->n++)
		if ((k->lowers[k->n] = open_layer(layers, m->layers->v[n - 1 - k->n], O_PATH, &last, e)) < 0)
			return -1;
	for (; k->n < least; k->n++)
		if ((k->lowers[k->n] = open_empty(s, layers, e)) < 0)
			return -1;
	if (m->dir < 0)
		return 0;
	k->upper = openat(m->dir, "upper", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	k->work = openat(m->dir, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return k->upper < 0 || k->work < 0 ? err_sys(e, "writable layer") : 0;
}

static int mount_stack(const struct snap *s, const struct snap_mount *m, struct err *e)
{
	struct stack k __attribute__((cleanup(stack_drop))) = {.clone = -1, .upper = -1, .work = -1};
	if (open_stack(s, m, &k, e) < 0)
		return -1;
	struct overlay o = {.lowers = k.lowers, .n = k.n, .upper = k.upper, .work = k.work, .user_xattrs = s->rootless,
		.is_volatile = m->is_volatile && m->dir >= 0, .read_only = m->read_only || m->dir < 0,
		.carrier = k.clone, .carrier_at = s->layers};
	int fd = overlay_mount(&o, e);
	/* A volatile mount leaves a mark that forbids the next one. What lies in upper is as good as the
	 * page cache: whole, unless the machine went down, and then --rm has nothing to come back for. */
	struct err ignored = {};
	if (fd < 0 && k.work >= 0 && path_exists(k.work, VOLATILE_MARK) && path_remove_tree(k.work, VOLATILE_MARK, &ignored) == 0)
		fd = overlay_mount(&o, e);
	return fd;
}

static int copy_layers(struct snap *s, const struct snap_mount *m, int to, struct snap_layer_info *total, struct err *e)
{
	uid_t uid = copy_shift(0, m->uids, m->nuids);
	gid_t gid = copy_shift(0, m->gids, m->ngids);
	if (uid == UINT32_MAX || gid == UINT32_MAX)
		return err_set(e, ERR_UNSUPPORTED, "the container's id map has no 0");
	if (fchown(to, uid, gid) < 0 || fchmod(to, 0755) < 0)
		return err_sys(e, "owner %u:%u", uid, gid);
	for (size_t i = 0; i < m->layers->n; i++) {
		const char *id = m->layers->v[i];
		bool last;
		own(fd) int from = open_layer(s->layers, id, O_RDONLY, &last, e);
		if (from < 0 && e->sys == ENOENT)
			from = open_form(s->layers, id, "plain", O_RDONLY, e);
		if (from < 0 || copy_layer(from, to, m, total, e) < 0)
			return from < 0 ? -1 : err_wrap(e, "layer %.19s", id);
	}
	return 0;
}

static int make_copy(struct snap *s, const struct snap_mount *m, struct err *e)
{
	struct snap_layer_info total = {};
	if (path_remove_tree(m->dir, "tree.tmp", e) < 0)
		return -1;
	if (mkdirat(m->dir, "tree.tmp", 0700) < 0)
		return err_sys(e, "make the copy");
	own(fd) int to = path_open_dir(m->dir, "tree.tmp", e);
	if (to < 0 || copy_layers(s, m, to, &total, e) < 0)
		return -1;
	if (info_save(m->dir, "copy.json", &total, e) < 0)
		return -1;
	return renameat(m->dir, "tree.tmp", m->dir, "tree") < 0 ? err_sys(e, "make the copy") : 0;
}

/* Owner and mode of the root are the uppermost layer's that says something about them: overlay shows upper's. */
static int make_upper(struct snap *s, const struct snap_mount *m, struct err *e)
{
	struct stat st = {.st_mode = 0755};
	bool last = false;
	for (size_t i = m->layers->n; i-- > 0 && !last;) {
		own(fd) int tree = open_layer(s->layers, m->layers->v[i], O_PATH, &last, e);
		if (tree < 0)
			return -1;
		if (fstat(tree, &st) < 0)
			return err_sys(e, "layer %.19s", m->layers->v[i]);
		if (st.st_mtim.tv_sec != 0 || st.st_mtim.tv_nsec != APPLY_ROOT_UNSAID)
			break;
	}
	uid_t uid = copy_shift(st.st_uid, m->uids, m->nuids);
	gid_t gid = copy_shift(st.st_gid, m->gids, m->ngids);
	if (uid == UINT32_MAX || gid == UINT32_MAX)
		return err_set(e, ERR_UNSUPPORTED, "the container's id map has no %u:%u", st.st_uid, st.st_gid);
	if (mkdirat(m->dir, "work", 0700) < 0 || mkdirat(m->dir, "upper", 0700) < 0)
		return err_sys(e, "make the writable layer");
	if (((uid || gid) && fchownat(m->dir, "upper", uid, gid, AT_SYMLINK_NOFOLLOW) < 0) ||
		fchmodat(m->dir, "upper", st.st_mode & 07777, 0) < 0)
		return err_sys(e, "make the writable layer");
	return 0;
}

/* What may be told by a copy: overlay, or mapping ids for it, is not to be had here. */
static bool is_refusal(const struct err *e)
{
	static const int codes[] = {EINVAL, EPERM, EACCES, EOPNOTSUPP, ENODEV, ENOSYS, EXDEV, ELOOP};
	for (size_t i = 0; i < countof(codes); i++)
		if (e->sys == codes[i])
			return !str_eq(forced(), "overlay");
	return false;
}

static bool is_plain(const struct snap *s, const struct snap_mount *m)
{
	struct err ignored = {};
	for (size_t i = 0; i < m->layers->n; i++) {
		own(fd) int fd = open_form(s->layers, m->layers->v[i], "plain", O_PATH, &ignored);
		if (fd >= 0)
			return true;
	}
	return false;
}

int snap_prepare(struct snap *s, const struct snap_mount *m, struct err *e)
{
	int r = -1;
	struct err why = {};
	bool copies = str_eq(snap_driver(s), "copy");
	if (!copies) {
		r = make_upper(s, m, &why);
		copies = r < 0 && why.sys == ENOENT && !str_eq(forced(), "overlay") && is_plain(s, m);
	}
	if (copies)
		r = make_copy(s, m, &why);
	if (r == 0)
		return 0;
	struct err ignored = {};
	*e = why;
	(void)!snap_remove(s, m->dir, &ignored);
	return err_wrap(e, "root file system");
}

static bool is_empty(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_drop(&fd);
		return errno == ENOENT;
	}
	while (n < 3 && readdir(d))
		n++;
	closedir(d);
	return n == 2;
}

static int mount_copy(const struct snap_mount *m, struct err *e)
{
	own(fd) int fd = mount_clone(m->dir, "tree", false, e);
	if (fd < 0 || (m->read_only && mount_set(fd, false, MOUNT_ATTR_RDONLY, 0, 0, e) < 0))
		return -1;
	return take_fd(fd);
}

/* The first start of a container whose overlay is refused. */
static int turn_to_copy(struct snap *s, const struct snap_mount *m, struct err *e)
{
	struct err why = *e;
	if (make_copy(s, m, e) < 0) {
		struct err ignored = {};
		(void)!path_remove_tree(m->dir, "tree.tmp", &ignored);
		return err_wrap(e, "copy of the layers (%.100s)", why.text);
	}
	s->refused = true;
	if (path_remove_tree(m->dir, "upper", e) < 0 || path_remove_tree(m->dir, "work", e) < 0)
		return -1;
	return mount_copy(m, e);
}

int snap_mount(struct snap *s, const struct snap_mount *m, struct err *e)
{
	int fd;
	struct err why = {};
	if (m->dir >= 0 && path_exists(m->dir, "tree")) {
		fd = mount_copy(m, &why);
	} else {
		fd = mount_stack(s, m, &why);
		if (fd < 0 && m->dir >= 0 && (is_refusal(&why) || (why.sys == ENOENT && is_plain(s, m))) && is_empty(m->dir, "upper"))
			fd = turn_to_copy(s, m, &why);
	}
	if (fd >= 0)
		return fd;
	*e = why;
	return err_wrap(e, "root file system");
}

int snap_remove(struct snap *s, int dir, struct err *e)
{
	static const char *const names[] = {"upper", "work", "tree", "tree.tmp", "copy.json"};
	(void)s;
	/* A container that wrote nothing: the two calls that suffice. */
	if (unlinkat(dir, "upper", AT_REMOVEDIR) == 0)
		unlinkat(dir, "work/work", AT_REMOVEDIR);
	for (size_t i = 0; i < countof(names); i++)
		if (path_remove_tree(dir, names[i], e) < 0)
			return err_wrap(e, "writable layer");
	return 0;
}

int snap_usage(struct snap *s, int dir, struct snap_layer_info *ret, struct err *e)
{
	(void)s;
	bool is_copy = path_exists(dir, "tree");
	struct snap_layer_info sum = {}, base = {};
	own(fd) int fd = path_open_dir(dir, is_copy ? "tree" : "upper", e);
	if (fd < 0 || copy_measure(fd, &sum, e) < 0)
		return err_wrap(e, "writable layer");
	if (is_copy && info_load(dir, "copy.json", &base, e) < 0)
		return err_wrap(e, "writable layer");
	ret->bytes = sum.bytes > base.bytes ? sum.bytes - base.bytes : 0;
	ret->files = sum.files > base.files ? sum.files - base.files : 0;
	return 0;
}
