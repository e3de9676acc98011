/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec: config.json of the OCI runtime specification 1.3.0 (config.md, config-linux.md) as a struct.
 * Everything lives in one arena. Absent and empty are the same, except where the specification tells
 * them apart (struct opt_*, pointers).
 */
#pragma once

#include "codec/jmap.h"

struct idmap_row { uint32_t container_id, host_id, size; };
struct idmap_rows { struct idmap_row *v; size_t n; };

struct spec_rlimit { char *type; uint64_t hard, soft; };
struct spec_caps { struct strv bounding, effective, inheritable, permitted, ambient; };
struct spec_user { uint32_t uid, gid; struct opt_i64 umask; struct u32v groups; char *username; };
struct spec_scheduler {
	char *policy;
	struct opt_i64 nice, priority;
	struct strv flags;
	struct opt_u64 runtime, deadline, period;
};
struct spec_io_priority { char *class; int64_t priority; };
struct spec_cpu_affinity { char *initial, *final; };
struct spec_console { uint64_t height, width; };

struct spec_process {
	bool terminal;
	struct spec_console *console;
	struct spec_user user;
	struct strv args;
	struct strv env;
	char *cwd;
	struct spec_caps *caps;
	struct { struct spec_rlimit *v; size_t n; } rlimits;
	bool no_new_privileges;
	char *apparmor, *selinux_label;
	struct opt_i64 oom_score_adj;
	struct spec_scheduler *scheduler;
	struct spec_io_priority *io_priority;
	struct spec_cpu_affinity *cpu_affinity;
};

struct spec_mount {
	char *destination, *source, *type;
	struct strv options;
	struct idmap_rows uids, gids;
	int ready; /* not of the document: a detached mount that is attached in place of `source`; 0: none */
};

struct spec_hook { char *path; struct strv args, env; struct opt_i64 timeout; };
struct spec_hook_list { struct spec_hook *v; size_t n; };
struct spec_hooks {
	struct spec_hook_list prestart, create_runtime, create_container, start_container, poststart, poststop;
};

struct spec_namespace { char *type, *path; }; /* pid network mount ipc uts user cgroup time */
struct spec_device {
	char *type, *path;
	struct opt_i64 major, minor;
	struct opt_i64 mode, uid, gid;
};
struct spec_device_rule { bool allow; char *type; struct opt_i64 major, minor; char *access; };
struct spec_memory {
	struct opt_i64 limit, reservation, swap, kernel, kernel_tcp;
	struct opt_u64 swappiness;
	struct opt_bool disable_oom_killer, use_hierarchy, check_before_update;
};
struct spec_cpu {
	struct opt_u64 shares, burst, period, rt_period;
	struct opt_i64 quota, rt_runtime, idle;
	char *cpus, *mems;
};
struct spec_weight_device { int64_t major, minor; struct opt_u64 weight, leaf_weight; };
struct spec_throttle_device { int64_t major, minor; uint64_t rate; };
struct spec_throttle_list { struct spec_throttle_device *v; size_t n; };
struct spec_block_io {
	struct opt_u64 weight, leaf_weight;
	struct { struct spec_weight_device *v; size_t n; } weight_devices;
	struct spec_throttle_list read_bps, write_bps, read_iops, write_iops;
};
struct spec_hugepage { char *page_size; uint64_t limit; };
struct spec_net_priority { char *name; uint32_t priority; };
struct spec_network { struct opt_u64 class_id; struct { struct spec_net_priority *v; size_t n; } priorities; };
struct spec_rdma { struct opt_u64 hca_handles, hca_objects; };
struct spec_pids { struct opt_i64 limit; };
struct spec_resources {
	struct { struct spec_device_rule *v; size_t n; } devices;
	struct spec_memory *memory;
	struct spec_cpu *cpu;
	struct opt_i64 pids_limit; /* -1: max */
	struct spec_pids *pids;    /* as the document has it; spec_settle_resources copies it to pids_limit, spec_format back */
	struct spec_block_io *block_io;
	struct { struct spec_hugepage *v; size_t n; } hugepages;
	struct spec_network *network;
	struct json *rdma; /* object of {hcaHandles, hcaObjects} by device */
	struct map unified;
};

struct spec_syscall_arg { uint64_t index, value, value_two; char *op; };
struct spec_syscall {
	struct strv names;
	char *action;
	struct opt_i64 errno_ret;
	struct { struct spec_syscall_arg *v; size_t n; } args;
};
struct spec_seccomp {
	char *default_action;
	struct opt_i64 default_errno;
	struct strv architectures, flags;
	char *listener_path, *listener_metadata;
	struct { struct spec_syscall *v; size_t n; } syscalls;
	bool builtin; /* not of the document: stands for the rules that were compiled when hull was built */
};

struct spec_time_offset { int64_t secs; uint64_t nanosecs; };
struct spec_intel_rdt { char *clos_id, *l3, *mem_bw; struct strv schemata; bool monitoring; };
struct spec_memory_policy { char *mode, *nodes; struct strv flags; };
struct spec_personality { char *domain; struct strv flags; };

struct spec_linux {
	struct { struct spec_namespace *v; size_t n; } namespaces;
	struct idmap_rows uids, gids;
	struct { struct spec_device *v; size_t n; } devices;
	char *cgroups_path;
	struct spec_resources *resources;
	struct map sysctl;
	struct spec_seccomp *seccomp;
	char *rootfs_propagation;
	struct strv masked_paths, readonly_paths;
	char *mount_label;
	struct spec_intel_rdt *intel_rdt;
	struct spec_personality *personality;
	struct spec_memory_policy *memory_policy;
	struct json *time_offsets; /* object of spec_time_offset by clock */
	struct json *net_devices;  /* object of {name} by host device */
};

struct spec_root { char *path; bool readonly; };

struct spec {
	char *oci_version;
	struct spec_root *root;
	struct { struct spec_mount *v; size_t n; } mounts;
	struct spec_process *process;
	char *hostname, *domainname;
	struct spec_hooks *hooks;
	struct map annotations;
	struct spec_linux *linux_; /* never NULL after spec_parse */
};

extern const struct jtable spec_table, spec_process_table, spec_resources_table, spec_seccomp_table;

/* From a parsed document. Checks what the specification says MUST be refused (version not 1.x, duplicate
 * namespaces and rlimits, relative cwd, missing destination ...). The JSON must outlive the struct. */
int spec_parse(const struct json *j, struct arena *a, struct spec *ret, struct err *e) must_use;
/* A process on its own, as exec takes it: what it does not say stays empty; spec_check_process() for when that was filled in. */
int spec_parse_process(const struct json *j, struct arena *a, struct spec_process *ret, struct err *e) must_use;
int spec_check_process(const struct spec_process *p, struct err *e) must_use;
/* After resources were parsed alone (spec_parse does it): pids_limit, and a zero that stands for "not set" is that: engines
 * written in Go send it for what nobody asked for, and runc takes it so. */
void spec_settle_resources(struct spec_resources *r);
struct json *spec_format(const struct spec *s) must_use;
/* Of the kinds of hooks there are: the i-th, NULL behind the last. */
const char *spec_hook_name(size_t i);
/* The namespace row of that type, NULL when the container shares it with the host. */
const struct spec_namespace *spec_namespace(const struct spec *s, const char *type);
