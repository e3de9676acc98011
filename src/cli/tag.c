/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tag: one more name for an image.
 */
#include "cli/commands.h"
#include "engine/image.h"

static int run(void *opts unused, int argc unused, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	return !g || image_tag(g, argv[0], argv[1], e) < 0 ? -1 : 0;
}

const struct cmd cmd_tag = {"tag", "IMAGE NAME[:TAG]", "Give an image one more name", NULL, 0, 0, 2, 2, run, .complete = "@image"};
