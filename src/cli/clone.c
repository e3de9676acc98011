/* SPDX-License-Identifier: Apache-2.0 */
/* clone: podman's container clone. */
#include "cli/commands.h"
#include "cli/update_limits.h"
#include "engine/clone.h"

struct clone_options {
	bool destroy, force, run;
	char *name;
	struct update_limits limits;
};
#define O(m) offset_of(struct clone_options, m)
static const struct opt opts[] = {
	UPDATE_CPU(struct clone_options, limits),
	{"destroy", 0, OPT_BOOL, O(destroy), NULL, "Remove the other container afterwards"},
	{"force", 'f', OPT_BOOL, O(force), NULL, "With --destroy: also one that runs"},
	UPDATE_MEMORY(struct clone_options, limits),
	{"name", 0, OPT_STR, O(name), "NAME", "Name of the new container (that of the other and -clone)"},
	UPDATE_PIDS(struct clone_options, limits),
	{"run", 0, OPT_BOOL, O(run), NULL, "Start it"},
};
#undef O

/* The other gives way before the new one is started: they may want the same ports. */
static int make_room(struct engine *g, const struct clone_options *o, const char *other, const char *made, struct err *e)
{
	struct err ignored = {};
	if (!o->destroy || container_delete(g, other, o->force, false, e) == 0)
		return 0;
	(void)!container_delete(g, made, false, true, &ignored);
	return -1;
}

/* Limits of its own; what they cannot be on leaves no container. */
static int limit(struct engine *g, const struct clone_options *o, const struct update_request *limits, const char *made, struct err *e)
{
	struct err ignored = {};
	if (!update_limits_any(&o->limits) || container_update(g, made, limits, e) == 0)
		return 0;
	(void)!container_delete(g, made, false, true, &ignored);
	return -1;
}

static int clone(void *opts_, int argc, char **argv, struct err *e)
{
	const struct clone_options *o = opts_;
	struct engine *g = cli_engine(e);
	char id[65];
	struct clone_request r = {.name = o->name ? o->name : argc > 1 ? argv[1] : NULL, .image = argc > 2 ? argv[2] : NULL};
	if (o->name && argc > 2)
		return err_set(e, ERR_USAGE, "the name is given twice: with --name and behind the container");
	if (o->name && argc > 1)
		r.image = argv[1];
	if (o->force && !o->destroy)
		return err_set(e, ERR_USAGE, "--force says how --destroy is done: give that too");
	struct update_request limits;
	if (update_limits_read(&o->limits, &limits, e) < 0 || !g || container_clone(g, argv[0], &r, id, e) < 0 || limit(g, o, &limits, id, e) < 0 ||
		make_room(g, o, argv[0], id, e) < 0)
		return -1;
	if (o->run) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		if (container_get(g, id, ENTRY_LOCK, &c, e) < 0 || container_launch(g, &c, -1, 0, e) < 0)
			return -1;
	}
	return cli_printf(e, "%s\n", id);
}

const struct cmd cmd_clone = {"clone", "CONTAINER [NAME] [IMAGE]", "Create a container like another", opts, countof(opts),
	sizeof(struct clone_options), 1, 3, clone, .complete = "@container",
	.about = "Everything that was asked for holds again: command, environment, mounts, limits, networks, ports; not the other's addresses, "
		 "nor what it wrote. Named volumes are shared. The options for limits say what is to be otherwise.",
	.examples = "$ hull clone --run web web-2\n$ hull clone --memory 1G --cpus 2 web web-big\n$ hull clone --destroy -f --run web web-new nginx:1.27"};
