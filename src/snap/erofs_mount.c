/* SPDX-License-Identifier: Apache-2.0 */
#include "snap/erofs_mount.h"

#include "base/fd.h"
#include "sys/loop.h"
#include "sys/mount.h"

#include <errno.h>
#include <stdio.h>

static int mount_source(const char *source, struct err *e)
{
	/* "ro": a device is then opened for reading alone. */
	const struct mount_option options[] = {{"source", source}, {"ro", NULL}};
	return mount_new("erofs", options, countof(options), MOUNT_ATTR_RDONLY, e);
}

int erofs_mount(int file, enum erofs_way *ret_way, struct err *e)
{
	char path[40];
	struct err why = {};
	enum erofs_way way = EROFS_WAY_FILE;
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	int m = mount_source(path, &why);
	if (m < 0 && why.sys == ENOTBLK) {
		own(fd) int loop = loop_open(file, path, &why);
		m = loop < 0 ? -1 : mount_source(path, &why);
		way = EROFS_WAY_LOOP;
	}
	if (m < 0)
		return *e = why, -1;
	if (ret_way)
		*ret_way = way;
	return m;
}
