/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export: the files of a container as a tar.
 */
#include "engine/export.h"

#include "cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct export_options { char *output; };
static const struct opt options[] = {
	{"output", 'o', OPT_STR, offset_of(struct export_options, output), "FILE", "Where to, instead of stdout", 0, "@file"},
};

/* The file has its name when it is whole; what is no file is written to. */
static int write_file(struct engine *g, const char *name, const char *path, cli_archive_fn *put, void *arg, struct err *e)
{
	struct stat st;
	bool is_file = stat(path, &st) < 0 ? errno == ENOENT : S_ISREG(st.st_mode);
	own(mem) char *tmp = is_file ? mem_printf("%s.tmp-%d", path, (int)getpid()) : NULL;
	int fd = open(tmp ? tmp : path, O_WRONLY | O_CLOEXEC | O_NOCTTY | (tmp ? O_CREAT | O_EXCL : 0), 0600);
	if (fd < 0)
		return err_sys(e, "%.300s", path);
	int r = put(g, name, fd, arg, e);
	if (close(fd) < 0 && r == 0)
		r = err_sys(e, "%.300s", path);
	if (r == 0 && tmp && rename(tmp, path) < 0)
		r = err_sys(e, "%.300s", path);
	if (r < 0 && tmp)
		unlink(tmp);
	return r;
}

int cli_write_archive(struct engine *g, const char *name, const char *path, cli_archive_fn *put, void *arg, struct err *e)
{
	bool to_stdout = str_is_empty(path) || str_eq(path, "-");
	if (to_stdout && isatty(1))
		return err_set(e, ERR_USAGE, "export writes a tar to stdout, and that is a terminal: name the file with -o, or redirect it with >");
	return to_stdout ? put(g, name, 1, arg, e) : write_file(g, name, path, put, arg, e);
}

static int write_container(struct engine *g, const char *name, int fd, void *arg unused, struct err *e)
{
	return container_export(g, name, fd, e);
}

static int export(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct export_options *o = opts;
	struct engine *g = cli_engine(e);
	return g ? cli_write_archive(g, argv[0], o->output, write_container, NULL, e) : -1;
}

const struct cmd cmd_export = {"export", "CONTAINER", "Write the files of a container into a tar", options, countof(options),
	sizeof(struct export_options), 1, 1, export, .complete = "@container",
	.about = "What is mounted in the container, volumes too, is left out. While it runs, each file is as it is when it is read.",
	.examples = "$ hull export -o web.tar web\n$ hull export web | tar tf -"};
