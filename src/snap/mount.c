/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount: roots of containers, see snap.h.
 *
 * On the path of a start: one openat a layer (of files) or one mount (of a layer's file), upper and work, then overlay.c. No
 * directory is read, no mount table. A layer's mount is attached nowhere: it lives by the overlay, and by those that share it (mounted.c).
 *
 * With id maps the layers are shown through an idmapped clone of their mount, so that one layer serves all maps; a layer's
 * file is mounted so. upper is taken as it is: overlay writes to it with the ids of whoever mounts, which a clone of it could
 * not express.
 *
 * Whether overlay works here is found out by mounting, not by asking first: a refusal costs only those who are
 * refused. Then, if the container has written nothing yet, its upper and work are replaced by a copy of the layers;
 * owners in a copy are shifted, so the maps need no mount. The copy is made as tree.tmp and renamed: tree is complete.
 */
#include "snap/snap.h"

#include "base/fd.h"
#include "base/path.h"
#include "codec/digest.h"
#include "snap/copy.h"
#include "snap/info.h"
#include "snap/kept.h"
#include "snap/lower.h"
#include "snap/overlay.h"
#include "snap/mounted.h"
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
	int userns;      /* -1: no maps */
	int clone;       /* the idmapped clone of the directory of layers, -1: not needed */
	int *lowers;     /* the uppermost first */
	bool *detached;  /* a lower lies on the clone, or is a mount itself */
	bool *borrowed;  /* a lower is kept for the next stack (kept.h) */
	int *mounts;     /* the detached ones, borrowed from lowers and clone */
	size_t n, nmounts;
	int upper, work; /* -1: read only */
};

static void stack_drop(struct stack *k)
{
	for (size_t i = 0; i < k->n; i++)
		if (!k->borrowed[i])
			close(k->lowers[i]);
	free(k->lowers);
	free(k->borrowed);
	free(k->detached);
	free(k->mounts);
	fd_drop(&k->userns);
	fd_drop(&k->clone);
	fd_drop(&k->upper);
	fd_drop(&k->work);
}

static const char *forced(void)
{
	const char *v = getenv("HULL_ROOTFS");
	return str_eq(v, "copy") || str_eq(v, "overlay") ? v : NULL;
}

const char *snap_driver(struct snap *s)
{
	/* ramfs: overlay takes it, but has no place for its marks. */
	static const unsigned long not_taken[] = {OVERLAYFS_SUPER_MAGIC, RAMFS_MAGIC, NFS_SUPER_MAGIC, MSDOS_SUPER_MAGIC,
		EXFAT_SUPER_MAGIC, ECRYPTFS_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC};
	struct statfs fs;
	if (forced())
		return forced();
	if (!s->refused && fstatfs(s->layers, &fs) == 0)
		for (size_t i = 0; i < countof(not_taken); i++)
			s->refused |= (unsigned long)fs.f_type == not_taken[i];
	return s->refused ? "copy" : "overlay";
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

/* The directory to open layers of files in: its idmapped clone is made for the first of them. */
static int files_at(const struct snap *s, struct stack *k, struct err *e)
{
	if (k->userns < 0 || k->clone >= 0)
		return k->clone < 0 ? s->layers : k->clone;
	own(fd) int clone = mount_clone(s->layers, "", false, e);
	if (clone < 0 || mount_idmap(clone, k->userns, false, e) < 0)
		return -1;
	k->mounts[k->nmounts++] = clone;
	return k->clone = take_fd(clone);
}

/* A mount that others have is not mapped itself: a clone of it is. *ret_cloned: the original is still to be closed, or kept. */
static int map_layer(const struct stack *k, int mount, bool others, bool *ret_cloned, struct err *e)
{
	own(fd) int clone = others ? mount_clone(mount, "", false, e) : -1;
	if (others && clone < 0)
		return -1;
	if (mount_idmap(others ? clone : mount, k->userns, false, e) < 0)
		return -1;
	*ret_cloned = others;
	return others ? take_fd(clone) : mount;
}

/* A layer that is a file: somebody's mount of it, or a new one. *ret_borrowed: its fd is not the stack's. */
static int add_mount(struct snap *s, struct stack *k, const char *diff_id, struct lower *l, bool *ret_borrowed, struct err *e)
{
	bool held = false, taken = mounted_take(s, diff_id, l, &held), cloned = false;
	if (!taken) {
		if (lower_mount(s->layers, diff_id, l, e) < 0)
			return -1;
		held = mounted_add(s, diff_id, l);
	}
	*ret_borrowed = held;
	if (k->userns < 0)
		return 0;
	int mapped = map_layer(k, l->fd, taken || held, &cloned, e);
	/* Before Linux 6.15 what is attached nowhere is not cloned. */
	if (mapped < 0 && (taken || held)) {
		if (!held)
			close(l->fd);
		*ret_borrowed = held = false;
		if (lower_mount(s->layers, diff_id, l, e) < 0)
			return -1;
		mapped = map_layer(k, l->fd, false, &cloned, e);
	}
	if (cloned && !held)
		close(l->fd);
	if (mapped < 0) {
		close(l->fd);
		return err_wrap(e, "layer %.19s", diff_id);
	}
	l->fd = mapped;
	*ret_borrowed = false;
	return 0;
}

static int add_layer(struct snap *s, struct stack *k, const char *diff_id, bool *ret_last, struct err *e)
{
	struct lower l;
	bool borrowed = k->userns < 0 && kept_get(s, diff_id, &l);
	if (!borrowed) {
		bool is_file = k->userns >= 0 && lower_is_file(s->layers, diff_id);
		int at = is_file ? -1 : files_at(s, k, e);
		if (!is_file && at < 0)
			return -1;
		if (!is_file && lower_open(at, diff_id, &l, e) < 0) {
			if (e->sys != ENOTDIR)
				return -1;
			is_file = true;
		}
		if (is_file && add_mount(s, k, diff_id, &l, &borrowed, e) < 0)
			return -1;
		borrowed |= k->userns < 0 && !borrowed && kept_add(s, diff_id, &l);
	}
	k->borrowed[k->n] = borrowed;
	k->detached[k->n] = l.mount || k->clone >= 0;
	k->lowers[k->n++] = l.fd;
	if (l.mount)
		k->mounts[k->nmounts++] = l.fd;
	*ret_last = l.last;
	return 0;
}

static int open_stack(struct snap *s, const struct snap_mount *m, struct stack *k, struct err *e)
{
	size_t n = m->layers->n, least = m->dir < 0 ? 2 : 1;
	if (n > OVERLAY_MAX_LOWERS)
		return err_set(e, ERR_LIMIT, "the image has %zu layers: overlay stacks %d", n, OVERLAY_MAX_LOWERS);
	if (n == 0 && m->dir < 0)
		return err_set(e, ERR_USAGE, "the image has no layers");
	if (m->nuids + m->ngids && (k->userns = overlay_userns(m, e)) < 0)
		return -1;
	k->lowers = mem_alloc((n + least) * sizeof *k->lowers);
	k->detached = mem_alloc((n + least) * sizeof *k->detached);
	k->borrowed = mem_alloc((n + least) * sizeof *k->borrowed);
	k->mounts = mem_alloc((n + least + 1) * sizeof *k->mounts);
	bool last = false;
	for (size_t i = n; i-- > 0 && !last;)
		if (add_layer(s, k, m->layers->v[i], &last, e) < 0)
			return -1;
	while (k->n < least) {
		int at = files_at(s, k, e), fd = at < 0 ? -1 : open_empty(s, at, e);
		if (fd < 0)
			return -1;
		k->detached[k->n] = k->clone >= 0;
		k->lowers[k->n++] = fd;
	}
	if (m->dir < 0)
		return 0;
	k->upper = openat(m->dir, "upper", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	k->work = openat(m->dir, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return k->upper < 0 || k->work < 0 ? err_sys(e, "writable layer") : 0;
}

/* *ret_unmarked: the mark of a volatile mount forbade it, and is gone now. */
static int try_stack(struct snap *s, const struct snap_mount *m, bool *ret_unmarked, struct err *e)
{
	struct stack k __attribute__((cleanup(stack_drop))) = {.userns = -1, .clone = -1, .upper = -1, .work = -1};
	mounted_begin(s, m->holds);
	if (open_stack(s, m, &k, e) < 0) {
		mounted_end(s, false);
		return -1;
	}
	struct overlay o = {.lowers = k.lowers, .n = k.n, .upper = k.upper, .work = k.work, .user_xattrs = s->rootless,
		.is_volatile = m->is_volatile && m->dir >= 0, .read_only = m->read_only || m->dir < 0,
		.detached = k.detached, .mounts = k.mounts, .nmounts = k.nmounts, .attach_at = s->layers};
	int fd = overlay_mount(&o, e);
	mounted_end(s, fd >= 0 && !o.attached);
	struct err ignored = {};
	*ret_unmarked = fd < 0 && k.work >= 0 && path_exists(k.work, VOLATILE_MARK) && path_remove_tree(k.work, VOLATILE_MARK, &ignored) == 0;
	if (o.attached)
		kept_drop(s);
	return fd;
}

/* A volatile mount leaves a mark that forbids the next one. What lies in upper is as good as the page cache: whole, unless the machine
 * went down, and then --rm has nothing to come back for. The layers are opened again: older kernels attach them, and only once. */
static int mount_stack(struct snap *s, const struct snap_mount *m, struct err *e)
{
	bool unmarked = false;
	int fd = try_stack(s, m, &unmarked, e);
	return fd < 0 && unmarked ? try_stack(s, m, &unmarked, e) : fd;
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
		own(fd) int from = lower_open_to_read(s->layers, id, e);
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
	bool last = false, said = false;
	for (size_t i = m->layers->n; i-- > 0 && !last && !said;)
		if (lower_root(s->layers, m->layers->v[i], &st, &said, &last, e) < 0)
			return -1;
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
	for (size_t i = 0; i < m->layers->n; i++)
		if (lower_is_plain(s->layers, m->layers->v[i]))
			return true;
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
	static const struct { const char *path; int flags; } traces[] = {{"work/work/incompat/volatile/dirty", 0},
		{"work/work/incompat/volatile", AT_REMOVEDIR}, {"work/work/incompat", AT_REMOVEDIR}, {"work/work", AT_REMOVEDIR},
		{"work", AT_REMOVEDIR}, {"upper", AT_REMOVEDIR}};
	(void)s;
	/* What overlay leaves of its own, the deepest first: what a container that wrote nothing has besides is nothing. */
	for (size_t i = 0; i < countof(traces); i++)
		unlinkat(dir, traces[i].path, traces[i].flags);
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
