/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userns: see userns.h.
 *
 * auto takes the first free piece of the ranges that /etc/subuid and /etc/subgid give the user "hull" (or
 * "containers", podman's name); free means that no other container's record has it. Two creates at once are kept
 * apart by a lock on <root>/userns.lock, which the caller holds until the new record is in place or given up.
 */
#include "engine/userns.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <unistd.h>

enum { AUTO_SIZE = 65536, KEEP_MAX = 65536 };

void userns_maps_drop(struct userns_maps *m)
{
	mem_drop(&m->uids);
	mem_drop(&m->gids);
	*m = (struct userns_maps){};
}

static int parse(const char *text, struct snap_idmap **ret, size_t *ret_n, struct err *e)
{
	own(strv) struct strv rows = {};
	strv_split(&rows, text, ',');
	struct snap_idmap *v = mem_alloc((rows.n + 1) * sizeof *v);
	for (size_t i = 0; i < rows.n; i++) {
		own(strv) struct strv f = {};
		strv_split(&f, rows.v[i], ':');
		uint64_t n[3] = {};
		bool good = f.n == 3;
		struct err why = {};
		for (size_t k = 0; good && k < 3; k++)
			good = num_u64(f.v[k], UINT32_MAX - 1, &n[k], "id", &why) == 0;
		if (!good || n[2] == 0 || n[0] + n[2] > UINT32_MAX || n[1] + n[2] > UINT32_MAX) {
			free(v);
			return err_set(e, ERR_USAGE, "invalid id map \"%s\": rows are INSIDE:OUTSIDE:COUNT", rows.v[i]);
		}
		v[i] = (struct snap_idmap){(uint32_t)n[0], (uint32_t)n[1], (uint32_t)n[2]};
	}
	*ret = v;
	*ret_n = rows.n;
	return 0;
}

int userns_parse(const struct container_record *r, struct userns_maps *ret, struct err *e)
{
	own(userns_maps) struct userns_maps m = {};
	if (!str_is_empty(r->uid_map) && parse(r->uid_map, &m.uids, &m.nuids, e) < 0)
		return -1;
	if (!str_is_empty(r->gid_map) && parse(r->gid_map, &m.gids, &m.ngids, e) < 0)
		return -1;
	*ret = m;
	m = (struct userns_maps){};
	return 0;
}

/* The first range of `who` in /etc/subuid or /etc/subgid. */
static bool subid_range(const char *file, const char *who, uint32_t *ret_first, uint32_t *ret_count)
{
	own(buf) struct buf b = BUF(1 << 20);
	struct err ignored = {};
	if (path_read(AT_FDCWD, file, &b, &ignored) < 0)
		return false;
	own(strv) struct strv lines = {};
	strv_split(&lines, buf_text(&b), '\n');
	for (size_t i = 0; i < lines.n; i++) {
		unsigned first, count;
		const char *rest = str_after(lines.v[i], who);
		if (rest && sscanf(rest, ":%u:%u", &first, &count) == 2 && count) {
			*ret_first = first;
			*ret_count = count;
			return true;
		}
	}
	return false;
}

static bool has_range(struct containers *all, uint32_t first, uint32_t count)
{
	own(strv) struct strv ids = {};
	struct err ignored = {};
	if (containers_ids(all, false, &ids, &ignored) < 0)
		return true;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		own(userns_maps) struct userns_maps m = {};
		if (containers_load(all, ids.v[i], 0, &c, &ignored) < 0 || userns_parse(&c.record, &m, &ignored) < 0)
			continue;
		for (size_t k = 0; k < m.nuids; k++)
			if (m.uids[k].outside < first + count && first < m.uids[k].outside + m.uids[k].count)
				return true;
	}
	return false;
}

static bool is_taken(struct engine *g, uint32_t first, uint32_t count)
{
	struct err ignored = {};
	return engine_need_pods(g, &ignored) < 0 || has_range(&g->containers, first, count) || has_range(&g->pods, first, count);
}

/* Where auto takes from: as root the user "hull" (or "containers") of the two files, else what our own namespace has besides
 * the user himself. */
static int find_pool(const struct engine *g, uint32_t *first, uint32_t *gfirst, uint32_t *count, struct err *e)
{
	uint32_t n = 0, gn = 0;
	if (g->rootless) {
		*first = *gfirst = 1;
		n = g->user.uids - 1;
		gn = g->user.gids - 1;
	} else {
		const char *who = subid_range("/etc/subuid", "hull", first, &n) ? "hull" : "containers";
		if (!subid_range("/etc/subuid", who, first, &n) || !subid_range("/etc/subgid", who, gfirst, &gn))
			return err_set(e, ERR_UNSUPPORTED, "--userns auto needs a range of ids: add a line such as "
				"hull:1000000:16777216 to /etc/subuid and /etc/subgid");
	}
	*count = n < gn ? n : gn;
	return 0;
}

static int choose_auto(struct engine *g, struct container_entry *c, uint32_t size, int *ret_lock, struct err *e)
{
	uint32_t first = 0, gfirst = 0, count = 0;
	if (find_pool(g, &first, &gfirst, &count, e) < 0)
		return -1;
	*ret_lock = path_lock(g->root, "userns.lock", true, true, e);
	if (*ret_lock < 0)
		return -1;
	for (uint32_t at = 0; size <= count && at <= count - size; at += size) {
		if (is_taken(g, first + at, size))
			continue;
		c->record.uid_map = arena_printf(&c->arena, "0:%u:%u", first + at, size);
		c->record.gid_map = arena_printf(&c->arena, "0:%u:%u", gfirst + at, size);
		return 0;
	}
	return err_set(e, ERR_LIMIT, "--userns auto: no free range of %u ids is left in /etc/subuid", size);
}

/* Inside, `self` is the user (0 of our own namespace); what is left of the n ids fills the places around it from 0 on. */
static char *keep_map(struct arena *a, uint32_t self, uint32_t n)
{
	uint32_t below = self < n - 1 ? self : n - 1, above = n - 1 - below;
	own(buf) struct buf b = {};
	if (below)
		buf_printf(&b, "0:1:%u,", below);
	buf_printf(&b, "%u:0:1", self);
	if (above)
		buf_printf(&b, ",%u:%u:%u", self + 1, below + 1, above);
	return arena_dup(a, buf_text(&b));
}

/* "keep-id" or "keep-id:uid=U,gid=G" */
static int choose_kept(struct engine *g, struct container_entry *c, const char *mode, struct err *e)
{
	uint64_t uid = g->user.user, gid = g->user.group;
	const char *words = str_after(mode, "keep-id:");
	own(strv) struct strv v = {};
	strv_split(&v, words ? words : "", ',');
	for (size_t i = 0; i < v.n; i++) {
		const char *u = str_after(v.v[i], "uid="), *n = u ? u : str_after(v.v[i], "gid=");
		if (!n)
			return err_set(e, ERR_USAGE, "invalid --userns \"%s\": keep-id takes uid= and gid=", mode);
		if (num_u64(n, INT32_MAX, u ? &uid : &gid, "id of --userns keep-id", e) < 0)
			return -1;
	}
	uint32_t uids = g->user.uids, gids = g->user.gids;
	if ((uids == 1 && uid) || (gids == 1 && gid))
		return err_set(e, ERR_UNSUPPORTED, "--userns keep-id needs ids besides your own: add a range for you to /etc/subuid and "
			"/etc/subgid, and install uidmap");
	c->record.uid_map = keep_map(&c->arena, (uint32_t)uid, uids < KEEP_MAX ? uids : KEEP_MAX);
	c->record.gid_map = keep_map(&c->arena, (uint32_t)gid, gids < KEEP_MAX ? gids : KEEP_MAX);
	/* The process is the user, unless another was asked for. */
	if (str_is_empty(c->record.config.user))
		c->record.config.user = arena_printf(&c->arena, "%llu:%llu", (unsigned long long)uid, (unsigned long long)gid);
	return 0;
}

int userns_choose(struct engine *g, struct container_entry *c, const char *uid_map, const char *gid_map, int *ret_lock, struct err *e)
{
	const char *mode = c->record.host.userns_mode;
	if (uid_map || gid_map) {
		c->record.uid_map = arena_dup(&c->arena, uid_map ? uid_map : gid_map);
		c->record.gid_map = arena_dup(&c->arena, gid_map ? gid_map : uid_map);
		own(userns_maps) struct userns_maps check = {};
		return userns_parse(&c->record, &check, e);
	}
	if (str_is_empty(mode) || str_eq(mode, "host"))
		return 0;
	if (str_eq(mode, "auto"))
		return choose_auto(g, c, AUTO_SIZE, ret_lock, e);
	const char *size = str_after(mode, "auto:size=");
	uint64_t n;
	if (size) {
		if (num_u64(size, 1 << 24, &n, "size of --userns auto", e) < 0)
			return -1;
		return n ? choose_auto(g, c, (uint32_t)n, ret_lock, e) : err_set(e, ERR_USAGE, "invalid size of --userns auto \"0\"");
	}
	if (str_eq(mode, "keep-id") || str_has_prefix(mode, "keep-id:"))
		return choose_kept(g, c, mode, e);
	return err_set(e, ERR_USAGE, "invalid --userns \"%s\": host, auto, auto:size=N, keep-id and keep-id:uid=U,gid=G are known", mode);
}
