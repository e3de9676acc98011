/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doc: what `make install` puts beside the program: the completion for bash and the man pages, from the tables of commands.
 */
#include "cli/commands.h"

#include "base/fd.h"
#include "base/path.h"

#include <fcntl.h>

static int completion(void *opts unused, int argc unused, char **argv, struct err *e)
{
	own(buf) struct buf out = {};
	if (strcmp(argv[0], "bash") != 0)
		return err_set(e, ERR_USAGE, "no completion for \"%.60s\": bash is the shell that hull knows", argv[0]);
	opt_completion_bash(&cmd_hull, &out);
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
	return dir < 0 ? -1 : write_pages(dir, &cmd_hull, "hull", e);
}

const struct cmd cmd_completion = {"completion", "bash", "Print the completion for a shell", NULL, 0, 0, 1, 1, completion, .complete = "bash",
	.examples = "$ source <(hull completion bash)"};
const struct cmd cmd_man = {"man", "DIR", "Write the man pages into a directory", NULL, 0, 0, 1, 1, man, CMD_HIDDEN, .complete = "@dir"};
