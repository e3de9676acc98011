/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_state: a container's cgroup as it is kept between two commands:
 *
 *   {"path": "/hull/web", "in": ["memory", "pids", "unified"], "made": ["memory", "pids", "unified"]}
 *
 * and "scope", when systemd has it in a unit.
 *
 * Which hierarchies it is in must be known, not guessed from what is there: a group of the same path may be another
 * container's parent.
 */
#include "runtime/cgroup_limits.h"

#include "base/path.h"

#include <stdio.h>

static struct json *format_rows(uint32_t bits)
{
	struct json *list = json_new_array();
	for (int i = 0; i < CGROUPFS_ROWS; i++)
		if (bits & 1u << i)
			json_add(list, json_new_str(cgroupfs_name((enum cgroupfs_row)i)));
	return list;
}

struct json *cgroup_format(const struct cgroup *c)
{
	struct json *j = json_new_object();
	json_set_str(j, "path", c->path);
	json_set(j, "in", format_rows(c->rows));
	json_set(j, "made", format_rows(c->made));
	if (*c->scope)
		json_set_str(j, "scope", c->scope);
	return j;
}

/* A hierarchy that is not there any more has no group of ours either. */
static uint32_t parse_rows(const struct json *list)
{
	const struct cgroupfs *fs = cgroupfs_get();
	uint32_t bits = 0;
	for (size_t k = 0; k < json_len(list); k++)
		for (int i = 0; i < CGROUPFS_ROWS; i++)
			if (fs->row[i].fd >= 0 && str_eq(json_str(json_at(list, k)), cgroupfs_name((enum cgroupfs_row)i)))
				bits |= 1u << i;
	return bits;
}

int cgroup_parse(const struct json *j, struct cgroup *ret, struct err *e)
{
	struct cgroup c = {.v2 = -1};
	const char *path = json_get_str(j, "path");
	c.rows = parse_rows(json_get(j, "in"));
	c.made = parse_rows(json_get(j, "made")) & c.rows;
	if (!path || strlen(path) >= sizeof c.path || (c.rows && *path != '/'))
		return err_set(e, ERR_CORRUPT, "the container's cgroup: the path is missing or wrong");
	/* It is going to be removed: it must be what we have written. */
	own(mem) char *clean = path_clean(path);
	if (*path && (strcmp(clean, path) != 0 || strcmp(path, "/") == 0))
		return err_set(e, ERR_CORRUPT, "the container's cgroup: the path \"%.200s\" is wrong", path);
	const char *scope = json_get_str(j, "scope");
	if (scope && (!path_is_name(scope) || !str_has_suffix(scope, ".scope") || strlen(scope) >= sizeof c.scope))
		return err_set(e, ERR_CORRUPT, "the container's cgroup: the unit \"%.200s\" is wrong", scope);
	snprintf(c.scope, sizeof c.scope, "%s", scope ? scope : "");
	snprintf(c.path, sizeof c.path, "%s", path);
	if (cgroup_has_row(&c, CGROUPFS_V2))
		c.v2 = cgroup_open_row(&c, CGROUPFS_V2);
	*ret = c;
	return 0;
}
