/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait: one after the other, so that the statuses come in the order of the names.
 */
#include "cli/commands.h"
#include "engine/await.h"

struct wait_options {
	char *condition;
	/* worked out */
	struct engine *g;
	enum await what;
};
static const struct opt wait_opts[] = {
	{"condition", 0, OPT_STR, offset_of(struct wait_options, condition), "CONDITION", "stopped, next-exit, removed, running, paused, healthy, unhealthy (stopped)", 0,
		"stopped next-exit removed running paused healthy unhealthy"},
};

static int wait_one(const char *name, void *arg, struct err *e)
{
	const struct wait_options *o = arg;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	int status = 0;
	if (container_get(o->g, name, 0, &c, e) < 0 || container_await(o->g, &c, o->what, &status, e) < 0)
		return -1;
	return o->what <= AWAIT_REMOVED ? cli_printf(e, "%d\n", status) : 0;
}

static int wait_all(void *opts, int argc, char **argv, struct err *e)
{
	struct wait_options *o = opts;
	if (await_parse(o->condition ? o->condition : "stopped", &o->what, e) < 0)
		return -1;
	o->g = cli_engine(e);
	return o->g ? cli_each(argc, argv, false, wait_one, o) : -1;
}

const struct cmd cmd_wait = {"wait", "CONTAINER...", "Wait until containers end and print their exit statuses", wait_opts, countof(wait_opts),
	sizeof(struct wait_options), 1, -1, wait_all, .complete = "@container",
	.about = "With --condition running, paused, healthy or unhealthy nothing is printed; it fails when that cannot come any more.",
	.examples = "$ hull wait web\n$ hull wait --condition healthy web"};
