/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cni: networks that foreign plugins make, as the Container Network Interface has it (containernetworking/cni SPEC.md, 0.3.0 to 1.0.0): a
 * list of plugins (a .conflist, or a .conf with one) says who is asked, one after another; each gets its part of the list, and what the one before it
 * answered, as JSON.
 *
 *   a network of the driver cni    names its list with the option conflist
 *   the folder of lists            (/etc/cni/net.d) each of its lists is a network too, by the list's name
 *
 *   <root>/networks/cni/<container>.<network id>.<interface>    written before the first plugin is asked: the list as it was then, what was asked,
 *                                  the answer. Gone when all plugins have taken their part back (DEL), which whoever settles the container
 *                                  does, also after a crash or a reboot
 */
#pragma once

#include "net/endpoint.h"

bool cni_is(const struct network *w);
/* The file is there, and a list that can be used. */
int cni_check_list(const char *path, struct err *e) must_use;
/* In the folder of lists. ERR_NOT_FOUND: no list has that name. */
int cni_find(const struct networks *n, const char *name, struct arena *a, struct network *ret, struct err *e) must_use;
void cni_names(const struct networks *n, struct strv *ret);
/* A plugin of it publishes ports. */
bool cni_publishes(const struct network *w);

struct cni_request {
	const struct network *network;
	const char *container, *netns, *interface; /* netns: a path */
	struct addr wanted[2];
	uint8_t mac[MAC_LEN];                      /* all zeros: any */
	const struct strv *aliases, *servers, *searches;
	const struct port_map *ports;
	size_t nports;
};
struct cni_result {
	struct addr ip[2], gateway[2];
	unsigned prefix[2];
	uint8_t mac[MAC_LEN];
	struct strv servers, searches, options;
};
/* ADD. When it fails all is taken back. */
int cni_add(const struct networks *n, const struct cni_request *q, struct arena *a, struct cni_result *ret, struct err *e) must_use;
/* CHECK of what a container has, in one network. */
int cni_verify(const struct networks *n, const char *network_id, const char *container, struct err *e) must_use;
/* DEL, of one network or with NULL of all; what is not there is no error. What a plugin cannot take back is kept for the next time. */
int cni_remove(const struct networks *n, const char *network_id, const char *container, struct err *e) must_use;
/* Containers that something is kept of. */
void cni_containers(const struct networks *n, struct strv *ret);
