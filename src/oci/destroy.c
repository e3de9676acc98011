/* SPDX-License-Identifier: Apache-2.0 */
/*
 * destroy: the end of a container: what delete does, and a checkpoint whose container does not go on.
 */
#include "oci/state.h"

#include "base/fd.h"
#include "sys/proc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

enum { END_MS = 30000 };

static int end_process(struct oci_container *c, struct err *e)
{
	struct err ignored = {};
	own(fd) int pidfd = oci_open_process(c, &ignored);
	if (pidfd < 0)
		return 0;
	proc_pidfd_signal(pidfd, SIGKILL);
	/* In a frozen group nothing dies. */
	struct cgroup g;
	if (oci_open_cgroup(c, &g, &ignored) == 0) {
		if (g.rows)
			(void)!cgroup_kill(&g, SIGKILL, &ignored);
		cgroup_drop(&g);
	}
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int r;
	do
		r = poll(&p, 1, END_MS);
	while (r < 0 && errno == EINTR);
	return r == 0 ? err_set(e, ERR_TIMEOUT, "container %s: its process did not end within %d seconds of SIGKILL", c->state.id, END_MS / 1000) : 0;
}

/* Killed before it could say which groups it had made: there was no process yet. */
static void sweep_groups(struct oci_container *c)
{
	char path[480];
	struct err ignored = {};
	if (!c->state.cgroup && c->spec.linux_ && cgroup_resolve(c->spec.linux_->cgroups_path, c->state.id, path, sizeof path, &ignored) == 0)
		cgroup_sweep(path);
}

static int remove_container(struct oci_container *c, bool force, struct err *e)
{
	struct err why = {};
	bool known = oci_load_spec(c, &why) == 0;
	if (!known && !force)
		return *e = why, -1;
	struct container_create create = {.id = c->state.id, .spec = &c->spec, .bundle = c->state.bundle};
	struct container ct = {.pidfd = -1, .console = -1, .start = -1, .create = known && c->spec.process ? &create : NULL};
	oci_get_rdt(c, &ct.rdt);
	if (oci_open_cgroup(c, &ct.cgroup, e) < 0 || container_remove(&ct, e) < 0) {
		container_drop(&ct);
		return -1;
	}
	if (ct.warning[0])
		oci_warn("%s", ct.warning);
	container_drop(&ct);
	sweep_groups(c);
	return oci_container_forget(c, e);
}

int oci_container_destroy(struct oci_container *c, bool force, struct err *e)
{
	return oci_need_manager(c, e) < 0 || end_process(c, e) < 0 ? -1 : remove_container(c, force, e);
}
