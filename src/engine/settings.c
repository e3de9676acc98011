/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings: two small files, each parsed strictly over the result of the one before, so what the user wrote wins key by
 * key.
 */
#include "engine/settings.h"

#include "base/num.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { SETTINGS_MAX = 1 << 20 };

#define S struct settings
static const struct jfield fields[] = {
	JF(S, "insecure-registries", insecure_registries, JT_STRV),
	JF(S, "log-driver", log_driver, JT_STR),
	JF(S, "log-opts", log_opts, JT_MAP),
	JF(S, "dns", dns, JT_STRV),
	JF(S, "dns-opts", dns_options, JT_STRV),
	JF(S, "dns-search", dns_search, JT_STRV),
	JF(S, "cgroup-parent", cgroup_parent, JT_STR),
	JF(S, "default-cgroupns-mode", cgroupns_mode, JT_STR),
	JF(S, "default-ipc-mode", ipc_mode, JT_STR),
	JF(S, "init", init, JT_BOOL),
	JF(S, "no-new-privileges", no_new_privileges, JT_BOOL),
	JF(S, "max-concurrent-downloads", concurrent_downloads, JT_I64),
	JF(S, "max-concurrent-uploads", concurrent_uploads, JT_I64),
	JF(S, "registry-mirrors", registry_mirrors, JT_STRV),
	JF(S, "keep-compressed", keep_compressed, JT_BOOL),
	JF(S, "platform", platform, JT_STR),
	JF(S, "storage", storage, JT_STR),
	JF(S, "default-network", network, JT_STR),
	JF(S, "ip", publish_address, JT_STR),
	JF(S, "publish", publish, JT_STR),
	JF(S, "cdi-spec-dirs", cdi_dirs, JT_STRV),
	JF(S, "cni-bin-dirs", cni_bin_dirs, JT_STRV),
	JF(S, "cni-conf-dir", cni_conf_dir, JT_STR),
	JF(S, "cni-timeout", cni_timeout, JT_I64),
};
#undef S
static const struct jtable table = JTABLE(struct settings, fields);

/* Keys of docker's daemon.json that say how its daemon works, or what is not decided here. */
static const char *const skipped[] = {"allow-direct-routing", "allow-nondistributable-artifacts", "api-cors-header",
	"authorization-plugins", "bip", "bip6", "bridge", "bridge-accept-fwmark", "builder", "cluster-advertise",
	"cluster-store", "cluster-store-opts", "containerd", "containerd-namespace", "containerd-plugin-namespace", "cpu-rt-period",
	"cpu-rt-runtime", "data-root", "debug", "default-address-pools", "default-gateway", "default-gateway-v6",
	"default-network-opts", "default-runtime", "default-ulimits", "exec-opts", "exec-root", "experimental", "features",
	"firewall-backend", "fixed-cidr", "fixed-cidr-v6", "group", "host-gateway-ip", "host-gateway-ips", "hosts", "http-proxy", "https-proxy",
	"icc", "init-path", "ip-forward", "ip-forward-no-drop", "ip-masq", "ip6tables", "iptables", "ipv6", "labels", "live-restore",
	"log-format", "log-level", "max-download-attempts", "metrics-addr", "mtu", "network-control-plane-mtu",
	"node-generic-resources", "no-proxy", "oom-score-adjust", "pidfile", "proxies", "raw-logs", "runtimes",
	"seccomp-profile", "selinux-enabled", "shutdown-timeout", "storage-driver", "storage-opts", "swarm-default-advertise-addr",
	"tls", "tlscacert", "tlscert", "tlskey", "tlsverify", "userland-proxy", "userland-proxy-path", "userns-remap", "validate"};

static bool is_known(const char *key)
{
	for (size_t i = 0; i < countof(fields); i++)
		if (strcmp(fields[i].key, key) == 0)
			return true;
	for (size_t i = 0; i < countof(skipped); i++)
		if (strcmp(skipped[i], key) == 0)
			return true;
	return strcmp(key, "default-shm-size") == 0 || strcmp(key, "build-cache-max") == 0;
}

static int check_keys(const struct json *j, struct err *e)
{
	struct json_iter it = {};
	while (json_next(j, &it)) {
		if (is_known(it.key))
			continue;
		const char *keys[countof(fields)];
		for (size_t i = 0; i < countof(fields); i++)
			keys[i] = fields[i].key;
		const char *near = str_nearest(it.key, keys, countof(keys));
		return err_set(e, ERR_USAGE, "unknown setting \"%.100s\"%s%s%s", it.key, near ? ": did you mean \"" : "", near ? near : "",
			near ? "\"?" : "");
	}
	return 0;
}

static int read_shm_size(const struct json *j, struct settings *s, struct err *e)
{
	const struct json *v = json_get(j, "default-shm-size");
	if (!v)
		return 0;
	if (json_str(v))
		return num_size(json_str(v), false, &s->shm_size, "default-shm-size", e);
	if (json_kind(v) != JSON_INT || json_i64(v) <= 0)
		return err_set(e, ERR_USAGE, "default-shm-size: must be a size such as \"64M\"");
	s->shm_size = json_i64(v);
	return 0;
}

/* docker's counts when its garbage collection is on. */
static int read_build_cache(const struct json *j, struct settings *s, struct err *e)
{
	const struct json *gc = json_get(json_get(j, "builder"), "gc"), *v = json_get(j, "build-cache-max");
	if (!v && json_truth(json_get(gc, "enabled")))
		v = json_get(gc, "defaultKeepStorage");
	if (!v)
		return 0;
	if (json_str(v))
		return num_size(json_str(v), false, &s->build_cache_max, "build-cache-max", e);
	if (json_kind(v) != JSON_INT || json_i64(v) <= 0)
		return err_set(e, ERR_USAGE, "build-cache-max: must be a size such as \"20G\"");
	s->build_cache_max = json_i64(v);
	return 0;
}

static int check_network(const struct settings *s, struct err *e)
{
	if (s->publish && !str_eq(s->publish, "nat") && !str_eq(s->publish, "proxy"))
		return err_set(e, ERR_USAGE, "publish: \"%.60s\": nat and proxy are known", s->publish);
	if (s->cni_timeout < 0 || s->cni_timeout > 3600)
		return err_set(e, ERR_USAGE, "cni-timeout: seconds, 1 to 3600");
	return 0;
}

static int load(struct settings *s, size_t at, const char *path, bool must, struct err *e)
{
	struct err why = {};
	if (json_read(AT_FDCWD, path, SETTINGS_MAX, &s->document[at], &why) < 0) {
		if (!must && (why.sys == ENOENT || why.sys == ENOTDIR || why.sys == EACCES))
			return 0;
		*e = why;
		return err_wrap(e, "%s", path);
	}
	if (json_kind(s->document[at]) != JSON_OBJECT)
		return err_set(e, ERR_USAGE, "%s: must be a JSON object", path);
	if (check_keys(s->document[at], e) < 0 || jmap_parse(&table, s->document[at], 0, &s->arena, s, "", e) < 0 ||
		read_shm_size(s->document[at], s, e) < 0 || read_build_cache(s->document[at], s, e) < 0 || check_network(s, e) < 0)
		return err_wrap(e, "%s", path);
	return 0;
}

int settings_load(struct settings *ret, struct err *e)
{
	struct settings s = {};
	const char *given = getenv("HULL_CONFIG"), *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	own(mem) char *mine = !str_is_empty(config) ? mem_printf("%s/hull/hull.json", config)
		: !str_is_empty(home)               ? mem_printf("%s/.config/hull/hull.json", home)
						    : NULL;
	int r = !str_is_empty(given) ? load(&s, 0, given, true, e) : load(&s, 0, HULL_SYSCONFDIR "/hull.json", false, e);
	if (r == 0 && str_is_empty(given) && mine)
		r = load(&s, 1, mine, false, e);
	if (r < 0) {
		settings_drop(&s);
		return -1;
	}
	*ret = s;
	return 0;
}

void settings_drop(struct settings *s)
{
	arena_drop(&s->arena);
	json_drop(&s->document[0]);
	json_drop(&s->document[1]);
	*s = (struct settings){};
}
