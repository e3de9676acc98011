/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret: short texts that containers get and nobody else sees: <root>/secrets/<name>/{secret.json, data}. There is one driver, file: what is
 * kept is readable for hull's owner alone. A container has the name of a secret; what it says is read at each start.
 */
#pragma once

#include "engine/engine.h"

enum { SECRET_MAX = 500 << 10 };
struct secret_request {
	const char *name;
	const struct map *labels;
	bool replace;
	const void *data;
	size_t n;
};
int secret_create(struct engine *g, const struct secret_request *r, char ret_id[26], struct err *e) must_use; /* ERR_EXISTS */
/* A name, an id or the beginning of one. The whole name, allocated; NULL: ERR_NOT_FOUND. */
char *secret_find(struct engine *g, const char *text, struct err *e) must_use;
/* podman's documents: {ID, CreatedAt, UpdatedAt, Spec: {Name, Driver: {Name}, Labels}}; an array, by name. filters: "name=…", "id=…", "label=…". */
struct json *secret_list(struct engine *g, const struct strv *filters, struct err *e) must_use;
struct json *secret_inspect(struct engine *g, const char *text, struct err *e) must_use;
/* ERR_CONFLICT when a container has it. */
int secret_remove(struct engine *g, const char *text, char **ret_name, struct err *e) must_use;
int secret_read(struct engine *g, const char *name, struct buf *out, struct err *e) must_use;

/* secret_mounts.c: --secret NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…] */
int secret_parse(const char *text, struct arena *a, struct secret_use *ret, struct err *e) must_use;
/* Are they there, and does none stand in the way of another? Names become whole. */
int secret_resolve(struct engine *g, struct container_entry *c, struct err *e) must_use;
/* "NAME=value" of those that are variables. */
int secret_env(struct engine *g, const struct container_record *r, struct strv *ret, struct err *e) must_use;
/* The others, as detached mounts of a tmpfs that nothing else is in: /run/secrets first, when there is one below it. uid and gid are the
 * container's, shifted by its maps. Returns how many; the caller closes fds[i] and frees paths.v[i]. */
struct userns_maps;
enum { SECRET_MOUNTS = 16 };
int secret_mounts(struct engine *g, const struct container_record *r, const struct userns_maps *maps, int fds[SECRET_MOUNTS], struct strv *paths,
	struct err *e) must_use;
