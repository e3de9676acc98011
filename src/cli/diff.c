/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff: a line a path.
 */
#include "cli/commands.h"
#include "engine/diff.h"

static int add_line(void *arg, enum snap_change what, const char *path, const struct stat *st unused, struct err *e)
{
	struct buf *out = arg;
	buf_printf(out, "%c %s\n", what, path);
	return buf_check(out, e);
}

static int diff(void *opts unused, int argc unused, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	own(buf) struct buf out = {};
	return !g || container_diff(g, argv[0], add_line, &out, e) < 0 ? -1 : cli_print(&out, e);
}

const struct cmd cmd_diff = {"diff", "CONTAINER", "Show what a container changed in its files", NULL, 0, 0, 1, 1, diff, .complete = "@container",
	.about = "A: added, C: changed, D: deleted. A directory whose contents changed is changed too."};
