/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main: from the words of the command line to one run of one struct cmd.
 *
 *   hull [its own options] COMMAND ...          the options end at the first other word
 *   hull [its own options] GROUP COMMAND ...    container, image, volume, system
 *
 * A word that is no command is an error that names the nearest one. Whatever a command's run() returns is the exit
 * status; -1 stands for the status of the error's kind.
 */
#include "cli/commands.h"

#include "base/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>


#define G struct cli_globals
static const struct opt options[] = {
	{"config", 0, OPT_STR, offset_of(G, config), "DIR", "Directory of config.json with the credentials of registries (~/.docker)", 0, "@dir"},
	{"context", 'c', OPT_STR, offset_of(G, context), "NAME", "Only \"default\"", OPT_HIDDEN},
	{"debug", 'D', OPT_BOOL, offset_of(G, debug), NULL, "As --log-level debug"},
	{"host", 'H', OPT_STR, offset_of(G, host), "SOCKET", "Refused: there is no daemon", OPT_HIDDEN},
	{"log-level", 'l', OPT_STR, offset_of(G, log_level), "LEVEL", "What is said on stderr besides errors (info)", 0, "debug info warn error fatal"},
	{"root", 0, OPT_STR, offset_of(G, root), "DIR", "Where images and containers are kept (/var/lib/hull)", 0, "@dir"},
	{"run-root", 0, OPT_STR, offset_of(G, run_root), "DIR", "Where the state of running containers is kept (/run/hull)", 0, "@dir"},
	{"storage", 0, OPT_STR, offset_of(G, storage), "FORM", "How new layers are kept: one EROFS file each, or files (erofs for root where the kernel can)", 0,
		"erofs files"},
	{"version", 'v', OPT_BOOL, offset_of(G, version), NULL, "Print the version and end"},
};
#undef G

static const struct cmd *find(const struct cmd *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp((*list)->name, name) == 0)
			return *list;
	return NULL;
}

/* docker's commands that hull does not have, so that nobody looks for a mistake of their own. */
static bool is_missing(const char *path, const char *word)
{
	static const char *const missing[] = {
		"buildx",
		"compose",
		"config",
		"context",
		"node",
		"plugin",
		"service",
		"stack",
		"swarm",
		"trust",
	};
	for (size_t i = 0; i < countof(missing); i++)
		if (strcmp(word, missing[i]) == 0)
			return strcmp(path, "hull") == 0 || strcmp(path, "hull container") == 0 || strcmp(path, "hull image") == 0;
	return false;
}

static int unknown(const struct cmd *const *list, const char *path, const char *word, struct err *e)
{
	if (is_missing(path, word))
		return err_set(e, ERR_UNSUPPORTED, "\"%s %s\" is one of docker's commands that hull does not have yet", path, word);
	const char *names[128];
	size_t n = 0;
	for (; list[n] && n < countof(names); n++)
		names[n] = list[n]->name;
	const char *near = str_nearest(word, names, n);
	if (near)
		return err_set(e, ERR_USAGE, "unknown command \"%s %.60s\": did you mean \"%s\"?", path, word, near);
	return err_set(e, ERR_USAGE, "unknown command \"%s %.60s\": \"%s --help\" lists them", path, word, path);
}

/* argv[0] is the name of a command in the list. */
static int dispatch(const struct cmd *const *list, const char *path, int argc, char **argv, struct err *e)
{
	const struct cmd *c = find(list, argv[0]);
	if (!c)
		return unknown(list, path, argv[0], e);
	own(mem) char *below = mem_printf("%s %s", path, c->name);
	if (!c->sub || (c->run && (argc < 2 || !find(c->sub, argv[1]))))
		return opt_run(c, below, argc - 1, argv + 1, cli_print, e);
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return opt_print_help(c, below, cli_print, e);
	if (argv[1][0] == '-')
		return err_set(e, ERR_USAGE, "unknown option \"%.60s\" of %s: a command comes first", argv[1], below);
	return dispatch(c->sub, below, argc - 1, argv + 1, e);
}

static int help(void *opts unused, int argc, char **argv, struct err *e)
{
	const struct cmd *c = &cmd_hull;
	own(mem) char *path = mem_dup("hull");
	for (int i = 0; i < argc; i++) {
		const struct cmd *below = c->sub ? find(c->sub, argv[i]) : NULL;
		if (!below)
			return c->sub ? unknown(c->sub, path, argv[i], e) : err_set(e, ERR_USAGE, "%s has no commands below it", path);
		own(mem) char *longer = mem_printf("%s %s", path, below->name);
		mem_drop(&path);
		path = take(longer);
		c = below;
	}
	return opt_print_help(c, path, cli_print, e);
}

const struct cmd cmd_help = {"help", "[COMMAND...]", "Say what a command does and takes", NULL, 0, 0, 0, -1, help};

static int hull(void *opts, int argc, char **argv, struct err *e)
{
	const struct cli_globals *g = opts;
	if (g->version)
		return cli_printf(e, "hull version %s\n", HULL_VERSION);
	if (cli_set_globals(g, e) < 0)
		return -1;
	if (!argc)
		return opt_print_help(&cmd_hull, "hull", cli_print, e);
	return dispatch(cli_commands, "hull", argc, argv, e);
}

const struct cmd cmd_hull = {"hull", "COMMAND [ARG...]", "Run containers, without a daemon", options, countof(options),
	sizeof(struct cli_globals), 0, -1, hull, .flags = CMD_STRICT, .sub = cli_commands,
	.examples = "$ hull run -it --rm box\n$ hull run -d --name web -v pages:/www box httpd -f -h /www\n$ hull ps"};

static void on_pipe(int sig unused)
{
}

/* A program may be started with stdin, stdout or stderr closed: what hull opens must not end up there. */
static void open_stdio(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= 2 && fcntl(fd, F_SETFD, 0) == 0);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	struct err e = {};
	open_stdio();
	/* Every mode is said where the file is made. The caller's umask is no part of it: what is made for a container (volumes,
	 * working directories) is for its users. */
	cli_keep_umask(umask(022));
	/* A handler, not SIG_IGN: nothing of it is left in programs that we execute. */
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = on_pipe, .sa_flags = SA_RESTART}, NULL);
	cli_commands_fill();
	const struct cmd *generator = systemd_generator(argc, argv), *c = generator ? generator : &cmd_hull;
	int status = opt_run(c, c->name, argc - 1, argv + 1, cli_print, &e);
	/* A status of its own and an error: run's 125. A status alone is the container's. */
	if (status != 0 && e.kind != ERR_NONE)
		cli_complain(&e);
	return status >= 0 ? status : err_map(e.kind)->exit_status;
}
