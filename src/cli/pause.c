/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause: pause and unpause: the freezer of the container's cgroup. Under the container's lock, so that the two do not
 * cross each other.
 */
#include "cli/choose.h"
#include "cli/commands.h"
#include "engine/container.h"

static int set(const char *name, bool paused, struct engine *g, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (container_get(g, name, ENTRY_LOCK, &c, e) < 0)
		return -1;
	return container_pause(g, &c, paused, e);
}

static int pause_one(const char *name, void *arg, struct err *e)
{
	return set(name, true, arg, e);
}

static int unpause_one(const char *name, void *arg, struct err *e)
{
	return set(name, false, arg, e);
}

struct pause_options { struct choice choice; };
static const struct opt pause_opts[] = {
	CHOICE_ALL(struct pause_options, choice, 'a', "All that run"),
	CHOICE_CIDFILE(struct pause_options, choice),
	CHOICE_FILTER(struct pause_options, choice, 'f'),
	CHOICE_LATEST(struct pause_options, choice),
};
static const struct opt unpause_opts[] = {
	CHOICE_ALL(struct pause_options, choice, 'a', "All that are paused"),
	CHOICE_CIDFILE(struct pause_options, choice),
	CHOICE_FILTER(struct pause_options, choice, 'f'),
	CHOICE_LATEST(struct pause_options, choice),
};

static int pause_all(void *opts, int argc, char **argv, struct err *e)
{
	static const char *const states[] = {"running", NULL};
	const struct choice_rule rule = {&cmd_pause, states, false};
	const struct pause_options *o = opts;
	struct engine *g = cli_engine(e);
	return g ? choice_each(&o->choice, &rule, g, argc, argv, false, pause_one, g, e) : -1;
}

static int unpause_all(void *opts, int argc, char **argv, struct err *e)
{
	static const char *const states[] = {"paused", NULL};
	const struct choice_rule rule = {&cmd_unpause, states, false};
	const struct pause_options *o = opts;
	struct engine *g = cli_engine(e);
	return g ? choice_each(&o->choice, &rule, g, argc, argv, false, unpause_one, g, e) : -1;
}

const struct cmd cmd_pause = {"pause", "CONTAINER...", "Stop all processes of containers for a while", pause_opts, countof(pause_opts),
	sizeof(struct pause_options), 0, -1, pause_all, .complete = "@running"};
const struct cmd cmd_unpause = {"unpause", "CONTAINER...", "Let the processes of paused containers go on", unpause_opts, countof(unpause_opts),
	sizeof(struct pause_options), 0, -1, unpause_all, .complete = "@running"};
