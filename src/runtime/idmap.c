/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmap: see idmap.h. The direct write is tried first: it works for root on the host and for who is root in an outer user
 * namespace. EPERM means that we are a plain user.
 */
#include "runtime/idmap.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

uint32_t idmap_root(const struct idmap_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		if (rows->v[i].container_id == 0)
			return 0;
	return rows->n ? rows->v[0].container_id : 0;
}

/* The kernel takes the whole map in one write of less than a page. */
static int put(pid_t pid, const char *file, const char *text, struct err *e)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	return path_put(AT_FDCWD, path, text, e);
}

static int run_tool(const char *tool, pid_t pid, const struct idmap_rows *rows, struct err *e)
{
	own(strv) struct strv args = {};
	strv_add(&args, tool);
	strv_add_take(&args, mem_printf("%d", (int)pid));
	for (size_t i = 0; i < rows->n; i++) {
		strv_add_take(&args, mem_printf("%u", rows->v[i].container_id));
		strv_add_take(&args, mem_printf("%u", rows->v[i].host_id));
		strv_add_take(&args, mem_printf("%u", rows->v[i].size));
	}
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		/* What it says is said again below, in one line. */
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null >= 0)
			dup2(null, 2);
		execvp(tool, args.v);
		_exit(errno == ENOENT ? 127 : 126);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return err_sys(e, "run %s", tool);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(e, ERR_UNSUPPORTED, "%s is not installed: a plain user needs it for a range of ids (package uidmap)", tool);
	if (status)
		return err_set(e, ERR_DENIED, "%s refused the map: is the range yours in /etc/sub%s?", tool,
			str_eq(tool, "newuidmap") ? "uid" : "gid");
	return 0;
}

static int write_map(pid_t pid, const char *file, const char *tool, const struct idmap_rows *rows, uint32_t own_id, struct err *e)
{
	own(buf) struct buf text = BUF(16384);
	for (size_t i = 0; i < rows->n; i++)
		buf_printf(&text, "%u %u %u\n", rows->v[i].container_id, rows->v[i].host_id, rows->v[i].size);
	struct err why = {};
	if (put(pid, file, buf_text(&text), &why) == 0)
		return 0;
	if (why.sys == EINVAL)
		return err_set(e, ERR_USAGE, "%s: the kernel refuses these rows (empty, overlapping or too many)", file);
	if (why.sys != EPERM)
		return *e = why, -1;
	bool is_own = rows->n == 1 && rows->v[0].size == 1 && rows->v[0].host_id == own_id;
	if (is_own && str_eq(tool, "newgidmap"))
		return put(pid, "setgroups", "deny", e) < 0 ? -1 : put(pid, file, buf_text(&text), e);
	return run_tool(tool, pid, rows, e);
}

int idmap_write(pid_t pid, const struct idmap_rows *uids, const struct idmap_rows *gids, struct err *e)
{
	if (!uids->n || !gids->n)
		return err_set(e, ERR_USAGE, "a new user namespace needs linux.uidMappings and linux.gidMappings");
	return idmap_write_given(pid, uids, gids, e);
}

int idmap_write_given(pid_t pid, const struct idmap_rows *uids, const struct idmap_rows *gids, struct err *e)
{
	/* setgroups can be denied only before there is a map of groups. */
	if (gids->n && write_map(pid, "gid_map", "newgidmap", gids, getegid(), e) < 0)
		return err_wrap(e, "map group ids");
	if (uids->n && write_map(pid, "uid_map", "newuidmap", uids, geteuid(), e) < 0)
		return err_wrap(e, "map user ids");
	return 0;
}

int idmap_userns(const struct idmap_rows *uids, const struct idmap_rows *gids, struct err *e)
{
	char path[64];
	own(fd) int pidfd = -1;
	pid_t pid = proc_clone(&(struct proc_clone){.flags = CLONE_NEWUSER, .cgroup = -1, .pidfd = &pidfd});
	if (pid == 0)
		for (;;)
			pause();
	if (pid < 0)
		return err_sys(e, "new user namespace");
	int fd = idmap_write(pid, uids, gids, e);
	snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
	if (fd == 0 && (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		err_sys_(e, "%s", path);
	proc_pidfd_signal(pidfd, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}
