/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod: containers that share namespaces, an address, ports, names and limits.
 *
 *   <root>/pods/<id>/        config.json, state.json, lock: as a container has them (state/container.h): a pod is what its containers have
 *                            in common, kept as the record of a container without an image and a process
 *   <root>/pods/names/       the names of pods
 *   <run>/pods/<id>/         while it runs: hosts, resolv.conf, resolver (its containers' /etc has these), shm, and the FIFO `members`
 *
 * There is no pause container. A pod that runs has a monitor (pod_monitor.c), a process outside of the pod that holds its namespaces by
 * descriptors, answers its names and keeps its ports. Only who shares the PID namespace has a process in it, its first one, which reaps.
 *
 * Who takes locks: the container's, then the pod's. So whoever holds a pod's lock takes none of a container.
 */
#pragma once

#include "engine/container.h"

/* pod.c. The request's config has the host name and labels; its host the rest: share, exit_policy, networks, ports, limits, binds … */
int pod_new(struct engine *g, const struct create_request *r, char ret_id[65], struct err *e) must_use;
/* By name, id or unique prefix. Its state is true: "running" is said of one that has its monitor. */
int pod_get(struct engine *g, const char *text, int flags, struct container_entry *ret, struct err *e) must_use;
/* The ids of its containers, the oldest first; running: only those that run, are paused or come back. */
int pod_members(struct engine *g, const char *id, bool running, struct strv *ret, struct err *e) must_use;
/* force: its containers are killed and removed, too. */
int pod_delete(struct engine *g, const char *text, bool force, struct err *e) must_use;
bool pod_shares(const struct container_entry *pod, const char *what); /* net ipc uts pid cgroup */
/* An endpoint of that "container" may be a pod's: it runs, or somebody works on it. */
bool pod_has_network(struct engine *g, const char *id);

/* pod_join.c: host.pod (a name) is found; what the container has from its pod is set, and in part is the pod's memory. *ret (empty before): the
 * pod, which stays until it is dropped. */
int pod_join(struct engine *g, struct container_entry *c, struct container_entry *ret, struct err *e) must_use;

/* pod_monitor.c: the pod of a container that is to start: it runs from here on, and as long as `member` is open.
 * name: the container's; NULL: there is none. */
struct pod_use {
	struct container_entry pod;
	int member;
};
#define POD_USE_INIT {.pod = {.dir = -1, .lock = -1}, .member = -1}
void pod_use_drop(struct pod_use *u);
int pod_use(struct engine *g, const char *id, const char *name, struct pod_use *ret, struct err *e) must_use;
/* Its monitor goes, if nobody needs it: ERR_CONFLICT when containers run. */
int pod_end(struct engine *g, const char *id, struct err *e) must_use;
/* Where its /dev/shm is, in its monitor's mounts. Allocated. */
char *pod_shm_path(const struct engine *g, const char *id) must_use;

/* pod_docs.c: podman's documents, and what the state of a pod is called: Created Running Degraded Paused Exited Stopped. */
const char *pod_status(struct engine *g, const struct container_entry *pod, const struct json *containers);
struct json *pod_inspect(struct engine *g, const char *text, struct err *e);
/* An array of {Id, Name, Created, Status, Labels, Networks, Cgroup, Containers: [{Id, Names, Status}]}, the newest first. */
struct json *pod_list(struct engine *g, struct err *e);
