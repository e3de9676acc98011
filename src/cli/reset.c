/* SPDX-License-Identifier: Apache-2.0 */
/* reset: `system reset`. */
#include "cli/commands.h"
#include "engine/reset.h"

struct reset_options { bool force; };
static const struct opt opts[] = {
	{"force", 'f', OPT_BOOL, offset_of(struct reset_options, force), NULL, "Do not ask"},
};

static int reset(void *opts_, int argc unused, char **argv unused, struct err *e)
{
	const struct reset_options *o = opts_;
	struct engine *g = cli_engine(e);
	if (!g)
		return -1;
	own(mem) char *what = mem_printf("This will end and remove all containers, and remove all images, volumes and what is in them, networks, "
		"secrets and the build cache in %s.", g->root_path);
	return !o->force && !cli_confirm(what) ? 0 : system_reset(g, e);
}

const struct cmd cmd_reset = {"reset", "", "Remove everything: hull as it was before its first command", opts, countof(opts),
	sizeof(struct reset_options), 0, 0, reset,
	.examples = "$ hull system reset"};
