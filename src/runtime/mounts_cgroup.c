/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mounts_cgroup: /sys/fs/cgroup as the container sees it. By now we are in our groups, and in a cgroup namespace of our own
 * when there is one.
 *
 * v2 with such a namespace is a new cgroup2 mount (made from the host's namespace it would wait for an RCU grace period);
 * without one it is the host's tree, which is what /proc/self/cgroup then speaks of. v1 is a small tmpfs with our directory
 * of each hierarchy bound into it; hierarchies in which we have no group of our own are not there.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

static int clone_at(const char *path, const struct mount_words *w, struct err *e)
{
	own(fd) int m = mount_clone(AT_FDCWD, path, false, e);
	if (m < 0 || mount_set(m, false, w->set, w->clear, MS_PRIVATE, e) < 0)
		return -1;
	return take_fd(m);
}

static int make_v2(struct setup *s, const struct mount_words *w, struct err *e)
{
	if (!(s->ns->made & CLONE_NEWCGROUP))
		return clone_at("/sys/fs/cgroup", w, e);
	return mount_new("cgroup2", NULL, 0, w->set, e);
}

static int bind_hierarchy(struct setup *s, int top, int row, const struct mount_words *w, struct err *e)
{
	const char *name = cgroupfs_name((enum cgroupfs_row)row);
	own(mem) char *path = mem_printf("/sys/fs/cgroup/%s%s", name, s->cgroup->path);
	if (mkdirat(top, name, 0755) < 0)
		return err_sys(e, "cgroup %s", name);
	own(fd) int place = openat(top, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (place < 0)
		return err_sys(e, "cgroup %s", name);
	own(fd) int sub = clone_at(path, w, e);
	return sub < 0 || mount_attach(sub, place, e) < 0 ? err_wrap(e, "cgroup %s", name) : 0;
}

static int make_v1(struct setup *s, int at, const struct mount_words *w, struct err *e)
{
	const struct cgroupfs *fs = cgroupfs_get();
	const char *label = s->spec->linux_->mount_label;
	const struct mount_option o[] = {{"mode", "755"}, {"size", "64k"}, {"context", label}};
	own(fd) int top = mount_new("tmpfs", o, str_is_empty(label) ? 2 : 3, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, e);
	if (top < 0 || mount_attach(top, at, e) < 0)
		return -1;
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		int first = fs->row[i].fd < 0 ? -1 : fs->row[i].same_as;
		if (first < 0 || !(s->cgroup->rows & 1u << first))
			continue;
		if (first == i && bind_hierarchy(s, top, i, w, e) < 0)
			return -1;
		if (first != i && symlinkat(cgroupfs_name((enum cgroupfs_row)first), top, cgroupfs_name((enum cgroupfs_row)i)) < 0)
			return err_sys(e, "cgroup %s", cgroupfs_name((enum cgroupfs_row)i));
	}
	return mount_set(top, false, w->set & MOUNT_ATTR_RDONLY, 0, 0, e);
}

int mounts_make_cgroup(struct setup *s, const struct spec_mount *m, int at, struct err *e)
{
	struct mount_words w __attribute__((cleanup(mount_words_drop))) = {};
	/* Without groups of our own there is nothing to show. */
	if (!s->cgroup->rows)
		return 0;
	if (mount_parse_words(&m->options, &w, e) < 0)
		return -1;
	if (!cgroupfs_get()->unified)
		return make_v1(s, at, &w, e);
	own(fd) int fs = make_v2(s, &w, e);
	return fs < 0 ? -1 : mount_attach(fs, at, e);
}
