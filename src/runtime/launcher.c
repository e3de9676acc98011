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

static int add_label(struct launch_plan *plan, const char *file, const char *before, const char *text, struct err *e)
{
	size_t i = plan->label[0].file[0] ? 1 : 0;
	snprintf(plan->label[i].file, sizeof plan->label[i].file, "%s", file);
	int n = snprintf(plan->label[i].text, sizeof plan->label[i].text, "%s%s", before, text);
	return n >= (int)sizeof plan->label[i].text ? err_set(e, ERR_USAGE, "a security label of %d bytes", n) : 0;
}

/* Where a security module refuses, the command is not executed: there is no container without the label it was to have. */
static int set_labels(struct setup *s, struct launch_plan *plan, struct err *e)
{
	const struct spec_process *p = s->process;
	bool apparmor = labels_wants_apparmor(p);
	plan->label_dir = -1;
	if (!apparmor && str_is_empty(p->selinux_label))
		return 0;
	own(fd) int proc = setup_procfs(e);
	if (proc < 0)
		return err_wrap(e, "security label");
	const char *file = faccessat(proc, "self/attr/apparmor/exec", F_OK, 0) < 0 ? "self/attr/exec" : "self/attr/apparmor/exec";
	if (apparmor && add_label(plan, file, "exec ", p->apparmor, e) < 0)
		return -1;
	if (!str_is_empty(p->selinux_label) && add_label(plan, "self/attr/exec", "", p->selinux_label, e) < 0)
		return -1;
	plan->label_dir = fcntl(proc, F_DUPFD_CLOEXEC, 3 + s->preserve_fds);
	return plan->label_dir < 0 ? err_sys(e, "security label") : 0;
}

int launcher_plan(struct setup *s, struct launch_plan *ret, struct err *e)
{
	memcpy(ret, launch_image + LAUNCH_PLAN_AT, sizeof *ret);
	return set_labels(s, ret, e);
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
