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
/* Its files are another directory's (type none or bind, o=bind). */
bool volume_is_bind(const struct map *options);

/* volume_quota.c: what is made in the directory from now on may have that many bytes. ERR_UNSUPPORTED: its file system cannot. */
int volume_quota_set(struct engine *g, int dir, uint64_t bytes, uint32_t *ret_project, struct err *e) must_use;
void volume_quota_clear(int dir, uint32_t project);
