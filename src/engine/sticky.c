/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sticky.h"

#include "base/path.h"
#include "sys/proc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void name_of(pid_t pid, char ret[40])
{
	snprintf(ret, 40, "sticky/%d", (int)pid);
}

int sticky_set(struct engine *g, pid_t pid, bool on, struct err *e)
{
	char path[40], text[24];
	uint64_t start = proc_start_time(pid);
	name_of(pid, path);
	if (!start)
		return err_set(e, ERR_NOT_FOUND, "process %d: no such process", (int)pid);
	if (!on) {
		(void)!unlinkat(g->run, path, 0);
		return 0;
	}
	snprintf(text, sizeof text, "%llu", (unsigned long long)start);
	return path_mkdirs(g->run, "sticky", 0700, e) < 0 ? -1 : path_write(g->run, path, text, strlen(text), 0, 0, e);
}

static bool is_marked(struct engine *g, pid_t pid)
{
	char path[40];
	struct err ignored = {};
	own(buf) struct buf b = BUF(64);
	name_of(pid, path);
	return path_read(g->run, path, &b, &ignored) == 0 && strtoull(buf_text(&b), NULL, 10) == proc_start_time(pid);
}

static pid_t parent_of(pid_t pid)
{
	char path[40];
	struct err ignored = {};
	own(buf) struct buf b = BUF(4096);
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	/* The name in field 2 may hold anything. */
	const char *at = path_read(AT_FDCWD, path, &b, &ignored) == 0 ? strrchr(b.data, ')') : NULL;
	return at && at[1] && at[2] ? (pid_t)strtol(at + 3, NULL, 10) : 0;
}

bool sticky_is(struct engine *g, pid_t pid)
{
	if (!path_exists(g->run, "sticky"))
		return false;
	for (int i = 0; pid > 1 && i < 4096; i++, pid = parent_of(pid))
		if (is_marked(g, pid))
			return true;
	return false;
}

void sticky_sweep(struct engine *g)
{
	own(strv) struct strv names = {};
	struct err ignored = {};
	if (!path_exists(g->run, "sticky") || path_list(g->run, "sticky", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		pid_t pid = (pid_t)strtol(names.v[i], NULL, 10);
		char path[40];
		name_of(pid, path);
		if (pid && !is_marked(g, pid))
			(void)!unlinkat(g->run, path, 0);
	}
}
