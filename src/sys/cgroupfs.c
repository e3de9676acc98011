/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/cgroupfs.h"

#include "base/fd.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static const char *const names[CGROUPFS_ROWS] = {"cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio",
	"hugetlb", "net_cls", "net_prio", "perf_event", "rdma", "systemd", "unified"};

const char *cgroupfs_name(enum cgroupfs_row row)
{
	return names[row];
}

static bool is_type(int fd, long magic)
{
	struct statfs st;
	return fd >= 0 && fstatfs(fd, &st) == 0 && (long)st.f_type == magic;
}

static void find(struct cgroupfs *c)
{
	dev_t devices[CGROUPFS_ROWS] = {};
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		c->row[i].fd = -1;
	int top = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return;
	if (is_type(top, CGROUP2_SUPER_MAGIC)) {
		c->unified = true;
		c->row[CGROUPFS_V2].fd = top;
		c->row[CGROUPFS_V2].same_as = CGROUPFS_V2;
		return;
	}
	for (int i = 0; i < CGROUPFS_ROWS; i++) {
		struct stat st;
		int fd = openat(top, names[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (!is_type(fd, i == CGROUPFS_V2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC) || fstat(fd, &st) < 0) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		c->row[i].fd = fd;
		c->row[i].same_as = i;
		devices[i] = st.st_dev;
		for (int k = 0; k < i; k++)
			if (c->row[k].fd >= 0 && devices[k] == st.st_dev) {
				c->row[i].same_as = k;
				break;
			}
	}
	close(top);
}

static struct cgroupfs here;
static bool found;

const struct cgroupfs *cgroupfs_get(void)
{
	if (!found)
		find(&here);
	found = true;
	return &here;
}

void cgroupfs_forget(void)
{
	for (int i = 0; found && i < CGROUPFS_ROWS; i++)
		fd_drop(&here.row[i].fd);
	found = false;
}
