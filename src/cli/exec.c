/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: one more process in a running container. Exit status: the command's; 127 and 126 when it is not there or cannot be
 * executed; 1 for everything else, as docker has it.
 */
#include "cli/choose.h"
#include "cli/commands.h"
#include "cli/run_request.h"

#include "monitor/attach.h"

#include <fcntl.h>
#include <unistd.h>

struct exec_options {
	bool detach, interactive, latest, tty, privileged;
	char *detach_keys, *user, *workdir;
	struct strv env, env_file;
	struct opt_num preserve_fds;
};
static const struct opt options[] = {
	{"detach", 'd', OPT_BOOL, offset_of(struct exec_options, detach), NULL, "Let it run in the background"},
	{"detach-keys", 0, OPT_STR, offset_of(struct exec_options, detach_keys), "KEYS", "Keys that leave it running (ctrl-p,ctrl-q)"},
	{"env", 'e', OPT_STRV, offset_of(struct exec_options, env), "NAME[=VALUE]", "Set an environment variable, or take it from here"},
	{"env-file", 0, OPT_STRV, offset_of(struct exec_options, env_file), "FILE", "Read environment variables from a file", 0, "@file"},
	{"interactive", 'i', OPT_BOOL, offset_of(struct exec_options, interactive), NULL, "Give it our stdin"},
	CHOICE_ONE(struct exec_options, latest),
	{"preserve-fds", 0, OPT_I64, offset_of(struct exec_options, preserve_fds), "N", "Give it our file descriptors 3 to 2 + N, too"},
	{"privileged", 0, OPT_BOOL, offset_of(struct exec_options, privileged), NULL, "Give it all capabilities"},
	{"tty", 't', OPT_BOOL, offset_of(struct exec_options, tty), NULL, "Give it a terminal"},
	{"user", 'u', OPT_STR, offset_of(struct exec_options, user), "USER[:GROUP]", "User, by name or number"},
	{"workdir", 'w', OPT_STR, offset_of(struct exec_options, workdir), "DIR", "Working directory"},
};

/* What hull opens is closed at an exec, so what was left open for the command is not: none of hull's is taken for one of them. */
static int check_fds(const struct opt_num *n, struct err *e)
{
	if (n->v < 0 || n->v > 1024)
		return err_set(e, ERR_USAGE, "invalid --preserve-fds \"%lld\": from 0 to 1024", (long long)n->v);
	for (int i = 3; i < 3 + (int)n->v; i++) {
		int flags = fcntl(i, F_GETFD);
		if (flags < 0 || flags & FD_CLOEXEC)
			return err_set(e, ERR_USAGE, "--preserve-fds %lld: file descriptor %d is not open", (long long)n->v, i);
	}
	return 0;
}

static int exec(void *opts, int argc, char **argv, struct err *e)
{
	const struct exec_options *o = opts;
	struct engine *g = cli_engine(e);
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	own(strv) struct strv env = {};
	own(strv) struct strv hold = {};
	unsigned char keys[16];
	size_t nkeys;
	if (!g)
		return 1;
	if (choice_latest(&cmd_exec, o->latest, 2, -1, &argc, &argv, &hold, e) < 0)
		return e->kind == ERR_USAGE ? -1 : 1;
	if (o->detach_keys && attach_parse_keys(o->detach_keys, keys, &nkeys, e) < 0)
		return err_wrap(e, "--detach-keys");
	if (!str_is_empty(o->workdir) && *o->workdir != '/')
		return err_set(e, ERR_USAGE, "invalid --workdir \"%.200s\": it must be an absolute path", o->workdir);
	if (check_fds(&o->preserve_fds, e) < 0)
		return -1;
	if (env_collect(&o->env_file, &o->env, &env, e) < 0)
		return -1;
	if (o->tty && o->interactive && !o->detach && !isatty(0))
		return err_set(e, ERR_USAGE, "the input device is not a TTY: leave -t away, or start hull in a terminal");
	if (container_get_running(g, argv[0], &c, e) < 0)
		return 1;
	if (str_eq(c.state.status, "paused"))
		return err_set(e, ERR_CONFLICT, "container %.200s is paused: unpause it first", argv[0]);
	struct exec_request r = {.user = o->user, .workdir = o->workdir, .tty = o->tty, .privileged = o->privileged, .detach = o->detach,
		.interactive = o->interactive && !o->detach, .detach_keys = o->detach_keys, .preserve_fds = (int)o->preserve_fds.v};
	struct strv command = {argv + 1, (size_t)argc - 1};
	r.args = command;
	/* A name that has no value here is not passed on. */
	struct strv set = {};
	for (size_t i = 0; i < env.n; i++)
		if (strchr(env.v[i], '='))
			strv_add(&set, env.v[i]);
	r.env = set;
	int status = 0, result = container_run_in(g, &c, &r, &status, e);
	strv_drop(&set);
	return result < 0 ? -1 : status;
}

const struct cmd cmd_exec = {"exec", "CONTAINER COMMAND [ARG...]", "Run a command in a running container", options, countof(options),
	sizeof(struct exec_options), 0, -1, exec, .flags = CMD_STRICT, .complete = "@running",
	.about = "The exit status is the command's, 128 + n when signal n ended it; 127 says that the command does not exist, 126 that it "
		 "cannot be executed, 1 that the container is not there or does not run.",
	.examples = "$ hull exec -it web sh\n$ hull exec -e DEBUG=1 web env"};
