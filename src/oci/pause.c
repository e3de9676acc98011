/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause: all processes of a container stand still, and go on (resume), by the freezer of its control group. One that was only
 * created can be paused too; it is not started before it is resumed.
 */
#include "oci/state.h"
#include "oci/verbs.h"

static int freeze(const char *id, bool frozen, struct err *e)
{
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	struct cgroup g;
	if (oci_container_open(id, OCI_LOCK, &c, e) < 0)
		return -1;
	enum oci_status s = oci_container_status(&c);
	if (frozen && s != OCI_RUNNING && s != OCI_CREATED)
		return err_set(e, ERR_CONFLICT, "cannot pause a container that is %s: container not running: %s", oci_status_name(s), id);
	if (!frozen && s != OCI_PAUSED)
		return err_set(e, ERR_CONFLICT, "cannot resume a container that is %s: container not paused: %s", oci_status_name(s), id);
	if (oci_open_cgroup(&c, &g, e) < 0)
		return -1;
	int r = g.rows ? cgroup_freeze(&g, frozen, e) : err_set(e, ERR_UNSUPPORTED, "container %s has no control group to freeze", id);
	cgroup_drop(&g);
	return r;
}

static int pause_verb(void *opts unused, int argc unused, char **argv, struct err *e)
{
	return freeze(argv[0], true, e);
}

static int resume(void *opts unused, int argc unused, char **argv, struct err *e)
{
	return freeze(argv[0], false, e);
}

const struct cmd oci_pause_verb = {"pause", "ID", "Stop all processes of a container", NULL, 0, 0, 1, 1, pause_verb, .complete = "@id"};
const struct cmd oci_resume_verb = {"resume", "ID", "Let the processes of a paused container go on", NULL, 0, 0, 1, 1, resume, .complete = "@id"};
