/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_options: the options of `run` and `create` as they were typed; run_request.c makes a container of them. docker's
 * whole list; what hull cannot do (yet) is in it too, hidden, so that it is refused by a line that says why instead
 * of by "unknown option".
 */
#pragma once

#include "base/opt.h"

/* Options that are refused: names and reasons are run_options.c's table. */
enum run_refused {
	REFUSED_GPUS, REFUSED_LINK, REFUSED_STORAGE_OPT,
	REFUSED_KERNEL_MEMORY, REFUSED_CPU_COUNT, REFUSED_CPU_PERCENT, REFUSED_IO_MAXBANDWIDTH, REFUSED_IO_MAXIOPS,
	RUN_REFUSED
};

struct run_options {
	/* of the command line's side: what is done with the container */
	bool detach, interactive, tty, rm, quiet;
	char *name, *pod, *pod_id_file, *cidfile, *detach_keys, *sig_proxy, *pull, *platform;
	struct strv attach;
	/* the process */
	struct strv env, env_file, label, label_file, annotation, group_add, ulimit, sysctl;
	char *user, *user_group, *workdir, *entrypoint, *hostname, *domainname, *stop_signal, *umask, *rootfs;
	struct opt_num stop_timeout, oom_score_adj;
	bool init, no_healthcheck;
	/* mounts and devices */
	struct strv volume, mount, tmpfs, volumes_from, secret, device, device_cgroup_rule;
	char *volume_driver;
	struct opt_num shm_size;
	bool read_only;
	/* isolation */
	struct strv cap_add, cap_drop, security_opt, uidmap, gidmap;
	bool privileged;
	char *pid, *ipc, *uts, *userns, *cgroupns, *cgroup_parent, *runtime, *isolation;
	/* limits */
	struct opt_num memory, memory_reservation, memory_swap, memory_swappiness, cpu_shares, cpu_period, cpu_quota,
		cpu_rt_period, cpu_rt_runtime, pids_limit, blkio_weight;
	char *cpus, *cpuset_cpus, *cpuset_mems;
	bool oom_kill_disable;
	struct strv blkio_weight_device, read_bps, write_bps, read_iops, write_iops;
	/* network */
	struct strv network, network_alias, link_local_ip, publish, expose, add_host, dns, dns_option, dns_search;
	char *ip, *ip6, *mac_address;
	bool publish_all, use_api_socket, disable_content_trust;
	/* supervision */
	char *restart, *health_cmd, *health_interval, *health_timeout, *health_start_period, *health_start_interval, *health_on_failure;
	struct opt_num health_retries, timeout, wait_timeout;
	struct strv requires;
	char *wait, *sdnotify;
	bool replace;
	/* logs */
	char *log_driver;
	struct strv log_opt;
	char *refused[RUN_REFUSED];
};

enum { RUN_OPTIONS = 118, CREATE_OPTIONS = RUN_OPTIONS - 5 };
extern const struct opt run_options[RUN_OPTIONS];
extern struct opt create_options[CREATE_OPTIONS];
void create_options_fill(void);
/* ERR_USAGE for an option that was given and is refused. */
int run_options_refuse(const struct run_options *o, struct err *e) must_use;
