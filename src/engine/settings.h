/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings: what the owner of the machine or the user decided once: HULL_CONFIG, else <sysconfdir>/hull/hull.json and, on
 * top of it, $XDG_CONFIG_HOME/hull/hull.json (~/.config). Keys are those of docker's daemon.json; a key that means
 * nothing here although docker knows it is skipped, one that nobody knows is ERR_USAGE. No file is the normal case.
 */
#pragma once

#include "codec/jmap.h"

struct settings {
	struct arena arena;
	struct json *document[2];
	struct strv insecure_registries; /* "insecure-registries": host or host:port */
	char *log_driver;                /* "log-driver" */
	struct map log_opts;             /* "log-opts" */
	struct strv dns, dns_options, dns_search;
	char *cgroup_parent, *cgroupns_mode, *ipc_mode;
	int64_t shm_size;                /* "default-shm-size": bytes, from a number or a text such as "64M" */
	bool init, no_new_privileges;
	int64_t build_cache_max;         /* "build-cache-max": bytes, or docker's builder.gc.defaultKeepStorage; 0: no limit */
	bool keep_compressed;            /* "keep-compressed": hull's own */
	int64_t concurrent_downloads;    /* "max-concurrent-downloads"; 0: by the number of CPUs */
	int64_t concurrent_uploads;      /* "max-concurrent-uploads"; 0: 5 */
	struct strv registry_mirrors;    /* "registry-mirrors": URLs, of docker.io */
	char *publish_address;           /* "ip": where -p publishes when no address is said, on every network */
	char *publish;                   /* "publish": nat, or proxy: how ports are published where the network says nothing */
	struct strv cni_bin_dirs;        /* "cni-bin-dirs", "cni-conf-dir", "cni-timeout" in seconds: net/cni.h */
	char *cni_conf_dir;
	struct strv cdi_dirs;            /* "cdi-spec-dirs": instead of /etc/cdi and /var/run/cdi */
	int64_t cni_timeout;
	char *platform, *storage, *network; /* hull's own: "platform", "storage", "default-network" */
};
int settings_load(struct settings *ret, struct err *e) must_use;
void settings_drop(struct settings *s);
