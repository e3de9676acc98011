/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env: environment variables and labels, from options and from files. A file has one a line; blanks in front are
 * dropped, lines that are empty or begin with # are comments; nothing is unquoted. An error names file and line.
 */
#include "cli/run_request.h"

#include "base/path.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20 };

/* Calls one(arg, line) for each line of the file that is not a comment. */
static int each_line(const char *option, const char *path, int (*one)(void *arg, const char *line, struct err *e), void *arg, struct err *e)
{
	own(buf) struct buf b = BUF(FILE_MAX);
	if (path_read(AT_FDCWD, path, &b, e) < 0)
		return err_wrap(e, "--%s", option);
	if (b.len && memchr(buf_text(&b), 0, b.len))
		return err_set(e, ERR_USAGE, "--%s %s: it is not a text file", option, path);
	char *rest = b.data, *line;
	/* A byte order mark some editors write */
	if (rest && str_has_prefix(rest, "\xef\xbb\xbf"))
		rest += 3;
	for (int number = 1; rest && (line = strsep(&rest, "\n")); number++) {
		size_t n = strlen(line);
		if (n && line[n - 1] == '\r')
			line[n - 1] = 0;
		line += strspn(line, " \t");
		if (!*line || *line == '#')
			continue;
		if (one(arg, line, e) < 0)
			return err_wrap(e, "--%s %s: line %d", option, path, number);
	}
	return 0;
}

static int add_variable(void *arg, const char *line, struct err *e)
{
	struct strv *list = arg;
	size_t n = strcspn(line, "=");
	if (!n)
		return err_set(e, ERR_USAGE, "invalid environment variable \"%.60s\": no name in front of =", line);
	const char *here = line[n] ? NULL : getenv(line);
	if (here) {
		own(mem) char *whole = mem_printf("%s=%s", line, here);
		strv_env_set(list, whole);
	} else {
		strv_env_set(list, line);
	}
	return 0;
}

/* In a file a blank inside of a name is most likely a shell script. */
static int add_file_variable(void *arg, const char *line, struct err *e)
{
	size_t n = strcspn(line, "=");
	if (strcspn(line, " \t") < n)
		return err_set(e, ERR_USAGE, "variable \"%.*s\" contains blanks: lines are NAME=VALUE", (int)(n < 60 ? n : 60), line);
	return add_variable(arg, line, e);
}

int env_collect(const struct strv *files, const struct strv *lines, struct strv *ret, struct err *e)
{
	own(strv) struct strv list = {};
	for (size_t i = 0; i < files->n; i++)
		if (each_line("env-file", files->v[i], add_file_variable, &list, e) < 0)
			return -1;
	for (size_t i = 0; i < lines->n; i++)
		if (add_variable(&list, lines->v[i], e) < 0)
			return -1;
	*ret = list;
	list = (struct strv){};
	return 0;
}

struct labels { struct arena *a; struct map *map; };

static int add_label(void *arg, const char *line, struct err *e)
{
	struct labels *l = arg;
	size_t n = strcspn(line, "=");
	if (!n)
		return err_set(e, ERR_USAGE, "invalid label \"%.60s\": no key in front of =", line);
	map_set(l->a, l->map, arena_ndup(l->a, line, n), line[n] ? line + n + 1 : "");
	return 0;
}

int env_labels(const struct strv *files, const struct strv *lines, struct arena *a, struct map *ret, struct err *e)
{
	struct labels l = {a, ret};
	for (size_t i = 0; i < files->n; i++)
		if (each_line("label-file", files->v[i], add_label, &l, e) < 0)
			return -1;
	for (size_t i = 0; i < lines->n; i++)
		if (add_label(&l, lines->v[i], e) < 0)
			return -1;
	return 0;
}
