/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountinfo: the mounts of a process's mount namespace, as /proc/<pid>/mountinfo lists them (proc(5)): those below its root, in the
 * kernel's order. It is long on a machine with many containers: for what is rare only.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

#include <sys/types.h>

struct mountinfo_row {
	uint64_t id, parent;
	dev_t dev;            /* of the file system */
	char *root, *point;   /* what of the file system is mounted; where, seen from the process's root */
	char *type;
};
struct mountinfo {
	struct mountinfo_row *v;
	size_t n;
	struct arena arena;
};
void mountinfo_drop(struct mountinfo *m);

int mountinfo_read(const char *path, struct mountinfo *ret, struct err *e) must_use;
int mountinfo_parse(const char *text, struct mountinfo *ret, struct err *e) must_use;
/* The mount with that number (statx(2), stx_mnt_id), or NULL. */
const struct mountinfo_row *mountinfo_find(const struct mountinfo *m, uint64_t id);
