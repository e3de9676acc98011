/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stop: stop, restart, kill. Several containers are stopped side by side: each may take its ten seconds.
 */
#include "cli/choose.h"
#include "cli/commands.h"
#include "engine/container.h"
#include "sys/signals.h"

#include <limits.h>
#include <signal.h>

struct stop_options {
	char *signal;
	struct opt_num timeout;
	bool ignore, running;
	struct choice choice;
	/* worked out */
	struct engine *g;
	int sig, seconds;
};
#define O(m) offset_of(struct stop_options, m)
#define SIGNAL_FIRST {"signal", 's', OPT_STR, O(signal), "SIGNAL", "Signal to send first (the container's own, SIGTERM)", 0, CLI_SIGNALS}
#define TIMEOUT {"timeout", 't', OPT_I64, O(timeout), "SECONDS", "How long to wait before SIGKILL, -1 for ever (10)", 0, NULL, "time"}
static const struct opt stop_opts[] = {
	CHOICE_ALL(struct stop_options, choice, 'a', "All that run"),
	CHOICE_CIDFILE(struct stop_options, choice),
	CHOICE_FILTER(struct stop_options, choice, 'f'),
	{"ignore", 'i', OPT_BOOL, O(ignore), NULL, "One that is not there is no error"},
	CHOICE_LATEST(struct stop_options, choice),
	SIGNAL_FIRST,
	TIMEOUT,
};
static const struct opt restart_opts[] = {
	CHOICE_ALL(struct stop_options, choice, 'a', "All, also those that do not run"),
	CHOICE_CIDFILE(struct stop_options, choice),
	CHOICE_FILTER(struct stop_options, choice, 'f'),
	CHOICE_LATEST(struct stop_options, choice),
	{"running", 0, OPT_BOOL, O(running), NULL, "All that run"},
	SIGNAL_FIRST,
	TIMEOUT,
};
static const struct opt kill_opts[] = {
	CHOICE_ALL(struct stop_options, choice, 'a', "All that run"),
	CHOICE_CIDFILE(struct stop_options, choice),
	CHOICE_FILTER(struct stop_options, choice, 'f'),
	CHOICE_LATEST(struct stop_options, choice),
	{"signal", 's', OPT_STR, O(signal), "SIGNAL", "Signal to send (SIGKILL)", 0, CLI_SIGNALS},
};
#undef O

static int prepare(struct stop_options *o, struct err *e)
{
	o->sig = 0;
	o->seconds = INT_MIN;
	if (!str_is_empty(o->signal) && signal_parse(o->signal, &o->sig, e) < 0)
		return -1;
	if (o->timeout.set && (o->timeout.v < -1 || o->timeout.v > INT_MAX))
		return err_set(e, ERR_USAGE, "invalid --timeout \"%lld\": seconds, -1 for ever", (long long)o->timeout.v);
	if (o->timeout.set)
		o->seconds = (int)o->timeout.v;
	o->g = cli_engine(e);
	return o->g ? 0 : -1;
}

static int stop_one(const char *name, void *arg, struct err *e)
{
	const struct stop_options *o = arg;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct err why = {};
	if (container_get(o->g, name, 0, &c, &why) == 0)
		return container_stop(o->g, &c, o->sig, o->seconds, e);
	if (o->ignore && why.kind == ERR_NOT_FOUND)
		return 1;
	*e = why;
	return -1;
}

static int restart_one(const char *name, void *arg, struct err *e)
{
	const struct stop_options *o = arg;
	return container_restart(o->g, name, o->sig, o->seconds, e);
}

static int kill_one(const char *name, void *arg, struct err *e)
{
	const struct stop_options *o = arg;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (container_get_running(o->g, name, &c, e) < 0)
		return -1;
	return container_kill(o->g, &c, o->sig, e);
}

static int stop(void *opts, int argc, char **argv, struct err *e)
{
	struct stop_options *o = opts;
	const struct choice_rule rule = {&cmd_stop, choice_live, o->ignore};
	return prepare(o, e) < 0 ? -1 : choice_each(&o->choice, &rule, o->g, argc, argv, true, stop_one, o, e);
}

static int restart(void *opts, int argc, char **argv, struct err *e)
{
	struct stop_options *o = opts;
	const struct choice_rule rule = {&cmd_restart, o->running ? choice_live : NULL, false};
	o->choice.all |= o->running;
	return prepare(o, e) < 0 ? -1 : choice_each(&o->choice, &rule, o->g, argc, argv, true, restart_one, o, e);
}

static int kill_all(void *opts, int argc, char **argv, struct err *e)
{
	static const char *const states[] = {"running", "paused", NULL};
	const struct choice_rule rule = {&cmd_kill, states, false};
	struct stop_options *o = opts;
	if (prepare(o, e) < 0)
		return -1;
	if (!o->sig)
		o->sig = SIGKILL;
	return choice_each(&o->choice, &rule, o->g, argc, argv, false, kill_one, o, e);
}

const struct cmd cmd_stop = {"stop", "CONTAINER...", "Stop running containers: a signal, then SIGKILL", stop_opts, countof(stop_opts),
	sizeof(struct stop_options), 0, -1, stop, .complete = "@running",
	.examples = "$ hull stop web db\n$ hull stop --all\n$ hull stop --filter label=app=shop"};
const struct cmd cmd_restart = {"restart", "CONTAINER...", "Stop containers and start them again", restart_opts, countof(restart_opts),
	sizeof(struct stop_options), 0, -1, restart, .complete = "@container"};
const struct cmd cmd_kill = {"kill", "CONTAINER...", "Send a signal to the first process of containers", kill_opts, countof(kill_opts),
	sizeof(struct stop_options), 0, -1, kill_all, .complete = "@running"};
