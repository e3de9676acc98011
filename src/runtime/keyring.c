/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyring: the keys of who started the container are not the container's: its processes have a session keyring of their own, with
 * the command's SELinux label. The name is runc's; what is executed in the container later finds the same keyring by it.
 */
#include "runtime/setup.h"

#include "base/fd.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	KEYRING_RIGHTS = 0x3f1b0000,       /* the possessor's all; its user may look at it, read, search and link */
	KEYRING_RIGHTS_USERNS = 0x3f1b0008 /* and others search: who enters the user namespace may be another to the kernel */
};

/* The label of the keys that we make from now on; a line of nothing is that of us again. */
static int label_keys(const char *label, struct err *e)
{
	own(fd) int proc = setup_procfs(e);
	return proc < 0 || setup_put_proc(proc, "self/attr/keycreate", label, e) < 0 ? err_wrap(e, "the security label is refused for the session keyring") : 0;
}

int keyring_join(struct setup *s, struct err *e)
{
	if (s->keep_keyring)
		return 0;
	own(mem) char *name = str_is_empty(s->id) ? NULL : mem_printf("_ses.%s", s->id);
	const char *label = s->process ? s->process->selinux_label : NULL;
	if (!str_is_empty(label) && label_keys(label, e) < 0)
		return -1;
	long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);
	int why = errno;
	if (!str_is_empty(label) && label_keys("\n", e) < 0)
		return -1;
	if (ring >= 0 && s->create && name)
		syscall(SYS_keyctl, KEYCTL_SETPERM, ring, s->own_userns ? KEYRING_RIGHTS_USERNS : KEYRING_RIGHTS);
	if (ring < 0 && why != ENOSYS)
		setup_warn(s, "the container keeps the session keyring of its caller: a new one cannot be made (%s)", strerror(why));
	return 0;
}
