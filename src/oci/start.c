/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start: the user's command runs when this returns (runtime.md, "Start"), and the poststart hooks have.
 */
#include "oci/notify.h"
#include "oci/verbs.h"

#include "base/fd.h"

#include <unistd.h>

static int start(void *opts unused, int argc unused, char **argv, struct err *e)
{
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	if (oci_container_open(argv[0], OCI_LOCK, &c, e) < 0 || oci_load_spec(&c, e) < 0)
		return -1;
	enum oci_status s = oci_container_status(&c);
	if (s != OCI_CREATED)
		return err_set(e, ERR_CONFLICT, "cannot start a container that is %s: %s", oci_status_name(s), c.state.id);
	struct container_create create = {.id = c.state.id, .spec = &c.spec, .bundle = c.state.bundle};
	struct container ct = {.pid = (pid_t)c.state.pid, .start_time = c.state.start_time, .pidfd = oci_open_process(&c, e), .console = -1, .start = -1,
		.cgroup = {.v2 = -1}, .create = &create};
	own(fd) int notify = -1;
	int r = ct.pidfd < 0 || oci_notify_listen(&c, &notify, e) < 0 ? -1 : container_connect(&ct, c.dir, "start", e);
	if (r == 0)
		r = container_start(&ct, e);
	/* Nobody waits there any more, however it went. */
	if (ct.pidfd >= 0 && unlinkat(c.dir, "start", 0) < 0 && r == 0)
		r = err_sys(e, "start socket of container %s", c.state.id);
	oci_container_unlock(&c);
	if (r == 0 && notify >= 0)
		r = oci_notify_wait(notify, ct.pid, ct.pidfd, e);
	container_drop(&ct);
	return r;
}

const struct cmd oci_start_verb = {"start", "ID", "Let a created container run", NULL, 0, 0, 1, 1, start, .complete = "@id"};
