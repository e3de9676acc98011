/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container: what is kept of a container, under the keys docker's inspect prints.
 *
 *   <root>/containers/<id>/config.json   struct container_record: what was asked for; written once, replaced by
 *                                        rename and update
 *   <root>/containers/<id>/state.json    struct container_state: small; what ps needs and how it stands; may be missing
 *                                        before the first start
 *   <root>/containers/<id>/lock          held while a verb changes the container
 *   the directory itself                 is locked (flock) around each change of state.json
 *   <root>/containers/<id>/waiting/      while clients are attached that its next start takes along (engine/waiting.h)
 *   <root>/names/<name>                  a symlink to the id: making it is what makes a name unique
 *   <run>/containers/<id>/               while it runs: attach.sock and lock of its monitor
 *   <run>/containers/<id>/exec/<id>/     the API's execs in it, with a monitor of their own each (engine/exec_session.h)
 *
 * A directory without config.json whose lock is free was left by a dead process and is removed.
 * Pods are kept in the same way, in folders of their own (pods/, pods/names/): a pod is what its containers have in common, so its record and
 * state are those of a container without an image and a process (engine/pod.h).
 * Times are RFC 3339 texts as docker prints them ("" : never).
 */
#pragma once

#include "codec/jmap.h"

struct container_health { struct strv test; int64_t interval, timeout, start_period, start_interval, retries; };

/* docker's Config */
struct container_config {
	char *hostname, *domainname, *user;
	bool attach_stdin, attach_stdout, attach_stderr;
	struct strv exposed_ports;
	bool tty, open_stdin, stdin_once;
	struct strv env, cmd;
	struct container_health *health;
	char *image;
	struct strv volumes;
	char *working_dir;
	struct strv entrypoint;
	struct strv on_build;
	struct map labels;
	char *stop_signal;
	struct opt_i64 stop_timeout;
	struct strv shell;
};

struct log_config { char *type; struct map config; };
struct restart_policy { char *name; int64_t maximum_retries; };
struct device_mapping { char *host, *container, *permissions; };
struct device_request { char *driver; struct strv ids; }; /* of the driver cdi: devices by name */
struct weight_device { char *path; uint64_t weight; };
struct throttle_device { char *path; uint64_t rate; };
struct throttle_devices { struct throttle_device *v; size_t n; };
struct ulimit { char *name; int64_t hard, soft; };
struct bind_options { char *propagation; bool non_recursive, create_mountpoint, ro_non_recursive, ro_force_recursive; };
struct volume_options { bool no_copy; struct map labels; char *subpath; };
struct tmpfs_options { int64_t size; uint32_t mode; struct strv options; };
struct mount_request {
	char *type, *source, *target; /* bind volume tmpfs */
	bool read_only;
	char *consistency;
	struct bind_options *bind;
	struct volume_options *volume;
	struct tmpfs_options *tmpfs;
};

/* A network it is to be connected to, in this order; the first is network_mode. */
struct network_request {
	char *network;
	struct strv aliases, link_local;
	char *ip, *ip6, *mac, *interface;
	int64_t priority; /* who has the highest gives the default route */
};
/* host_port 0: any that is free; host_last > host_port with count 1: the first of those that is free. */
struct port_request { char *protocol, *host_ip; uint32_t host_port, host_last, port, count; };
struct port_requests { struct port_request *v; size_t n; };

/* What it has of the secret `name`: a file (below /run/secrets, or at an absolute path), or a variable. */
struct secret_use { char *name, *target; bool is_env; uint32_t uid, gid, mode; };

/* docker's HostConfig; hull's own keys at the end */
struct host_config {
	struct strv binds;
	char *cid_file;
	struct log_config log;
	char *network_mode;
	struct restart_policy restart;
	bool auto_remove;
	char *volume_driver;
	struct strv volumes_from;
	struct strv cap_add, cap_drop;
	char *cgroupns_mode;
	struct strv dns, dns_options, dns_search, extra_hosts, group_add;
	char *ipc_mode;
	int64_t oom_score_adj;
	char *pid_mode;
	bool privileged, publish_all, read_only;
	struct strv security_opt;
	char *uts_mode, *userns_mode;
	int64_t shm_size;
	char *runtime;
	struct map annotations;
	int64_t cpu_shares, memory, nano_cpus;
	char *cgroup_parent;
	uint64_t blkio_weight;
	struct { struct weight_device *v; size_t n; } blkio_weight_device;
	struct throttle_devices read_bps, write_bps, read_iops, write_iops;
	int64_t cpu_period, cpu_quota, cpu_rt_period, cpu_rt_runtime;
	char *cpuset_cpus, *cpuset_mems;
	struct { struct device_mapping *v; size_t n; } devices;
	struct strv device_rules;
	struct { struct device_request *v; size_t n; } device_requests;
	int64_t memory_reservation, memory_swap;
	struct opt_i64 memory_swappiness;
	struct opt_bool oom_kill_disable;
	struct opt_bool init;
	struct opt_i64 pids_limit;
	struct { struct ulimit *v; size_t n; } ulimits;
	struct { struct mount_request *v; size_t n; } mounts;
	struct map tmpfs, sysctls;
	struct strv masked_paths, readonly_paths;
	char *umask;   /* octal */
	char *rootfs;  /* --rootfs: a directory of the host instead of an image */
	char *detach_keys;
	char *health_on_failure; /* none kill restart stop */
	char *sdnotify;          /* container monitor healthy ignore */
	int64_t timeout;         /* seconds it may run; 0: any */
	struct strv requires;    /* ids of containers that are started before it */
	char *pod, *pod_name;    /* id and name of the pod it is in; its shared namespaces are "pod:ID" above */
	struct strv share;       /* of a pod: what its containers share: net ipc uts pid cgroup */
	char *exit_policy;       /* of a pod: continue stop, when the last of its containers has ended */
	struct { struct network_request *v; size_t n; } networks;
	struct port_requests ports;
	struct { struct secret_use *v; size_t n; } secrets;
};

/* A mount as it came out: docker's MountPoint */
struct mount_point {
	char *type, *name, *source, *destination, *driver, *mode;
	bool rw;
	char *propagation;
	bool no_copy, recursive_ro, non_recursive; /* hull's own */
	char *subpath;
};

struct container_record {
	char *id, *created, *path;
	struct strv args;
	char *image;    /* id: sha256:… */
	char *name;     /* "/web" */
	char *driver, *platform;
	char *mount_label, *process_label, *apparmor;
	struct container_config config;
	struct host_config host;
	struct { struct mount_point *v; size_t n; } mounts;
	struct strv layers; /* diff_ids, the lowest first */
	char *uid_map, *gid_map; /* "inside:outside:count,…" when it has a user namespace of its own */
};

/* How it is connected while it runs; kept afterwards, so that it gets its addresses again. */
struct endpoint_state {
	char *network, *network_id, *endpoint_id, *driver, *interface, *mac, *ip, *gateway, *ip6, *gateway6;
	uint32_t prefix, prefix6;
	struct strv aliases, names; /* as asked for; all that the resolver answers to */
	int64_t priority;
};
struct port_state { char *protocol, *host_ip; uint32_t host_port, port, count; };

struct container_state {
	/* for ps, copied from the record when it is made or renamed */
	char *name, *image_name, *image, *command, *created;
	struct map labels;
	char *network_mode, *pod, *pod_name;
	struct { struct mount_point *v; size_t n; } mounts;
	struct strv ports;       /* exposed: "80/tcp" */
	struct { struct endpoint_state *v; size_t n; } networks;
	struct { struct port_state *v; size_t n; } published;
	bool auto_remove;
	char *restart;           /* "always", "on-failure:3"; NULL: never */
	/* how it stands */
	char *status;            /* created running paused restarting exited dead removing; what the last writer knew */
	int64_t pid;
	uint64_t start_time;
	int64_t monitor_pid;
	uint64_t monitor_start;
	char *boot;              /* boot id that pid and monitor_pid belong to */
	char *cgroup;
	int64_t exit_code;
	bool oom_killed;
	bool stopped_by_user;
	bool checkpointed, restored; /* it ended by a checkpoint; what runs came from one */
	char *checkpointed_at;
	char *error;
	char *started_at, *finished_at;
	int64_t restart_count, restart_delay; /* by its policy since it was started; ms from its end to the next one */
	struct map namespaces;   /* of a pod that runs: "net" and the others, as paths that lead there */
	struct map namespace_ids; /* which they are: "net:[4026532008]", as /proc has it */
	int64_t paused_ns;       /* CLOCK_MONOTONIC, of the last pause; 0: never */
	char *health;            /* starting healthy unhealthy, while it runs and is probed */
};

extern const struct jtable container_record_table, container_state_table, container_config_table, host_config_table;

struct containers {
	const char *what; /* "container", "pod" */
	int root; /* fd of <root>/containers */
	int names; /* fd of <root>/names */
	int run;  /* fd of <run>/containers */
	char boot[40];
};
int containers_open(struct containers *c, int root, int run, struct err *e) must_use; /* makes the folders */
int containers_open_pods(struct containers *c, int root, int run, struct err *e) must_use; /* the same for pods */
void containers_drop(struct containers *c);

/* Full id from a name, an id or a unique prefix of one. ERR_NOT_FOUND `no such container: x`. */
int containers_find(struct containers *c, const char *text, char ret_id[65], struct err *e) must_use;
/* Is it a name docker allows: [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
bool container_name_is_valid(const char *name);
/* Takes the name: ERR_CONFLICT `the name "web" is in use by container 0123…`. A name whose container is gone is taken over. */
int containers_take_name(struct containers *c, const char *name, const char *id, struct err *e) must_use;
bool containers_free_name(struct containers *c, const char *name, const char *id); /* false: it was not this container's */
int containers_ids(struct containers *c, bool running_only, struct strv *ret, struct err *e) must_use;

/* A container held by one verb: its directory, and its lock when `locked`. */
struct container_entry {
	struct arena arena;
	char id[65];
	int dir;      /* fd of <root>/containers/<id> */
	int lock;     /* -1: not held */
	struct json *document; /* of the record */
	struct json *state_document;
	struct container_record record;
	struct container_state state;
};
void container_entry_drop(struct container_entry *c);

/* ENTRY_LOST_STATE: also one whose state cannot be read, as "exited": for who removes it. */
enum entry_flags { ENTRY_LOCK = 1 << 0, ENTRY_STATE_ONLY = 1 << 1, ENTRY_LOST_STATE = 1 << 2 };
int containers_load(struct containers *c, const char *id, int flags, struct container_entry *ret, struct err *e) must_use;
/* The state alone and nothing opened: for lists. Where that does not tell how the container stands (nothing can be settled without
 * its directory), it is loaded as with ENTRY_STATE_ONLY. */
int containers_peek(struct containers *c, const char *id, struct container_entry *ret, struct err *e) must_use;
/* Reads state.json again (after waiting for a lock or for the monitor). Without one the container was never started; one that
 * a power cut made unreadable is "exited". Both are told from the record. */
int container_reload_state(struct container_entry *c, struct err *e) must_use;
/* What the state says of the record's restart policy. */
char *container_restart_text(struct container_entry *c);
/* The state of a container that was just made; nobody can see it yet. */
int container_save_first_state(struct container_entry *c, struct err *e) must_use;
/* Before every change of state.json: locks it against the monitor and other verbs, reads it again. Returns the lock, an fd. */
int container_change_state(struct container_entry *c, struct err *e) must_use;
int container_save_record(const struct container_entry *c, bool sync, struct err *e) must_use;
int container_save_state(int dir, const struct container_state *s, bool sync, struct err *e) must_use;
/* A new, locked directory for id. */
int containers_make(struct containers *c, const char *id, int *ret_dir, int *ret_lock, struct err *e) must_use;
/* From here on nobody finds it any more; what is left on the disk is half made. */
int containers_forget(struct containers *c, const char *id, struct err *e) must_use;
/* Forgets it, removes the directory (what is in it too) and the run directory. */
int containers_remove(struct containers *c, const char *id, struct err *e) must_use;
/* <run>/containers/<id>, made when `make`. */
int containers_run_dir(struct containers *c, const char *id, bool make, struct err *e) must_use;

/* What the state says is checked against the kernel: a pid of this boot with that start time. */
bool container_state_is_alive(const struct containers *c, const struct container_state *s);
/* Its monitor is there (and will record the exit, or start it again). */
bool container_state_has_monitor(const struct containers *c, const struct container_state *s);
