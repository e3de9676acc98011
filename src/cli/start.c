/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start: containers that are there already. With -a or -i it is one container, whose output and exit status become ours;
 * one that runs already is then attached to. attach is the second half of it.
 */
#include "cli/choose.h"
#include "cli/commands.h"
#include "cli/session.h"

#include "base/fd.h"
#include "base/num.h"
#include "cli/run_request.h"
#include "engine/checkpoint.h"
#include "engine/events.h"
#include "engine/restart.h"

struct start_options {
	bool attach, interactive;
	char *detach_keys, *checkpoint, *checkpoint_dir, *sig_proxy;
	struct choice choice;
};
static const struct opt start_opts[] = {
	CHOICE_ALL(struct start_options, choice, 0, "All that do not run"),
	{"attach", 'a', OPT_BOOL, offset_of(struct start_options, attach), NULL, "Show its output, pass signals on, end with its status"},
	{"checkpoint", 0, OPT_STR, offset_of(struct start_options, checkpoint), "NAME", "Go on with the processes of this checkpoint"},
	{"checkpoint-dir", 0, OPT_STR, offset_of(struct start_options, checkpoint_dir), "DIR", "Where checkpoints are (the container's own place)", 0, "@dir"},
	CHOICE_CIDFILE(struct start_options, choice),
	{"detach-keys", 0, OPT_STR, offset_of(struct start_options, detach_keys), "KEYS", "Keys that leave it running (ctrl-p,ctrl-q)"},
	CHOICE_FILTER(struct start_options, choice, 'f'),
	{"interactive", 'i', OPT_BOOL, offset_of(struct start_options, interactive), NULL, "Give it our stdin"},
	CHOICE_LATEST(struct start_options, choice),
	{"sig-proxy", 0, OPT_OPTSTR, offset_of(struct start_options, sig_proxy), "BOOL", "With -a: pass signals on to the process (true)", 0, "true false", NULL, "true"},
};

static bool is_running(struct engine *g, struct container_entry *c)
{
	const char *status = container_status(g, c);
	return str_eq(status, "running") || str_eq(status, "paused") || str_eq(status, "restarting");
}

static int start_one(const char *name, void *arg, struct err *e)
{
	return container_start_named(arg, name, e) < 0 ? -1 : 0;
}

/* Joins our stdio with a container that is started now, or that runs. */
static int join(struct engine *g, const char *name, const struct session *how, bool launch, int *ret_status, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct session s = *how;
	if (container_get(g, name, launch ? ENTRY_LOCK : 0, &c, e) < 0)
		return -1;
	if (str_eq(c.state.status, "paused"))
		return err_set(e, ERR_CONFLICT, "container %.200s is paused: unpause it first", name);
	bool running = is_running(g, &c);
	if (str_eq(c.state.status, "restarting"))
		return err_set(e, ERR_CONFLICT, "container %.200s is restarting: wait until it runs", name);
	if (!running && !launch)
		return err_set(e, ERR_CONFLICT, "container %.200s is not running", name);
	if (!c.record.config.open_stdin)
		s.streams &= ~(unsigned)ATTACH_STDIN;
	if (session_check_tty(c.record.config.tty, s.streams, e) < 0)
		return -1;
	own(fd) int sock = -1;
	if (running) {
		own(fd) int dir = containers_run_dir(&g->containers, c.id, false, e);
		sock = dir < 0 ? -1 : attach_connect(dir, s.streams, e);
		if (sock < 0)
			return -1;
		event_container(g, &c, "attach");
	} else {
		int socks[2];
		if (session_socket(c.record.config.tty, socks, e) < 0)
			return -1;
		sock = socks[1];
		if (container_launch(g, &c, socks[0], s.streams, e) < 0)
			return -1;
	}
	s.g = g;
	s.c = &c;
	return session_run(&s, take_fd(sock), ret_status, e);
}

static int start_from(struct engine *g, const struct start_options *o, const struct strv *names, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (names->n != 1 || o->attach || o->interactive)
		return err_set(e, ERR_USAGE, "--checkpoint is for one container, without -a and -i: `hull attach` joins it afterwards");
	if (container_get(g, names->v[0], ENTRY_LOCK, &c, e) < 0)
		return -1;
	own(fd) int images = checkpoint_open(g, &c, o->checkpoint_dir, o->checkpoint, e);
	const struct checkpoint_use use = {.images = images};
	return images < 0 || container_launch_from(g, &c, &use, -1, 0, e) < 0 ? -1 : cli_printf(e, "%s\n", names->v[0]);
}

static int start(void *opts, int argc, char **argv, struct err *e)
{
	static const char *const states[] = {"created", "exited", "dead", NULL};
	const struct choice_rule rule = {&cmd_start, states, false};
	const struct start_options *o = opts;
	struct engine *g = cli_engine(e);
	own(strv) struct strv names = {};
	struct session s = {.streams = ATTACH_STDOUT | ATTACH_STDERR | (o->interactive ? ATTACH_STDIN : 0u), .sig_proxy = true,
		.detach_keys = o->detach_keys};
	if (!g || (o->sig_proxy && num_bool(o->sig_proxy, &s.sig_proxy, "--sig-proxy", e) < 0))
		return -1;
	if (o->checkpoint_dir && !o->checkpoint)
		return err_set(e, ERR_USAGE, "--checkpoint-dir goes with --checkpoint");
	if (!o->checkpoint && !o->attach && !o->interactive)
		return choice_each(&o->choice, &rule, g, argc, argv, false, start_one, g, e);
	if (choice_names(&o->choice, &rule, g, argc, argv, &names, e) < 0)
		return -1;
	if (o->checkpoint)
		return start_from(g, o, &names, e);
	if (names.n != 1)
		return err_set(e, ERR_USAGE, "only one container can be started with -a or -i: %zu are named", names.n);
	int status = 0;
	return join(g, names.v[0], &s, true, &status, e) < 0 ? -1 : status;
}

struct attach_options {
	bool latest, no_stdin;
	char *detach_keys, *sig_proxy;
};
static const struct opt attach_opts[] = {
	{"detach-keys", 0, OPT_STR, offset_of(struct attach_options, detach_keys), "KEYS", "Keys that leave it running (ctrl-p,ctrl-q)"},
	CHOICE_ONE(struct attach_options, latest),
	{"no-stdin", 0, OPT_BOOL, offset_of(struct attach_options, no_stdin), NULL, "Do not give it our stdin"},
	{"sig-proxy", 0, OPT_OPTSTR, offset_of(struct attach_options, sig_proxy), "BOOL", "Pass signals on to the process (true)", 0, "true false", NULL, "true"},
};

static int attach(void *opts, int argc, char **argv, struct err *e)
{
	const struct attach_options *o = opts;
	struct engine *g = cli_engine(e);
	struct session s = {.streams = ATTACH_STDOUT | ATTACH_STDERR | (o->no_stdin ? 0u : ATTACH_STDIN), .sig_proxy = true,
		.detach_keys = o->detach_keys};
	int status = 0;
	own(strv) struct strv hold = {};
	if (!g || (o->sig_proxy && num_bool(o->sig_proxy, &s.sig_proxy, "--sig-proxy", e) < 0) ||
		choice_latest(&cmd_attach, o->latest, 1, 1, &argc, &argv, &hold, e) < 0)
		return -1;
	return join(g, argv[0], &s, false, &status, e) < 0 ? -1 : status;
}

/* What the policies promise. All at once: what one requires it starts itself, or waits for. */
static int boot(void *opts unused, int argc unused, char **argv unused, struct err *e)
{
	struct engine *g = cli_engine(e);
	own(strv) struct strv names = {};
	if (!g || restart_promised(g, &names, e) < 0)
		return -1;
	return cli_each_at_once((int)names.n, names.v, true, start_one, g);
}

const struct cmd cmd_boot = {"boot", "", "Start what restart policies promise after the machine was started", NULL, 0, 0, 0, 0, boot,
	.about = "Containers with --restart always; those with unless-stopped that nobody had stopped; those with on-failure that had not ended "
		 "well. What a container --requires comes before it. The unit hull-boot.service does this for root, and for a plain user whose "
		 "units run without a session (loginctl enable-linger)."};
const struct cmd cmd_start = {"start", "CONTAINER...", "Start containers that were created or have ended", start_opts, countof(start_opts),
	sizeof(struct start_options), 0, -1, start, .complete = "@container"};
const struct cmd cmd_attach = {"attach", "CONTAINER", "Join the terminal or the output of a running container", attach_opts, countof(attach_opts),
	sizeof(struct attach_options), 0, 1, attach, .complete = "@running"};
