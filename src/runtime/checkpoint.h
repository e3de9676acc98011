/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint: a running container to files, and a container from such files, by criu(8). Its root file system and what is bound
 * from outside are not among the files: who restores has them ready, at the same places of its own configuration.
 *
 * What is not the container's own is in the files by a name, and given again at restore:
 *
 *   a bind mount, and what is mounted below its source      its destination
 *   a masked file                                           /dev/null
 *   a device that is bound (a user namespace)               its path
 *   a v1 hierarchy's directory                              where it is mounted
 *   a network or PID namespace of a path                    extRootNetNS, extRootPidNS
 *   a standard file that is a pipe or a plain file          pipe:[inode], file[mount:inode]; descriptors.json has them
 *
 * The names are runc's, so that either restores what the other has saved. A network namespace of the container's own is saved
 * empty: its interfaces are the hooks', who are called when it is there again.
 */
#pragma once

#include "runtime/container.h"
#include "runtime/criu.h"

struct container_checkpoint {
	const struct spec *spec;
	const char *rootfs;          /* the root's path on the host, or NULL */
	const char *bundle;          /* where a relative source begins, or NULL */
	pid_t pid;
	const struct cgroup *cgroup; /* rows == 0: none */
	const struct strv *files;    /* container_name_files() of when it was made */
	bool pre_dump;               /* its memory alone; it goes on running */
	int status_fd;               /* gets one byte when lazy pages can be fetched, or -1 */
	const struct criu_options *options; /* directories and flags; the rest is found here */
	int (*dumped)(void *arg, struct err *e); /* all is saved, and nothing was ended yet; with -1 nothing is. NULL: nothing */
	void *arg;
};
/* Afterwards its processes are dead, unless it was to go on running. */
int container_checkpoint(const struct container_checkpoint *c, struct err *e) must_use;

struct container_restore {
	const struct container_create *create; /* no init, start_listen or preserve_fds: they are as they were */
	const char *dir;                       /* an empty directory of the caller's, a path; what is left in it can be removed */
	const struct criu_options *options;
	/* Its namespaces are there and its number, its processes are not yet: what container_create's caller does before
	 * container_start(). NULL: nothing. */
	int (*created)(void *arg, const struct container *ct, struct err *e);
	void *arg;
};
/* As container_create() and container_start() in one: it runs; a child of the caller's. ct->create stays valid. */
int container_restore(const struct container_restore *r, struct container *ret, struct err *e) must_use;

/* The names of a container's standard files; files: its caller's. */
void container_name_files(const int files[3], struct arena *a, struct strv *ret);

/* What criu has to be able to do for this: ERR_UNSUPPORTED says what it, or the kernel, cannot. */
int checkpoint_check_criu(const struct criu_options *o, bool pre_dump, struct err *e) must_use;
/* The configuration file of criu's own for this container (annotation org.criu.config), or NULL. */
char *checkpoint_config_file(const struct spec *s, struct arena *a);
/* The namespaces of a path that are in the files by a name only. */
struct checkpoint_namespace { const char *type, *word, *key; };
extern const struct checkpoint_namespace checkpoint_namespaces[2];

/* external.c */
/* By mount point: the names of a running container's mounts that are not its own. */
int external_find(const struct spec *s, const char *bundle, pid_t pid, struct arena *a, struct map *ret, struct err *e) must_use;
/* By name: where on the host they are. root: the root's path, or NULL. */
int external_offer(const struct container_create *c, const char *root, const struct cgroup *g, struct arena *a, struct map *ret, struct err *e) must_use;
/* A mount's destination, cleaned (malloc). */
char *external_destination(const struct spec_mount *m);
bool external_is_bind(const struct spec_mount *m);
