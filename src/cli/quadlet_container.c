/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quadlet_container: [Container]. The service is of Type=notify: `hull run -d` ends when the container runs, and the monitor says to
 * systemd which process that is; with Type=oneshot hull stays in front until the container has ended.
 *
 * It is stopped by `hull stop`, which waits as long as the container may take; what is left after a crash is removed by ExecStopPost=.
 */
#include "cli/quadlet.h"

#include "codec/json.h"

#include <stdio.h>
#include <unistd.h>

/* ["a", "b"]: podman's way to give more than one word. The others come before those of Exec=. */
static int add_entrypoint(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const struct unitfile_line *l = quadlet_line(c, k->name);
	const char *value = quadlet_get(c, k->name);
	own(json) struct json *words = NULL;
	struct err why = {};
	if (!l)
		return 0;
	if (!value || *value != '[')
		return quadlet_option(c, l, k->option, value ? value : "", e);
	if (json_parse(value, strlen(value), &words, &why) < 0)
		return quadlet_bad(c, l, e, "%s", why.text);
	for (size_t i = 0; i < json_len(words); i++) {
		const char *word = json_str(json_at(words, i));
		if (!word)
			return quadlet_bad(c, l, e, "it is a command or an array of strings");
		if (i)
			strv_add(&c->last, word);
		else if (quadlet_option(c, l, k->option, word, e) < 0)
			return -1;
	}
	return words && json_len(words) ? 0 : quadlet_bad(c, l, e, "it is a command or an array of strings");
}

/* "-" in front: only if it is there now. */
static int add_devices(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const struct unitfile_line *l;
	for (size_t at = 0; (l = unitfile_next(&c->u->file, c->u->type->section, k->name, &at));) {
		own(strv) struct strv words = {};
		struct err why = {};
		if (unitfile_words(l->value, false, &words, &why) < 0)
			return quadlet_bad(c, l, e, "%s", why.text);
		for (size_t i = 0; i < words.n; i++) {
			const char *device = words.v[i] + (*words.v[i] == '-');
			own(mem) char *file = mem_ndup(device, strcspn(device, ":"));
			if (device != words.v[i] && access(file, F_OK) < 0)
				continue;
			if (quadlet_option(c, l, k->option, device, e) < 0)
				return -1;
		}
	}
	return 0;
}

static int add_zone(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const char *zone = quadlet_get(c, k->name);
	const struct unitfile_line *l = quadlet_line(c, k->name);
	if (!zone || quadlet_has_option(c, k->option))
		return zone ? quadlet_option(c, l, k->option, zone, e) : 0;
	if (*zone == '/' || strstr(zone, "..") || strchr(zone, ':'))
		return quadlet_bad(c, l, e, "\"%.60s\" is no time zone: as in Europe/Berlin, or local", zone);
	own(mem) char *mount = mem_printf("%s%s:/etc/localtime:ro", strcmp(zone, "local") == 0 ? "/etc/localtime" : "/usr/share/zoneinfo/",
		strcmp(zone, "local") == 0 ? "" : zone);
	return quadlet_option(c, l, "--volume", mount, e);
}

static bool is_named(struct quadlet_call *c, const char *key, const char *path)
{
	const struct unitfile_line *l;
	for (size_t at = 0; (l = unitfile_next(&c->u->file, "Container", key, &at));) {
		const char *found = strstr(l->value, path);
		for (; found; found = strstr(found + 1, path))
			if ((found == l->value || strchr(":=", found[-1])) && strchr(":,/ ", found[strlen(path)]))
				return true;
	}
	return false;
}

/* A read-only root of podman's has places to write to, unless ReadOnlyTmpfs=no. */
static int add_read_only(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	static const char *const places[] = {"/run", "/tmp", "/var/tmp"};
	bool read_only = false, tmpfs = true, given = false;
	const struct unitfile_line *l = quadlet_line(c, k->name);
	if (add_bool(c, k, e) < 0 || quadlet_get_bool(c, k->name, &read_only, e) < 0 || quadlet_get_bool(c, "ReadOnlyTmpfs", &given, e) < 0)
		return -1;
	if (quadlet_get(c, "ReadOnlyTmpfs"))
		tmpfs = given;
	for (size_t i = 0; read_only && tmpfs && i < countof(places); i++) {
		own(mem) char *mount = mem_printf("%s:rw,nosuid,nodev,exec", places[i]);
		if (is_named(c, "Tmpfs", places[i]) || is_named(c, "Volume", places[i]) || is_named(c, "Mount", places[i]))
			continue;
		if (quadlet_option(c, l, "--tmpfs", mount, e) < 0)
			return -1;
	}
	bool old = false;
	if (quadlet_get_bool(c, "VolatileTmp", &old, e) < 0)
		return -1;
	return old && !read_only ? quadlet_option(c, l, "--tmpfs", "/tmp:rw,size=512M,mode=1777", e) : 0;
}

static int add_user(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const char *user = quadlet_get(c, k->name), *group = quadlet_get(c, "Group");
	if (!user)
		return group ? quadlet_bad(c, quadlet_line(c, "Group"), e, "there is no User=") : 0;
	own(mem) char *both = mem_printf("%s%s%s", user, group ? ":" : "", group ? group : "");
	return quadlet_option(c, quadlet_line(c, k->name), k->option, both, e);
}

static int add_expose(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const struct unitfile_line *l;
	for (size_t at = 0; (l = unitfile_next(&c->u->file, c->u->type->section, k->name, &at));) {
		unsigned first, last;
		int n = 0;
		bool number = sscanf(l->value, "%5u%n-%5u%n", &first, &n, &last, &n) >= 1;
		const char *proto = l->value + n;
		if (!number || (*proto && strcmp(proto, "/tcp") != 0 && strcmp(proto, "/udp") != 0))
			return quadlet_bad(c, l, e, "\"%.60s\" is no PORT[-PORT][/tcp|udp]", l->value);
		if (quadlet_option(c, l, k->option, l->value, e) < 0)
			return -1;
	}
	return 0;
}

static int add_unmask(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const char *paths = quadlet_get(c, k->name);
	if (paths && strcmp(paths, "ALL") != 0 && strcmp(paths, "all") != 0)
		return quadlet_bad(c, quadlet_line(c, k->name), e, "hull unmasks ALL paths or none");
	return paths ? quadlet_option(c, quadlet_line(c, k->name), k->option, "systempaths=unconfined", e) : 0;
}

static int add_pull(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	if (str_eq(quadlet_get(c, k->name), "newer"))
		return quadlet_bad(c, quadlet_line(c, k->name), e, "hull run fetches always, missing or never");
	return add_last(c, k, e);
}

static int add_proxy(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	static const char *const names[] = {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY"};
	bool yes = false;
	if (quadlet_get_bool(c, k->name, &yes, e) < 0)
		return -1;
	for (size_t i = 0; yes && i < countof(names); i++)
		if (quadlet_option(c, quadlet_line(c, k->name), k->option, names[i], e) < 0)
			return -1;
	return 0;
}

static int add_health(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const char *command = quadlet_get(c, k->name);
	if (str_eq(command, "none"))
		return quadlet_option(c, quadlet_line(c, k->name), "--no-healthcheck", NULL, e);
	if (command && *command == '[')
		return quadlet_bad(c, quadlet_line(c, k->name), e, "hull takes a command of the shell, no array");
	return add_last(c, k, e);
}

int add_update(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	struct err why = {};
	const char *policy = quadlet_get(c, k->name);
	if (!policy)
		return 0;
	quadlet_bad_(c, quadlet_line(c, k->name), &why, "it is only a label: hull has no auto-update");
	c->q->warn(c->q->arg, why.text);
	return add_last(c, k, e);
}

static int add_pod(struct quadlet_call *c, const struct quadlet_key *k, struct err *e)
{
	const struct unitfile_line *l = quadlet_line(c, k->name);
	const char *name = quadlet_get(c, k->name);
	bool with = true;
	if (!name)
		return 0;
	if (!str_has_suffix(name, ".pod"))
		return quadlet_bad(c, l, e, "\"%.60s\" is no .pod unit", name);
	const char *known = quadlet_refer(c, l, name, "BindsTo", e);
	if (!known || (quadlet_get(c, "StartWithPod") && quadlet_get_bool(c, "StartWithPod", &with, e) < 0))
		return -1;
	struct quadlet_name own = quadlet_name(&c->q->arena, c->u->name);
	if (with && !(own.instance && !*own.instance))
		c->u->starts_with = quadlet_find(c->q, name);
	return quadlet_option(c, l, k->option, known, e);
}

const struct quadlet_key quadlet_container_keys[] = {
	{"ContainerName", NULL, NULL, NULL},
	{"ServiceName", NULL, NULL, NULL},
	{"GlobalArgs", NULL, NULL, NULL},
	{"ContainersConfModule", add_missing, NULL, "hull reads no containers.conf"},
	{"Notify", NULL, NULL, NULL},
	{"CgroupsMode", add_last, "--cgroups", NULL},
	{"LogDriver", add_last, "--log-driver", NULL},
	{"LogOpt", add_words, "--log-opt", NULL},
	{"Entrypoint", add_entrypoint, "--entrypoint", NULL},
	{"Timezone", add_zone, "--tz", NULL},
	{"PidsLimit", add_last, "--pids-limit", NULL},
	{"ShmSize", add_last, "--shm-size", NULL},
	{"WorkingDir", add_last, "--workdir", NULL},
	{"IP", add_last, "--ip", NULL},
	{"IP6", add_last, "--ip6", NULL},
	{"HostName", add_last, "--hostname", NULL},
	{"StopSignal", add_last, "--stop-signal", NULL},
	{"StopTimeout", add_last, "--stop-timeout", NULL},
	{"Pull", add_pull, "--pull", NULL},
	{"Memory", add_last, "--memory", NULL},
	{"Retry", add_last, "--retry", NULL},
	{"RetryDelay", add_last, "--retry-delay", NULL},
	{"ImageVolume", add_last, "--image-volume", NULL},
	{"Umask", add_last, "--umask", NULL},
	{"NetworkAlias", add_each, "--network-alias", NULL},
	{"Ulimit", add_each, "--ulimit", NULL},
	{"DNS", add_each, "--dns", NULL},
	{"DNSOption", add_each, "--dns-option", NULL},
	{"DNSSearch", add_each, "--dns-search", NULL},
	{"GroupAdd", add_each, "--group-add", NULL},
	{"AddHost", add_each, "--add-host", NULL},
	{"Tmpfs", add_each, "--tmpfs", NULL},
	{"RunInit", add_bool, "--init", NULL},
	{"EnvironmentHost", add_without, NULL, "hull hands no whole environment on: name what is needed in Environment="},
	{"HttpProxy", add_proxy, "--env", NULL},
	{"Network", add_networks, "--network", NULL},
	{"NoNewPrivileges", add_flag, "--security-opt", "no-new-privileges"},
	{"SecurityLabelDisable", add_flag, "--security-opt", "label=disable"},
	{"SecurityLabelNested", add_without, NULL, "hull has no label for containers in containers"},
	{"SecurityLabelType", add_last, "--security-opt", "label=type:"},
	{"SecurityLabelFileType", add_missing, NULL, "hull labels no files"},
	{"SecurityLabelLevel", add_last, "--security-opt", "label=level:"},
	{"AppArmor", add_last, "--security-opt", "apparmor="},
	{"AddDevice", add_devices, "--device", NULL},
	{"SeccompProfile", add_last, "--security-opt", "seccomp="},
	{"DropCapability", add_words, "--cap-drop", NULL},
	{"AddCapability", add_words, "--cap-add", NULL},
	{"Sysctl", add_words, "--sysctl", NULL},
	{"ReadOnly", add_read_only, "--read-only", NULL},
	{"ReadOnlyTmpfs", NULL, NULL, NULL},
	{"VolatileTmp", NULL, NULL, NULL},
	{"User", add_user, "--user", NULL},
	{"Group", NULL, NULL, NULL},
	{"UserNS", add_last, "--userns", NULL},
	{"UIDMap", add_words, "--uidmap", NULL},
	{"GIDMap", add_words, "--gidmap", NULL},
	{"SubUIDMap", add_last, "--subuidname", NULL},
	{"SubGIDMap", add_last, "--subgidname", NULL},
	{"RemapUsers", add_remap, "--userns", NULL},
	{"RemapUid", NULL, NULL, NULL},
	{"RemapGid", NULL, NULL, NULL},
	{"RemapUidSize", NULL, NULL, NULL},
	{"Volume", add_volumes, "--volume", NULL},
	{"AutoUpdate", add_update, "--label", "io.containers.autoupdate="},
	{"ExposeHostPort", add_expose, "--expose", NULL},
	{"PublishPort", add_each, "--publish", NULL},
	{"Environment", add_pairs, "--env", NULL},
	{"Label", add_pairs, "--label", NULL},
	{"Annotation", add_pairs, "--annotation", NULL},
	{"Mask", add_missing, NULL, "hull masks no further paths"},
	{"Unmask", add_unmask, "--security-opt", NULL},
	{"EnvironmentFile", add_env_files, "--env-file", NULL},
	{"Secret", add_escaped, "--secret", NULL},
	{"Mount", add_mounts, "--mount", NULL},
	{"HealthCmd", add_health, "--health-cmd", NULL},
	{"HealthInterval", add_last, "--health-interval", NULL},
	{"HealthOnFailure", add_last, "--health-on-failure", NULL},
	{"HealthLogDestination", add_last, "--health-log-destination", NULL},
	{"HealthMaxLogCount", add_last, "--health-max-log-count", NULL},
	{"HealthMaxLogSize", add_last, "--health-max-log-size", NULL},
	{"HealthRetries", add_last, "--health-retries", NULL},
	{"HealthStartPeriod", add_last, "--health-start-period", NULL},
	{"HealthTimeout", add_last, "--health-timeout", NULL},
	{"HealthStartupCmd", add_last, "--health-startup-cmd", NULL},
	{"HealthStartupInterval", add_last, "--health-startup-interval", NULL},
	{"HealthStartupRetries", add_last, "--health-startup-retries", NULL},
	{"HealthStartupSuccess", add_last, "--health-startup-success", NULL},
	{"HealthStartupTimeout", add_last, "--health-startup-timeout", NULL},
	{"Pod", add_pod, "--pod", NULL},
	{"StartWithPod", NULL, NULL, NULL},
	{"ReloadCmd", NULL, NULL, NULL},
	{"ReloadSignal", NULL, NULL, NULL},
	{"PodmanArgs", add_raw, NULL, NULL},
	{"HullArgs", add_raw, NULL, NULL},
	{"Image", NULL, NULL, NULL},
	{"Rootfs", NULL, NULL, NULL},
	{"Exec", NULL, NULL, NULL},
};
const size_t quadlet_container_nkeys = countof(quadlet_container_keys);

static int last_words(struct quadlet_call *c, const char *key, struct strv *ret, struct err *e)
{
	const struct unitfile_line *l = quadlet_line(c, key);
	struct err why = {};
	return l && unitfile_words(l->value, true, ret, &why) < 0 ? quadlet_bad(c, l, e, "%s", why.text) : 0;
}

static int reload(struct quadlet_call *c, const char *name, struct err *e)
{
	own(strv) struct strv words = {};
	const char *signal = quadlet_get(c, "ReloadSignal");
	if (last_words(c, "ReloadCmd", &words, e) < 0)
		return -1;
	if (words.n && signal)
		return quadlet_bad(c, quadlet_line(c, "ReloadSignal"), e, "it excludes ReloadCmd=");
	if (signal)
		return quadlet_command(c, "ExecReload", "", e, "kill", "--signal", signal, name, NULL);
	if (!words.n)
		return 0;
	if (quadlet_begin(c, "exec", e) < 0)
		return -1;
	quadlet_word(c, name);
	for (size_t i = 0; i < words.n; i++)
		quadlet_word(c, words.v[i]);
	quadlet_exec(c, "ExecReload", "");
	return 0;
}

/* Which Type=, and who says when it is ready. */
static int notify(struct quadlet_call *c, struct err *e)
{
	const struct unitfile_line *l = unitfile_last(&c->u->file, "Service", "Type");
	const char *who = quadlet_get(c, "Notify");
	bool container = false;
	unitfile_preset(&c->u->out, "Service", "SyslogIdentifier", "%N");
	if (l && strcmp(l->value, "oneshot") == 0)
		return 0;
	if (l && strcmp(l->value, "notify") != 0)
		return quadlet_bad(c, l, e, "a container's service is of the type notify or oneshot");
	bool healthy = who && strcmp(who, "healthy") == 0;
	if (!healthy && quadlet_get_bool(c, "Notify", &container, e) < 0)
		return -1;
	unitfile_set(&c->u->out, "Service", "Type", "notify");
	unitfile_set(&c->u->out, "Service", "NotifyAccess", "all");
	strv_add_take(&c->args, mem_printf("--sdnotify=%s", healthy ? "healthy" : container ? "container" : "monitor"));
	quadlet_word(c, "-d");
	return 0;
}

static int check_image(struct quadlet_call *c, const char **ret, struct err *e)
{
	const char *rootfs = quadlet_get(c, "Rootfs");
	if (!quadlet_get(c, "Image") && !rootfs)
		return quadlet_bad(c, NULL, e, "neither Image= nor Rootfs= is in [Container]");
	if (quadlet_get(c, "Image") && rootfs)
		return quadlet_bad(c, quadlet_line(c, "Rootfs"), e, "it excludes Image=");
	*ret = rootfs ? NULL : quadlet_image_name(c, "Image", e);
	return rootfs || *ret ? 0 : -1;
}

int quadlet_container(struct quadlet_call *c, struct err *e)
{
	struct unitfile *out = &c->u->out;
	const struct unitfile_line *l = unitfile_last(&c->u->file, "Service", "KillMode");
	const char *image, *name = c->u->resource;
	own(strv) struct strv words = {};
	if (check_image(c, &image, e) < 0)
		return -1;
	if (l && strcmp(l->value, "mixed") != 0 && strcmp(l->value, "control-group") != 0)
		return quadlet_bad(c, l, e, "a container's service has mixed or control-group");
	/* mixed: the monitor alone is asked to end. */
	unitfile_preset(out, "Service", "KillMode", "mixed");
	unitfile_add(out, "Service", "Delegate", "yes");
	if (quadlet_begin(c, "run", e) < 0)
		return -1;
	quadlet_word(c, "--name");
	quadlet_word(c, name);
	quadlet_word(c, "--replace");
	quadlet_word(c, "--rm");
	if (c->cmd && quadlet_has_option(c, "--cgroups") && !quadlet_get(c, "CgroupsMode"))
		quadlet_word(c, "--cgroups=split");
	if (notify(c, e) < 0 || quadlet_keys(c, e) < 0 || last_words(c, "Exec", &words, e) < 0)
		return -1;
	if (image)
		quadlet_word(c, image);
	else if (quadlet_option(c, quadlet_line(c, "Rootfs"), "--rootfs", quadlet_get(c, "Rootfs"), e) < 0)
		return -1;
	for (size_t i = 0; i < c->last.n; i++)
		quadlet_word(c, c->last.v[i]);
	for (size_t i = 0; i < words.n; i++)
		quadlet_word(c, words.v[i]);
	quadlet_exec(c, "ExecStart", "");
	if (reload(c, name, e) < 0)
		return -1;
	/* By the time of both it may be gone. */
	if (quadlet_command(c, "ExecStop", "", e, "stop", "--ignore", name, NULL) < 0)
		return -1;
	return quadlet_command(c, "ExecStopPost", "-", e, "rm", "-v", "-f", name, NULL);
}
