/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect: the record is kept under docker's keys, so the document is the record in docker's order, with what is known only now
 * (State, paths, sizes) and what docker always has and hull does not (empty, as docker prints it).
 */
#include "engine/exec_session.h"
#include "engine/container.h"

#include "base/path.h"
#include "engine/health.h"
#include "engine/logs.h"
#include "engine/network_docs.h"

static const char never[] = "0001-01-01T00:00:00Z";

static const char *time_text(const char *s)
{
	return str_is_empty(s) ? never : s;
}

static void set_bool(struct json *j, const char *key, bool v)
{
	json_set(j, key, json_new_bool(v));
}

static void set_i64(struct json *j, const char *key, int64_t v)
{
	json_set(j, key, json_new_i64(v));
}

static struct json *state_json(struct engine *g, struct container_entry *c)
{
	const struct container_state *s = &c->state;
	const char *status = s->status ? s->status : "created";
	bool paused = str_eq(status, "paused"), restarting = str_eq(status, "restarting"), running = paused || restarting || str_eq(status, "running");
	struct json *j = json_new_object();
	json_set_str(j, "Status", status);
	set_bool(j, "Running", running);
	set_bool(j, "Paused", paused);
	set_bool(j, "Restarting", restarting);
	set_bool(j, "OOMKilled", s->oom_killed);
	set_bool(j, "Dead", str_eq(status, "dead"));
	set_i64(j, "Pid", running ? s->pid : 0);
	set_i64(j, "ExitCode", s->exit_code);
	json_set_str(j, "Error", s->error ? s->error : "");
	json_set_str(j, "StartedAt", time_text(s->started_at));
	json_set_str(j, "FinishedAt", time_text(s->finished_at));
	set_i64(j, "MonitorPid", running ? s->monitor_pid : 0);
	if (s->checkpointed) {
		set_bool(j, "Checkpointed", true);
		json_set_str(j, "CheckpointedAt", time_text(s->checkpointed_at));
	}
	if (running && s->restored)
		set_bool(j, "Restored", true);
	struct json *health = health_document(g, c);
	if (health && running && health_now(g, s))
		json_set_str(health, "Status", health_now(g, s));
	if (health)
		json_set(j, "Health", health);
	return j;
}

/* docker's HostConfig has these too; none of them means anything on Linux or here. */
static struct json *host_json(const struct container_record *r)
{
	static const char *const zeros[] = {"CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth"};
	struct json *j = jmap_format(&host_config_table, &r->host);
	struct json *size = json_new_array();
	json_add(size, json_new_i64(0));
	json_add(size, json_new_i64(0));
	json_set(j, "ConsoleSize", size);
	json_set(j, "PortBindings", network_docs_bindings(&r->host));
	json_del(j, "HullPorts");
	json_del(j, "HullNetworks");
	json_set(j, "Links", NULL);
	json_set_str(j, "Cgroup", "");
	json_set_str(j, "Isolation", "");
	for (size_t i = 0; i < countof(zeros); i++)
		set_i64(j, zeros[i], 0);
	return j;
}

static struct json *driver_json(const struct engine *g, const struct container_entry *c)
{
	struct json *j = json_new_object(), *data = json_new_object();
	static const struct { const char *key, *name; } folders[] = {{"UpperDir", "upper"}, {"WorkDir", "work"}};
	for (size_t i = 0; i < countof(folders); i++)
		if (path_exists(c->dir, folders[i].name)) {
			own(mem) char *path = mem_printf("%s/containers/%s/%s", g->root_path, c->id, folders[i].name);
			json_set_str(data, folders[i].key, path);
		}
	json_set(j, "Data", data);
	json_set_str(j, "Name", c->record.driver ? c->record.driver : "");
	return j;
}

static void set_path(struct json *j, const char *key, const struct engine *g, const struct container_entry *c, const char *file)
{
	own(mem) char *name = mem_printf("%s/%s", c->id, file);
	own(mem) char *path = path_exists(g->containers.run, name) ? mem_printf("%s/containers/%s", g->run_path, name) : mem_dup("");
	json_set_str(j, key, path);
}

int container_size(struct engine *g, struct container_entry *c, uint64_t *ret_rw, uint64_t *ret_root, struct err *e)
{
	struct snap_layer_info rw = {}, layer;
	*ret_rw = *ret_root = 0;
	if (engine_need_snap(g, e) < 0)
		return -1;
	if (c->record.host.rootfs)
		return 0;
	if (snap_usage(&g->snap, c->dir, &rw, e) < 0)
		return -1;
	*ret_rw = *ret_root = rw.bytes;
	for (size_t i = 0; i < c->record.layers.n; i++) {
		if (snap_layer_info(&g->snap, c->record.layers.v[i], &layer, e) < 0)
			return -1;
		*ret_root += layer.bytes;
	}
	return 0;
}

static struct json *execs_json(struct engine *g, const struct container_entry *c)
{
	own(strv) struct strv ids = {};
	exec_session_ids(g, c->id, &ids);
	if (!ids.n)
		return NULL;
	struct json *j = json_new_array();
	for (size_t i = 0; i < ids.n; i++)
		json_add(j, json_new_str(ids.v[i]));
	return j;
}

struct json *container_inspect(struct engine *g, struct container_entry *c, bool size, struct err *e)
{
	const struct container_record *r = &c->record;
	own(json) struct json *j = json_new_object();
	own(json) struct json *record = jmap_format(&container_record_table, r);
	uint64_t rw = 0, root = 0;
	container_status(g, c);
	if (size && container_size(g, c, &rw, &root, e) < 0)
		return NULL;
	json_set_str(j, "Id", r->id);
	json_set_str(j, "Created", time_text(r->created));
	json_set_str(j, "Path", r->path);
	json_set(j, "Args", json_ref(json_get(record, "Args")));
	json_set(j, "State", state_json(g, c));
	json_set_str(j, "Image", r->image ? r->image : "");
	set_path(j, "ResolvConfPath", g, c, "resolv.conf");
	set_path(j, "HostnamePath", g, c, "hostname");
	set_path(j, "HostsPath", g, c, "hosts");
	own(mem) char *log = logs_path(g, c);
	json_set_str(j, "LogPath", log);
	json_set_str(j, "Name", r->name);
	if (!str_is_empty(r->host.pod))
		json_set_str(j, "Pod", r->host.pod);
	set_i64(j, "RestartCount", c->state.restart_count);
	json_set_str(j, "Driver", r->driver ? r->driver : "");
	json_set_str(j, "Platform", r->platform ? r->platform : "linux");
	json_set_str(j, "MountLabel", r->mount_label ? r->mount_label : "");
	json_set_str(j, "ProcessLabel", r->process_label ? r->process_label : "");
	json_set_str(j, "AppArmorProfile", r->apparmor ? r->apparmor : "");
	json_set(j, "ExecIDs", execs_json(g, c));
	json_set(j, "HostConfig", host_json(r));
	json_set(j, "GraphDriver", driver_json(g, c));
	if (size) {
		json_set(j, "SizeRw", json_new_u64(rw));
		json_set(j, "SizeRootFs", json_new_u64(root));
	}
	json_set(j, "Mounts", json_ref(json_get(record, "Mounts")));
	json_set(j, "Config", json_ref(json_get(record, "Config")));
	bool running = str_eq(c->state.status, "running") || str_eq(c->state.status, "paused");
	json_set(j, "NetworkSettings", network_docs_settings(r, &c->state, running));
	return take(j);
}
