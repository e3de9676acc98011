/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_proc: RUN inside of a container that is not privileged. Engines cover parts of a container's /proc, and what is covered must not be
 * uncovered by a second mount: the kernel gives who has user namespaces a new /proc only while he sees the whole of one
 * (mount_too_revealing()). Then RUN gets the /proc that is there, as with `--pid host`: its own processes have their numbers of outside in it,
 * /proc/self is right, and it keeps a pid namespace with which they end.
 */
#include "build/run.h"

#include "sys/mount.h"
#include "sys/proc.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

bool run_proc_is_refused(void)
{
	const struct proc_clone how = {.flags = CLONE_NEWPID, .cgroup = -1};
	struct err why = {};
	int status = 0;
	pid_t pid = proc_clone(&how);
	if (pid == 0)
		_exit(mount_new("proc", NULL, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, &why) < 0 && why.sys == EPERM);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

void run_proc_bind(struct spec *spec)
{
	static char type[] = "bind", source[] = "/proc", all[] = "rbind", nosuid[] = "nosuid", noexec[] = "noexec", nodev[] = "nodev";
	static char *options[] = {all, nosuid, noexec, nodev};
	for (size_t i = 0; i < spec->mounts.n; i++) {
		struct spec_mount *m = &spec->mounts.v[i];
		if (!str_eq(m->destination, "/proc"))
			continue;
		m->type = type;
		m->source = source;
		m->options.v = options;
		m->options.n = countof(options);
	}
}
