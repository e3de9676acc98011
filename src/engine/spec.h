/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec: from a container's record to the OCI configuration its runtime is given (runtime-spec config.md).
 * spec.c: process, namespaces, files of /etc; spec_mounts.c; spec_limits.c: resources and devices;
 * spec_security.c: capabilities, seccomp, paths, labels.
 */
#pragma once

#include "engine/container.h"
#include "engine/userns.h"
#include "runtime/spec.h"

struct spec_build {
	struct engine *g;
	struct container_entry *c;
	const struct container_entry *pod; /* the one it is in, which runs; NULL: none, or it is only looked at */
	struct arena *arena;   /* the spec lives here */
	int root;              /* fd of the mounted root file system, to look users up */
	int run_dir;           /* fd of the container's run directory */
	const struct userns_maps *maps;
	struct spec *spec;
	bool privileged;
	int ready[32];         /* fds of mounts that are ready in spec->mounts; the caller closes them */
	size_t nready;
	bool notify;           /* the run directory's `notify` is mounted, and told of in NOTIFY_SOCKET */
	int listen_fds;        /* descriptors from 3 on that the process is given */
	int userns;            /* of the maps, for id-mapped mounts; 0: not asked for yet; the caller closes it */
};

int spec_build(struct spec_build *b, struct err *e) must_use;
/* What its mounts (c->record's) need that are added while it runs, or taken away. */
/* What is mounted at path in the mounts of that process, as a detached clone. label: whose. */
int spec_clone_in(pid_t pid, const char *label, const char *path, struct err *e) must_use;
int spec_build_live(struct spec_build *b, struct err *e) must_use;
/* What one more process of a running container needs of it: process and security. */
int spec_build_exec(struct spec_build *b, struct err *e) must_use;

int spec_build_process(struct spec_build *b, struct err *e) must_use;
int spec_build_namespaces(struct spec_build *b, struct err *e) must_use;
int spec_build_mounts(struct spec_build *b, struct err *e) must_use;
int spec_build_points(struct spec_build *b, struct err *e) must_use; /* of those, what the user asked for */
/* hosts, resolv.conf and what the resolver goes by, into the run directory of a container or a pod whose networks are known. */
int spec_write_etc(const struct container_entry *c, int run_dir, struct err *e) must_use;
/* hosts and resolv.conf follow the networks of one that runs; before: those it had until now. */
int spec_change_etc(const struct container_entry *c, const struct container_state *before, bool had_resolver, bool resolver, int run_dir,
	struct err *e) must_use;
int spec_put_file(int run_dir, const char *name, const struct buf *text, struct err *e) must_use; /* in place */
int spec_build_limits(struct spec_build *b, struct err *e) must_use;
int spec_build_security(struct spec_build *b, struct err *e) must_use;

/* docker's fourteen, then --cap-add and --cap-drop; "ALL" and names with or without CAP_. */
/* The AppArmor profile, or NULL: see apparmor_choose(). Lives as long as h. */
int spec_choose_apparmor(const struct engine *g, const struct host_config *h, const char **ret, struct err *e) must_use;
int spec_caps(const struct strv *add, const struct strv *drop, bool privileged, struct arena *a, struct strv *ret, struct err *e) must_use;
/* Is every --security-opt one we know? */
int spec_check_security(const struct strv *options, struct err *e) must_use;
/* docker's masked and read-only paths into the record, unless it has its own, is privileged or says systempaths=unconfined. */
int spec_default_paths(struct arena *a, struct host_config *h, struct err *e) must_use;
/* A container another one shares namespaces with (container:X); it must run. */
int spec_peer(struct spec_build *b, const char *mode, const char *what, struct container_entry *ret, struct err *e) must_use;
