/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nsfs: one pass over /proc. A namespace nobody is in can still be mounted somewhere (ip netns, unshare --net=FILE): the mount table
 * names it. Processes come in the order of their numbers, so the first that is met is the lowest.
 */
#include "sys/nsfs.h"

#include "base/fd.h"
#include "base/path.h"
#include "sys/mountinfo.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct nsfs_kind nsfs_kinds[NSFS_KINDS] = {
	{"mnt", CLONE_NEWNS, 'm', "mount"}, {"uts", CLONE_NEWUTS, 'u', "uts"}, {"ipc", CLONE_NEWIPC, 'i', "ipc"},
	{"user", CLONE_NEWUSER, 'U', "user"}, {"pid", CLONE_NEWPID, 'p', "pid"}, {"cgroup", CLONE_NEWCGROUP, 'C', "cgroup"},
	{"net", CLONE_NEWNET, 'n', "net"}, {"time", CLONE_NEWTIME, 'T', "time"},
};

int nsfs_kind_of(const char *type)
{
	for (int i = 0; i < NSFS_KINDS; i++)
		if (strcmp(nsfs_kinds[i].type, type) == 0 || strcmp(nsfs_kinds[i].word, type) == 0)
			return i;
	return -1;
}

void nsfs_list_drop(struct nsfs_list *l)
{
	arena_drop(&l->arena);
	*l = (struct nsfs_list){};
}

uint64_t nsfs_of(pid_t pid, int kind)
{
	char path[48], text[48];
	snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, nsfs_kinds[kind].type);
	ssize_t n = readlink(path, text, sizeof text - 1);
	text[n > 0 ? n : 0] = 0;
	const char *at = strchr(text, '[');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}

static struct nsfs_row *row_of(struct nsfs_list *l, uint64_t ino)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].ino == ino)
			return &l->v[i];
	return NULL;
}

static struct nsfs_row *add(struct nsfs_list *l, uint64_t ino, int kind)
{
	struct { struct nsfs_row *v; size_t n; } rows = {l->v, l->n};
	struct nsfs_row *r = arena_push(&l->arena, &rows);
	l->v = rows.v;
	l->n = rows.n;
	r->ino = ino;
	r->kind = kind;
	return r;
}

/* The words of its command line, or [its name], as ps shows it. */
static void look_at(struct nsfs_list *l, struct nsfs_row *r, pid_t pid)
{
	char path[48];
	struct stat st;
	struct err ignored = {};
	own(buf) struct buf b = BUF(1 << 20);
	snprintf(path, sizeof path, "/proc/%d", (int)pid);
	r->pid = pid;
	r->uid = stat(path, &st) == 0 ? st.st_uid : 0;
	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
	if (path_read(AT_FDCWD, path, &b, &ignored) == 0 && b.len) {
		for (size_t i = 0; i + 1 < b.len; i++)
			if (!b.data[i])
				b.data[i] = ' ';
	} else {
		own(buf) struct buf name = BUF(256);
		snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
		buf_reset(&b);
		if (path_read(AT_FDCWD, path, &name, &ignored) == 0)
			buf_printf(&b, "[%s]", str_trim(name.data));
	}
	r->command = arena_dup(&l->arena, buf_text(&b));
	/* "PID (name) state PPID": a name may have blanks and parentheses. */
	buf_reset(&b);
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	const char *rest = path_read(AT_FDCWD, path, &b, &ignored) == 0 ? strrchr(buf_text(&b), ')') : NULL;
	r->parent = rest && strlen(rest) > 4 ? (pid_t)strtol(rest + 4, NULL, 10) : 0;
}

static void add_process(struct nsfs_list *l, pid_t pid, bool only_known)
{
	for (int k = 0; k < NSFS_KINDS; k++) {
		uint64_t ino = nsfs_of(pid, k);
		struct nsfs_row *r = ino ? row_of(l, ino) : NULL;
		if (!ino || (!r && only_known))
			continue;
		if (!r)
			r = add(l, ino, k);
		if (r->processes++ == 0)
			look_at(l, r, pid);
	}
}

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
	return x < y ? -1 : x > y;
}

static int list_pids(struct arena *a, pid_t **ret, size_t *ret_n, struct err *e)
{
	struct { pid_t *v; size_t n; } pids = {};
	DIR *d = opendir("/proc");
	if (!d)
		return err_sys(e, "/proc");
	for (struct dirent *ent; (ent = readdir(d));)
		if (isdigit((unsigned char)ent->d_name[0]))
			*arena_push(a, &pids) = (pid_t)strtol(ent->d_name, NULL, 10);
	closedir(d);
	if (pids.n)
		qsort(pids.v, pids.n, sizeof *pids.v, by_number);
	*ret = pids.v;
	*ret_n = pids.n;
	return 0;
}

static void add_mounted(struct nsfs_list *l)
{
	own(mountinfo) struct mountinfo m = {};
	struct err ignored = {};
	if (mountinfo_read("/proc/self/mountinfo", &m, &ignored) < 0)
		return;
	for (size_t i = 0; i < m.n; i++) {
		const char *colon = strcmp(m.v[i].type, "nsfs") == 0 ? strchr(m.v[i].root, ':') : NULL;
		own(mem) char *type = colon ? mem_ndup(m.v[i].root, (size_t)(colon - m.v[i].root)) : NULL;
		int kind = type && colon[1] == '[' ? nsfs_kind_of(type) : -1;
		uint64_t ino = kind < 0 ? 0 : strtoull(colon + 2, NULL, 10);
		struct nsfs_row *r = ino ? row_of(l, ino) : NULL;
		if (ino && !r)
			r = add(l, ino, kind);
		if (r && !r->path)
			r->path = arena_dup(&l->arena, m.v[i].point);
	}
}

static int by_ino(const void *a, const void *b)
{
	uint64_t x = ((const struct nsfs_row *)a)->ino, y = ((const struct nsfs_row *)b)->ino;
	return x < y ? -1 : x > y;
}

int nsfs_scan(pid_t pid, struct nsfs_list *ret, struct err *e)
{
	own(nsfs_list) struct nsfs_list l = {};
	pid_t *pids;
	size_t n;
	if (list_pids(&l.arena, &pids, &n, e) < 0)
		return -1;
	for (int k = 0; pid && k < NSFS_KINDS; k++) {
		uint64_t ino = nsfs_of(pid, k);
		if (!ino && errno != ENOENT)
			return err_sys(e, "process %d", (int)pid);
		if (ino)
			add(&l, ino, k);
	}
	if (pid && !l.n)
		return err_set(e, ERR_NOT_FOUND, "process %d: no such process", (int)pid);
	for (size_t i = 0; i < n; i++)
		add_process(&l, pids[i], pid != 0);
	if (!pid)
		add_mounted(&l);
	if (l.n)
		qsort(l.v, l.n, sizeof *l.v, by_ino);
	*ret = l;
	l = (struct nsfs_list){};
	return 0;
}

int nsfs_members(uint64_t ino, struct nsfs_list *ret, struct err *e)
{
	own(nsfs_list) struct nsfs_list l = {};
	pid_t *pids;
	size_t n;
	if (list_pids(&l.arena, &pids, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < NSFS_KINDS; k++)
			if (nsfs_of(pids[i], k) == ino) {
				struct nsfs_row *r = add(&l, ino, k);
				r->processes = 1;
				look_at(&l, r, pids[i]);
				break;
			}
	if (!l.n)
		return err_set(e, ERR_NOT_FOUND, "namespace %llu: no process is in it", (unsigned long long)ino);
	*ret = l;
	l = (struct nsfs_list){};
	return 0;
}
