/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doc: what `make install` puts beside the programs hull and hull-runtime: completions for bash and man pages, from the tables
 * of commands.
 */
#include "cli/commands.h"

#include "base/fd.h"
#include "base/path.h"
#include "oci/oci.h"

#include <fcntl.h>

static const struct cmd *const programs[] = {&cmd_hull, &oci_program};

static int completion(void *opts unused, int argc, char **argv, struct err *e)
{
	own(buf) struct buf out = {};
	size_t i = 0;
	if (strcmp(argv[0], "bash") != 0)
		return err_set(e, ERR_USAGE, "no completion for \"%.60s\": bash is the shell that hull knows", argv[0]);
	while (argc > 1 && i < countof(programs) && strcmp(programs[i]->name, argv[1]) != 0)
		i++;
	if (i == countof(programs))
		return err_set(e, ERR_USAGE, "no completion for the program \"%.60s\": it is hull or hull-runtime", argv[1]);
	opt_completion_bash(programs[i], &out);
	return cli_print(&out, e);
}

/* hull-container-ls.1 and those of the commands below it. */
static int write_pages(int dir, const struct cmd *c, const char *path, struct err *e)
{
	own(buf) struct buf out = {};
	own(mem) char *name = mem_printf("%s.1", path);
	for (char *p = name; *p; p++)
		if (*p == ' ')
			*p = '-';
	opt_man(c, path, &out);
	if (buf_check(&out, e) < 0 || path_write(dir, name, out.data, out.len, 0644, 0, e) < 0)
		return err_wrap(e, "%s", name);
	for (const struct cmd *const *s = c->sub; s && *s; s++) {
		own(mem) char *below = mem_printf("%s %s", path, (*s)->name);
		if (!((*s)->flags & CMD_HIDDEN) && write_pages(dir, *s, below, e) < 0)
			return -1;
	}
	return 0;
}

static int man(void *opts unused, int argc unused, char **argv, struct err *e)
{
	if (path_mkdirs(AT_FDCWD, argv[0], 0755, e) < 0)
		return -1;
	own(fd) int dir = path_open_dir(AT_FDCWD, argv[0], e);
	if (dir < 0)
		return -1;
	for (size_t i = 0; i < countof(programs); i++)
		if (write_pages(dir, programs[i], programs[i]->name, e) < 0)
			return -1;
	return 0;
}

const struct cmd cmd_completion = {"completion", "bash [PROGRAM]", "Print the completion for a shell", NULL, 0, 0, 1, 2, completion, .complete = "bash",
	.examples = "$ source <(hull completion bash)"};
const struct cmd cmd_man = {"man", "DIR", "Write the man pages into a directory", NULL, 0, 0, 1, 1, man, CMD_HIDDEN, .complete = "@dir"};
