/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod_clone: a pod made anew of what another was asked to be, then its containers, in the order in which they were made, so that what one needs
 * (--requires, container:ID) is there before it, and is the new one of it. When any of it fails all of the new one goes.
 */
#include "engine/clone.h"

#include "engine/pod.h"

static int choose_name(struct engine *g, struct container_entry *from, const char **ret, struct err *e)
{
	for (int i = 0; i < 10000; i++) {
		char id[65];
		struct err gone = {};
		const char *other = from->record.name + 1;
		*ret = i ? arena_printf(&from->arena, "%s-clone%d", other, i) : arena_printf(&from->arena, "%s-clone", other);
		if (containers_find(&g->pods, *ret, id, &gone) < 0)
			return gone.kind == ERR_NOT_FOUND ? 0 : (*e = gone, -1);
	}
	return err_set(e, ERR_CONFLICT, "all names like \"%.200s\" are taken: give one with --name", *ret);
}

static int make_pod(struct engine *g, struct container_entry *from, const char *name, char ret_id[65], struct err *e)
{
	struct container_config *c = &from->record.config;
	struct host_config *h = &from->record.host;
	const char *mode = h->userns_mode;
	if (str_eq(c->hostname, from->record.name + 1))
		c->hostname = NULL;
	for (size_t i = 0; i < h->networks.n; i++)
		h->networks.v[i].ip = h->networks.v[i].ip6 = h->networks.v[i].mac = NULL;
	struct create_request q = {.name = name, .config = c, .host = h, .arena = &from->arena,
		.uid_map = str_is_empty(mode) ? from->record.uid_map : NULL, .gid_map = str_is_empty(mode) ? from->record.gid_map : NULL};
	return pod_new(g, &q, ret_id, e);
}

int pod_clone(struct engine *g, const char *text, const char *name, char ret_id[65], struct err *e)
{
	own(container_entry) struct container_entry from = {.dir = -1, .lock = -1};
	own(strv) struct strv ids = {};
	struct map made = {};
	struct err ignored = {};
	if (pod_get(g, text, 0, &from, e) < 0 || pod_members(g, from.id, false, &ids, e) < 0 || (!name && choose_name(g, &from, &name, e) < 0))
		return -1;
	if (make_pod(g, &from, name, ret_id, e) < 0)
		return err_wrap(e, "clone pod %.200s", text);
	for (size_t i = 0; i < ids.n; i++) {
		char id[65];
		const struct clone_request r = {.pod = ret_id, .made = &made};
		if (container_clone(g, ids.v[i], &r, id, e) < 0) {
			(void)!pod_delete(g, ret_id, true, &ignored);
			return err_wrap(e, "clone pod %.200s", text);
		}
		map_set(&from.arena, &made, ids.v[i], arena_dup(&from.arena, id));
	}
	return 0;
}
