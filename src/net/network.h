/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network: what is kept of a network, under docker's keys.
 *
 *   <root>/networks/<name>.json    struct network; the file is the network: made whole with its name, gone with it
 *   <root>/networks/lock           held, exclusively by who makes or removes one, shared by who joins one
 *   <run>/networks/                who is connected now: endpoint.h
 *
 * "bridge" is made by the first container that wants it; "host" and "none" are always there and have no file.
 */
#pragma once

#include "codec/jmap.h"
#include "net/addr.h"

struct ipam { char *subnet, *range, *gateway; struct map aux; };
struct network {
	char *name, *id, *created, *driver; /* bridge macvlan ipvlan cni */
	bool ipv4, ipv6, internal, attachable;
	struct { struct ipam *v; size_t n; } ipam;
	struct map options, labels;
};
extern const struct jtable network_table, network_ipam_table;

struct networks {
	int root, run; /* fds of the two folders */
	struct { const char *conf_dir; const struct strv *bin_dirs; int seconds; } cni; /* NULL, 0: presets; cni.h */
};
#define NETWORKS_INIT {.root = -1, .run = -1}
int networks_open(struct networks *n, int root, int run, struct err *e) must_use; /* makes the folders */
void networks_drop(struct networks *n);

bool network_name_is_valid(const char *name);
bool network_is_builtin(const char *name); /* bridge host none */
int networks_lock(const struct networks *n, bool exclusive, struct err *e) must_use; /* returns the fd */

/* By name, id, or unique prefix of an id. ERR_NOT_FOUND `network x not found`. */
int networks_find(const struct networks *n, const char *text, struct arena *a, struct network *ret, struct err *e) must_use;
int networks_names(const struct networks *n, struct strv *ret, struct err *e) must_use; /* sorted, those with a file */
/* The three below: the lock is held exclusively. */
/* Checks driver, options and addresses; chooses what is open (subnets, gateways, the id), and writes it. */
int networks_create(const struct networks *n, struct arena *a, struct network *w, struct err *e) must_use;
int networks_remove(const struct networks *n, const struct network *w, struct err *e) must_use;

/* Values of options: "true", "1"; a device's name. */
const char *network_option(const struct network *w, const char *docker, const char *shorter);
bool network_option_bool(const struct network *w, const char *docker, const char *shorter, bool preset);
int network_mtu(const struct network *w); /* 0: none was said */
/* The interface on the host: bridge's own name, or the parent of macvlan and ipvlan. */
void network_device(const struct network *w, char ret[16]);
/* The first IPAM row of a family (4, 16), parsed. */
struct network_range { struct subnet subnet, range; struct addr gateway; const struct map *aux; };
bool network_range(const struct network *w, uint8_t len, struct network_range *ret);
