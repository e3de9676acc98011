/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info: GET /info and /version: the machine, what it can limit, and how much of what there is.
 */
#include "engine/list.h"

#include "base/num.h"
#include "base/path.h"
#include "engine/apparmor.h"
#include "engine/container.h"
#include "image/types.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char api_version[] = "1.47", min_api_version[] = "1.24";

static void set_strings(struct json *j, const char *key, const char *const *v, size_t n)
{
	struct json *a = json_new_array();
	for (size_t i = 0; i < n; i++)
		json_add(a, json_new_str(v[i]));
	json_set(j, key, a);
}

static int count_containers(struct engine *g, struct json *j, struct err *e)
{
	struct container_list_request r = {.all = true};
	own(json) struct json *list = container_list(g, &r, e);
	int64_t running = 0, paused = 0, n = (int64_t)json_len(list);
	if (!list)
		return -1;
	for (size_t i = 0; i < (size_t)n; i++) {
		const char *state = json_get_str(json_at(list, i), "State");
		running += str_eq(state, "running") || str_eq(state, "restarting");
		paused += str_eq(state, "paused");
	}
	json_set(j, "Containers", json_new_i64(n));
	json_set(j, "ContainersRunning", json_new_i64(running));
	json_set(j, "ContainersPaused", json_new_i64(paused));
	json_set(j, "ContainersStopped", json_new_i64(n - running - paused));
	return 0;
}

static int count_image(void *arg, const struct image *i, struct err *e)
{
	(void)i, (void)e;
	++*(int64_t *)arg;
	return 0;
}

static int count_images(struct engine *g, struct json *j, struct err *e)
{
	int64_t n = 0;
	size_t bad = 0;
	if (engine_need_store(g, e) < 0 || store_each(&g->store, count_image, &n, &bad, e) < 0)
		return -1;
	if (bad)
		engine_warn(g, "%zu image records cannot be read", bad);
	json_set(j, "Images", json_new_i64(n));
	return 0;
}

/* What /etc/os-release has behind key, "NAME=". */
static char *os_release(const char *key, const char *otherwise)
{
	own(buf) struct buf b = BUF(65536);
	struct err ignored = {};
	if (path_read(AT_FDCWD, "/etc/os-release", &b, &ignored) == 0) {
		own(strv) struct strv lines = {};
		strv_split(&lines, buf_text(&b), '\n');
		for (size_t i = 0; i < lines.n; i++) {
			const char *v = str_after(lines.v[i], key);
			size_t n = v ? strlen(v) : 0;
			if (v)
				return *v == '"' && n > 1 ? mem_ndup(v + 1, n - 2) : mem_dup(v);
		}
	}
	return mem_dup(otherwise);
}

static void add_limits(struct json *j)
{
	static const struct { const char *key, *controller; } rows[] = {{"MemoryLimit", "memory"}, {"SwapLimit", "memory"},
		{"CpuCfsPeriod", "cpu"}, {"CpuCfsQuota", "cpu"}, {"CPUShares", "cpu"}, {"CPUSet", "cpuset"}, {"PidsLimit", "pids"}};
	for (size_t i = 0; i < countof(rows); i++)
		json_set(j, rows[i].key, json_new_bool(cgroup_has_controller(rows[i].controller)));
	json_set(j, "OomKillDisable", json_new_bool(cgroup_machine_mode() != CGROUP_V2 && cgroup_has_controller("memory")));
}

static void add_machine(struct json *j)
{
	struct utsname u = {};
	struct sysinfo si = {};
	uname(&u);
	sysinfo(&si);
	own(mem) char *os = os_release("PRETTY_NAME=", "Linux");
	own(mem) char *version = os_release("VERSION_ID=", "");
	char now[NUM_TEXT];
	enum cgroup_mode mode = cgroup_machine_mode();
	json_set_str(j, "SystemTime", num_format_time(num_now_ns(), now));
	json_set_str(j, "CgroupDriver", mode == CGROUP_NONE ? "none" : "cgroupfs");
	json_set_str(j, "CgroupVersion", mode == CGROUP_V2 ? "2" : "1");
	json_set_str(j, "KernelVersion", u.release);
	json_set_str(j, "OperatingSystem", os);
	json_set_str(j, "OSVersion", version);
	json_set_str(j, "OSType", "linux");
	json_set_str(j, "Architecture", u.machine);
	json_set(j, "NCPU", json_new_i64(sysconf(_SC_NPROCESSORS_ONLN)));
	json_set(j, "MemTotal", json_new_u64((uint64_t)si.totalram * si.mem_unit));
	json_set_str(j, "Name", u.nodename);
}

static void add_options(const struct engine *g, struct json *j)
{
	const char *v[5];
	size_t n = 0;
	const struct apparmor_wish none = {.rootless = g->rootless};
	const char *profile;
	struct err ignored = {};
	if (apparmor_choose(&apparmor_here, &none, &profile, &ignored) == 0 && profile)
		v[n++] = "name=apparmor";
	v[n++] = "name=seccomp,profile=builtin";
	if (path_exists(AT_FDCWD, "/sys/fs/selinux/enforce"))
		v[n++] = "name=selinux";
	if (g->rootless)
		v[n++] = "name=rootless";
	v[n++] = "name=cgroupns";
	set_strings(j, "SecurityOptions", v, n);
}

/* pasta asks for a plain user with sockets that only some groups may open. */
static bool may_ping(gid_t group)
{
	struct err ignored = {};
	own(buf) struct buf text = BUF(100);
	unsigned long long first, last;
	if (path_read(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range", &text, &ignored) < 0 ||
		sscanf(buf_text(&text), "%llu %llu", &first, &last) != 2)
		return true;
	return group >= first && group <= last;
}

static void add_warnings(const struct engine *g, struct json *j)
{
	static const struct { const char *controller, *text; } rows[] = {{"memory", "WARNING: No memory limit support"},
		{"cpu", "WARNING: No cpu limit support"}, {"pids", "WARNING: No pids limit support"},
		{"cpuset", "WARNING: No cpuset support"}, {"freezer", "WARNING: No freezer: pause does not work"}};
	const char *v[countof(rows) + 2];
	size_t n = 0;
	for (size_t i = 0; i < countof(rows); i++)
		if (!cgroup_has_controller(rows[i].controller))
			v[n++] = rows[i].text;
	if (g->rootless && g->user.uids == 1)
		v[n++] = "WARNING: Only one user id: add a range for you to /etc/subuid and /etc/subgid, and install uidmap";
	if (g->rootless && !may_ping(g->user.group))
		v[n++] = "WARNING: No ping beyond this machine: add your group to the sysctl net.ipv4.ping_group_range";
	set_strings(j, "Warnings", v, n);
}

static void add_registries(const struct settings *s, struct json *j)
{
	struct json *r = json_new_object(), *cidrs = json_new_array(), *hosts = json_new_object();
	json_add(cidrs, json_new_str("127.0.0.0/8"));
	json_add(cidrs, json_new_str("::1/128"));
	for (size_t i = 0; i < s->insecure_registries.n; i++) {
		struct json *h = json_new_object();
		json_set_str(h, "Name", s->insecure_registries.v[i]);
		json_set(h, "Mirrors", json_new_array());
		json_set(h, "Secure", json_new_bool(false));
		json_set(h, "Official", json_new_bool(false));
		json_set(hosts, s->insecure_registries.v[i], h);
	}
	json_set(r, "InsecureRegistryCIDRs", cidrs);
	json_set(r, "IndexConfigs", hosts);
	json_set(r, "Mirrors", json_new_array());
	json_set(j, "RegistryConfig", r);
	json_set_str(j, "IndexServerAddress", "https://index.docker.io/v1/");
}

static void add_plugins(struct json *j)
{
	static const char *const volume[] = {"local"}, *const network[] = {"host", "none"}, *const log[] = {"journald", "json-file", "local", "none", "syslog"};
	struct json *p = json_new_object();
	set_strings(p, "Volume", volume, countof(volume));
	set_strings(p, "Network", network, countof(network));
	json_set(p, "Authorization", NULL);
	set_strings(p, "Log", log, countof(log));
	json_set(j, "Plugins", p);
}

static void add_runtimes(struct json *j)
{
	struct json *all = json_new_object(), *own_runtime = json_new_object(), *swarm = json_new_object();
	json_set_str(own_runtime, "path", "hull");
	json_set(all, "hull", own_runtime);
	json_set(j, "Runtimes", all);
	json_set_str(j, "DefaultRuntime", "hull");
	json_set_str(j, "InitBinary", "hull");
	json_set_str(swarm, "NodeID", "");
	json_set_str(swarm, "LocalNodeState", "inactive");
	json_set(swarm, "ControlAvailable", json_new_bool(false));
	json_set_str(swarm, "Error", "");
	json_set(j, "Swarm", swarm);
}

static void add_proxies(struct json *j)
{
	static const struct { const char *key, *lower, *upper; } rows[] = {{"HttpProxy", "http_proxy", "HTTP_PROXY"},
		{"HttpsProxy", "https_proxy", "HTTPS_PROXY"}, {"NoProxy", "no_proxy", "NO_PROXY"}};
	for (size_t i = 0; i < countof(rows); i++) {
		const char *v = getenv(rows[i].lower) ? getenv(rows[i].lower) : getenv(rows[i].upper);
		json_set_str(j, rows[i].key, v ? v : "");
	}
}

struct json *engine_info(struct engine *g, struct err *e)
{
	own(json) struct json *j = json_new_object();
	const struct settings *s = engine_settings(g, e);
	if (!s)
		return NULL;
	json_set_str(j, "ID", "");
	if (count_containers(g, j, e) < 0 || count_images(g, j, e) < 0 || engine_need_storage(g, e) < 0)
		return NULL;
	json_set_str(j, "Driver", snap_storage(&g->snap));
	json_set(j, "DriverStatus", json_new_array());
	add_plugins(j);
	add_limits(j);
	json_set(j, "IPv4Forwarding", json_new_bool(true));
	json_set(j, "Debug", json_new_bool(false));
	add_machine(j);
	json_set_str(j, "LoggingDriver", s->log_driver ? s->log_driver : "json-file");
	add_registries(s, j);
	json_set_str(j, "DockerRootDir", g->root_path);
	add_proxies(j);
	json_set(j, "Labels", json_new_array());
	json_set(j, "ExperimentalBuild", json_new_bool(false));
	json_set_str(j, "ServerVersion", HULL_VERSION);
	add_runtimes(j);
	json_set(j, "LiveRestoreEnabled", json_new_bool(true));
	json_set_str(j, "Isolation", "");
	add_options(g, j);
	add_warnings(g, j);
	return take(j);
}

/* Go's name of the machine, as images have it. */
static const char *go_arch(const char *machine)
{
	static const struct { const char *machine, *arch; } rows[] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"},
		{"i686", "386"}, {"riscv64", "riscv64"}, {"ppc64le", "ppc64le"}, {"s390x", "s390x"}};
	for (size_t i = 0; i < countof(rows); i++)
		if (strcmp(rows[i].machine, machine) == 0)
			return rows[i].arch;
	return machine;
}

struct json *engine_version(struct engine *g, struct err *e)
{
	(void)g, (void)e;
	struct utsname u = {};
	uname(&u);
	struct json *j = json_new_object(), *platform = json_new_object(), *all = json_new_array(), *hull = json_new_object(),
		*details = json_new_object();
	json_set_str(platform, "Name", "hull");
	json_set_str(details, "ApiVersion", api_version);
	json_set_str(details, "Arch", go_arch(u.machine));
	json_set_str(details, "KernelVersion", u.release);
	json_set_str(details, "MinAPIVersion", min_api_version);
	json_set_str(details, "Os", "linux");
	json_set_str(hull, "Name", "Engine");
	json_set_str(hull, "Version", HULL_VERSION);
	json_set(hull, "Details", details);
	json_add(all, hull);
	json_set(j, "Platform", platform);
	json_set(j, "Components", all);
	json_set_str(j, "Version", HULL_VERSION);
	json_set_str(j, "ApiVersion", api_version);
	json_set_str(j, "MinAPIVersion", min_api_version);
	json_set_str(j, "Os", "linux");
	json_set_str(j, "Arch", go_arch(u.machine));
	json_set_str(j, "KernelVersion", u.release);
	return j;
}
