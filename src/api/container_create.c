/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container_create: docker's document of a container that is to be made, into what the engine is asked. Its Config and HostConfig are records here
 * under the same keys; what is left is what docker says in another way (ports, networks, words for empty), and what hull cannot do: such a field is
 * refused unless it is empty, as clients send all of them. Keys that only hull's records have are no wishes of a client.
 */
#include "api/call.h"
#include "api/endpoint.h"
#include "engine/container.h"
#include "engine/image.h"
#include "engine/network_request.h"
#include "engine/port_request.h"
#include "engine/request.h"
#include "engine/user.h"

#include <string.h>
#include <strings.h>

static bool is_empty(const struct json *j)
{
	switch (json_kind(j)) {
	case JSON_NULL: return true;
	case JSON_BOOL: return !json_truth(j);
	case JSON_INT: return json_i64(j) == 0 && json_u64(j) == 0;
	case JSON_DOUBLE: return json_double(j) == 0;
	case JSON_STRING: return json_str_len(j) == 0;
	case JSON_ARRAY:
	case JSON_OBJECT: return json_len(j) == 0;
	}
	return false;
}

static const struct { const char *key, *preset, *why; } refused[] = {
	{"StorageOpt", NULL, "the size of a container's files cannot be limited"},
	{"Isolation", "default", "it is for Windows"},
	{"CpuCount", NULL, "it is for Windows: use NanoCpus"},
	{"CpuPercent", NULL, "it is for Windows: use NanoCpus"},
	{"IOMaximumIOps", NULL, "it is for Windows: use BlkioDeviceReadIOps"},
	{"IOMaximumBandwidth", NULL, "it is for Windows: use BlkioDeviceReadBps"},
	{"KernelMemory", NULL, "Linux has no such limit any more: use Memory"},
	{"KernelMemoryTCP", NULL, "Linux has no such limit any more: use Memory"},
	{"Cgroup", NULL, "use CgroupParent"},
};

static int refuse(const struct json *host, struct err *e)
{
	for (size_t i = 0; i < countof(refused); i++) {
		const struct json *v = json_get_nocase(host, refused[i].key);
		if (!is_empty(v) && !(refused[i].preset && str_eq(json_str(v), refused[i].preset)))
			return err_set(e, ERR_USAGE, "HostConfig.%s: hull has it not: %s", refused[i].key, refused[i].why);
	}
	return 0;
}

/* A single word stands for a list of one, as Go's client has it. */
static void make_list(struct json *o, const char *key)
{
	struct json *v = json_get_nocase(o, key);
	if (json_kind(v) != JSON_STRING)
		return;
	struct json_iter it = {};
	while (json_next(o, &it) && it.value != v)
		;
	own(mem) char *as_it_is = mem_dup(it.key ? it.key : key);
	struct json *list = json_new_array();
	json_add(list, json_ref(v));
	json_set(o, as_it_is, list);
}

static void strip(struct json *o)
{
	own(strv) struct strv ours = {};
	for (struct json_iter it = {}; json_next(o, &it);)
		if (strncasecmp(it.key, "hull", 4) == 0)
			strv_add(&ours, it.key);
	for (size_t i = 0; i < ours.n; i++)
		json_del(o, ours.v[i]);
}

/* TmpfsOptions.Options are lists of a key and a value; DriverConfig may say what is so anyway. */
static int read_mount_extras(const struct json *from, struct arena *a, struct mount_request *m, struct err *e)
{
	const struct json *options = json_get_nocase(json_get_nocase(from, "TmpfsOptions"), "Options");
	const struct json *driver = json_get_nocase(json_get_nocase(from, "VolumeOptions"), "DriverConfig");
	const char *name = json_str(json_get_nocase(driver, "Name"));
	if ((!str_is_empty(name) && !str_eq(name, "local")) || !is_empty(json_get_nocase(driver, "Options")))
		return err_set(e, ERR_USAGE, "HostConfig.Mounts: VolumeOptions.DriverConfig: make the volume first, with POST /volumes/create");
	for (size_t i = 0; m->tmpfs && i < json_len(options); i++) {
		const struct json *pair = json_at(options, i);
		const char *key = json_str(json_at(pair, 0)), *value = json_str(json_at(pair, 1));
		if (!key || json_len(pair) > 2 || (json_len(pair) == 2 && !value))
			return err_set(e, ERR_USAGE, "HostConfig.Mounts: TmpfsOptions.Options: must be lists of a key and a value");
		arena_strv_add(a, &m->tmpfs->options, value ? arena_printf(a, "%s=%s", key, value) : key);
	}
	return 0;
}

static int read_mounts(const struct json *host, struct arena *a, struct host_config *h, struct err *e)
{
	const struct json *list = json_get_nocase(host, "Mounts");
	for (size_t i = 0; i < h->mounts.n; i++) {
		struct mount_request *m = &h->mounts.v[i];
		if (m->tmpfs)
			m->tmpfs->options = (struct strv){};
		if (read_mount_extras(json_at(list, i), a, m, e) < 0)
			return -1;
	}
	return 0;
}

/* A word that may be missing. What is no word is refused: a number that is passed over would be any port. */
static int read_word(const struct json *row, const char *key, const char **ret, struct err *e)
{
	const struct json *v = json_get_nocase(row, key);
	*ret = v ? json_str(v) : "";
	if (v && json_kind(v) == JSON_NULL)
		*ret = "";
	return *ret ? 0 : err_set(e, ERR_USAGE, "%s: must be a string", key);
}

/* {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]} */
static int read_ports(const struct json *host, struct arena *a, struct container_config *c, struct host_config *h, struct err *e)
{
	const struct json *all = json_get_nocase(host, "PortBindings");
	struct strv exposed = c->exposed_ports;
	c->exposed_ports = (struct strv){};
	for (size_t i = 0; i < exposed.n; i++)
		if (port_expose(a, exposed.v[i], &c->exposed_ports, e) < 0)
			return err_wrap(e, "ExposedPorts");
	if (all && json_kind(all) != JSON_OBJECT)
		return err_set(e, ERR_USAGE, "HostConfig.PortBindings: must be an object");
	for (struct json_iter it = {}; json_next(all, &it);) {
		const char *slash = strchr(it.key, '/');
		const char *port = slash ? arena_ndup(a, it.key, (size_t)(slash - it.key)) : it.key;
		if (it.value && json_kind(it.value) != JSON_ARRAY)
			return err_set(e, ERR_USAGE, "HostConfig.PortBindings: %.60s: must be a list", it.key);
		for (size_t i = 0; i < json_len(it.value); i++) {
			const struct json *row = json_at(it.value, i);
			const char *ip, *number = "";
			struct port_request q;
			if (json_kind(row) != JSON_OBJECT)
				return err_set(e, ERR_USAGE, "HostConfig.PortBindings: %.60s: must be a list of objects", it.key);
			if (read_word(row, "HostIp", &ip, e) < 0 || read_word(row, "HostPort", &number, e) < 0 ||
				port_request_make(a, ip, number, port, slash ? slash + 1 : "tcp", &q, e) < 0)
				return err_wrap(e, "HostConfig.PortBindings: %.60s: %.60s", it.key, number ? number : "");
			*arena_push(a, &h->ports) = q;
		}
	}
	port_requests_expose(a, &h->ports, &c->exposed_ports);
	return 0;
}

static int add_network(const char *name, const struct json *settings, struct arena *a, struct host_config *h, struct err *e)
{
	struct network_request q;
	if (endpoint_read(settings, a, &q, e) < 0)
		return err_wrap(e, "NetworkingConfig.EndpointsConfig: %.100s", name);
	q.network = arena_dup(a, name);
	*arena_push(a, &h->networks) = q;
	return 0;
}

/* The network of NetworkMode first, then the others. Where it says nothing, the first of them is meant. */
static int read_networks(const struct json *body, struct arena *a, struct host_config *h, struct err *e)
{
	const struct json *given = json_get_nocase(body, "NetworkingConfig"), *all = json_get_nocase(given, "EndpointsConfig");
	const char *mac = json_str(json_get_nocase(body, "MacAddress"));
	if (json_truth(json_get_nocase(body, "NetworkDisabled")))
		h->network_mode = arena_dup(a, "none");
	const char *mode = str_is_empty(h->network_mode) ? "default" : h->network_mode;
	if ((given && json_kind(given) != JSON_OBJECT) || (all && json_kind(all) != JSON_OBJECT))
		return err_set(e, ERR_USAGE, "NetworkingConfig%s: must be an object", all ? ".EndpointsConfig" : "");
	bool is_said = !str_eq(mode, "default") || json_has(all, mode) || json_len(all) == 0;
	if (is_said && add_network(mode, json_get(all, mode), a, h, e) < 0)
		return -1;
	for (struct json_iter it = {}; json_next(all, &it);)
		if (!str_eq(it.key, mode) && add_network(it.key, it.value, a, h, e) < 0)
			return -1;
	struct network_request *first = &h->networks.v[0];
	if (!str_is_empty(mac) && !str_is_empty(first->mac) && strcasecmp(mac, first->mac) != 0)
		return err_set(e, ERR_USAGE, "the MAC address of the container, and that of its endpoint differ");
	if (!str_is_empty(mac))
		first->mac = arena_dup(a, mac);
	return network_requests_choose(h, e);
}

static int read_devices(struct arena *a, struct host_config *h, struct err *e)
{
	for (size_t i = 0; i < h->devices.n; i++) {
		struct device_mapping *d = &h->devices.v[i];
		d->container = str_is_empty(d->container) ? d->host : d->container;
		d->permissions = str_is_empty(d->permissions) ? arena_dup(a, "rwm") : d->permissions;
	}
	for (size_t i = 0; i < h->device_requests.n; i++)
		if (!str_eq(h->device_requests.v[i].driver, "cdi"))
			return err_set(e, ERR_USAGE, "could not select device driver \"%.60s\": only \"cdi\" is known", h->device_requests.v[i].driver ?
				h->device_requests.v[i].driver : "");
	return 0;
}

/* docker's words for "not said" and for "none". */
static int read_presets(const struct json *body, const struct json *host, struct arena *a, struct container_config *c, struct host_config *h, struct err *e)
{
	const struct json *masked = json_get_nocase(host, "MaskedPaths"), *readonly = json_get_nocase(host, "ReadonlyPaths");
	bool unmasked = masked && json_len(masked) == 0, writable = readonly && json_len(readonly) == 0;
	const struct json *entrypoint = json_get_nocase(body, "Entrypoint");
	if (h->memory_swappiness.set && h->memory_swappiness.v == -1)
		h->memory_swappiness = (struct opt_i64){};
	if (h->pids_limit.set && h->pids_limit.v <= 0)
		h->pids_limit.v = -1;
	if (entrypoint && json_len(entrypoint) == 0)
		arena_strv_add(a, &c->entrypoint, "");
	if (unmasked && writable && !h->privileged)
		arena_strv_add(a, &h->security_opt, "systempaths=unconfined");
	else if (unmasked != writable)
		return err_set(e, ERR_USAGE, "HostConfig.%s: empty alone: give MaskedPaths and ReadonlyPaths as empty lists, or none of them",
			unmasked ? "MaskedPaths" : "ReadonlyPaths");
	return 0;
}

static int read_all(struct json *body, struct json *host, struct arena *a, struct container_config *c, struct host_config *h, struct err *e)
{
	make_list(body, "Cmd");
	make_list(body, "Entrypoint");
	strip(host);
	if (refuse(host, e) < 0 || jmap_parse(&container_config_table, body, JMAP_NOCASE, a, c, "", e) < 0 ||
		jmap_parse(&host_config_table, host, JMAP_NOCASE, a, h, "HostConfig", e) < 0 ||
		(c->user && str_has_prefix(c->user, "::") && user_check(c->user, e) < 0))
		return -1;
	if (str_is_empty(c->image))
		return err_set(e, ERR_USAGE, "Image: say the image that the container is to be made from");
	return read_mounts(host, a, h, e) < 0 || read_ports(host, a, c, h, e) < 0 || read_networks(body, a, h, e) < 0 || read_devices(a, h, e) < 0 ||
		read_presets(body, host, a, c, h, e) < 0 ? -1 : request_check_words(c, h, e);
}

static int check_links(struct call *c, const struct json *body, const struct json *host, const struct host_config *h, struct err *e)
{
	const struct json *all = json_get_nocase(json_get_nocase(body, "NetworkingConfig"), "EndpointsConfig");
	for (struct json_iter it = {}; json_next(all, &it);)
		if (endpoint_links(c->g, "EndpointsConfig.Links", it.key, json_get_nocase(it.value, "Links"), e) < 0)
			return -1;
	return endpoint_links(c->g, "HostConfig.Links", h->network_mode, json_get_nocase(host, "Links"), e);
}

static int create(struct call *c, struct err *e)
{
	struct container_config config = {};
	struct host_config host = {};
	own(json) struct json *body = NULL;
	own(json) struct json *empty = json_new_object();
	own(image) struct image image = {};
	char id[65];
	struct create_request r = {.name = call_query(c, "name"), .config = &config, .host = &host, .platform = call_query(c, "platform"), .arena = c->arena};
	if (call_json(c, false, &body, e) < 0)
		return -1;
	struct json *given = json_get_nocase(body, "HostConfig");
	if (given && json_kind(given) != JSON_OBJECT)
		return err_set(e, ERR_USAGE, "HostConfig: must be an object");
	if (read_all(body, given ? given : empty, c->arena, &config, &host, e) < 0 || check_links(c, body, given, &host, e) < 0 ||
		image_ensure(c->g, config.image, "never", r.platform, NULL, &image, e) < 0)
		return -1;
	if (container_new(c->g, &r, id, e) < 0) {
		/* 404 is the image's alone: clients fetch it then, and say nothing of the network, device or container that is not there. */
		if (e->kind == ERR_NOT_FOUND)
			e->kind = ERR_USAGE;
		return -1;
	}
	struct json *j = json_new_object();
	json_set_str(j, "Id", id);
	json_set(j, "Warnings", call_warnings(c));
	return call_reply(c, 201, j, e);
}

const struct route container_create_routes[] = {
	{"POST", "/containers/create", create},
	{NULL, NULL, NULL},
};
