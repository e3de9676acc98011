/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod_namespaces: the namespaces that the containers of a pod share, made by a child and held by descriptors.
 */
#pragma once

#include "engine/pod.h"
#include "engine/userns.h"

struct pod_namespaces_request {
	const struct container_entry *pod;
	const struct userns_maps *maps;
};
enum { POD_NET = 1, POD_NAMESPACES = 6 };
struct pod_namespaces {
	int fd[POD_NAMESPACES]; /* -1: not shared */
	pid_t pid;              /* a process that is in them, until they are settled */
	int pidfd;              /* the first process of a shared PID namespace; -1 */
	int go;                 /* the child goes when it is closed */
};
#define POD_NAMESPACES_INIT {.fd = {-1, -1, -1, -1, -1, -1}, .pidfd = -1, .go = -1}
/* Its host name is set, lo is up. */
int pod_namespaces_make(const struct pod_namespaces_request *r, struct pod_namespaces *ret, struct err *e) must_use;
/* The same of a process that is in them: a container of the pod. ERR_CONFLICT: it is in another one, which it had from the start or went to. */
int pod_namespaces_adopt(const struct pod_namespaces_request *r, pid_t pid, struct pod_namespaces *ret, struct err *e) must_use;
int pod_namespaces_net(const struct pod_namespaces *n); /* the network's fd, or -1 */
void pod_namespaces_settle(struct pod_namespaces *n); /* all that needed a process in them is done */
void pod_namespaces_drop(struct pod_namespaces *n);
/* "net" and the others, as they are called below /proc/<pid>/ns: paths through our descriptors, and which they are. */
void pod_namespaces_note(const struct pod_namespaces *n, struct arena *a, struct container_state *ret);
