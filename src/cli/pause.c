/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause: pause and unpause: the freezer of the container's cgroup. Under the container's lock, so that the two do not
 * cross each other.
 */
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

static int pause_all(void *opts unused, int argc, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	return g ? cli_each(argc, argv, true, pause_one, g) : -1;
}

static int unpause_all(void *opts unused, int argc, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	return g ? cli_each(argc, argv, true, unpause_one, g) : -1;
}

const struct cmd cmd_pause = {"pause", "CONTAINER...", "Stop all processes of containers for a while", NULL, 0, 0, 1, -1, pause_all, .complete = "@running"};
const struct cmd cmd_unpause = {"unpause", "CONTAINER...", "Let the processes of paused containers go on", NULL, 0, 0, 1, -1, unpause_all,
	.complete = "@running"};
