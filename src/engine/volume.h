/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume: named directories that outlive containers: <root>/volumes/<name>/{_data, volume.json}.
 */
#pragma once

#include "engine/engine.h"

/* Makes it when it is missing. anonymous: name is a random id and the volume goes with `rm -v` and --rm. */
int volume_ensure(struct engine *g, const char *name, bool anonymous, struct err *e) must_use;
bool volume_name_is_valid(const char *name);
char *volume_path(const struct engine *g, const char *name) must_use; /* of _data */
bool volume_is_anonymous(const struct engine *g, const char *name);
/* The caller holds volumes.lock exclusively and knows that nobody has it. */
int volume_delete(struct engine *g, const char *name, struct err *e) must_use;
/* Ids of the containers that have it, but for `except` (may be NULL). */
int volume_users(struct engine *g, const char *name, const char *except, struct strv *ret, struct err *e) must_use;
/* docker's volume documents: {CreatedAt, Driver, Labels, Mountpoint, Name, Options, Scope}. */
/* An array, by name. filters (may be NULL): "key=value" with dangling driver label name. */
struct json *volume_list(struct engine *g, const struct strv *filters, struct err *e) must_use;
struct json *volume_inspect(struct engine *g, const char *name, struct err *e) must_use;
/* A new one by name ("": a made-up one, anonymous); one that is there already is success. options: type, device and o, of what is mounted
 * in its place in each container, as mount(8) has them; size, the bytes it may have (ERR_UNSUPPORTED where the file system has no quotas),
 * or in podman's way o=size=,inodes=,uid=,gid=. */
int volume_create(struct engine *g, const char *name, const struct map *labels, const struct map *options, char **ret_name, struct err *e) must_use;
/* ERR_CONFLICT when a container, running or not, has it. */
int volume_remove(struct engine *g, const char *name, bool force, struct err *e) must_use;
/* docker has all= among the filters of prune: changes *all where it is said; the others come to *ret. */
int volume_prune_scope(const struct strv *filters, bool *all, struct strv *ret, struct err *e) must_use;
/* Removes volumes that no container has: anonymous ones, with `all` named ones too. Names are appended to *ret_names. */
int volume_prune(struct engine *g, bool all, const struct strv *filters, struct strv *ret_names, uint64_t *ret_bytes,
	struct err *e) must_use;
/* Was nothing put in it yet? */
bool volume_is_new(const struct engine *g, const char *name);
/* A new volume gets what the image has at that path: the tree below `from` (a directory fd) is copied, with the directory's
 * own mode and owner. from -1: nothing, its owner is uid:gid. Does nothing for a volume that was used before. */
int volume_fill(struct engine *g, const char *name, int from, uid_t uid, gid_t gid, struct err *e) must_use;
/* What is mounted in its place: all NULL for a plain directory. Texts live in the arena. */
struct volume_mount { char *type, *device, *options; bool is_bind; };
int volume_mount(struct engine *g, const char *name, struct arena *a, struct volume_mount *ret, struct err *e) must_use;

/* volume_files.c */
int volume_export(struct engine *g, const char *name, int out, struct err *e) must_use;  /* an archive of its files */
/* What an archive (compressed or not) has comes to what is there; a volume that is missing is made, and removed when it fails. */
int volume_import(struct engine *g, const char *name, int in, struct err *e) must_use;
/* A new volume with the same files, labels and options; blocks are shared where the file system can. ERR_EXISTS. */
int volume_clone(struct engine *g, const char *name, const char *to, struct err *e) must_use;
int volume_rename(struct engine *g, const char *name, const char *to, struct err *e) must_use; /* one that no container has */
int volume_size(struct engine *g, const char *name, uint64_t *ret_bytes, uint64_t *ret_users, struct err *e) must_use;
