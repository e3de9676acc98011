/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whiteout: see whiteout.h.
 *
 * A whiteout is about the layers below, never about its own: `x/` and `.wh.x` in one layer, in any order, are a new
 * directory x that shows nothing of an older one, which is an opaque directory.
 */
#include "snap/whiteout.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *const opaque_names[] = {
	[WHITEOUT_OVERLAY] = "trusted.overlay.opaque", [WHITEOUT_OVERLAY_USER] = "user.overlay.opaque"};

static int make_mark(int dir, const char *name, const struct timespec *times, struct err *e)
{
	own(fd) int fd = openat(dir, name, O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 || (times && futimens(fd, times) < 0) ? err_sys(e, "whiteout %s", name) : 0;
}

int whiteout_make(int dir, const char *name, enum whiteout_form form, const struct timespec *times, struct err *e)
{
	if (form == WHITEOUT_PLAIN) {
		char mark[sizeof WHITEOUT_PREFIX + 255];
		snprintf(mark, sizeof mark, WHITEOUT_PREFIX "%s", name);
		return make_mark(dir, mark, times, e);
	}
	if (mknodat(dir, name, S_IFCHR, 0) == 0)
		return times && utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? err_sys(e, "set time") : 0;
	if (errno != EEXIST)
		return err_sys(e, "whiteout of %s", name);
	own(fd) int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOTDIR || errno == ELOOP ? 0 : err_sys(e, "whiteout of %s", name);
	return whiteout_make_opaque(fd, form, e);
}

int whiteout_make_opaque(int dir, enum whiteout_form form, struct err *e)
{
	if (form == WHITEOUT_PLAIN)
		return make_mark(dir, WHITEOUT_OPAQUE, (const struct timespec[2]){}, e);
	own(fd) int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsetxattr(fd, opaque_names[form], "y", 1, 0) < 0)
		return err_sys(e, "opaque directory: %s", opaque_names[form]);
	return 0;
}

bool whiteout_is(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

bool whiteout_is_opaque(int dir)
{
	char v = 0;
	for (size_t i = WHITEOUT_OVERLAY; i < countof(opaque_names); i++)
		if (fgetxattr(dir, opaque_names[i], &v, 1) == 1 && v == 'y')
			return true;
	return path_exists(dir, WHITEOUT_OPAQUE);
}
