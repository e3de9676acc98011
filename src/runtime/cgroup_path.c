/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_path: where a container's groups are (config-linux.md, "Cgroups Path").
 *
 * Groups without a path of their own, and those with a relative one, are below one place: /hull, or for a plain user on v2
 * hull below the group that systemd's user@.service delegated to him. "..", wherever it stands, does not lead out of
 * that place or out of the hierarchy.
 */
#include "runtime/cgroup_limits.h"

#include "base/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Root of a user namespace is a plain user outside of it. */
bool cgroup_is_root_of_the_machine(void)
{
	static const ino_t first = 0xeffffffd; /* PROC_USER_INIT_INO of the kernel's linux/proc_ns.h */
	struct stat st;
	return geteuid() == 0 && stat("/proc/self/ns/user", &st) == 0 && st.st_ino == first;
}

/* A plain user on v2: the group above the one we are in, when it is his. "" when there is none. */
static void delegated_parent(char *ret, size_t size)
{
	own(buf) struct buf b = BUF(65536);
	struct err ignored = {};
	struct stat st;
	*ret = 0;
	if (cgroup_is_root_of_the_machine() || !cgroupfs_get()->unified || path_read(AT_FDCWD, "/proc/self/cgroup", &b, &ignored) < 0)
		return;
	char *at = strstr(b.data, "0::/");
	char *end = at ? strchr(at, '\n') : NULL;
	if (!end)
		return;
	*end = 0;
	*strrchr(at, '/') = 0;
	const char *parent = at + 3;
	if (*parent == '/' && fstatat(cgroupfs_get()->row[CGROUPFS_V2].fd, parent + 1, &st, 0) == 0 && st.st_uid == geteuid())
		snprintf(ret, size, "%s", parent);
}

int cgroup_resolve(const char *path, const char *id, char *ret, size_t size, struct err *e)
{
	const char *what = str_is_empty(path) ? id : path;
	bool absolute = !str_is_empty(path) && *path == '/';
	char parent[400] = "";
	if (!absolute)
		delegated_parent(parent, sizeof parent);
	own(mem) char *rooted = mem_printf("/%s", what);
	own(mem) char *clean = path_clean(rooted);
	if (str_eq(clean, "/"))
		return err_set(e, ERR_USAGE, "invalid cgroup path \"%.200s\": it names the root of the hierarchy", what);
	own(mem) char *whole = absolute ? mem_dup(clean) : mem_printf("%s/hull%s", parent, clean);
	if (strlen(whole) >= size)
		return err_set(e, ERR_USAGE, "cgroup path of %zu bytes: too long", strlen(whole));
	memcpy(ret, whole, strlen(whole) + 1);
	return 0;
}
