/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.cgroupsPath: whatever it says, the group is below the hierarchy's root, and a relative path is below hull's.
 * fuzz: sys runtime/cgroup_path.c
 */
#include "base/mem.h"
#include "runtime/cgroup.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) ((x) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own(mem) char *path = mem_ndup((const char *)data, size);
	char whole[300];
	struct err e = {};
	if (cgroup_resolve(path, "box", whole, sizeof whole, &e) < 0) {
		CHECK(e.kind && *e.text);
		return 0;
	}
	CHECK(whole[0] == '/' && whole[1] && strlen(whole) < sizeof whole);
	CHECK(*path == '/' || strstr(whole, "/hull/"));
	for (const char *p = whole; *p; p += strcspn(p + 1, "/") + 1)
		CHECK(strncmp(p, "/../", 4) != 0 && strcmp(p, "/..") != 0 && p[1] != '/');
	return 0;
}
