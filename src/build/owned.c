/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owned: a mount with ids mapped (mount_setattr(2), MOUNT_ATTR_IDMAP). A map is one to one: the owner of the context's directory and 0 change
 * places, all others stay. A context is somebody's work, and most of the time nobody else's.
 */
#include "build/owned.h"

#include "base/fd.h"
#include "snap/overlay.h"
#include "sys/mount.h"

#include <sys/stat.h>

enum { ROWS = 4 };
#define IDS UINT32_MAX /* 0 to 4294967294 */

static size_t exchange(uint32_t id, struct snap_idmap rows[ROWS])
{
	size_t n = 0;
	if (!id)
		return rows[n++] = (struct snap_idmap){0, 0, IDS}, n;
	rows[n++] = (struct snap_idmap){0, id, 1};
	if (id > 1)
		rows[n++] = (struct snap_idmap){1, 1, id - 1};
	rows[n++] = (struct snap_idmap){id, 0, 1};
	if (id < IDS - 1)
		rows[n++] = (struct snap_idmap){id + 1, id + 1, IDS - 1 - id};
	return n;
}

int owned_by_root(int context, int place)
{
	struct stat st;
	struct err none = {};
	struct snap_idmap uids[ROWS], gids[ROWS];
	if (fstat(context, &st) < 0 || (!st.st_uid && !st.st_gid))
		return -1;
	struct snap_mount m = {.uids = uids, .nuids = exchange(st.st_uid, uids), .gids = gids, .ngids = exchange(st.st_gid, gids)};
	own(fd) int userns = overlay_userns(&m, &none);
	own(fd) int clone = userns < 0 ? -1 : mount_clone(place, "", true, &none);
	return clone < 0 || mount_idmap(clone, userns, true, &none) < 0 ? -1 : take_fd(clone);
}
