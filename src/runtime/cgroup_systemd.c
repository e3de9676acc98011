/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_systemd: see cgroup_systemd.h.
 *
 * systemd makes a scope for processes that are there. So the container's process is cloned first and waits, outside of any
 * group of its own; it is put into the scope, and only then makes its cgroup namespace and goes on.
 *
 *   systemd: a.slice/a-b.slice/hull-web.scope     its properties; Delegate=yes: what is below is ours
 *   hull:                        container        v2: the processes, all limits (crun's way; the annotation
 *                                                 run.oci.systemd.subgroup names it, "" is the scope itself)
 *
 * A group of our own below the scope keeps what hull has set apart from what systemd sets, whenever it does. On v1 there is none
 * unless it is asked for, and hull makes the groups of the controllers that systemd has none for, in the place the scope has.
 */
#include "runtime/cgroup_systemd.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/annotations.h"
#include "runtime/cgroup_limits.h"
#include "runtime/systemd_unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char *subgroup(const struct spec *s)
{
	const char *name = annotation_get(s, ANNOTATION_SYSTEMD_SUBGROUP);
	return name ? name : cgroupfs_get()->unified ? "container" : "";
}

static bool is_user(void)
{
	return !cgroup_is_root_of_the_machine();
}

static int check_place(const struct spec *s, struct err *e)
{
	const char *below = subgroup(s);
	own(mem) char *clean = path_clean(below);
	if (*below && (*below == '/' || strcmp(clean, below) != 0 || str_eq(clean, ".") || str_eq(clean, "..") || str_has_prefix(clean, "../")))
		return err_set(e, ERR_USAGE, "%s: \"%.100s\" does not name a group below the scope", annotation_key(ANNOTATION_SYSTEMD_SUBGROUP), below);
	if (is_user() && !cgroupfs_get()->unified)
		return err_set(e, ERR_UNSUPPORTED, "a plain user's systemd makes no control groups of version 1");
	return 0;
}

/* Everything that can be known before systemd is asked. */
static int list_properties(struct arena *a, const struct spec *s, const char *id, pid_t pid, int version, struct systemd_names *names,
	struct systemd_properties *l, struct err *e)
{
	bool v2 = cgroupfs_get()->unified;
	const struct spec_resources *r = s->linux_->resources;
	if (systemd_names(s->linux_->cgroups_path, id, is_user(), names, e) < 0 || systemd_unit_base(a, s, id, names, v2, pid, l, e) < 0)
		return -1;
	return r ? systemd_unit_resources(a, r, v2, version, l, e) : 0;
}

int cgroup_systemd_check(const struct spec *s, const char *id, struct err *e)
{
	enum { NEWEST = 1000 };
	own(arena) struct arena a = {};
	struct systemd_properties l = {};
	struct systemd_names names;
	if (check_place(s, e) < 0 || list_properties(&a, s, id, 1, NEWEST, &names, &l, e) < 0)
		return -1;
	if (!systemd_is_running())
		return err_set(e, ERR_UNSUPPORTED, "systemd does not run here: control groups can be made without it (--cgroup-manager cgroupfs)");
	return 0;
}

int cgroup_systemd_find(const char *text, bool unified, char *ret, size_t size, struct err *e)
{
	static const char *const v1[] = {":name=systemd:", ":memory:", ":pids:"};
	const char *at = NULL;
	if (unified)
		at = str_has_prefix(text, "0::") ? text + 3 : str_after(strstr(text, "\n0::") ? strstr(text, "\n0::") : "", "\n0::");
	for (size_t i = 0; !unified && !at && i < countof(v1); i++) {
		const char *found = strstr(text, v1[i]);
		at = found ? found + strlen(v1[i]) : NULL;
	}
	size_t n = at ? strcspn(at, "\n") : 0;
	if (n < 2 || *at != '/' || n >= size)
		return err_set(e, ERR_SYSTEM, "systemd has not put the container's process into a group");
	snprintf(ret, size, "%.*s", (int)n, at);
	return 0;
}

static int find_group(struct cgroup *c, pid_t pid, struct err *e)
{
	char file[40];
	own(buf) struct buf b = BUF(65536);
	snprintf(file, sizeof file, "/proc/%d/cgroup", (int)pid);
	if (path_read(AT_FDCWD, file, &b, e) < 0 || cgroup_systemd_find(buf_text(&b), cgroupfs_get()->unified, c->path, sizeof c->path, e) < 0)
		return -1;
	return str_has_suffix(c->path, c->scope) ? 0 : err_set(e, ERR_SYSTEM, "systemd has put the container's process into %.200s", c->path);
}

static int take_place(struct cgroup *c, const struct spec *s, pid_t pid, struct err *e)
{
	const char *below = subgroup(s);
	own(mem) char *scope = mem_dup(c->path);
	if (*below && strlen(c->path) + strlen(below) + 2 > sizeof c->path)
		return err_set(e, ERR_USAGE, "cgroup path %s/%s: too long", c->path, below);
	if (*below)
		snprintf(c->path, sizeof c->path, "%s/%s", scope, below);
	if (cgroup_adopt(c, s->linux_->resources, pid, e) < 0)
		return -1;
	/* Nobody is in the scope itself any more, so that it can hand controllers down; systemd has handed them down to it. */
	own(fd) int dir = *below && cgroupfs_get()->unified ? openat(cgroupfs_get()->row[CGROUPFS_V2].fd, scope + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	for (const char *p = below; dir >= 0; p += strcspn(p, "/") + 1) {
		cgroup_v2_enable_below(dir);
		if (!strchr(p, '/'))
			break;
		own(mem) char *name = mem_ndup(p, strcspn(p, "/"));
		int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fd_drop(&dir);
		dir = next;
	}
	return 0;
}

int cgroup_systemd_start(struct cgroup *c, const struct spec *s, const char *id, pid_t pid, struct err *e)
{
	own(arena) struct arena a = {};
	own(systemd) struct systemd *d = NULL;
	struct systemd_properties l = {};
	struct systemd_names names;
	if (systemd_open(is_user(), &d, e) < 0 || list_properties(&a, s, id, pid, systemd_version(d), &names, &l, e) < 0)
		return -1;
	/* Of that name there may be another's scope: it is ours from here on. One that does not come about has no process when ours is
	 * gone, and then systemd takes it away. */
	if (systemd_start(d, names.scope, &l, e) < 0)
		return -1;
	snprintf(c->scope, sizeof c->scope, "%s", names.scope);
	return find_group(c, pid, e) < 0 ? -1 : take_place(c, s, pid, e);
}

int cgroup_systemd_set(const struct cgroup *c, const struct spec_resources *r, struct err *e)
{
	own(arena) struct arena a = {};
	own(systemd) struct systemd *d = NULL;
	struct systemd_properties l = {};
	if (systemd_open(is_user(), &d, e) < 0 || systemd_unit_resources(&a, r, cgroupfs_get()->unified, systemd_version(d), &l, e) < 0)
		return -1;
	return systemd_set(d, c->scope, &l, e);
}

int cgroup_systemd_stop(struct cgroup *c, struct err *e)
{
	own(systemd) struct systemd *d = NULL;
	struct err why = {};
	int r = systemd_open(is_user(), &d, &why);
	if (r == 0)
		r = systemd_stop(d, c->scope, &why);
	if (r < 0 && why.kind != ERR_UNSUPPORTED)
		return *e = why, -1;
	c->scope[0] = 0;
	return 0;
}
