/* SPDX-License-Identifier: Apache-2.0 */
/* serve: docker's Engine API on a unix socket, by hand or by hull.socket. */
#include "api/serve.h"
#include "cli/commands.h"

#include "base/num.h"

#include <stdlib.h>

struct serve_command { char *group; struct opt_num time; };
static const struct opt options[] = {
	{"group", 'G', OPT_STR, offset_of(struct serve_command, group), "GROUP", "Its users may connect, too: they are as good as the owner"},
	{"time", 't', OPT_U64, offset_of(struct serve_command, time), "SECONDS", "End when nobody was connected for so long (0: never)"},
};

static void say_ready(void *arg unused, const char *path)
{
	struct err ignored = {};
	if (path)
		(void)!cli_printf(&ignored, "listening at unix://%s\n", path);
}

static int run(void *opts, int argc, char **argv, struct err *e)
{
	const struct serve_command *o = opts;
	own(mem) char *path = argc ? mem_dup(str_has_prefix(argv[0], "unix://") ? argv[0] + 7 : argv[0]) : serve_path();
	struct engine_options engine = cli_engine_options();
	if (argc && *path != '/')
		return err_set(e, ERR_USAGE, "%.200s: an absolute path of a socket, or unix:// and one", argv[0]);
	if (o->time.v > INT64_MAX / 2000000000)
		return err_set(e, ERR_USAGE, "--time %lld: too long", (long long)o->time.v);
	struct serve_options s = {.path = path, .group = o->group, .idle_ns = o->time.v * 1000000000, .engine = &engine, .ready = say_ready};
	return serve(&s, e);
}

const struct cmd cmd_serve = {"serve", "[unix://PATH]", "Serve docker's Engine API on a unix socket", options, countof(options),
	sizeof(struct serve_command), 0, 1, run, .complete = "@file",
	.about = "docker's command line, docker-compose and the libraries of many languages can talk to hull then: DOCKER_HOST=unix:///run/hull.sock. "
		 "The socket is /run/hull.sock, a plain user's $XDG_RUNTIME_DIR/hull.sock, PATH, or those that systemd hands over (hull.socket). Who may "
		 "connect can do all that its owner can. Nothing is kept in this process: it can be ended at any time, and containers run on.",
	.examples = "$ hull serve --time 60\n$ systemctl enable --now hull.socket\n$ DOCKER_HOST=unix:///run/hull.sock docker ps"};
