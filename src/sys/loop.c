/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop: /dev/loop-control says which device is free; until it is ours another one may take it, then the next is asked for.
 */
#include "sys/loop.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>

enum { TRIES = 1000 };

int loop_open(int file, char path[LOOP_PATH], struct err *e)
{
	const struct loop_config how = {.fd = (uint32_t)file, .info = {.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR}};
	own(fd) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return err_sys(e, "/dev/loop-control");
	for (int i = 0; i < TRIES; i++) {
		int n = ioctl(control, LOOP_CTL_GET_FREE);
		if (n < 0)
			return err_sys(e, "a free loop device");
		snprintf(path, LOOP_PATH, "/dev/loop%d", n);
		own(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENXIO)
			continue;
		if (fd < 0)
			return err_sys(e, "%s", path);
		if (ioctl(fd, LOOP_CONFIGURE, &how) == 0)
			return take_fd(fd);
		if (errno != EBUSY)
			return err_sys(e, "%s", path);
	}
	return err_set(e, ERR_CONFLICT, "no loop device stays free long enough");
}
