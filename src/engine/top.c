/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top: ps(1) of the machine, asked for the container's processes with -q; some options do not go with -q, then all processes
 * are asked for and the rows of others are left out, as docker does it. The rows are told by their PID column.
 */
#include "engine/list.h"

#include "base/fd.h"
#include "engine/container.h"
#include "engine/events.h"
#include "runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 16 << 20 };

static int find_pids(struct container_entry *c, struct u32v *ret, struct err *e)
{
	struct cgroup cg = {.v2 = -1};
	int r = str_is_empty(c->state.cgroup) ? 0 : cgroup_open(c->state.cgroup, &cg, e);
	if (r == 0)
		r = container_pids(&cg, (pid_t)c->state.pid, ret, e);
	cgroup_drop(&cg);
	return r < 0 && e->kind == ERR_NOT_FOUND ? err_set(e, ERR_CONFLICT, "container %.12s is not running any more", c->id) : r;
}

/* 0: it ran and succeeded; 1: it ran and did not. */
static int run_ps(const struct strv *args, struct buf *out, struct err *e)
{
	int p[2];
	if (fd_pipe(p, e) < 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, 0);
		dup2(p[1], 1);
		dup2(null, 2);
		setenv("LC_ALL", "C", 1);
		unsetenv("PS_FORMAT");
		unsetenv("PS_PERSONALITY");
		execvp("ps", args->v);
		_exit(127);
	}
	close(p[1]);
	int r = pid < 0 ? err_sys(e, "fork") : fd_read_to_end(p[0], out) < 0 ? err_sys(e, "read from ps") : 0;
	close(p[0]);
	int status = 0;
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(e, ERR_UNSUPPORTED, "top needs the program ps: install procps");
	return status == 0 ? 0 : 1;
}

static size_t split_row(char *line, size_t max, char **ret)
{
	size_t n = 0;
	while (*line) {
		line += strspn(line, " \t");
		if (!*line)
			break;
		ret[n++] = line;
		/* The last column holds blanks. */
		if (n == max)
			break;
		line += strcspn(line, " \t");
		if (*line)
			*line++ = 0;
	}
	return n;
}

static bool has_pid(const struct u32v *pids, const char *text)
{
	for (size_t i = 0; i < pids->n; i++)
		if (pids->v[i] == strtoul(text, NULL, 10))
			return true;
	return false;
}

static struct json *parse(char *text, const struct u32v *pids, struct err *e)
{
	enum { COLUMNS = 64 };
	char *cells[COLUMNS], *rest = text, *line = strsep(&rest, "\n");
	own(json) struct json *titles = json_new_array();
	own(json) struct json *rows = json_new_array();
	size_t n = split_row(line, COLUMNS, cells), pid = n;
	for (size_t i = 0; i < n; i++) {
		json_add(titles, json_new_str(cells[i]));
		if (str_eq(cells[i], "PID") && pid == n)
			pid = i;
	}
	if (pid == n)
		return err_set_(e, ERR_USAGE, "top: these options of ps give no PID column, which is needed"), NULL;
	while ((line = strsep(&rest, "\n"))) {
		size_t k = split_row(line, n, cells);
		if (k <= pid || !has_pid(pids, cells[pid]))
			continue;
		struct json *row = json_new_array();
		for (size_t i = 0; i < k; i++)
			json_add(row, json_new_str(cells[i]));
		json_add(rows, row);
	}
	struct json *j = json_new_object();
	json_set(j, "Titles", take(titles));
	json_set(j, "Processes", take(rows));
	return j;
}

static struct json *run(const struct u32v *pids, char *const *options, size_t n, struct err *e)
{
	own(strv) struct strv args = {};
	own(buf) struct buf out = BUF(OUTPUT_MAX);
	own(buf) struct buf only = {};
	strv_add(&args, "ps");
	for (size_t i = 0; i < n; i++)
		strv_add(&args, options[i]);
	if (n == 0)
		strv_add(&args, "-ef");
	buf_str(&only, "-q");
	for (size_t i = 0; i < pids->n; i++)
		buf_printf(&only, "%s%u", i ? "," : "", pids->v[i]);
	size_t plain = args.n;
	strv_add(&args, buf_text(&only));
	int r = run_ps(&args, &out, e);
	if (r == 1) {
		mem_drop(&args.v[plain]);
		args.n = plain;
		buf_reset(&out);
		r = run_ps(&args, &out, e);
	}
	if (r == 1)
		err_set_(e, ERR_USAGE, "top: ps does not take these options");
	if (r == 0 && !out.len)
		r = err_set(e, ERR_SYSTEM, "top: ps printed nothing");
	return r == 0 ? parse(out.data, pids, e) : NULL;
}

struct json *container_top(struct engine *g, const char *text, char *const *ps_options, size_t n, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	struct u32v pids = {};
	if (container_get_running(g, text, &c, e) < 0)
		return NULL;
	if (find_pids(&c, &pids, e) < 0) {
		mem_drop(&pids.v);
		return NULL;
	}
	struct json *j = run(&pids, ps_options, n, e);
	if (j)
		event_container(g, &c, "top");
	mem_drop(&pids.v);
	return j;
}
