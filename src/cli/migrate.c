/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate: `system migrate`: layers as EROFS files, or as files again.
 */
#include "cli/commands.h"
#include "engine/migrate.h"

static int run(void *opts unused, int argc, char **argv, struct err *e)
{
	own(strv) struct strv moved = {}, left = {};
	struct engine *g = cli_engine(e);
	if (!g || storage_migrate(g, argc ? argv[0] : NULL, &moved, &left, e) < 0)
		return -1;
	for (size_t i = 0; i < moved.n; i++)
		if (cli_printf(e, "%s\n", moved.v[i]) < 0)
			return -1;
	for (size_t i = 0; i < left.n; i++) {
		struct err why = {};
		(void)err_set(&why, ERR_CONFLICT, "%s", left.v[i]);
		cli_complain(&why);
	}
	return left.n ? 1 : 0;
}

const struct cmd cmd_migrate = {"migrate", "[erofs|files]", "Keep all layers of the store in one form", NULL, 0, 0, 0, 1, run,
	.complete = "erofs files", .examples = "$ hull system migrate erofs\n$ hull info -f '{{.Driver}}'"};
