/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_options: create has what run has but for three options that say what is done after the start; so its table is made of
 * run's when the program starts.
 */
#include "cli/run_options.h"

#include "cli/cli.h"

#define R(member) offset_of(struct run_options, member)
#define REFUSED(name, letter, index) \
	{name, letter, OPT_STR, offset_of(struct run_options, refused[index]), "VALUE", "Refused", OPT_HIDDEN}

const struct opt run_options[] = {
	{"add-host", 0, OPT_STRV, R(add_host), "NAME:IP", "Add a line to /etc/hosts"},
	{"annotation", 0, OPT_STRV, R(annotation), "KEY=VALUE", "Add an annotation (handed to the OCI runtime)"},
	{"attach", 'a', OPT_STRV, R(attach), "STREAM", "Attach to stdin, stdout or stderr only", 0, "stdin stdout stderr"},
	{"blkio-weight", 0, OPT_U64, R(blkio_weight), "N", "Share of block I/O, 10 to 1000"},
	{"blkio-weight-device", 0, OPT_STRV, R(blkio_weight_device), "PATH:N", "Share of block I/O of one device", 0, "@file"},
	{"cap-add", 0, OPT_STRV, R(cap_add), "CAP", "Add a capability, or ALL"},
	{"cap-drop", 0, OPT_STRV, R(cap_drop), "CAP", "Drop a capability, or ALL"},
	{"cgroup-parent", 0, OPT_STR, R(cgroup_parent), "PATH", "Cgroup to put the container's cgroup into"},
	{"cgroupns", 0, OPT_STR, R(cgroupns), "MODE", "Cgroup namespace", 0, "private host"},
	{"cidfile", 0, OPT_STR, R(cidfile), "FILE", "Write the container's id to a new file", 0, "@file"},
	{"cpu-period", 0, OPT_I64, R(cpu_period), "US", "Period of the CPU limit in microseconds"},
	{"cpu-quota", 0, OPT_I64, R(cpu_quota), "US", "CPU time in a period in microseconds"},
	{"cpu-rt-period", 0, OPT_I64, R(cpu_rt_period), "US", "Period of the real-time limit in microseconds"},
	{"cpu-rt-runtime", 0, OPT_I64, R(cpu_rt_runtime), "US", "Real-time CPU time in a period in microseconds"},
	{"cpu-shares", 'c', OPT_I64, R(cpu_shares), "N", "Share of CPU time when it is scarce (1024 is normal)"},
	{"cpus", 0, OPT_STR, R(cpus), "N", "Number of CPUs it may use, as in 0.5"},
	{"cpuset-cpus", 0, OPT_STR, R(cpuset_cpus), "LIST", "CPUs it may run on, as in 0-3,6"},
	{"cpuset-mems", 0, OPT_STR, R(cpuset_mems), "LIST", "Memory nodes it may use"},
	{"detach", 'd', OPT_BOOL, R(detach), NULL, "Print the id and let it run in the background"},
	{"detach-keys", 0, OPT_STR, R(detach_keys), "KEYS", "Keys that leave it running (ctrl-p,ctrl-q)"},
	{"device", 0, OPT_STRV, R(device), "PATH[:PATH][:rwm]", "Give it a device of the host, by its path or as VENDOR/CLASS=NAME (CDI)", 0, "@file"},
	{"device-cgroup-rule", 0, OPT_STRV, R(device_cgroup_rule), "RULE", "Allow devices by number, as in 'c 42:* rmw'"},
	{"device-read-bps", 0, OPT_STRV, R(read_bps), "PATH:RATE", "Limit reads from a device, bytes a second", 0, "@file"},
	{"device-read-iops", 0, OPT_STRV, R(read_iops), "PATH:RATE", "Limit reads from a device, operations a second", 0, "@file"},
	{"device-write-bps", 0, OPT_STRV, R(write_bps), "PATH:RATE", "Limit writes to a device, bytes a second", 0, "@file"},
	{"device-write-iops", 0, OPT_STRV, R(write_iops), "PATH:RATE", "Limit writes to a device, operations a second", 0, "@file"},
	{"disable-content-trust", 0, OPT_BOOL, R(disable_content_trust), NULL, "Has no effect", OPT_HIDDEN},
	{"dns", 0, OPT_STRV, R(dns), "IP", "Name server for /etc/resolv.conf"},
	{"dns-option", 0, OPT_STRV, R(dns_option), "OPTION", "Option for /etc/resolv.conf", 0, NULL, "dns-opt"},
	{"dns-search", 0, OPT_STRV, R(dns_search), "DOMAIN", "Search domain for /etc/resolv.conf"},
	{"domainname", 0, OPT_STR, R(domainname), "NAME", "NIS domain name"},
	{"entrypoint", 0, OPT_STR, R(entrypoint), "COMMAND", "Command in place of the image's ENTRYPOINT"},
	{"env", 'e', OPT_STRV, R(env), "NAME[=VALUE]", "Set an environment variable, or take it from here"},
	{"env-file", 0, OPT_STRV, R(env_file), "FILE", "Read environment variables from a file", 0, "@file"},
	{"expose", 0, OPT_STRV, R(expose), "PORT[/PROTO]", "Note a port, or a range of ports, as used"},
	{"gidmap", 0, OPT_STRV, R(gidmap), "IN:OUT:COUNT", "Map group ids in a user namespace of its own"},
	{"group-add", 0, OPT_STRV, R(group_add), "GROUP", "Join a further group"},
	{"health-cmd", 0, OPT_STR, R(health_cmd), "COMMAND", "Shell command that tells whether it is well, by its exit status"},
	{"health-interval", 0, OPT_STR, R(health_interval), "TIME", "Time between two such checks (30s)"},
	{"health-on-failure", 0, OPT_STR, R(health_on_failure), "ACTION", "What is done when it is unhealthy: none, kill, restart, stop (none)", 0, "none kill restart stop"},
	{"health-retries", 0, OPT_I64, R(health_retries), "N", "Failures in a row that make it unhealthy (3)"},
	{"health-start-interval", 0, OPT_STR, R(health_start_interval), "TIME", "Time between two checks in the start period (5s)"},
	{"health-start-period", 0, OPT_STR, R(health_start_period), "TIME", "Time in which failures do not count (0s)"},
	{"health-timeout", 0, OPT_STR, R(health_timeout), "TIME", "A check that takes longer has failed (30s)"},
	{"hostname", 'h', OPT_STR, R(hostname), "NAME", "Host name (the short id)"},
	{"init", 0, OPT_BOOL, R(init), NULL, "Run an init that passes signals on and reaps processes"},
	{"interactive", 'i', OPT_BOOL, R(interactive), NULL, "Keep stdin open"},
	{"ip", 0, OPT_STR, R(ip), "IP", "Its IPv4 address"},
	{"ip6", 0, OPT_STR, R(ip6), "IP", "Its IPv6 address"},
	{"ipc", 0, OPT_STR, R(ipc), "MODE", "IPC namespace: private, shareable, none, host, container:NAME"},
	{"isolation", 0, OPT_STR, R(isolation), "KIND", "Only \"default\"", OPT_HIDDEN},
	{"label", 'l', OPT_STRV, R(label), "KEY[=VALUE]", "Add a label"},
	{"label-file", 0, OPT_STRV, R(label_file), "FILE", "Read labels from a file", 0, "@file"},
	{"link-local-ip", 0, OPT_STRV, R(link_local_ip), "IP", "A further, link-local address"},
	{"log-driver", 0, OPT_STR, R(log_driver), "NAME", "Where its output is kept (json-file)", 0, "json-file local journald syslog none"},
	{"log-opt", 0, OPT_STRV, R(log_opt), "KEY=VALUE", "max-size=10m, max-file=3, compress=true, rate=1000/s, labels=, env=, tag=, syslog-address= …"},
	{"mac-address", 0, OPT_STR, R(mac_address), "MAC", "Its MAC address"},
	{"memory", 'm', OPT_SIZE, R(memory), "BYTES", "Limit of its memory, as in 256M"},
	{"memory-reservation", 0, OPT_SIZE, R(memory_reservation), "BYTES", "Memory it keeps when memory is scarce"},
	{"memory-swap", 0, OPT_SIZE, R(memory_swap), "BYTES", "Limit of memory and swap together, -1: any", OPT_MINUS_ONE},
	{"memory-swappiness", 0, OPT_I64, R(memory_swappiness), "N", "How readily it is swapped out, 0 to 100"},
	{"mount", 0, OPT_STRV, R(mount), "SPEC", "Mount as type=bind|volume|tmpfs,source=…,target=…[,readonly]…"},
	{"name", 0, OPT_STR, R(name), "NAME", "Name of the container (a made-up one)"},
	{"network", 0, OPT_STRV, R(network), "NETWORK", "A network, or name=NETWORK,alias=…,ip=…; none, host, container:NAME, ns:PATH (bridge)", 0, "@network container: ns:", "net"},
	{"network-alias", 0, OPT_STRV, R(network_alias), "NAME", "A further name in its network", 0, NULL, "net-alias"},
	{"no-healthcheck", 0, OPT_BOOL, R(no_healthcheck), NULL, "Run no HEALTHCHECK of the image"},
	{"oom-kill-disable", 0, OPT_BOOL, R(oom_kill_disable), NULL, "Do not kill it when its memory runs out"},
	{"oom-score-adj", 0, OPT_I64, R(oom_score_adj), "N", "How likely it is killed when memory runs out, -1000 to 1000"},
	{"pid", 0, OPT_STR, R(pid), "MODE", "PID namespace: private, host, container:NAME", 0, "private host container:"},
	{"pids-limit", 0, OPT_I64, R(pids_limit), "N", "Limit of its processes, -1: none"},
	{"platform", 0, OPT_STR, R(platform), "OS/ARCH", "Platform of the image, as in linux/arm64"},
	{"pod", 0, OPT_STR, R(pod), "POD", "Put it into a pod; new:NAME makes that first", 0, "@pod new:"},
	{"pod-id-file", 0, OPT_STR, R(pod_id_file), "FILE", "Read the pod's id from a file", 0, "@file"},
	{"privileged", 0, OPT_BOOL, R(privileged), NULL, "Give it all capabilities and devices, without seccomp"},
	{"publish", 'p', OPT_STRV, R(publish), "[[IP:]PORT:]PORT[/PROTO]", "Make a port, or a range of ports, reachable at the host's"},
	{"publish-all", 'P', OPT_BOOL, R(publish_all), NULL, "Publish all exposed ports, at ports that are free"},
	{"pull", 0, OPT_STR, R(pull), "WHEN", "Fetch the image: always, missing or never (missing)", 0, "always missing never"},
	{"quiet", 'q', OPT_BOOL, R(quiet), NULL, "Say nothing while the image is fetched"},
	{"read-only", 0, OPT_BOOL, R(read_only), NULL, "Make its root file system read-only"},
	{"replace", 0, OPT_BOOL, R(replace), NULL, "Remove the container that has the name, first"},
	{"requires", 0, OPT_STRV, R(requires), "CONTAINER[,…]", "Start that one first, whenever this one is started", 0, "@container"},
	{"restart", 0, OPT_STR, R(restart), "POLICY", "When it comes back: no, on-failure[:n], always, unless-stopped (no)", 0, "no on-failure always unless-stopped"},
	{"rm", 0, OPT_BOOL, R(rm), NULL, "Remove the container, with its anonymous volumes, when it ends"},
	{"rootfs", 0, OPT_STR, R(rootfs), "DIR", "Run in a directory of the host; no IMAGE is named then", 0, "@dir"},
	{"runtime", 0, OPT_STR, R(runtime), "NAME", "Only \"hull\"", OPT_HIDDEN},
	{"sdnotify", 0, OPT_STR, R(sdnotify), "WHO", "In a systemd unit: who says that it is ready: container, monitor, healthy, ignore (container)", 0,
		"container monitor healthy ignore"},
	{"secret", 0, OPT_STRV, R(secret), "NAME[,KEY=VALUE]", "A secret: type=mount|env, target=, uid=, gid=, mode= (a file in /run/secrets)"},
	{"security-opt", 0, OPT_STRV, R(security_opt), "OPTION", "seccomp=, apparmor=, label=, no-new-privileges, systempaths=unconfined", 0,
		"no-new-privileges seccomp=unconfined systempaths=unconfined apparmor= label="},
	{"shm-size", 0, OPT_SIZE, R(shm_size), "BYTES", "Size of /dev/shm (64M)"},
	{"sig-proxy", 0, OPT_OPTSTR, R(sig_proxy), "BOOL", "Pass signals on to the process (true)", 0, "true false", NULL, "true"},
	{"stop-signal", 0, OPT_STR, R(stop_signal), "SIGNAL", "Signal that stop sends first (SIGTERM)", 0, CLI_SIGNALS},
	{"stop-timeout", 0, OPT_I64, R(stop_timeout), "SECONDS", "How long stop waits before SIGKILL (10)"},
	{"sysctl", 0, OPT_STRV, R(sysctl), "NAME=VALUE", "Set a kernel parameter of its namespaces"},
	{"timeout", 0, OPT_I64, R(timeout), "SECONDS", "Kill it when it has run for so long"},
	{"tmpfs", 0, OPT_STRV, R(tmpfs), "PATH[:OPTIONS]", "Mount a tmpfs"},
	{"tty", 't', OPT_BOOL, R(tty), NULL, "Give it a terminal"},
	{"uidmap", 0, OPT_STRV, R(uidmap), "IN:OUT:COUNT", "Map user ids in a user namespace of its own"},
	{"ulimit", 0, OPT_STRV, R(ulimit), "NAME=SOFT[:HARD]", "Set a resource limit"},
	{"umask", 0, OPT_STR, R(umask), "MODE", "Octal umask of the process (0022)"},
	{"use-api-socket", 0, OPT_BOOL, R(use_api_socket), NULL, "Refused", OPT_HIDDEN},
	{"user", 'u', OPT_STR, R(user), "USER[:GROUP]", "User, by name or number"},
	{"user-group", 0, OPT_STR, R(user_group), "GROUP", "The image's user, in this group", OPT_HIDDEN},
	{"userns", 0, OPT_STR, R(userns), "MODE", "User namespace: host, auto[:size=N], keep-id (host)", 0, "host auto keep-id"},
	{"uts", 0, OPT_STR, R(uts), "MODE", "UTS namespace: private, host", 0, "private host"},
	{"volume", 'v', OPT_STRV, R(volume), "[SOURCE:]PATH[:OPTIONS]", "Mount a directory of the host, or a volume", 0, "@dir"},
	{"volume-driver", 0, OPT_STR, R(volume_driver), "NAME", "Only \"local\"", OPT_HIDDEN},
	{"volumes-from", 0, OPT_STRV, R(volumes_from), "CONTAINER[:ro]", "Mount what another container has mounted", 0, "@container"},
	{"wait", 0, OPT_OPTSTR, R(wait), "CONDITION", "With -d: return when it is running, or healthy; fail when it ends or is unhealthy", 0, "running healthy", NULL, "healthy"},
	{"wait-timeout", 0, OPT_I64, R(wait_timeout), "SECONDS", "With --wait: fail when it is not so by then; it goes on (for ever)"},
	{"workdir", 'w', OPT_STR, R(workdir), "DIR", "Working directory, made when it is missing"},
	REFUSED("cpu-count", 0, REFUSED_CPU_COUNT),
	REFUSED("cpu-percent", 0, REFUSED_CPU_PERCENT),
	REFUSED("gpus", 0, REFUSED_GPUS),
	REFUSED("io-maxbandwidth", 0, REFUSED_IO_MAXBANDWIDTH),
	REFUSED("io-maxiops", 0, REFUSED_IO_MAXIOPS),
	REFUSED("kernel-memory", 0, REFUSED_KERNEL_MEMORY),
	REFUSED("link", 0, REFUSED_LINK),
	REFUSED("storage-opt", 0, REFUSED_STORAGE_OPT),
};
_Static_assert(countof(run_options) == RUN_OPTIONS, "RUN_OPTIONS");

struct opt create_options[CREATE_OPTIONS];

void create_options_fill(void)
{
	static const char *const of_run[] = {"detach", "detach-keys", "sig-proxy", "wait", "wait-timeout"};
	size_t n = 0;
	for (size_t i = 0; i < RUN_OPTIONS; i++) {
		bool skip = false;
		for (size_t k = 0; k < countof(of_run); k++)
			skip |= strcmp(run_options[i].name, of_run[k]) == 0;
		if (!skip && n < CREATE_OPTIONS)
			create_options[n++] = run_options[i];
	}
}

#define WINDOWS "is for Windows containers"

static const struct {
	const char *option, *why;
} refused[RUN_REFUSED] = {
	[REFUSED_GPUS] = {"--gpus", "hull has no GPU support: give the devices with --device, as files or by their CDI names"},
	[REFUSED_LINK] = {"--link", "docker's old way to names: connect both to a network of their own, where names resolve"},
	[REFUSED_STORAGE_OPT] = {"--storage-opt", "the size of a container's files cannot be limited: leave it away"},
	[REFUSED_KERNEL_MEMORY] = {"--kernel-memory", "Linux has no such limit any more: use --memory"},
	[REFUSED_CPU_COUNT] = {"--cpu-count", WINDOWS ": use --cpus"},
	[REFUSED_CPU_PERCENT] = {"--cpu-percent", WINDOWS ": use --cpus"},
	[REFUSED_IO_MAXBANDWIDTH] = {"--io-maxbandwidth", WINDOWS ": use --device-read-bps and --device-write-bps"},
	[REFUSED_IO_MAXIOPS] = {"--io-maxiops", WINDOWS ": use --device-read-iops and --device-write-iops"},
};

int run_options_refuse(const struct run_options *o, struct err *e)
{
	for (size_t i = 0; i < RUN_REFUSED; i++) {
		if (!o->refused[i])
			continue;
		return err_set(e, ERR_USAGE, "%s: %s", refused[i].option, refused[i].why);
	}
	if (o->use_api_socket)
		return err_set(e, ERR_USAGE, "--use-api-socket: hull has no daemon whose socket could be given to a container");
	if (!str_is_empty(o->isolation) && !str_eq(o->isolation, "default"))
		return err_set(e, ERR_USAGE, "--isolation: only \"default\" is known on Linux");
	return 0;
}
