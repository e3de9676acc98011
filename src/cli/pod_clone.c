/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod_clone: podman's pod clone: the new one is made, then with --destroy the other goes, then the new one's containers start. When the
 * other cannot go, the new one does.
 */
#include "cli/pod.h"
#include "engine/clone.h"
#include "engine/pod.h"

struct clone_options { bool destroy, force, start; char *name; };
#define O(m) offset_of(struct clone_options, m)
static const struct opt opts[] = {
	{"destroy", 0, OPT_BOOL, O(destroy), NULL, "Remove the other pod afterwards, with its containers"},
	{"force", 'f', OPT_BOOL, O(force), NULL, "With --destroy: also one that runs"},
	{"name", 'n', OPT_STR, O(name), "NAME", "Name of the new pod (that of the other and -clone)"},
	{"start", 0, OPT_BOOL, O(start), NULL, "Start its containers"},
};
#undef O

/* The other gives way before the new one is started: they may want the same ports. */
static int make_room(struct engine *g, const struct clone_options *o, const char *other, const char *made, struct err *e)
{
	own(strv) struct strv running = {};
	struct err ignored = {};
	own(container_entry) struct container_entry pod = {.dir = -1, .lock = -1};
	if (!o->destroy)
		return 0;
	int r = pod_get(g, other, 0, &pod, e) < 0 || pod_members(g, pod.id, true, &running, e) < 0 ? -1 : 0;
	if (r == 0 && running.n && !o->force)
		r = err_set(e, ERR_CONFLICT, "pod %.200s has containers that run: stop it first, or give --force", other);
	if (r == 0)
		r = pod_delete(g, pod.id, true, e);
	if (r < 0)
		(void)!pod_delete(g, made, true, &ignored);
	return r;
}

static int start_one(const char *id, void *arg, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	return container_get(arg, id, ENTRY_LOCK, &c, e) < 0 || container_launch(arg, &c, -1, 0, e) < 0 ? -1 : 0;
}

static int clone(void *opts_, int argc, char **argv, struct err *e)
{
	const struct clone_options *o = opts_;
	struct engine *g = cli_engine(e);
	own(strv) struct strv ids = {};
	char id[65];
	if (o->name && argc > 1)
		return err_set(e, ERR_USAGE, "the name is given twice: with --name and behind the pod");
	if (o->force && !o->destroy)
		return err_set(e, ERR_USAGE, "--force says how --destroy is done: give that too");
	if (!g || pod_clone(g, argv[0], o->name ? o->name : argc > 1 ? argv[1] : NULL, id, e) < 0 || make_room(g, o, argv[0], id, e) < 0)
		return -1;
	if (o->start && (pod_members(g, id, false, &ids, e) < 0 || cli_each((int)ids.n, ids.v, false, start_one, g)))
		return e->kind ? -1 : err_set(e, ERR_CONFLICT, "pod %.12s: not all of its containers did it", id);
	return cli_printf(e, "%s\n", id);
}

const struct cmd cmd_pod_clone = {"clone", "POD [NAME]", "Create a pod like another, with containers like its containers", opts, countof(opts),
	sizeof(struct clone_options), 1, 2, clone, .complete = "@pod",
	.about = "Everything that was asked for holds again, as with `hull clone`; not addresses, nor what the containers wrote. Named volumes are shared, and "
		 "the two cannot have the same published port at one time: --destroy lets the other one go first.",
	.examples = "$ hull pod clone app app-2\n$ hull pod clone --destroy -f --start app"};
