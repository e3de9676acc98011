/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename: a container's new name. Nothing is printed, as docker does it.
 */
#include "cli/commands.h"
#include "engine/container.h"

static int run(void *opts unused, int argc unused, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	return !g || container_rename(g, argv[0], argv[1], e) < 0 ? -1 : 0;
}

const struct cmd cmd_rename = {"rename", "CONTAINER NAME", "Give a container another name", NULL, 0, 0, 2, 2, run, .complete = "@container"};
