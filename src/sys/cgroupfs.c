/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/cgroupfs.h"

#include "base/fd.h"
#include "base/path.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
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

static bool number_at(const char *p, uint64_t *ret)
{
	bool max = strncmp(p, "max", 3) == 0;
	if (!max && !isdigit((unsigned char)*p))
		return false;
	*ret = max ? CGROUPFS_MAX : strtoull(p, NULL, 10);
	return true;
}

bool cgroupfs_find(const char *text, const char *key, uint64_t *ret)
{
	size_t n = key ? strlen(key) : 0;
	if (!key)
		return number_at(text, ret);
	for (const char *p = text; p; p = (p = strchr(p, '\n')) ? p + 1 : NULL)
		if (strncmp(p, key, n) == 0 && p[n] == ' ')
			return number_at(p + n + 1, ret);
	return false;
}

bool cgroupfs_read(int dir, const char *file, const char *key, uint64_t *ret)
{
	own(buf) struct buf b = BUF(1 << 20);
	struct err ignored = {};
	return dir >= 0 && path_read(dir, file, &b, &ignored) == 0 && cgroupfs_find(buf_text(&b), key, ret);
}
