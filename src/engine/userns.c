/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userns: see userns.h.
 *
 * auto takes the first free piece of the ranges that /etc/subuid and /etc/subgid give the user "hull" (or
 * "containers", podman's name); free means that no other container's record has it. Two creates at once are kept
 * apart by a lock on <root>/userns.lock, held until the new record is in place or given up: the lock's fd lives in
 * the process and goes with it.
 */
#include "engine/userns.h"

#include "base/fd.h"
#include "base/num.h"
#include "base/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <unistd.h>

enum { AUTO_SIZE = 65536 };

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

static bool is_taken(struct engine *g, uint32_t first, uint32_t count)
{
	own(strv) struct strv ids = {};
	struct err ignored = {};
	if (containers_ids(&g->containers, false, &ids, &ignored) < 0)
		return true;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		own(userns_maps) struct userns_maps m = {};
		if (containers_load(&g->containers, ids.v[i], 0, &c, &ignored) < 0 || userns_parse(&c.record, &m, &ignored) < 0)
			continue;
		for (size_t k = 0; k < m.nuids; k++)
			if (m.uids[k].outside < first + count && first < m.uids[k].outside + m.uids[k].count)
				return true;
	}
	return false;
}

static int choose_auto(struct engine *g, struct container_entry *c, uint32_t size, struct err *e)
{
	uint32_t first = 0, count = 0, gfirst = 0, gcount = 0;
	const char *who = subid_range("/etc/subuid", "hull", &first, &count) ? "hull" : "containers";
	if (!subid_range("/etc/subuid", who, &first, &count) || !subid_range("/etc/subgid", who, &gfirst, &gcount))
		return err_set(e, ERR_UNSUPPORTED,
			"--userns auto needs a range of ids: add a line such as hull:1000000:16777216 to /etc/subuid and /etc/subgid");
	/* Kept open on purpose: two creates must not find the same piece free. */
	int lock = path_lock(g->root, "userns.lock", true, true, e);
	if (lock < 0)
		return -1;
	for (uint32_t at = 0; at + size <= count && at + size <= gcount; at += size) {
		if (is_taken(g, first + at, size))
			continue;
		c->record.uid_map = arena_printf(&c->arena, "0:%u:%u", first + at, size);
		c->record.gid_map = arena_printf(&c->arena, "0:%u:%u", gfirst + at, size);
		return 0;
	}
	close(lock);
	return err_set(e, ERR_LIMIT, "--userns auto: no free range of %u ids is left in /etc/subuid", size);
}

int userns_choose(struct engine *g, struct container_entry *c, const char *uid_map, const char *gid_map, struct err *e)
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
		return choose_auto(g, c, AUTO_SIZE, e);
	const char *size = str_after(mode, "auto:size=");
	uint64_t n;
	if (size) {
		if (num_u64(size, 1 << 24, &n, "size of --userns auto", e) < 0)
			return -1;
		return n ? choose_auto(g, c, (uint32_t)n, e) : err_set(e, ERR_USAGE, "invalid size of --userns auto \"0\"");
	}
	if (str_eq(mode, "keep-id")) {
		/* The user who runs hull has the same id inside. Outside of a namespace of ours that is the identity. */
		uint32_t u = g->rootless ? g->user : 0;
		if (!u) {
			c->record.uid_map = c->record.gid_map = arena_dup(&c->arena, "0:0:65536");
			return 0;
		}
		uint32_t gid = getenv("_HULL_GROUP") ? (uint32_t)strtoul(getenv("_HULL_GROUP"), NULL, 10) : u;
		c->record.uid_map = arena_printf(&c->arena, "0:1:%u,%u:0:1,%u:%u:%u", u, u, u + 1, u + 1, 65536 - u > 64535 ? 1 : 64535 - u);
		c->record.gid_map = arena_printf(&c->arena, "0:1:%u,%u:0:1,%u:%u:%u", gid, gid, gid + 1, gid + 1, 65536 - gid > 64535 ? 1 : 64535 - gid);
		return 0;
	}
	return err_set(e, ERR_USAGE, "invalid --userns \"%s\": host, auto, auto:size=N and keep-id are known", mode);
}
