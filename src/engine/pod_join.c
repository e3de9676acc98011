/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod_join: what a new container has from its pod. What is the pod's to say (its network, say) is refused where the container says it, too,
 * in one line that says where it belongs.
 */
#include "engine/pod.h"

#include "base/path.h"

static int refuse(const struct container_entry *pod, const char *option, struct err *e)
{
	return err_set(e, ERR_USAGE, "%s: that is said of the pod: give it to `pod create`; the container is in pod %.200s", option, container_label(pod));
}

static int check(const struct container_entry *pod, const struct container_entry *c, struct err *e)
{
	const struct host_config *h = &c->record.host;
	bool net = pod_shares(pod, "net");
	const struct { const char *option; bool given; } theirs[] = {
		{"--userns", !str_is_empty(h->userns_mode)},
		{"--network", net && (h->network_mode || h->networks.n)},
		{"--publish", net && (h->ports.n || h->publish_all)},
		{"--dns", net && (h->dns.n || h->dns_options.n || h->dns_search.n)},
		{"--add-host", net && h->extra_hosts.n},
		{"--hostname", pod_shares(pod, "uts") && (!str_is_empty(c->record.config.hostname) || !str_is_empty(c->record.config.domainname))},
		{"--ipc", pod_shares(pod, "ipc") && !str_is_empty(h->ipc_mode)},
		{"--uts", pod_shares(pod, "uts") && !str_is_empty(h->uts_mode)},
		{"--pid", pod_shares(pod, "pid") && !str_is_empty(h->pid_mode)},
		{"--cgroupns", pod_shares(pod, "cgroup") && !str_is_empty(h->cgroupns_mode)},
		{"--cgroup-parent", !str_is_empty(h->cgroup_parent)},
	};
	for (size_t i = 0; i < countof(theirs); i++)
		if (theirs[i].given)
			return refuse(pod, theirs[i].option, e);
	return 0;
}

static void add_all(struct arena *a, const struct strv *from, struct strv *to)
{
	for (size_t i = 0; i < from->n; i++)
		if (!strv_has(to, from->v[i]))
			arena_strv_add(a, to, from->v[i]);
}

/* Not a second time into a copy of a container of the pod. */
static void add_mount(struct arena *a, const struct mount_request *m, struct host_config *h)
{
	for (size_t i = 0; i < h->mounts.n; i++)
		if (str_eq(h->mounts.v[i].target, m->target))
			return;
	*arena_push(a, &h->mounts) = *m;
}

static void add_device(struct arena *a, const struct device_mapping *d, struct host_config *h)
{
	for (size_t i = 0; i < h->devices.n; i++)
		if (str_eq(h->devices.v[i].container, d->container))
			return;
	*arena_push(a, &h->devices) = *d;
}

/* The namespaces it has with the others, its place among the control groups, mounts, ids and the restart policy. */
static void inherit(const struct container_entry *pod, struct container_entry *c)
{
	const struct host_config *from = &pod->record.host;
	struct host_config *h = &c->record.host;
	struct arena *a = &c->arena;
	const struct { const char *what; char **mode; } shared[] = {{"net", &h->network_mode}, {"ipc", &h->ipc_mode}, {"uts", &h->uts_mode},
		{"pid", &h->pid_mode}, {"cgroup", &h->cgroupns_mode}};
	h->pod = arena_dup(a, pod->id);
	h->pod_name = arena_dup(a, container_label(pod));
	for (size_t i = 0; i < countof(shared); i++)
		if (pod_shares(pod, shared[i].what))
			*shared[i].mode = arena_printf(a, "pod:%s", pod->id);
	/* A network that is not hull's to make is joined as it is. */
	const char *mode = from->network_mode;
	if (pod_shares(pod, "net") && (str_eq(mode, "host") || str_has_prefix(mode, "ns:") || str_has_prefix(mode, "container:")))
		h->network_mode = arena_dup(a, mode);
	h->cgroup_parent = container_cgroup_path(a, pod);
	add_all(a, &from->binds, &h->binds);
	for (size_t i = 0; i < from->mounts.n; i++)
		add_mount(a, &from->mounts.v[i], h);
	for (size_t i = 0; i < from->device_requests.n; i++)
		*arena_push(a, &h->device_requests) = from->device_requests.v[i];
	for (size_t i = 0; i < from->devices.n; i++)
		add_device(a, &from->devices.v[i], h);
	for (size_t i = 0; i < from->sysctls.n; i++)
		map_set(a, &h->sysctls, from->sysctls.v[i].key, from->sysctls.v[i].value);
	add_all(a, &pod->record.config.volumes, &c->record.config.volumes);
	for (size_t i = 0; i < from->tmpfs.n; i++)
		map_set(a, &h->tmpfs, from->tmpfs.v[i].key, from->tmpfs.v[i].value);
	add_all(a, &from->security_opt, &h->security_opt);
	if (str_is_empty(h->restart.name) && !h->auto_remove)
		h->restart = from->restart;
	if (pod_shares(pod, "uts")) {
		c->record.config.hostname = arena_dup(a, pod->record.config.hostname);
		c->record.config.domainname = arena_dup(a, pod->record.config.domainname);
	}
	c->record.uid_map = arena_dup(a, pod->record.uid_map);
	c->record.gid_map = arena_dup(a, pod->record.gid_map);
}

int pod_join(struct engine *g, struct container_entry *c, struct container_entry *ret, struct err *e)
{
	if (pod_get(g, c->record.host.pod, 0, ret, e) < 0)
		return -1;
	ret->lock = path_lock(ret->dir, "lock", false, true, e);
	if (ret->lock < 0)
		return -1;
	if (!path_exists(ret->dir, "config.json"))
		return err_set(e, ERR_NOT_FOUND, "no such pod: %.200s", c->record.host.pod);
	if (check(ret, c, e) < 0)
		return -1;
	inherit(ret, c);
	return 0;
}
