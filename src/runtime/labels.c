/* SPDX-License-Identifier: Apache-2.0 */
/*
 * labels: whether this machine can give what the configuration wants of its security modules. What it cannot give is an error,
 * found before anything is made: a container must not run without the confinement that was asked for.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/xattr.h>

/* A process that nothing was done to is unconfined. */
bool labels_wants_apparmor(const struct spec_process *p)
{
	return !str_is_empty(p->apparmor) && !str_eq(p->apparmor, "unconfined");
}

static bool has_apparmor(void)
{
	own(buf) struct buf b = BUF(16);
	struct err ignored = {};
	return path_read(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", &b, &ignored) == 0 && str_has_prefix(buf_text(&b), "Y");
}

/* The kernel knows its file system when it is enabled; whether somebody has mounted it does not matter. */
static bool has_selinux(void)
{
	own(buf) struct buf b = BUF(65536);
	struct err ignored = {};
	return path_read(AT_FDCWD, "/proc/filesystems", &b, &ignored) == 0 && strstr(buf_text(&b), "\tselinuxfs\n");
}

int labels_check(const struct spec_process *p, const char *mount_label, struct err *e)
{
	if (p && labels_wants_apparmor(p) && !has_apparmor())
		return err_set(e, ERR_UNSUPPORTED, "process.apparmorProfile %.100s: AppArmor is not enabled on this machine", p->apparmor);
	if (p && !str_is_empty(p->selinux_label) && !has_selinux())
		return err_set(e, ERR_UNSUPPORTED, "process.selinuxLabel %.100s: SELinux is not enabled on this machine", p->selinux_label);
	if (!str_is_empty(mount_label) && !has_selinux())
		return err_set(e, ERR_UNSUPPORTED, "linux.mountLabel %.100s: SELinux is not enabled on this machine", mount_label);
	return 0;
}

int labels_set_root(int mount, const char *label, struct err *e)
{
	if (str_is_empty(label))
		return 0;
	own(fd) int dir = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || (fsetxattr(dir, "security.selinux", label, strlen(label) + 1, 0) < 0 && errno != EOPNOTSUPP))
		return err_sys(e, "linux.mountLabel %.100s", label);
	return 0;
}
