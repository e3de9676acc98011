/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli: output is written with write(2), whole, when it is complete: a program in a container, our child, and we
 * share these descriptors, so nothing may wait in a buffer of stdio. Errors of several objects are printed as they
 * happen; only the last way out of the program is main's.
 */
#include "cli/cli.h"

#include "base/fd.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct cli_globals globals;
static struct engine engine;
static bool is_open;

static const char *const levels[] = {"debug", "info", "warn", "error", "fatal"};
enum { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN };
static size_t level = LEVEL_INFO;

int cli_set_globals(const struct cli_globals *o, struct err *e)
{
	globals = *o;
	if (o->log_level) {
		size_t i = 0;
		while (i < countof(levels) && strcmp(levels[i], o->log_level) != 0)
			i++;
		if (i == countof(levels))
			return err_set(e, ERR_USAGE, "invalid --log-level \"%s\": debug, info, warn, error and fatal are known", o->log_level);
		level = i;
	}
	if (o->debug)
		level = LEVEL_DEBUG;
	if (o->host)
		return err_set(e, ERR_USAGE, "--host %s: hull works on this machine only, without a daemon: leave the option away", o->host);
	if (o->context && strcmp(o->context, "default") != 0)
		return err_set(e, ERR_USAGE, "--context %s: hull knows only this machine, the context \"default\"", o->context);
	/* Whoever reads docker's config.json asks the environment for its place. */
	if (o->config)
		setenv("DOCKER_CONFIG", o->config, 1);
	return 0;
}

void cli_add_globals(struct strv *args)
{
	const struct { const char *option, *value; } words[] = {{"--root", globals.root}, {"--run-root", globals.run_root}, {"--storage", globals.storage},
		{"--config", globals.config}, {"--log-level", globals.log_level}};
	for (size_t i = 0; i < countof(words); i++)
		if (words[i].value) {
			strv_add(args, words[i].option);
			strv_add(args, words[i].value);
		}
}

const char *cli_exe(void)
{
	return proc_self_path();
}

static mode_t callers_umask = 022;

void cli_keep_umask(mode_t mask)
{
	callers_umask = mask;
}

void cli_restore_umask(void)
{
	umask(callers_umask);
}

static void warn(void *arg unused, const char *text)
{
	cli_warn("%s", text);
}

static void close_engine(void)
{
	if (is_open)
		engine_drop(&engine);
	is_open = false;
}

struct engine_options cli_engine_options(void)
{
	return (struct engine_options){.root = globals.root, .run_root = globals.run_root, .storage = globals.storage, .exe = cli_exe(), .warn = warn};
}

struct engine *cli_engine(struct err *e)
{
	struct engine_options o = cli_engine_options();
	if (!is_open) {
		if (engine_open(&engine, &o, e) < 0)
			return NULL;
		is_open = true;
		atexit(close_engine);
	}
	return &engine;
}

static int put(int fd, const void *p, size_t n, struct err *e)
{
	if (fd_write_all(fd, p, n) == 0)
		return 0;
	if (errno == EPIPE)
		_exit(1);
	return err_sys(e, "write to stdout");
}

int cli_print(const struct buf *b, struct err *e)
{
	if (buf_check(b, e) < 0)
		return -1;
	return put(1, buf_text(b), b->len, e);
}

int cli_printf(struct err *e, const char *fmt, ...)
{
	own(buf) struct buf b = {};
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return cli_print(&b, e);
}

int cli_write_id(const char *path, const char *id, struct err *e)
{
	own(fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return fd < 0 || fd_write_all(fd, id, strlen(id)) < 0 ? err_sys(e, "--iidfile %s", path) : 0;
}

/* One line, whatever is in the text: names and file contents come from outside. */
static void say(const char *prefix, const char *text)
{
	own(buf) struct buf b = {};
	buf_printf(&b, "hull: %s", prefix);
	own(mem) char *line = mem_dup(text);
	str_harmless(line);
	buf_printf(&b, "%s\n", line);
	(void)!fd_write_all(2, buf_text(&b), b.len);
}

void cli_complain(const struct err *e)
{
	say("", e->text);
	if (level > LEVEL_DEBUG)
		return;
	own(mem) char *text = mem_printf("kind \"%s\", errno %d", err_map(e->kind)->word, e->sys);
	say("debug: ", text);
}

void cli_warn(const char *fmt, ...)
{
	if (level > LEVEL_WARN)
		return;
	own(buf) struct buf b = {};
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	say("warning: ", buf_text(&b));
}

int cli_each(int argc, char **argv, bool echo, int (*one)(const char *name, void *arg, struct err *e), void *arg)
{
	int status = 0;
	for (int i = 0; i < argc; i++) {
		struct err e = {};
		int r = one(argv[i], arg, &e);
		if (r < 0 || (r == 0 && echo && cli_printf(&e, "%s\n", argv[i]) < 0)) {
			cli_complain(&e);
			status = 1;
		}
	}
	return status;
}

enum { AT_ONCE = 32, SILENT = 2 };

/* One that a process was made for: its end. Prints the name when all went well. */
static int end_of(pid_t pid, const char *name, bool echo)
{
	int how = 0;
	struct err e = {};
	while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
		;
	bool silent = WIFEXITED(how) && WEXITSTATUS(how) == SILENT;
	if (how != 0 && !silent)
		return 1;
	if (!echo || silent || cli_printf(&e, "%s\n", name) == 0)
		return 0;
	cli_complain(&e);
	return 1;
}

int cli_each_at_once(int argc, char **argv, bool echo, int (*one)(const char *name, void *arg, struct err *e), void *arg)
{
	if (argc < 2)
		return cli_each(argc, argv, echo, one, arg);
	pid_t *pids = mem_alloc((size_t)argc * sizeof *pids);
	int status = 0, ended = 0;
	for (int i = 0; i < argc; i++) {
		if (i - ended == AT_ONCE) {
			status |= end_of(pids[ended], argv[ended], echo);
			ended++;
		}
		pids[i] = fork();
		if (pids[i] == 0) {
			struct err e = {};
			int r = one(argv[i], arg, &e);
			if (r < 0)
				cli_complain(&e);
			_exit(r < 0 ? 1 : r ? SILENT : 0);
		}
		/* No more processes to be had: the rest one by one, when those before are done. */
		if (pids[i] < 0) {
			for (; ended < i; ended++)
				status |= end_of(pids[ended], argv[ended], echo);
			mem_drop(&pids);
			return status | cli_each(argc - i, argv + i, echo, one, arg);
		}
	}
	for (; ended < argc; ended++)
		status |= end_of(pids[ended], argv[ended], echo);
	mem_drop(&pids);
	return status;
}

bool cli_confirm(const char *text)
{
	fprintf(stderr, "WARNING! %s\nAre you sure you want to continue? [y/N] ", text);
	char answer[16] = "";
	if (!fgets(answer, sizeof answer, stdin))
		return false;
	char *word = str_lower(str_trim(answer));
	return str_eq(word, "y") || str_eq(word, "yes");
}
