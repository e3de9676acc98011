/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: what is kept of a container, in <root>/<id>/ (root: --root, /run/hull-runtime, a plain user's below
 * $XDG_RUNTIME_DIR):
 *
 *   state.json     struct oci_state; replaced whole
 *   config.json    the bundle's, as it was when the container was created: later changes have no effect (runtime.md)
 *   start          a socket, from create to start: the container's process waits there
 *
 * The directory is locked (flock) by the verb that changes the container. A verb that was killed leaves a directory that
 * `delete --force` removes, with everything that state.json names: it is written before the first process exists.
 *
 * <root>/.cache holds compiled seccomp filters.
 */
#pragma once

#include "oci/oci.h"
#include "runtime/container.h"

enum oci_status { OCI_CREATING, OCI_CREATED, OCI_RUNNING, OCI_PAUSED, OCI_STOPPED };
const char *oci_status_name(enum oci_status s);

struct oci_rdt { char *clos, *group; bool made_clos, made_group, shared; }; /* struct intel_rdt */
struct oci_state {
	char *id, *oci_version, *bundle, *rootfs, *created;
	int64_t pid;
	uint64_t start_time;
	uint32_t owner;
	struct json *cgroup; /* cgroup_format() */
	struct oci_rdt rdt;
	struct map annotations;
	struct strv descriptors; /* what its standard files were made of (container_name_files) */
};

struct oci_container {
	int root, dir;  /* directory fds; dir's lock is ours when it was opened so */
	struct arena arena;
	struct json *state_doc, *config_doc, *process_doc, *cgroup_doc;
	struct oci_state state;
	struct spec spec; /* oci_load_spec(); zero before */
};
void oci_container_drop(struct oci_container *c);
#define OCI_CONTAINER_EMPTY {.root = -1, .dir = -1}

/* Letters, digits, _ + - and ., not first; at most 255: ERR_USAGE. */
int oci_check_id(const char *id, struct err *e) must_use;
/* A new one, locked: its directory with nothing in it. ERR_EXISTS. state.id, owner and created are set. */
int oci_container_make(const char *id, struct oci_container *ret, struct err *e) must_use;
enum oci_open_flags { OCI_LOCK = 1 << 0 /* waits for another verb's end */ };
/* ERR_NOT_FOUND. What was left half made has only an id. */
int oci_container_open(const char *id, int flags, struct oci_container *ret, struct err *e) must_use;
int oci_container_save(struct oci_container *c, struct err *e) must_use;
/* Parses config.json: the copy in its directory. */
int oci_load_spec(struct oci_container *c, struct err *e) must_use;
/* Gives back what config.json was parsed from, before a process is made: a page that both have costs a fault when one of them
 * writes to it, giving it back does. c->spec is as before but for what is kept as JSON (rdma, timeOffsets, netDevices), which is gone. */
void oci_drop_config(struct oci_container *c);
/* The text of a new container's configuration: parsed to c->spec, and kept. */
int oci_take_spec(struct oci_container *c, const struct buf *text, struct err *e) must_use;
/* time_offset.c: an annotation, as the configuration itself would say it. */
int oci_apply_time_offset(struct json *config, struct err *e) must_use;
enum oci_status oci_container_status(const struct oci_container *c);
/* The groups of a container that was opened; rows == 0: none. */
void oci_set_cgroup(struct oci_container *c, const struct cgroup *cgroup);
/* Before its groups are changed or removed: systemd has a say in those that it made. */
int oci_need_manager(const struct oci_container *c, struct err *e) must_use;
int oci_open_cgroup(const struct oci_container *c, struct cgroup *ret, struct err *e) must_use;
/* What linux.intelRdt made. */
void oci_get_rdt(const struct oci_container *c, struct intel_rdt *ret);
void oci_set_rdt(struct oci_container *c, const struct intel_rdt *r);
/* A run in the foreground does not keep others from the container while it runs. Locked again: 1, or 0 when it is not there any more,
 * for somebody else has deleted it. */
void oci_container_unlock(struct oci_container *c);
int oci_container_lock_again(struct oci_container *c, struct err *e) must_use;
/* For its process: ERR_CONFLICT when it does not run any more. */
int oci_open_process(const struct oci_container *c, struct err *e) must_use;
/* Removes its directory; the lock goes with it. */
int oci_container_forget(struct oci_container *c, struct err *e) must_use;
/* destroy.c: kills its process and waits for its end, takes away what create made and runs the poststop hooks. force: one that was left
 * half made, too. */
int oci_container_destroy(struct oci_container *c, bool force, struct err *e) must_use;
/* A directory for compiled filters, or -1. */
int oci_seccomp_cache(const struct oci_container *c);

/* NAME=value, in the place of a line of that name. */
void oci_set_env(struct arena *a, struct spec_process *p, const char *line);

/* The state as runtime.md says, "State"; `state` prints it, hooks and listeners get it. */
struct json *oci_state_document(const struct oci_container *c) must_use;
