/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launcher: the launch program (launch.h) as a file that can be executed: its image with a plan in it, in a file of memory that
 * nobody can write to. Whatever hull executes of an image's programs, it executes by one of these.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "runtime/launch.h"
#include "runtime/launch_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Newer than Debian 12's headers; an older kernel refuses it. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

static int set_label(struct setup *s, struct launch_plan *plan, struct err *e)
{
	const struct spec_process *p = s->process;
	plan->label_dir = -1;
	if (str_is_empty(p->apparmor) && str_is_empty(p->selinux_label))
		return 0;
	own(fd) int proc = setup_procfs(e);
	if (proc < 0)
		return err_wrap(e, "security label");
	if (!str_is_empty(p->apparmor) && !str_is_empty(p->selinux_label))
		return err_set(e, ERR_USAGE, "an AppArmor profile and an SELinux label together are not supported");
	bool apparmor = !str_is_empty(p->apparmor);
	bool old = faccessat(proc, "self/attr/apparmor/exec", F_OK, 0) < 0;
	snprintf(plan->label_file, sizeof plan->label_file, "%s", apparmor && !old ? "self/attr/apparmor/exec" : "self/attr/exec");
	size_t n = (size_t)snprintf(plan->label_text, sizeof plan->label_text, "%s%s", apparmor ? "exec " : "",
		apparmor ? p->apparmor : p->selinux_label);
	if (n >= sizeof plan->label_text)
		return err_set(e, ERR_USAGE, "a security label of %zu bytes", n);
	/* Where there is no security module the file refuses: that is an error, not a container without a label. */
	plan->label_dir = fcntl(proc, F_DUPFD_CLOEXEC, 3 + s->preserve_fds);
	return plan->label_dir < 0 ? err_sys(e, "security label") : 0;
}

int launcher_plan(struct setup *s, struct launch_plan *ret, struct err *e)
{
	memcpy(ret, launch_image + LAUNCH_PLAN_AT, sizeof *ret);
	return set_label(s, ret, e);
}

int launcher_make(const struct launch_plan *plan, struct err *e)
{
	unsigned char image[sizeof launch_image];
	memcpy(image, launch_image, sizeof image);
	memcpy(image + LAUNCH_PLAN_AT, plan, sizeof *plan);
	own(fd) int fd = memfd_create("hull-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL) /* a kernel before 6.3 */
		fd = memfd_create("hull-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 && errno == EACCES)
		return err_set(e, ERR_UNSUPPORTED, "vm.memfd_noexec is 2: hull needs to execute a file of memory");
	if (fd < 0 || fd_write_all(fd, image, sizeof image) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(e, "launch program");
	return take_fd(fd);
}
