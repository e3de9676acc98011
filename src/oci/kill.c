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
#include <signal.h>

struct options { bool all, regex; };
#define O struct options
static const struct opt options[] = {
	{"all", 'a', OPT_BOOL, offset_of(O, all), NULL, "Every process of the container; one that has ended is no failure"},
	{"regex", 'r', OPT_BOOL, offset_of(O, regex), NULL, "ID is an extended regular expression"},
};
#undef O

/* Without a PID namespace of its own the others do not end with the first one. */
static bool shares_pids(struct oci_container *c)
{
	struct err ignored = {};
	return oci_load_spec(c, &ignored) == 0 && !spec_namespace(&c->spec, "pid");
}

static bool has_processes(const struct cgroup *g)
{
	struct err ignored = {};
	struct u32v pids = {};
	bool yes = g->rows && cgroup_pids(g, &pids, &ignored) == 0 && pids.n;
	mem_drop(&pids.v);
	return yes;
}

static int kill_first(struct oci_container *c, const struct cgroup *g, int sig, struct err *e)
{
	own(fd) int pidfd = oci_open_process(c, e);
	if (pidfd < 0)
		return -1;
	if (proc_pidfd_signal(pidfd, sig) < 0)
		return errno == ESRCH ? err_set(e, ERR_CONFLICT, "container not running: %s", c->state.id) : err_sys(e, "container %s", c->state.id);
	/* The freezer of v1 keeps what was killed until it thaws. */
	if (sig == SIGKILL && g->rows && g->v2 < 0 && cgroup_is_frozen(g))
		return cgroup_freeze(g, false, e);
	return 0;
}

static int kill_container(struct oci_container *c, const struct cgroup *g, int sig, bool all, struct err *e)
{
	bool group = all || (sig == SIGKILL && shares_pids(c)), others = group && has_processes(g);
	struct err why = {};
	if (group && g->rows && cgroup_kill(g, sig, e) < 0)
		return -1;
	if (kill_first(c, g, sig, &why) == 0 || all || (group && others))
		return 0;
	*e = why;
	return -1;
}

static int kill_one(const char *id, int sig, bool all, struct err *e)
{
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	struct cgroup g;
	if (oci_container_open(id, 0, &c, e) < 0 || oci_open_cgroup(&c, &g, e) < 0)
		return -1;
	int r = kill_container(&c, &g, sig, all, e);
	cgroup_drop(&g);
	return r;
}

static int parse_signal(const char *text, int *ret, struct err *e)
{
	/* 0 only looks whether it is there. */
	if (strcmp(text, "0") != 0)
		return signal_parse(text, ret, e);
	*ret = 0;
	return 0;
}

static int kill_verb(void *opts, int argc, char **argv, struct err *e)
{
	const struct options *o = opts;
	int sig = SIGTERM;
	own(strv) struct strv ids = {};
	if (argc > 1 && parse_signal(argv[1], &sig, e) < 0)
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
	sizeof(struct options), 1, 2, kill_verb, .complete = "@id"};
