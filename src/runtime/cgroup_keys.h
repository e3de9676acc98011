/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_keys: the files of control groups by their names on either version: memory.limit_in_bytes is memory.max, and both can be
 * read and set on both. What one version alone has is passed to it as it is.
 */
#pragma once

#include "runtime/cgroup_named.h"

/* The value as a user of that name knows it, several lines maybe, without the last line's end. ERR_NOT_FOUND: no such group or parameter. */
int cgroup_key_get(const struct cgroup_named *g, const char *key, struct buf *ret, struct err *e) must_use;
/* ERR_USAGE: the kernel does not take that value. */
int cgroup_key_set(const struct cgroup_named *g, const char *key, const char *value, struct err *e) must_use;
/* The parameters of a group in one hierarchy that belong to that controller ("": all), sorted; those that can be read, or only those
 * that can be read and set. */
int cgroup_key_list(int dir, const char *controller, bool settable, struct strv *ret, struct err *e) must_use;
/* Everything that can be set, from one group to another, where both are. */
int cgroup_key_copy(const struct cgroup_named *from, const struct cgroup_named *to, struct err *e) must_use;
