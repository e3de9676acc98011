/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod_docs: podman's documents of pods. What a pod has is asked of the list of containers: one file a container.
 */
#include "engine/pod.h"

#include "base/num.h"
#include "engine/list.h"
#include "engine/network_docs.h"

#include <stdlib.h>

static size_t count(const struct json *containers, const char *state)
{
	size_t n = 0;
	for (size_t i = 0; i < json_len(containers); i++)
		n += str_eq(json_get_str(json_at(containers, i), "State"), state);
	return n;
}

const char *pod_status(struct engine *g, const struct container_entry *pod, const struct json *containers)
{
	size_t all = json_len(containers), up = count(containers, "running") + count(containers, "restarting"), paused = count(containers, "paused");
	bool has_monitor = str_eq(pod->state.status, "running") && container_state_has_monitor(&g->pods, &pod->state);
	if (paused && paused == all)
		return "Paused";
	if (up == all && (up || has_monitor))
		return "Running";
	if (up || paused || (has_monitor && count(containers, "created") < all))
		return "Degraded";
	if (has_monitor)
		return "Running";
	if (count(containers, "created") == all)
		return str_is_empty(pod->state.finished_at) ? "Created" : "Exited";
	return "Exited";
}

static struct json *containers_of(struct engine *g, const char *id, struct err *e)
{
	own(mem) char *filter = mem_printf("pod=%s", id);
	struct strv filters = {(char *[]){filter, NULL}, 1};
	struct container_list_request r = {.all = true, .filters = &filters};
	return container_list(g, &r, e);
}

static const char *name_of(const struct json *container)
{
	const char *name = json_str(json_at(json_get(container, "Names"), 0));
	return name && *name ? name + 1 : "";
}

static struct json *strings(const struct strv *v)
{
	struct json *j = json_new_array();
	for (size_t i = 0; i < v->n; i++)
		json_add(j, json_new_str(v->v[i]));
	return j;
}

static struct json *labels_of(const struct map *m)
{
	struct json *j = json_new_object();
	for (size_t i = 0; i < m->n; i++)
		json_set_str(j, m->v[i].key, m->v[i].value);
	return j;
}

static struct json *networks_of(const struct host_config *h)
{
	struct json *j = json_new_array();
	for (size_t i = 0; i < h->networks.n; i++)
		json_add(j, json_new_str(h->networks.v[i].network));
	if (!h->networks.n && !str_is_empty(h->network_mode))
		json_add(j, json_new_str(h->network_mode));
	return j;
}

static void set_text(struct json *j, const char *key, const char *text)
{
	json_set_str(j, key, text ? text : "");
}

/* What podman has of the container that hull does without. */
static struct json *network_json(const struct container_entry *pod)
{
	const struct host_config *h = &pod->record.host;
	struct json *j = json_new_object();
	json_set(j, "PortBindings", network_docs_bindings(h));
	json_set(j, "HostNetwork", json_new_bool(str_eq(h->network_mode, "host")));
	set_text(j, "StaticIP", h->networks.n ? h->networks.v[0].ip : NULL);
	set_text(j, "StaticMAC", h->networks.n ? h->networks.v[0].mac : NULL);
	json_set(j, "NoManageResolvConf", json_new_bool(false));
	json_set(j, "DNSServer", strings(&h->dns));
	json_set(j, "DNSSearch", strings(&h->dns_search));
	json_set(j, "DNSOption", strings(&h->dns_options));
	json_set(j, "NoManageHosts", json_new_bool(false));
	json_set(j, "HostAdd", strings(&h->extra_hosts));
	json_set(j, "Networks", networks_of(h));
	set_text(j, "userns", h->userns_mode);
	return j;
}

static void set_limits(const struct container_entry *pod, struct json *j)
{
	const struct host_config *h = &pod->record.host;
	const struct { const char *key; int64_t v; } numbers[] = {{"cpu_period", h->nano_cpus ? 100000 : h->cpu_period},
		{"cpu_quota", h->nano_cpus ? h->nano_cpus / 10000 : h->cpu_quota}, {"cpu_shares", h->cpu_shares}, {"memory_limit", h->memory},
		{"memory_swap", h->memory_swap}, {"pids_limit", h->pids_limit.set ? h->pids_limit.v : 0}, {"blkio_weight", (int64_t)h->blkio_weight}};
	for (size_t i = 0; i < countof(numbers); i++)
		if (numbers[i].v)
			json_set(j, numbers[i].key, json_new_i64(numbers[i].v));
	if (!str_is_empty(h->cpuset_cpus))
		json_set_str(j, "cpuset_cpus", h->cpuset_cpus);
	if (!str_is_empty(h->cpuset_mems))
		json_set_str(j, "cpuset_mems", h->cpuset_mems);
	json_set(j, "security_opts", strings(&h->security_opt));
}

static struct json *short_list(const struct json *containers)
{
	struct json *j = json_new_array();
	for (size_t i = json_len(containers); i-- > 0;) {
		const struct json *c = json_at(containers, i);
		struct json *row = json_new_object();
		json_set_str(row, "Id", json_get_str(c, "Id"));
		json_set_str(row, "Name", name_of(c));
		json_set_str(row, "State", json_get_str(c, "State"));
		json_add(j, row);
	}
	return j;
}

struct json *pod_inspect(struct engine *g, const char *text, struct err *e)
{
	own(container_entry) struct container_entry pod = {.dir = -1, .lock = -1};
	if (pod_get(g, text, 0, &pod, e) < 0)
		return NULL;
	own(json) struct json *containers = containers_of(g, pod.id, e), *j = json_new_object();
	if (!containers)
		return NULL;
	const struct host_config *h = &pod.record.host;
	char *cgroup = container_cgroup_path(&pod.arena, &pod);
	json_set_str(j, "Id", pod.id);
	json_set_str(j, "Name", container_label(&pod));
	json_set_str(j, "Created", pod.record.created);
	json_set_str(j, "ExitPolicy", h->exit_policy);
	json_set_str(j, "State", pod_status(g, &pod, containers));
	set_text(j, "Hostname", pod.record.config.hostname);
	json_set(j, "Labels", labels_of(&pod.record.config.labels));
	json_set(j, "CreateCgroup", json_new_bool(true));
	set_text(j, "CgroupParent", str_is_empty(h->cgroup_parent) ? "/hull" : h->cgroup_parent);
	json_set_str(j, "CgroupPath", cgroup);
	json_set(j, "CreateInfra", json_new_bool(false));
	json_set_str(j, "InfraContainerID", "");
	json_set(j, "InfraConfig", network_json(&pod));
	json_set(j, "SharedNamespaces", strings(&h->share));
	json_set_str(j, "RestartPolicy", h->restart.name);
	json_set(j, "Mounts", strings(&h->binds));
	set_limits(&pod, j);
	json_set(j, "NumContainers", json_new_u64(json_len(containers)));
	json_set(j, "Containers", short_list(containers));
	json_set(j, "MonitorPid", json_new_i64(str_eq(pod.state.status, "running") ? pod.state.monitor_pid : 0));
	json_set(j, "NetworkSettings", network_docs_settings(&pod.record, &pod.state, str_eq(pod.state.status, "running")));
	return take(j);
}

static struct json *row_of(struct engine *g, const struct container_entry *pod, const struct json *containers)
{
	struct json *j = json_new_object(), *list = json_new_array();
	for (size_t i = json_len(containers); i-- > 0;) {
		const struct json *c = json_at(containers, i);
		struct json *row = json_new_object();
		json_set_str(row, "Id", json_get_str(c, "Id"));
		json_set_str(row, "Names", name_of(c));
		json_set_str(row, "Status", json_get_str(c, "State"));
		json_add(list, row);
	}
	json_set_str(j, "Cgroup", pod->record.host.cgroup_parent);
	json_set(j, "Containers", list);
	json_set_str(j, "Created", pod->record.created);
	json_set_str(j, "Id", pod->id);
	json_set_str(j, "InfraId", "");
	json_set_str(j, "Name", container_label(pod));
	json_set_str(j, "Namespace", "");
	json_set(j, "Networks", networks_of(&pod->record.host));
	json_set_str(j, "Status", pod_status(g, pod, containers));
	json_set(j, "Labels", labels_of(&pod->record.config.labels));
	return j;
}

static int newest_first(const void *x, const void *y)
{
	const struct json *const *a = x, *const *b = y;
	return strcmp(json_get_str(*b, "Created"), json_get_str(*a, "Created"));
}

struct json *pod_list(struct engine *g, struct err *e)
{
	own(strv) struct strv ids = {};
	own(json) struct json *list = json_new_array();
	if (engine_need_pods(g, e) < 0 || containers_ids(&g->pods, false, &ids, e) < 0)
		return NULL;
	own(mem) struct json **rows = mem_alloc((ids.n + 1) * sizeof(struct json *));
	size_t n = 0;
	for (size_t i = 0; i < ids.n; i++) {
		own(container_entry) struct container_entry pod = {.dir = -1, .lock = -1};
		struct err gone = {};
		own(json) struct json *containers = pod_get(g, ids.v[i], 0, &pod, &gone) < 0 ? NULL : containers_of(g, pod.id, &gone);
		if (containers)
			rows[n++] = row_of(g, &pod, containers);
	}
	qsort(rows, n, sizeof *rows, newest_first);
	for (size_t i = 0; i < n; i++)
		json_add(list, rows[i]);
	return take(list);
}
