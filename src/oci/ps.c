/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ps: the processes of a container, as ps(1) of the machine shows them, with its own options (-ef): the lines whose PID is one of
 * the container's. Where there is no ps their numbers have to do.
 */
#include "oci/state.h"
#include "oci/verbs.h"

#include "base/fd.h"
#include "codec/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct options { char *format; };
#define O struct options
static const struct opt options[] = {
	{"format", 'f', OPT_STR, offset_of(O, format), "FORMAT", "table or json (table)", 0, "table json"},
};
#undef O

enum { OUTPUT_MAX = 64 << 20 };

static bool has_pid(const struct u32v *pids, const char *text)
{
	unsigned long pid = strtoul(text, NULL, 10);
	for (size_t i = 0; i < pids->n; i++)
		if (pids->v[i] == pid)
			return true;
	return false;
}

/* The word of that number in a line, or NULL. */
static const char *word(const char *line, size_t n)
{
	line += strspn(line, " \t");
	for (; n && *line; n--) {
		line += strcspn(line, " \t");
		line += strspn(line, " \t");
	}
	return *line ? line : NULL;
}

/* The number in a line below the title that ends at `end`: there, for numbers are on the right of their column; or, where a column
 * before it has got too wide, the word of that number. */
static const char *pid_in(const char *line, size_t end, size_t at)
{
	size_t n = strlen(line), from = end;
	if (n >= end && (n == end || line[end] == ' '))
		while (from && isdigit((unsigned char)line[from - 1]))
			from--;
	return from < end && (!from || line[from - 1] == ' ') ? line + from : word(line, at);
}

static int filter(char *text, const struct u32v *pids, struct buf *out, struct err *e)
{
	char *title = strsep(&text, "\n");
	size_t at = 0;
	const char *w;
	while ((w = word(title, at)) && (strcspn(w, " \t") != 3 || strncmp(w, "PID", 3) != 0))
		at++;
	if (!w)
		return err_set(e, ERR_USAGE, "couldn't find PID field in ps output: choose options of ps that show it");
	size_t end = (size_t)(w - title) + 3;
	buf_printf(out, "%s\n", title);
	for (char *line; text && (line = strsep(&text, "\n"));)
		if ((w = pid_in(line, end, at)) && has_pid(pids, w))
			buf_printf(out, "%s\n", line);
	return 0;
}

__attribute__((noreturn)) static void become_ps(char **args, int to)
{
	static char name[] = "ps", all[] = "-ef";
	char *only[] = {name, all, NULL};
	own(strv) struct strv words = {};
	strv_add(&words, name);
	for (; *args; args++)
		strv_add(&words, *args);
	dup2(to, 1);
	execvp("ps", words.n > 1 ? words.v : only);
	_exit(127);
}

/* Its exit status, 127 when there is none. */
static int run_ps(char **args, struct buf *out, struct err *e)
{
	int p[2], status = 0;
	if (fd_pipe(p, e) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		become_ps(args, p[1]);
	int r = pid < 0 ? err_sys(e, "fork") : 0;
	close(p[1]);
	if (r == 0 && fd_read_to_end(p[0], out) < 0)
		r = err_sys(e, "read from ps");
	close(p[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int print_table(const struct u32v *pids, char **args, struct buf *out, struct err *e)
{
	own(buf) struct buf text = BUF(OUTPUT_MAX);
	int status = run_ps(args, &text, e);
	if (status < 0)
		return -1;
	if (status == 127 && !*args) {
		buf_str(out, "PID\n");
		for (size_t i = 0; i < pids->n; i++)
			buf_printf(out, "%u\n", pids->v[i]);
		return 0;
	}
	if (status == 127)
		return err_set(e, ERR_UNSUPPORTED, "options for ps need the program ps: install procps");
	if (status || !text.len)
		return err_set(e, ERR_USAGE, "ps ended with exit status %d", status);
	return filter(text.data, pids, out, e);
}

static void print_json(const struct u32v *pids, struct buf *out)
{
	own(json) struct json *j = json_new_array();
	for (size_t i = 0; i < pids->n; i++)
		json_add(j, json_new_i64(pids->v[i]));
	json_format(j, 0, out);
	buf_char(out, '\n');
}

static int list_pids(const struct oci_container *c, struct u32v *ret, struct err *e)
{
	struct cgroup g;
	if (oci_open_cgroup(c, &g, e) < 0)
		return -1;
	int r = container_pids(&g, oci_container_status(c) == OCI_STOPPED ? 0 : (pid_t)c->state.pid, ret, e);
	cgroup_drop(&g);
	/* One that has ended has none. */
	return r < 0 && e->kind == ERR_NOT_FOUND ? (*e = (struct err){}, 0) : r;
}

static int ps(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct options *o = opts;
	own(oci_container) struct oci_container c = OCI_CONTAINER_EMPTY;
	own(buf) struct buf b = {};
	struct u32v pids = {};
	if (o->format && strcmp(o->format, "table") != 0 && strcmp(o->format, "json") != 0)
		return err_set(e, ERR_USAGE, "invalid format option \"%.40s\": table and json are known", o->format);
	if (oci_container_open(argv[0], 0, &c, e) < 0 || list_pids(&c, &pids, e) < 0)
		return -1;
	int r = 0;
	if (str_eq(o->format, "json"))
		print_json(&pids, &b);
	else
		r = print_table(&pids, argv + 1, &b, e);
	mem_drop(&pids.v);
	return r < 0 ? -1 : oci_print(&b, e);
}

const struct cmd oci_ps_verb = {"ps", "ID [PS-OPTION...]", "Show the processes of a container", options, countof(options),
	sizeof(struct options), 1, -1, ps, .flags = CMD_STRICT, .complete = "@id"};
