/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_leave: out of the group of a systemd unit or session.
 *
 * systemd ends what is in a unit's group when the unit ends, and a shutdown waits up to 90 s for a session in which somebody does
 * not go. Who looks after a container belongs to neither: it goes to <where containers are>/monitors, in the tree that systemd
 * looks at.
 */
#include "runtime/cgroup.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/cgroupfs.h"

#include <fcntl.h>
#include <unistd.h>

static void leave_in(int root, const char *path)
{
	struct err ignored = {};
	own(fd) int dir = path_mkdirs(root, path + 1, 0755, &ignored) < 0 ? -1 : openat(root, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		(void)!path_put(dir, "cgroup.procs", "0", &ignored);
}

void cgroup_leave_unit(void)
{
	static const int rows[] = {CGROUPFS_V2, CGROUPFS_SYSTEMD};
	struct err ignored = {};
	char path[480];
	if (!path_exists(AT_FDCWD, "/run/systemd/system") || cgroup_resolve(NULL, "monitors", path, sizeof path, &ignored) < 0)
		return;
	for (size_t i = 0; i < countof(rows); i++)
		if (cgroupfs_get()->row[rows[i]].fd >= 0)
			leave_in(cgroupfs_get()->row[rows[i]].fd, path);
}
