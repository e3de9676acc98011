/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/choose.h"
#include "cli/commands.h"
#include "engine/list.h"

#include "base/tab.h"

static void add_line(struct tab *t, const struct json *cells)
{
	for (size_t i = 0; i < json_len(cells); i++)
		tab_cell(t, json_str(json_at(cells, i)));
	tab_line(t);
}

struct top_options { bool latest; };
static const struct opt top_opts[] = {CHOICE_ONE(struct top_options, latest)};

static int top(void *opts, int argc, char **argv, struct err *e)
{
	const struct top_options *o = opts;
	own(strv) struct strv hold = {};
	if (choice_latest(&cmd_top, o->latest, 1, -1, &argc, &argv, &hold, e) < 0)
		return -1;
	struct engine *g = cli_engine(e);
	own(json) struct json *doc = g ? container_top(g, argv[0], argv + 1, (size_t)argc - 1, e) : NULL;
	own(tab) struct tab *t = tab_new();
	own(buf) struct buf out = {};
	if (!doc)
		return -1;
	add_line(t, json_get(doc, "Titles"));
	for (size_t i = 0; i < json_len(json_get(doc, "Processes")); i++)
		add_line(t, json_at(json_get(doc, "Processes"), i));
	tab_format(t, &out);
	return cli_print(&out, e);
}

const struct cmd cmd_top = {"top", "CONTAINER [ps OPTIONS]", "Show the processes of a container", top_opts, countof(top_opts),
	sizeof(struct top_options), 0, -1, top, CMD_STRICT, .complete = "@running",
	.about = "What follows the name goes to ps(1) of this machine; without it: -ef.", .examples = "$ hull top web\n$ hull top web -o pid,user,args"};
