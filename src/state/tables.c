/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables: docker's JSON keys for a container, in the order its inspect prints them.
 */
#include "state/container.h"

#define S struct container_health
static const struct jfield health_fields[] = {
	JF(S, "Test", test, JT_STRV),
	JF(S, "Interval", interval, JT_I64),
	JF(S, "Timeout", timeout, JT_I64),
	JF(S, "StartPeriod", start_period, JT_I64),
	JF(S, "StartInterval", start_interval, JT_I64),
	JF(S, "Retries", retries, JT_I64),
};
#undef S
static const struct jtable health_table = JTABLE(struct container_health, health_fields);

#define S struct container_config
static const struct jfield config_fields[] = {
	JFF(S, "Hostname", hostname, JT_STR, JF_ALWAYS),
	JFF(S, "Domainname", domainname, JT_STR, JF_ALWAYS),
	JFF(S, "User", user, JT_STR, JF_ALWAYS),
	JFF(S, "AttachStdin", attach_stdin, JT_BOOL, JF_ALWAYS),
	JFF(S, "AttachStdout", attach_stdout, JT_BOOL, JF_ALWAYS),
	JFF(S, "AttachStderr", attach_stderr, JT_BOOL, JF_ALWAYS),
	JF(S, "ExposedPorts", exposed_ports, JT_KEYS),
	JFF(S, "Tty", tty, JT_BOOL, JF_ALWAYS),
	JFF(S, "OpenStdin", open_stdin, JT_BOOL, JF_ALWAYS),
	JFF(S, "StdinOnce", stdin_once, JT_BOOL, JF_ALWAYS),
	JFF(S, "Env", env, JT_STRV, JF_ALWAYS),
	JFF(S, "Cmd", cmd, JT_STRV, JF_ALWAYS | JF_NULL),
	JFS(S, "Healthcheck", health, JT_PTR, health_table),
	JFF(S, "Image", image, JT_STR, JF_ALWAYS),
	JFF(S, "Volumes", volumes, JT_KEYS, JF_ALWAYS | JF_NULL),
	JFF(S, "WorkingDir", working_dir, JT_STR, JF_ALWAYS),
	JFF(S, "Entrypoint", entrypoint, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(S, "OnBuild", on_build, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(S, "Labels", labels, JT_MAP, JF_ALWAYS),
	JF(S, "StopSignal", stop_signal, JT_STR),
	JF(S, "StopTimeout", stop_timeout, JT_OI64),
	JF(S, "Shell", shell, JT_STRV),
};
#undef S
const struct jtable container_config_table = JTABLE(struct container_config, config_fields);

static const struct jfield log_fields[] = {
	JFF(struct log_config, "Type", type, JT_STR, JF_ALWAYS),
	JFF(struct log_config, "Config", config, JT_MAP, JF_ALWAYS),
};
static const struct jtable log_table = JTABLE(struct log_config, log_fields);

static const struct jfield restart_fields[] = {
	JFF(struct restart_policy, "Name", name, JT_STR, JF_ALWAYS),
	JFF(struct restart_policy, "MaximumRetryCount", maximum_retries, JT_I64, JF_ALWAYS),
};
static const struct jtable restart_table = JTABLE(struct restart_policy, restart_fields);

static const struct jfield device_fields[] = {
	JFF(struct device_mapping, "PathOnHost", host, JT_STR, JF_ALWAYS),
	JFF(struct device_mapping, "PathInContainer", container, JT_STR, JF_ALWAYS),
	JFF(struct device_mapping, "CgroupPermissions", permissions, JT_STR, JF_ALWAYS),
};
static const struct jtable device_table = JTABLE(struct device_mapping, device_fields);

static const struct jfield device_request_fields[] = {
	JFF(struct device_request, "Driver", driver, JT_STR, JF_ALWAYS), JFF(struct device_request, "DeviceIDs", ids, JT_STRV, JF_ALWAYS),
};
static const struct jtable device_request_table = JTABLE(struct device_request, device_request_fields);

static const struct jfield weight_fields[] = {
	JFF(struct weight_device, "Path", path, JT_STR, JF_ALWAYS),
	JFF(struct weight_device, "Weight", weight, JT_U64, JF_ALWAYS),
};
static const struct jtable weight_table = JTABLE(struct weight_device, weight_fields);

static const struct jfield throttle_fields[] = {
	JFF(struct throttle_device, "Path", path, JT_STR, JF_ALWAYS),
	JFF(struct throttle_device, "Rate", rate, JT_U64, JF_ALWAYS),
};
static const struct jtable throttle_table = JTABLE(struct throttle_device, throttle_fields);

static const struct jfield ulimit_fields[] = {
	JFF(struct ulimit, "Name", name, JT_STR, JF_ALWAYS),
	JFF(struct ulimit, "Hard", hard, JT_I64, JF_ALWAYS),
	JFF(struct ulimit, "Soft", soft, JT_I64, JF_ALWAYS),
};
static const struct jtable ulimit_table = JTABLE(struct ulimit, ulimit_fields);

static const struct jfield bind_fields[] = {
	JF(struct bind_options, "Propagation", propagation, JT_STR),
	JF(struct bind_options, "NonRecursive", non_recursive, JT_BOOL),
	JF(struct bind_options, "CreateMountpoint", create_mountpoint, JT_BOOL),
	JF(struct bind_options, "ReadOnlyNonRecursive", ro_non_recursive, JT_BOOL),
	JF(struct bind_options, "ReadOnlyForceRecursive", ro_force_recursive, JT_BOOL),
};
static const struct jtable bind_table = JTABLE(struct bind_options, bind_fields);

static const struct jfield volume_fields[] = {
	JF(struct volume_options, "NoCopy", no_copy, JT_BOOL),
	JF(struct volume_options, "Labels", labels, JT_MAP),
	JF(struct volume_options, "Subpath", subpath, JT_STR),
};
static const struct jtable volume_table = JTABLE(struct volume_options, volume_fields);

static const struct jfield tmpfs_fields[] = {
	JF(struct tmpfs_options, "SizeBytes", size, JT_I64),
	JF(struct tmpfs_options, "Mode", mode, JT_U32),
	JF(struct tmpfs_options, "HullOptions", options, JT_STRV),
};
static const struct jtable tmpfs_table = JTABLE(struct tmpfs_options, tmpfs_fields);

#define S struct mount_request
static const struct jfield request_fields[] = {
	JF(S, "Type", type, JT_STR),
	JF(S, "Source", source, JT_STR),
	JF(S, "Target", target, JT_STR),
	JF(S, "ReadOnly", read_only, JT_BOOL),
	JF(S, "Consistency", consistency, JT_STR),
	JFS(S, "BindOptions", bind, JT_PTR, bind_table),
	JFS(S, "VolumeOptions", volume, JT_PTR, volume_table),
	JFS(S, "TmpfsOptions", tmpfs, JT_PTR, tmpfs_table),
};
#undef S
static const struct jtable request_table = JTABLE(struct mount_request, request_fields);

#define S struct network_request
static const struct jfield network_fields[] = {
	JF(S, "Network", network, JT_STR), JF(S, "Aliases", aliases, JT_STRV), JF(S, "LinkLocalIPs", link_local, JT_STRV),
	JF(S, "IPv4Address", ip, JT_STR), JF(S, "IPv6Address", ip6, JT_STR), JF(S, "MacAddress", mac, JT_STR),
	JF(S, "InterfaceName", interface, JT_STR), JF(S, "GwPriority", priority, JT_I64),
};
#undef S
static const struct jtable network_table = JTABLE(struct network_request, network_fields);

#define S struct port_request
static const struct jfield port_fields[] = {
	JF(S, "Protocol", protocol, JT_STR), JF(S, "HostIp", host_ip, JT_STR), JF(S, "HostPort", host_port, JT_U32),
	JF(S, "HostLast", host_last, JT_U32), JF(S, "Port", port, JT_U32), JF(S, "Count", count, JT_U32),
};
#undef S
static const struct jtable port_table = JTABLE(struct port_request, port_fields);

#define S struct endpoint_state
static const struct jfield endpoint_fields[] = {
	JF(S, "Network", network, JT_STR), JF(S, "NetworkID", network_id, JT_STR), JF(S, "EndpointID", endpoint_id, JT_STR),
	JF(S, "Driver", driver, JT_STR), JF(S, "Interface", interface, JT_STR), JF(S, "MacAddress", mac, JT_STR), JF(S, "IPAddress", ip, JT_STR),
	JF(S, "Gateway", gateway, JT_STR), JF(S, "GlobalIPv6Address", ip6, JT_STR), JF(S, "IPv6Gateway", gateway6, JT_STR),
	JF(S, "IPPrefixLen", prefix, JT_U32), JF(S, "GlobalIPv6PrefixLen", prefix6, JT_U32), JF(S, "Aliases", aliases, JT_STRV),
	JF(S, "DNSNames", names, JT_STRV), JF(S, "GwPriority", priority, JT_I64),
};
#undef S
static const struct jtable endpoint_table = JTABLE(struct endpoint_state, endpoint_fields);

#define S struct port_state
static const struct jfield published_fields[] = {
	JF(S, "Protocol", protocol, JT_STR), JF(S, "HostIp", host_ip, JT_STR), JF(S, "HostPort", host_port, JT_U32), JF(S, "Port", port, JT_U32),
	JF(S, "Count", count, JT_U32),
};
#undef S
static const struct jtable published_table = JTABLE(struct port_state, published_fields);

#define S struct secret_use
static const struct jfield secret_fields[] = {
	JF(S, "Name", name, JT_STR),
	JF(S, "Target", target, JT_STR),
	JF(S, "Env", is_env, JT_BOOL),
	JF(S, "UID", uid, JT_U32),
	JF(S, "GID", gid, JT_U32),
	JF(S, "Mode", mode, JT_U32),
};
#undef S
static const struct jtable secret_table = JTABLE(struct secret_use, secret_fields);

#define S struct host_config
static const struct jfield host_fields[] = {
	JFF(S, "Binds", binds, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(S, "ContainerIDFile", cid_file, JT_STR, JF_ALWAYS),
	JFS(S, "LogConfig", log, JT_STRUCT, log_table),
	JFF(S, "NetworkMode", network_mode, JT_STR, JF_ALWAYS),
	JFS(S, "RestartPolicy", restart, JT_STRUCT, restart_table),
	JFF(S, "AutoRemove", auto_remove, JT_BOOL, JF_ALWAYS),
	JFF(S, "VolumeDriver", volume_driver, JT_STR, JF_ALWAYS),
	JFF(S, "VolumesFrom", volumes_from, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(S, "CapAdd", cap_add, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(S, "CapDrop", cap_drop, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(S, "CgroupnsMode", cgroupns_mode, JT_STR, JF_ALWAYS),
	JFF(S, "Dns", dns, JT_STRV, JF_ALWAYS),
	JFF(S, "DnsOptions", dns_options, JT_STRV, JF_ALWAYS),
	JFF(S, "DnsSearch", dns_search, JT_STRV, JF_ALWAYS),
	JFF(S, "ExtraHosts", extra_hosts, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(S, "GroupAdd", group_add, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(S, "IpcMode", ipc_mode, JT_STR, JF_ALWAYS),
	JFF(S, "OomScoreAdj", oom_score_adj, JT_I64, JF_ALWAYS),
	JFF(S, "PidMode", pid_mode, JT_STR, JF_ALWAYS),
	JFF(S, "Privileged", privileged, JT_BOOL, JF_ALWAYS),
	JFF(S, "PublishAllPorts", publish_all, JT_BOOL, JF_ALWAYS),
	JFF(S, "ReadonlyRootfs", read_only, JT_BOOL, JF_ALWAYS),
	JFF(S, "SecurityOpt", security_opt, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(S, "UTSMode", uts_mode, JT_STR, JF_ALWAYS),
	JFF(S, "UsernsMode", userns_mode, JT_STR, JF_ALWAYS),
	JFF(S, "ShmSize", shm_size, JT_I64, JF_ALWAYS),
	JFF(S, "Runtime", runtime, JT_STR, JF_ALWAYS),
	JF(S, "Annotations", annotations, JT_MAP),
	JFF(S, "CpuShares", cpu_shares, JT_I64, JF_ALWAYS),
	JFF(S, "Memory", memory, JT_I64, JF_ALWAYS),
	JFF(S, "NanoCpus", nano_cpus, JT_I64, JF_ALWAYS),
	JFF(S, "CgroupParent", cgroup_parent, JT_STR, JF_ALWAYS),
	JFF(S, "BlkioWeight", blkio_weight, JT_U64, JF_ALWAYS),
	JFSF(S, "BlkioWeightDevice", blkio_weight_device, JT_LIST, weight_table, JF_ALWAYS),
	JFSF(S, "BlkioDeviceReadBps", read_bps, JT_LIST, throttle_table, JF_ALWAYS),
	JFSF(S, "BlkioDeviceWriteBps", write_bps, JT_LIST, throttle_table, JF_ALWAYS),
	JFSF(S, "BlkioDeviceReadIOps", read_iops, JT_LIST, throttle_table, JF_ALWAYS),
	JFSF(S, "BlkioDeviceWriteIOps", write_iops, JT_LIST, throttle_table, JF_ALWAYS),
	JFF(S, "CpuPeriod", cpu_period, JT_I64, JF_ALWAYS),
	JFF(S, "CpuQuota", cpu_quota, JT_I64, JF_ALWAYS),
	JFF(S, "CpuRealtimePeriod", cpu_rt_period, JT_I64, JF_ALWAYS),
	JFF(S, "CpuRealtimeRuntime", cpu_rt_runtime, JT_I64, JF_ALWAYS),
	JFF(S, "CpusetCpus", cpuset_cpus, JT_STR, JF_ALWAYS),
	JFF(S, "CpusetMems", cpuset_mems, JT_STR, JF_ALWAYS),
	JFSF(S, "Devices", devices, JT_LIST, device_table, JF_ALWAYS),
	JFSF(S, "DeviceRequests", device_requests, JT_LIST, device_request_table, JF_ALWAYS | JF_NULL),
	JFF(S, "DeviceCgroupRules", device_rules, JT_STRV, JF_ALWAYS | JF_NULL),
	JFF(S, "MemoryReservation", memory_reservation, JT_I64, JF_ALWAYS),
	JFF(S, "MemorySwap", memory_swap, JT_I64, JF_ALWAYS),
	JFF(S, "MemorySwappiness", memory_swappiness, JT_OI64, JF_ALWAYS | JF_NULL),
	JFF(S, "OomKillDisable", oom_kill_disable, JT_OBOOL, JF_ALWAYS | JF_NULL),
	JF(S, "Init", init, JT_OBOOL),
	JFF(S, "PidsLimit", pids_limit, JT_OI64, JF_ALWAYS | JF_NULL),
	JFSF(S, "Ulimits", ulimits, JT_LIST, ulimit_table, JF_ALWAYS),
	JFS(S, "Mounts", mounts, JT_LIST, request_table),
	JF(S, "Tmpfs", tmpfs, JT_MAP),
	JF(S, "Sysctls", sysctls, JT_MAP),
	JFF(S, "MaskedPaths", masked_paths, JT_STRV, JF_ALWAYS),
	JFF(S, "ReadonlyPaths", readonly_paths, JT_STRV, JF_ALWAYS),
	JF(S, "HullUmask", umask, JT_STR),
	JF(S, "HullRootfs", rootfs, JT_STR),
	JF(S, "HullDetachKeys", detach_keys, JT_STR),
	JF(S, "HullHealthOnFailure", health_on_failure, JT_STR),
	JF(S, "HullSdNotify", sdnotify, JT_STR),
	JF(S, "HullTimeout", timeout, JT_I64),
	JF(S, "HullRequires", requires, JT_STRV),
	JF(S, "HullPod", pod, JT_STR),
	JF(S, "HullPodName", pod_name, JT_STR),
	JF(S, "HullShare", share, JT_STRV),
	JF(S, "HullExitPolicy", exit_policy, JT_STR),
	JFS(S, "HullNetworks", networks, JT_LIST, network_table),
	JFS(S, "HullPorts", ports, JT_LIST, port_table),
	JFS(S, "HullSecrets", secrets, JT_LIST, secret_table),
};
#undef S
const struct jtable host_config_table = JTABLE(struct host_config, host_fields);

#define S struct mount_point
static const struct jfield point_fields[] = {
	JF(S, "Type", type, JT_STR),
	JF(S, "Name", name, JT_STR),
	JFF(S, "Source", source, JT_STR, JF_ALWAYS),
	JFF(S, "Destination", destination, JT_STR, JF_ALWAYS),
	JF(S, "Driver", driver, JT_STR),
	JFF(S, "Mode", mode, JT_STR, JF_ALWAYS),
	JFF(S, "RW", rw, JT_BOOL, JF_ALWAYS),
	JFF(S, "Propagation", propagation, JT_STR, JF_ALWAYS),
	JF(S, "HullNoCopy", no_copy, JT_BOOL),
	JF(S, "HullRecursiveReadOnly", recursive_ro, JT_BOOL),
	JF(S, "HullNonRecursive", non_recursive, JT_BOOL),
	JF(S, "HullSubpath", subpath, JT_STR),
};
#undef S
static const struct jtable point_table = JTABLE(struct mount_point, point_fields);

#define S struct container_record
static const struct jfield record_fields[] = {
	JFF(S, "Id", id, JT_STR, JF_REQUIRED),
	JFF(S, "Created", created, JT_STR, JF_ALWAYS),
	JFF(S, "Path", path, JT_STR, JF_ALWAYS),
	JFF(S, "Args", args, JT_STRV, JF_ALWAYS),
	JFF(S, "Image", image, JT_STR, JF_ALWAYS),
	JFF(S, "Name", name, JT_STR, JF_ALWAYS),
	JFF(S, "Driver", driver, JT_STR, JF_ALWAYS),
	JFF(S, "Platform", platform, JT_STR, JF_ALWAYS),
	JFF(S, "MountLabel", mount_label, JT_STR, JF_ALWAYS),
	JFF(S, "ProcessLabel", process_label, JT_STR, JF_ALWAYS),
	JFF(S, "AppArmorProfile", apparmor, JT_STR, JF_ALWAYS),
	JFSF(S, "HostConfig", host, JT_STRUCT, host_config_table, JF_REQUIRED),
	JFSF(S, "Mounts", mounts, JT_LIST, point_table, JF_ALWAYS),
	JFSF(S, "Config", config, JT_STRUCT, container_config_table, JF_REQUIRED),
	JF(S, "HullLayers", layers, JT_STRV),
	JF(S, "HullUidMap", uid_map, JT_STR),
	JF(S, "HullGidMap", gid_map, JT_STR),
};
#undef S
const struct jtable container_record_table = JTABLE(struct container_record, record_fields);

#define S struct container_state
static const struct jfield state_fields[] = {
	JF(S, "Name", name, JT_STR),
	JF(S, "ImageName", image_name, JT_STR),
	JF(S, "Image", image, JT_STR),
	JF(S, "Command", command, JT_STR),
	JF(S, "Created", created, JT_STR),
	JF(S, "Labels", labels, JT_MAP),
	JF(S, "NetworkMode", network_mode, JT_STR),
	JF(S, "Pod", pod, JT_STR),
	JF(S, "PodName", pod_name, JT_STR),
	JFS(S, "Mounts", mounts, JT_LIST, point_table),
	JF(S, "Ports", ports, JT_STRV),
	JFS(S, "Networks", networks, JT_LIST, endpoint_table),
	JFS(S, "Published", published, JT_LIST, published_table),
	JF(S, "AutoRemove", auto_remove, JT_BOOL),
	JF(S, "Status", status, JT_STR),
	JF(S, "Pid", pid, JT_I64),
	JF(S, "StartTime", start_time, JT_U64),
	JF(S, "MonitorPid", monitor_pid, JT_I64),
	JF(S, "MonitorStart", monitor_start, JT_U64),
	JF(S, "Boot", boot, JT_STR),
	JF(S, "Cgroup", cgroup, JT_STR),
	JF(S, "ExitCode", exit_code, JT_I64),
	JF(S, "OOMKilled", oom_killed, JT_BOOL),
	JF(S, "PausedNs", paused_ns, JT_I64),
	JF(S, "StoppedByUser", stopped_by_user, JT_BOOL),
	JF(S, "Checkpointed", checkpointed, JT_BOOL),
	JF(S, "CheckpointedAt", checkpointed_at, JT_STR),
	JF(S, "Restored", restored, JT_BOOL),
	JF(S, "Error", error, JT_STR),
	JF(S, "StartedAt", started_at, JT_STR),
	JF(S, "FinishedAt", finished_at, JT_STR),
	JF(S, "RestartPolicy", restart, JT_STR),
	JF(S, "RestartCount", restart_count, JT_I64),
	JF(S, "RestartDelay", restart_delay, JT_I64),
	JF(S, "Namespaces", namespaces, JT_MAP),
	JF(S, "NamespaceIds", namespace_ids, JT_MAP),
	JF(S, "Health", health, JT_STR),
};
#undef S
const struct jtable container_state_table = JTABLE(struct container_state, state_fields);
