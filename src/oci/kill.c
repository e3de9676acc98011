/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill: a signal for the container's first process, or for every one in its control group (runtime.md, "Kill").
 */
#include "oci/state.h"
#include "oci/verbs.h"

#include "base/fd.h"
#include "sys/proc.h"
#include "sys/signals.h"

#include <errno.h>
#include <regex.h>
#include <signal.h>

struct options { bool all, regex; };
#define O struct options
static const struct opt options[] = {
	{"all", 'a', OPT_BOOL, offset_of(O, all), NULL, "Every process of the container; one that has ended is no failure"},
	{"regex", 'r', OPT_BOOL, offset_of(O, regex), NULL, "ID is an extended regular expression"},
};
#undef O

static int kill_all(struct oci_container *c, int sig, struct err *e)
{
	struct cgroup g;
	if (oci_open_cgroup(c, &g, e) < 0)
		return -1;
	int r = g.made ? cgroup_kill(&g, sig, e) : 0;
	cgroup_drop(&g);
	return r;
}

/* Without a PID namespace of its own the others do not end with the first one. */
static bool shares_pids(struct oci_container *c)
{
	struct err ignored = {};
	return oci_load_spec(c, &ignored) == 0 && !spec_namespace(&c->spec, "pid");
}

static int kill_one(const char *id, int sig, bool all, struct err *e)
{
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	if (oci_container_open(id, 0, &c, e) < 0)
		return -1;
	if (all || (sig == SIGKILL && shares_pids(&c)))
		if (kill_all(&c, sig, e) < 0)
			return -1;
	struct err why = {};
	own(fd) int pidfd = oci_open_process(&c, &why);
	if (pidfd < 0 || (proc_pidfd_signal(pidfd, sig) < 0 && errno == ESRCH)) {
		if (all)
			return 0;
		return pidfd < 0 ? (*e = why, -1) : err_set(e, ERR_CONFLICT, "container not running: %s", id);
	}
	return 0;
}

static int kill_verb(void *opts, int argc, char **argv, struct err *e)
{
	const struct options *o = opts;
	int sig = SIGTERM;
	own(strv) struct strv ids = {};
	if (argc > 1 && signal_parse(argv[1], &sig, e) < 0)
		return -1;
	if (!o->regex)
		return kill_one(argv[0], sig, o->all, e);
	if (oci_match_ids(argv[0], &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++)
		if (kill_one(ids.v[i], sig, true, e) < 0)
			return -1;
	return 0;
}

const struct cmd oci_kill_verb = {"kill", "ID [SIGNAL]", "Send a signal (TERM) to a container's first process", options, countof(options),
	sizeof(struct options), 1, 2, kill_verb};
