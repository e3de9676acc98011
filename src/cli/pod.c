/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod: the verbs that do to each container of a pod what the verb of the same name does to one.
 *
 * podman's grammar: pods by name or id, --all, --latest. Each pod whose containers all did well is printed. Containers are started in the
 * order in which they were made; everything else is done to all at once.
 */
#include "cli/pod.h"

#include "cli/choose.h"
#include "engine/events.h"
#include "engine/pod.h"
#include "sys/signals.h"

#include <limits.h>
#include <signal.h>

struct verb_options {
	struct pod_choice choice;
	bool ignore, force, volumes;
	char *signal;
	struct opt_num timeout;
	/* worked out */
	struct engine *g;
	int sig, seconds;
	const char *pod; /* the id of the one it is about */
};
#define O(m) offset_of(struct verb_options, m)
#define ALL    {"all", 'a', OPT_BOOL, O(choice.all), NULL, "All pods"}
#define LATEST {"latest", 'l', OPT_BOOL, O(choice.latest), NULL, "The pod that was made last"}
#define ID_FILE {"pod-id-file", 0, OPT_STRV, O(choice.files), "FILE", "The pod whose id is in this file, too", 0, "@file"}
#define IGNORE {"ignore", 'i', OPT_BOOL, O(ignore), NULL, "One that is not there is no error"}
#define TIME   {"time", 't', OPT_I64, O(timeout), "SECONDS", "How long to wait before SIGKILL, -1 for ever (10)", 0, NULL, "timeout"}
static const struct opt plain_opts[] = {ALL, LATEST};
static const struct opt start_opts[] = {ALL, LATEST, ID_FILE};
static const struct opt stop_opts[] = {ALL, IGNORE, LATEST, ID_FILE, TIME};
static const struct opt kill_opts[] = {ALL, LATEST, {"signal", 's', OPT_STR, O(signal), "SIGNAL", "Signal to send (SIGKILL)", 0, CLI_SIGNALS}};
static const struct opt rm_opts[] = {ALL, {"force", 'f', OPT_BOOL, O(force), NULL, "Stop what runs, remove the containers"}, IGNORE, LATEST, ID_FILE, TIME};
static const struct opt prune_opts[] = {{"force", 'f', OPT_BOOL, O(force), NULL, "Do not ask"}};

int pod_choose(struct engine *g, const struct pod_choice *c, int argc, char **argv, struct strv *ret, struct err *e)
{
	const bool named = argc || c->files.n;
	if ((c->all || c->latest) && named)
		return err_set(e, ERR_USAGE, "%s and names of pods exclude each other", c->all ? "--all" : "--latest");
	if (c->all && c->latest)
		return err_set(e, ERR_USAGE, "--all and --latest exclude each other");
	if (!c->all && !c->latest && !named)
		return err_set(e, ERR_USAGE, "name a pod, or give --all or --latest");
	for (int i = 0; i < argc; i++)
		strv_add(ret, argv[i]);
	for (size_t i = 0; i < c->files.n; i++)
		if (choice_id_file("pod-id-file", c->files.v[i], c->lenient, ret, e) < 0)
			return -1;
	if (named)
		return 0;
	own(json) struct json *list = pod_list(g, e);
	if (!list)
		return -1;
	for (size_t i = 0; i < json_len(list) && (c->all || i == 0); i++)
		strv_add(ret, json_get_str(json_at(list, i), "Name"));
	return 0;
}

static int prepare(struct verb_options *o, struct err *e)
{
	o->seconds = INT_MIN;
	if (!str_is_empty(o->signal) && signal_parse(o->signal, &o->sig, e) < 0)
		return -1;
	if (o->timeout.set && (o->timeout.v < -1 || o->timeout.v > INT_MAX))
		return err_set(e, ERR_USAGE, "invalid --time \"%lld\": seconds, -1 for ever", (long long)o->timeout.v);
	if (o->timeout.set)
		o->seconds = (int)o->timeout.v;
	o->g = cli_engine(e);
	return o->g ? 0 : -1;
}

/* one() for each container of the pod; all at once, or one after the other. ERR_CONFLICT when any failed, which was told. */
static int each_container(struct verb_options *o, const char *name, bool running, bool at_once, int (*one)(const char *id, void *arg, struct err *e),
	struct err *e)
{
	own(container_entry) struct container_entry pod = {.dir = -1, .lock = -1};
	own(strv) struct strv ids = {};
	if (pod_get(o->g, name, 0, &pod, e) < 0 || pod_members(o->g, pod.id, running, &ids, e) < 0)
		return -1;
	int r = at_once ? cli_each_at_once((int)ids.n, ids.v, false, one, o) : cli_each((int)ids.n, ids.v, false, one, o);
	return r ? err_set(e, ERR_CONFLICT, "pod %.200s: not all of its containers did it", container_label(&pod)) : 0;
}

static int start_container(const char *id, void *arg, struct err *e)
{
	const struct verb_options *o = arg;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (container_get(o->g, id, ENTRY_LOCK, &c, e) < 0)
		return -1;
	const char *status = container_status(o->g, &c);
	return str_eq(status, "created") || str_eq(status, "exited") ? container_launch(o->g, &c, -1, 0, e) : 0;
}

static int stop_container(const char *id, void *arg, struct err *e)
{
	const struct verb_options *o = arg;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct err gone = {};
	if (container_get(o->g, id, 0, &c, &gone) < 0)
		return gone.kind == ERR_NOT_FOUND ? 0 : (*e = gone, -1);
	return container_stop(o->g, &c, 0, o->seconds, e);
}

static int kill_container(const char *id, void *arg, struct err *e)
{
	const struct verb_options *o = arg;
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct err why = {};
	/* One that waits to be started again has nothing to kill. */
	if (container_get_running(o->g, id, &c, &why) < 0)
		return why.kind == ERR_CONFLICT || why.kind == ERR_NOT_FOUND ? 0 : (*e = why, -1);
	return container_kill(o->g, &c, o->sig, e);
}

static int freeze_container(const char *id, bool paused, const struct verb_options *o, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (container_get(o->g, id, ENTRY_LOCK, &c, e) < 0)
		return -1;
	return str_eq(container_status(o->g, &c), paused ? "running" : "paused") ? container_pause(o->g, &c, paused, e) : 0;
}

static int pause_container(const char *id, void *arg, struct err *e)
{
	return freeze_container(id, true, arg, e);
}

static int unpause_container(const char *id, void *arg, struct err *e)
{
	return freeze_container(id, false, arg, e);
}

static bool is_missing(const struct verb_options *o, const struct err *why)
{
	return o->ignore && why->kind == ERR_NOT_FOUND;
}

/* A pod without containers runs, too: its address and ports are its own from here on. */
static int start_pod(const char *name, void *arg, struct err *e)
{
	struct verb_options *o = arg;
	struct pod_use u __attribute__((cleanup(pod_use_drop))) = POD_USE_INIT;
	return pod_use(o->g, name, NULL, &u, e) < 0 ? -1 : each_container(o, name, false, false, start_container, e);
}

static int stop_pod(const char *name, void *arg, struct err *e)
{
	struct verb_options *o = arg;
	struct err why = {};
	if (each_container(o, name, true, true, stop_container, &why) == 0 && pod_end(o->g, name, &why) == 0)
		return 0;
	return is_missing(o, &why) ? 1 : (*e = why, -1);
}

static int restart_pod(const char *name, void *arg, struct err *e)
{
	return stop_pod(name, arg, e) < 0 ? -1 : start_pod(name, arg, e);
}

static int kill_pod(const char *name, void *arg, struct err *e)
{
	return each_container(arg, name, true, false, kill_container, e);
}

static int pause_pod(const char *name, void *arg, struct err *e)
{
	return each_container(arg, name, true, false, pause_container, e);
}

static int unpause_pod(const char *name, void *arg, struct err *e)
{
	return each_container(arg, name, true, false, unpause_container, e);
}

static int remove_pod(const char *name, void *arg, struct err *e)
{
	struct verb_options *o = arg;
	struct err why = {};
	int r = o->force && o->timeout.set ? each_container(o, name, true, true, stop_container, &why) : 0;
	if (r == 0)
		r = pod_delete(o->g, name, o->force, &why);
	return r == 0 ? 0 : is_missing(o, &why) ? 1 : (*e = why, -1);
}

static int for_each(struct verb_options *o, int argc, char **argv, int (*one)(const char *name, void *arg, struct err *e), struct err *e)
{
	own(strv) struct strv names = {};
	o->choice.lenient = o->ignore;
	if (prepare(o, e) < 0 || pod_choose(o->g, &o->choice, argc, argv, &names, e) < 0)
		return -1;
	return cli_each((int)names.n, names.v, true, one, o);
}

#define VERB(verb) \
	static int verb##_all(void *opts, int argc, char **argv, struct err *e) { return for_each(opts, argc, argv, verb##_pod, e); }
VERB(start)
VERB(stop)
VERB(restart)
VERB(pause)
VERB(unpause)
VERB(remove)

static int kill_all(void *opts, int argc, char **argv, struct err *e)
{
	struct verb_options *o = opts;
	if (str_is_empty(o->signal))
		o->sig = SIGKILL;
	return for_each(o, argc, argv, kill_pod, e);
}

static int exists(void *opts unused, int argc unused, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	own(container_entry) struct container_entry pod = {.dir = -1, .lock = -1};
	if (!g || pod_get(g, argv[0], 0, &pod, e) < 0)
		return e->kind == ERR_NOT_FOUND ? (*e = (struct err){}, 1) : -1;
	return 0;
}

static int prune(void *opts, int argc unused, char **argv unused, struct err *e)
{
	struct verb_options *o = opts;
	bool asks = !o->force;
	int status = 0;
	o->force = false;
	if (prepare(o, e) < 0 || (asks && !cli_confirm("This will remove all pods that do not run, with their containers.")))
		return o->g ? 0 : -1;
	own(json) struct json *list = pod_list(o->g, e);
	if (!list)
		return -1;
	for (size_t i = 0; i < json_len(list); i++) {
		const char *id = json_get_str(json_at(list, i), "Id"), *state = json_get_str(json_at(list, i), "Status");
		struct err why = {};
		if (!str_eq(state, "Exited"))
			continue;
		if (pod_delete(o->g, id, false, &why) == 0)
			status |= cli_printf(e, "%s\n", id) < 0;
		else if (why.kind != ERR_CONFLICT && why.kind != ERR_NOT_FOUND)
			cli_complain(&why);
	}
	return status ? -1 : 0;
}

#define ROW(name, summary, opts, run) {name, "[POD...]", summary, opts, countof(opts), sizeof(struct verb_options), 0, -1, run, .complete = "@pod"}
static const struct cmd cmd_start_pod = ROW("start", "Start all containers of pods", start_opts, start_all);
static const struct cmd cmd_stop_pod = ROW("stop", "Stop all containers of pods, and the pods", stop_opts, stop_all);
static const struct cmd cmd_restart_pod = ROW("restart", "Stop pods and start them again", plain_opts, restart_all);
static const struct cmd cmd_kill_pod = ROW("kill", "Send a signal to the first process of each container of pods", kill_opts, kill_all);
static const struct cmd cmd_pause_pod = ROW("pause", "Stop all processes of pods for a while", plain_opts, pause_all);
static const struct cmd cmd_unpause_pod = ROW("unpause", "Let the processes of paused pods go on", plain_opts, unpause_all);
static const struct cmd cmd_rm_pod = ROW("rm", "Remove pods with their containers", rm_opts, remove_all);
static const struct cmd cmd_exists_pod = {"exists", "POD", "Is there such a pod? Status 0 or 1", .min = 1, .max = 1, .run = exists, .complete = "@pod"};
static const struct cmd cmd_prune_pod = {"prune", "", "Remove all pods that do not run", prune_opts, countof(prune_opts),
	sizeof(struct verb_options), 0, 0, prune};
static const struct cmd *const below[] = {
	&cmd_pod_clone,
	&cmd_pod_create,
	&cmd_exists_pod,
	&cmd_pod_inspect,
	&cmd_kill_pod,
	&cmd_pod_logs,
	&cmd_pod_ls,
	&cmd_pod_ps,
	&cmd_pod_list,
	&cmd_pause_pod,
	&cmd_prune_pod,
	&cmd_restart_pod,
	&cmd_rm_pod,
	&cmd_start_pod,
	&cmd_pod_stats,
	&cmd_stop_pod,
	&cmd_pod_top,
	&cmd_unpause_pod,
	NULL,
};
const struct cmd cmd_pod = {"pod", "COMMAND", "Work with pods: containers that share an address, names and limits", .sub = below};
