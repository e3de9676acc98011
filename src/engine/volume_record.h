/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume_record: what the files of volumes have between them: <root>/volumes/<name>/volume.json.
 */
#pragma once

#include "engine/volume.h"

struct volume {
	char *created;
	struct map labels, options; /* options: type, device, o (as mount(8)); size */
	bool anonymous, filled;
	uint32_t project;           /* whose quota it has; 0: none */
};
int volume_open(const struct engine *g, const char *name, struct err *e) must_use; /* its directory */
int volume_load(int dir, struct arena *a, struct volume *ret, struct err *e) must_use;
int volume_store(int dir, const struct volume *v, struct err *e) must_use;
/* ERR_NOT_FOUND `no such volume: x` */
int volume_find(struct engine *g, const char *name, struct arena *a, struct volume *v, struct err *e) must_use;
/* What the options ask of a volume that is a directory on the disk; 0: nothing. */
struct volume_wish { uint64_t bytes, inodes, uid, gid; bool has_uid, has_gid; };
int volume_options_wish(const struct map *o, struct volume_wish *ret, struct err *e) must_use;
int volume_options_check(const struct map *o, struct err *e) must_use;
/* Its files are another directory's (type none or bind, o=bind). */
bool volume_is_bind(const struct map *options);
/* Gives `data` below `dir` the owner that the options name. */
int volume_dress(int dir, const char *data, const struct volume *v, struct err *e) must_use;

/* volume_quota.c: what is made in the directory from now on is counted. ERR_UNSUPPORTED: its file system cannot. */
int volume_quota_set(struct engine *g, int dir, const struct volume_wish *w, uint32_t *ret_project, struct err *e) must_use;
void volume_quota_clear(int dir, uint32_t project);
