/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone: a container made anew of what another was asked to be. The record holds the request completed by its image, so what the request had taken
 * away from the image is taken away again, and what was made up for the one (its host name, its addresses, the file of its id) is made up for the other.
 */
#include "engine/clone.h"

#include "base/str.h"
#include "engine/image.h"
#include "engine/network.h"

static const char *const no_entrypoint[] = {""};

void clone_take_away(struct arena *a, const struct image_run_config *image, struct container_config *c)
{
	if (!c->entrypoint.n && image->entrypoint.n)
		arena_strv_add(a, &c->entrypoint, no_entrypoint[0]);
	for (size_t i = 0; i < image->env.n; i++) {
		const char *line = image->env.v[i];
		char *name = arena_ndup(a, line, strcspn(line, "="));
		if (!strv_env_get(&c->env, name))
			arena_strv_add(a, &c->env, name);
	}
	if (!c->health && image->healthcheck) {
		c->health = arena_alloc(a, sizeof *c->health);
		*c->health = (struct container_health){};
		arena_strv_add(a, &c->health->test, "NONE");
	}
}

/* What it has from its pod it gets there again. */
static void leave_to_pod(struct container_config *c, struct host_config *h)
{
	char **const modes[] = {&h->network_mode, &h->ipc_mode, &h->uts_mode, &h->pid_mode, &h->cgroupns_mode};
	for (size_t i = 0; i < countof(modes); i++)
		if (*modes[i] && (str_has_prefix(*modes[i], "pod:") || (i == 0 && !network_is_joined(*modes[i]) && !str_eq(*modes[i], "none"))))
			*modes[i] = NULL;
	if (!h->uts_mode)
		c->hostname = c->domainname = NULL;
	h->cgroup_parent = NULL;
	h->dns = h->dns_options = h->dns_search = (struct strv){};
}

static void make_its_own(struct container_entry *from)
{
	struct container_config *c = &from->record.config;
	struct host_config *h = &from->record.host;
	if (!str_is_empty(c->hostname) && strncmp(c->hostname, from->id, 12) == 0 && strlen(c->hostname) == 12)
		c->hostname = NULL;
	h->cid_file = NULL;
	if (!str_is_empty(h->pod))
		leave_to_pod(c, h);
	for (size_t i = 0; i < h->networks.n; i++)
		h->networks.v[i].ip = h->networks.v[i].ip6 = h->networks.v[i].mac = NULL;
}

static void replace(struct arena *a, const struct map *made, struct host_config *h)
{
	char **const modes[] = {&h->network_mode, &h->ipc_mode, &h->pid_mode, &h->uts_mode};
	for (size_t i = 0; made && i < countof(modes); i++) {
		const char *id = *modes[i] ? str_after(*modes[i], "container:") : NULL, *other = id ? map_get(made, id) : NULL;
		if (other)
			*modes[i] = arena_printf(a, "container:%s", other);
	}
	for (size_t i = 0; made && i < h->requires.n; i++) {
		const char *other = map_get(made, h->requires.v[i]);
		if (other)
			h->requires.v[i] = arena_dup(a, other);
	}
}

/* A name that is free: web-clone, web-clone1 … */
static int choose_name(struct engine *g, struct container_entry *from, const char **ret, struct err *e)
{
	for (int i = 0; i < 10000; i++) {
		char id[65];
		struct err gone = {};
		const char *other = from->record.name + 1;
		*ret = i ? arena_printf(&from->arena, "%s-clone%d", other, i) : arena_printf(&from->arena, "%s-clone", other);
		if (containers_find(&g->containers, *ret, id, &gone) < 0)
			return gone.kind == ERR_NOT_FOUND ? 0 : (*e = gone, -1);
	}
	return err_set(e, ERR_CONFLICT, "all names like \"%.200s\" are taken: give one with --name", *ret);
}

int container_clone(struct engine *g, const char *text, const struct clone_request *r, char ret_id[65], struct err *e)
{
	own(container_entry) struct container_entry from = {.dir = -1, .lock = -1};
	own(image) struct image image = {};
	struct container_config *c = &from.record.config;
	const char *name = r->name;
	if (container_get(g, text, 0, &from, e) < 0 || (!name && choose_name(g, &from, &name, e) < 0))
		return -1;
	if (r->image) {
		if (from.record.host.rootfs)
			return err_set(e, ERR_USAGE, "container %.200s runs in a directory (--rootfs): it has no image to be replaced", container_label(&from));
		c->image = arena_dup(&from.arena, r->image);
	} else if (!from.record.host.rootfs) {
		/* The very image, whatever has its name by now. */
		if (engine_need_store(g, e) < 0 || image_find(g, from.record.image, &image, e) < 0)
			return err_wrap(e, "clone container %.200s", container_label(&from));
		struct image named __attribute__((cleanup(image_drop))) = {};
		struct err other = {};
		if (image_find(g, c->image, &named, &other) < 0 || !str_eq(named.record.id, image.record.id))
			c->image = from.record.image;
		clone_take_away(&from.arena, &image.config.config, c);
	}
	make_its_own(&from);
	struct host_config *h = &from.record.host;
	replace(&from.arena, r->made, h);
	if (r->pod)
		h->pod = arena_dup(&from.arena, r->pod);
	/* Said by --uidmap and --gidmap, not by a mode, and not by its pod. */
	bool mapped = str_is_empty(h->userns_mode) && str_is_empty(h->pod);
	struct create_request q = {.name = name, .config = c, .host = h, .arena = &from.arena, .uid_map = mapped ? from.record.uid_map : NULL,
		.gid_map = mapped ? from.record.gid_map : NULL};
	return container_new(g, &q, ret_id, e) < 0 ? err_wrap(e, "clone container %.200s", container_label(&from)) : 0;
}
