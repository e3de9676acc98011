/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_top: what every control group of the machine uses, at one moment, and between two.
 */
#pragma once

#include "base/mem.h"
#include "base/err.h"

struct group_use {
	char *path;
	uint64_t tasks, cpu_ns, memory, read_bytes, written_bytes; /* UINT64_MAX: nobody counts that here */
	/* from the moment before: */
	double cpu_percent, read_rate, write_rate; /* below 0: not known yet */
};
struct group_uses { struct group_use *v; size_t n; struct arena arena; int64_t at_ns; };
void group_uses_drop(struct group_uses *u);
#define GROUP_UNKNOWN UINT64_MAX
/* The group `from` ("/": the root) and those below it; depth -1: all, else so many levels. By path. ERR_NOT_FOUND: there is no such group. */
int group_uses_read(const char *from, int depth, struct group_uses *ret, struct err *e) must_use;
/* Fills the rates of `now` from what was before. */
void group_uses_compare(const struct group_uses *before, struct group_uses *now);

enum group_order { GROUP_BY_CPU, GROUP_BY_PATH, GROUP_BY_TASKS, GROUP_BY_MEMORY, GROUP_BY_IO };
void group_uses_sort(struct group_uses *u, enum group_order by);
