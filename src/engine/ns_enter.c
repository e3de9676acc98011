/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ns_enter: everything that has a name out here (files, the target's directories, its environment, its control groups) is opened or
 * read first. What does not belong to the target's user namespace must be joined with the rights one has outside of it, the rest from
 * inside: so there are two rounds, and in the first a refusal is no error.
 *
 * From the moment somebody in the target could see us, nobody there may open what /proc shows of us, our executable
 * above all: we are not dumpable until the exec.
 */
#include "engine/ns_run.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/cgroupfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

struct opened {
	int ns[NSFS_KINDS], root, wd;
	struct buf env;
};

static void opened_drop(struct opened *o)
{
	for (int i = 0; i < NSFS_KINDS; i++)
		fd_drop(&o->ns[i]);
	fd_drop(&o->root);
	fd_drop(&o->wd);
	buf_drop(&o->env);
}

static int open_ns(const struct ns_enter *n, int kind, int *ret, struct err *e)
{
	char path[64];
	bool wanted = n->kinds & 1u << kind;
	if (!n->file[kind] && !wanted && !n->all)
		return 0;
	/* One that we are in already: joining our own user namespace is an error, the others cost only. */
	if (n->all && !n->file[kind] && nsfs_of(n->target, kind) == nsfs_of(getpid(), kind))
		return 0;
	snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)n->target, nsfs_kinds[kind].type);
	const char *file = n->file[kind] ? n->file[kind] : path;
	*ret = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*ret < 0 && n->all && errno == ENOENT)
		return 0;
	if (*ret < 0)
		return err_sys(e, "%s namespace %.200s", nsfs_kinds[kind].word, file);
	if (ioctl(*ret, NS_GET_NSTYPE) != nsfs_kinds[kind].flag)
		return err_set(e, ERR_USAGE, "%.200s is not a %s namespace", file, nsfs_kinds[kind].word);
	return 0;
}

static int open_dir(const struct ns_enter *n, enum ns_dir how, const char *named, const char *link, int *ret, struct err *e)
{
	char path[64];
	if (how == NS_KEEP)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/%s", (int)n->target, link);
	*ret = open(how == NS_PATH ? named : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "directory %.200s", how == NS_PATH ? named : path) : 0;
}

/* Into the target's group of each hierarchy, by its line of /proc/<pid>/cgroup: "4:memory:/path". */
static int join_groups(pid_t target, struct err *e)
{
	char file[48];
	own(buf) struct buf b = BUF(1 << 16);
	own(strv) struct strv lines = {};
	snprintf(file, sizeof file, "/proc/%d/cgroup", (int)target);
	if (path_read(AT_FDCWD, file, &b, e) < 0)
		return -1;
	strv_split(&lines, buf_text(&b), '\n');
	for (size_t i = 0; i < lines.n; i++) {
		char *names = strchr(lines.v[i], ':'), *path = names ? strchr(names + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = 0;
		names++;
		names[strcspn(names, ",")] = 0;
		const char *name = !*names ? "unified" : str_after(names, "name=") ? str_after(names, "name=") : names;
		for (int k = 0; k < CGROUPFS_ROWS; k++) {
			int root = strcmp(cgroupfs_name((enum cgroupfs_row)k), name) == 0 ? cgroupfs_get()->row[k].fd : -1;
			own(fd) int dir = root < 0 ? -1 : openat(root, path[1] ? path + 1 : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (root >= 0 && (dir < 0 ? err_sys(e, "open") : path_put(dir, "cgroup.procs", "0", e)) < 0)
				return err_wrap(e, "cgroup %.200s (%s)", path, name);
		}
	}
	return 0;
}

static int open_all(const struct ns_enter *n, struct opened *o, struct err *e)
{
	char path[64];
	for (int i = 0; i < NSFS_KINDS; i++)
		if (open_ns(n, i, &o->ns[i], e) < 0)
			return -1;
	if (open_dir(n, n->root, n->root_path, "root", &o->root, e) < 0 || open_dir(n, n->wd, n->wd_path, "cwd", &o->wd, e) < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/%d/environ", (int)n->target);
	o->env.max = 8 << 20;
	if (n->environment && path_read(AT_FDCWD, path, &o->env, e) < 0)
		return -1;
	return n->join_cgroup ? join_groups(n->target, e) : 0;
}

static int join(struct opened *o, struct err *e)
{
	static const int order[] = {3, 0, 1, 2, 4, 5, 6, 7}; /* user first, whose number in nsfs_kinds[] is 3 */
	for (int round = 0; round < 2; round++)
		for (size_t k = 0; k < countof(order); k++) {
			int i = order[k];
			/* In the first round all but the user namespace, as far as we may; then that, and what was refused. */
			if (o->ns[i] < 0 || (round == 0 && nsfs_kinds[i].flag == CLONE_NEWUSER))
				continue;
			if (setns(o->ns[i], nsfs_kinds[i].flag) == 0)
				fd_drop(&o->ns[i]);
			else if (round || o->ns[order[0]] < 0 || errno != EPERM)
				return err_sys(e, "join the %s namespace", nsfs_kinds[i].word);
		}
	return 0;
}

static int change_dirs(const struct ns_enter *n, const struct opened *o, struct err *e)
{
	if (o->root >= 0 && (fchdir(o->root) < 0 || chroot(".") < 0))
		return err_sys(e, "change the root");
	if (o->root >= 0 && o->wd < 0 && chdir("/") < 0)
		return err_sys(e, "change the root");
	if (n->wdns_path && chdir(n->wdns_path) < 0)
		return err_sys(e, "directory %.200s", n->wdns_path);
	return o->wd >= 0 && fchdir(o->wd) < 0 ? err_sys(e, "working directory") : 0;
}

static void take_environment(const struct buf *env)
{
	clearenv();
	for (size_t at = 0; at < env->len; at += strlen(env->data + at) + 1)
		if (strchr(env->data + at, '='))
			putenv(mem_dup(env->data + at));
}

int ns_enter(const struct ns_enter *n, int *ret_status, struct err *e)
{
	struct opened o __attribute__((cleanup(opened_drop))) = {.root = -1, .wd = -1};
	memset(o.ns, -1, sizeof o.ns);
	if (open_all(n, &o, e) < 0)
		return -1;
	int pid = nsfs_kind_of("pid"), user = nsfs_kind_of("user");
	bool forks = o.ns[pid] >= 0 && !n->no_fork, enters_user = o.ns[user] >= 0;
	struct ns_who who = n->who;
	if (enters_user && !n->preserve_credentials)
		who.set_uid = who.set_gid = true; /* root there, unless another was named */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_sys(e, "prctl");
	if (join(&o, e) < 0 || change_dirs(n, &o, e) < 0)
		return -1;
	if (n->environment)
		take_environment(&o.env);
	pid_t child = forks ? fork() : 0;
	if (child < 0)
		return err_sys(e, "fork");
	if (child == 0)
		return ns_exec(&who, n->argv, e);
	*ret_status = ns_wait(child, e);
	return *ret_status < 0 ? -1 : 0;
}
