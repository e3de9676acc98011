/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rootfs_shared: roots that are entered by chroot.
 *
 * A container without a mount namespace of its own (none in the configuration, or one of a path) lives among another's mounts.
 * Nothing is mounted for it: what a container mounts would be the host's, stay when it has gone, and not always come off again. So
 * whatever needs a mount is refused (mounts, masked and read-only paths, a read-only root); its /dev is made of nodes, its terminal
 * is of the host's devpts. Whoever has CAP_SYS_CHROOT in it can leave the root: that is what sharing means.
 *
 * no_pivot is for a root of the host that pivot_root does not take (an initramfs): a mount namespace of its own, in which the
 * container's root lies on the host's and stays there. What the kernel tells in the host's tree below, procfs and sysfs, is taken
 * off or covered: else it would be a way around the masks of the container's own.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/mount.h"
#include "sys/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

bool rootfs_is_shared(const struct spec *s)
{
	const struct spec_namespace *row = spec_namespace(s, "mount");
	return !row || !str_is_empty(row->path);
}

int rootfs_check_shared(const struct container_create *c, struct err *e)
{
	const struct spec *s = c->spec;
	const struct spec_linux *l = s->linux_;
	const struct { bool is_set; const char *name; } rows[] = {{s->mounts.n, "mounts"}, {l->masked_paths.n, "linux.maskedPaths"},
		{l->readonly_paths.n, "linux.readonlyPaths"}, {s->root->readonly, "root.readonly"},
		{!str_is_empty(l->rootfs_propagation), "linux.rootfsPropagation"}, {c->rootfs >= 0, "a root that is mounted for it"}};
	if (!rootfs_is_shared(s))
		return 0;
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].is_set)
			return err_set(e, ERR_USAGE, "%s: the container needs a new mount namespace: without one it would change another's mounts",
				rows[i].name);
	return 0;
}

int rootfs_open_shared(struct setup *s, struct err *e)
{
	own(mem) char *path = path_join(s->create->bundle ? s->create->bundle : "/", s->spec->root->path);
	s->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return s->root < 0 ? err_sys(e, "%s", path) : 0;
}

int rootfs_chroot(struct setup *s, struct err *e)
{
	/* The root may have no /dev/null, or another thing in its place. */
	for (int i = 0; i < 3 && s->shared && !s->process->terminal; i++)
		if (s->stdio[i] < 0 && (s->stdio[i] = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
			return err_sys(e, "/dev/null");
	return fchdir(s->root) < 0 || chroot(".") < 0 || chdir("/") < 0 ? err_sys(e, "enter") : 0;
}

/* Private first: what is taken off a mount that has peers is taken off there, too. */
static void make_private(const struct mountinfo *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct err ignored = {};
		own(fd) int at = open(all->v[i].point, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (at >= 0)
			(void)!mount_set(at, false, 0, 0, MS_PRIVATE, &ignored);
	}
}

static int take_off(const char *point, struct err *e)
{
	struct statfs fs;
	/* Mounts of an outer user namespace cannot be taken off one by one. */
	umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW);
	own(fd) int at = open(point, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0 || fstatfs(at, &fs) < 0 || (fs.f_type != PROC_SUPER_MAGIC && fs.f_type != SYSFS_MAGIC))
		return 0;
	own(fd) int cover = mount_new("tmpfs", NULL, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, e);
	return cover < 0 || mount_attach(cover, at, e) < 0 ? err_wrap(e, "cover the host's %s", point) : 0;
}

/* The list has our own mounts, too, but their names lead from the host's root to what is the host's. */
static int hide_host(const struct setup *s, struct err *e)
{
	own(mountinfo) struct mountinfo all = {};
	if (fchdir(s->host) < 0 || chroot(".") < 0)
		return err_sys(e, "go to the host's root");
	if (mountinfo_read("/proc/self/mountinfo", &all, e) < 0)
		return -1;
	make_private(&all);
	for (size_t i = 0; i < all.n; i++)
		if ((str_eq(all.v[i].type, "proc") || str_eq(all.v[i].type, "sysfs")) && take_off(all.v[i].point, e) < 0)
			return -1;
	return 0;
}

int rootfs_enter_moved(struct setup *s, struct err *e)
{
	return hide_host(s, e) < 0 ? -1 : rootfs_chroot(s, e);
}
