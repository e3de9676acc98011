/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait: one after the other, so that the statuses come in the order of the names.
 */
#include "cli/commands.h"
#include "engine/container.h"

static int wait_one(const char *name, void *arg, struct err *e)
{
	struct engine *g = arg;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	int status = 0;
	if (container_get(g, name, 0, &c, e) < 0)
		return -1;
	if (container_wait(g, &c, -1, &status, e) < 0)
		return -1;
	return cli_printf(e, "%d\n", status);
}

static int wait_all(void *opts unused, int argc, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	return g ? cli_each(argc, argv, false, wait_one, g) : -1;
}

const struct cmd cmd_wait = {"wait", "CONTAINER...", "Wait until containers end and print their exit statuses", NULL, 0, 0, 1, -1, wait_all,
	.complete = "@container"};
