/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delete: what create made is taken away (runtime.md, "Delete"): control groups, what the poststop hooks do, the state.
 *
 * One that was only created counts as stopped once its process was killed, as runc has it. --force kills whatever there is, and
 * removes what a runtime that was killed left half made.
 */
#include "oci/state.h"
#include "oci/verbs.h"

#include "base/fd.h"
#include "sys/proc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

struct options { bool force, regex; };
#define O struct options
static const struct opt options[] = {
	{"force", 'f', OPT_BOOL, offset_of(O, force), NULL, "Kill it first if it runs; one that does not exist is no failure"},
	{"regex", 'r', OPT_BOOL, offset_of(O, regex), NULL, "ID is an extended regular expression"},
};
#undef O

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
	return oci_container_forget(c, e);
}

static int delete_one(const char *id, bool force, struct err *e)
{
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	if (oci_container_open(id, OCI_LOCK, &c, e) < 0)
		return force && e->kind == ERR_NOT_FOUND ? (*e = (struct err){}, 0) : -1;
	enum oci_status s = oci_container_status(&c);
	if (!force && s != OCI_STOPPED && s != OCI_CREATED)
		return err_set(e, ERR_CONFLICT, "cannot delete container %s that is not stopped: %s", id, oci_status_name(s));
	return end_process(&c, e) < 0 ? -1 : remove_container(&c, force, e);
}

static int delete_verb(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct options *o = opts;
	own(strv) struct strv ids = {};
	if (!o->regex)
		return delete_one(argv[0], o->force, e);
	if (oci_match_ids(argv[0], &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++)
		if (delete_one(ids.v[i], o->force, e) < 0)
			return -1;
	return 0;
}

const struct cmd oci_delete_verb = {"delete", "ID", "Remove a container that has ended", options, countof(options), sizeof(struct options), 1, 1,
	delete_verb, .complete = "@id"};
