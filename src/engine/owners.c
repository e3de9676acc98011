/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owners: the states of what runs are read once. A process belongs to the container whose group it is in; where there are no groups,
 * to the one whose PID namespace it is in.
 */
#include "engine/owners.h"

#include "base/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void owners_drop(struct owners *o)
{
	arena_drop(&o->arena);
	*o = (struct owners){};
}

int owners_load(struct engine *g, struct owners *ret, struct err *e)
{
	own(strv) struct strv ids = {};
	own(owners) struct owners o = {};
	struct { struct owner *v; size_t n; } list = {};
	if (containers_ids(&g->containers, true, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		struct err gone = {};
		if (containers_peek(&g->containers, ids.v[i], &c, &gone) < 0 || !container_state_is_alive(&g->containers, &c.state))
			continue;
		struct owner *w = arena_push(&o.arena, &list);
		*w = (struct owner){.id = arena_dup(&o.arena, ids.v[i]), .pid = (pid_t)c.state.pid,
			.name = arena_dup(&o.arena, str_is_empty(c.state.name) ? ids.v[i] : c.state.name),
			.cgroup = arena_dup(&o.arena, c.state.cgroup ? c.state.cgroup : "")};
		for (int k = 0; k < NSFS_KINDS; k++) {
			uint64_t theirs = nsfs_of(w->pid, k);
			w->ns[k] = theirs == nsfs_of(1, k) || theirs == nsfs_of(getpid(), k) ? 0 : theirs;
		}
	}
	o.v = list.v;
	o.n = list.n;
	*ret = o;
	o = (struct owners){};
	return 0;
}

const struct owner *owners_of_group(const struct owners *o, const char *path)
{
	for (size_t i = 0; i < o->n; i++) {
		const char *rest = *o->v[i].cgroup ? str_after(path, o->v[i].cgroup) : NULL;
		if (rest && (!*rest || *rest == '/'))
			return &o->v[i];
	}
	return NULL;
}

const struct owner *owners_of_process(const struct owners *o, pid_t pid)
{
	char path[48];
	struct err ignored = {};
	own(buf) struct buf b = BUF(1 << 16);
	own(strv) struct strv lines = {};
	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	if (path_read(AT_FDCWD, path, &b, &ignored) == 0)
		strv_split(&lines, buf_text(&b), '\n');
	for (size_t i = 0; i < lines.n; i++) {
		const char *at = strchr(lines.v[i], ':');
		at = at ? strchr(at + 1, ':') : NULL;
		const struct owner *w = at ? owners_of_group(o, at + 1) : NULL;
		if (w)
			return w;
	}
	int kind = nsfs_kind_of("pid");
	uint64_t ino = nsfs_of(pid, kind);
	for (size_t i = 0; i < o->n; i++)
		if (ino && o->v[i].ns[kind] == ino)
			return &o->v[i];
	return NULL;
}

char *owners_of_namespace(const struct owners *o, uint64_t ino, int kind, pid_t pid)
{
	own(buf) struct buf b = {};
	for (size_t i = 0; i < o->n; i++)
		if (o->v[i].ns[kind] == ino)
			buf_printf(&b, "%s%s", b.len ? "," : "", o->v[i].name);
	/* One that a process in a container made for itself. */
	const struct owner *w = !b.len && pid && ino != nsfs_of(1, kind) && ino != nsfs_of(getpid(), kind) ? owners_of_process(o, pid) : NULL;
	if (w)
		buf_str(&b, w->name);
	return buf_take(&b);
}
