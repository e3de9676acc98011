/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_rules: who goes into which control group, by a file of rules in the format of cgrules.conf(5):
 *
 *   # user[:process]   controllers   destination   [options]
 *   @students          cpu,memory    students/%u
 *   peter:cp           blkio         slow
 *   %                  cpu           slow
 *   *                  *             default       ignore
 *
 * The first rule whose user (or @group, or *) and process fit decides; a line that begins with % goes with the one above it. A process
 * is named by its program's name, a name with a star at its end, or its path. Destinations: %u %U user, %g %G group, %p program,
 * %P pid. Option ignore: the process stays where it is.
 */
#pragma once

#include "engine/engine.h"
#include "runtime/cgroup_named.h"

struct rules_action { char *controllers, *destination; bool ignore; unsigned line; };
struct rules_rule {
	enum { RULES_ALL, RULES_USER, RULES_GROUP } who;
	uint32_t id;
	char *process; /* NULL: any */
	struct { struct rules_action *v; size_t n; } actions;
};
struct rules { struct rules_rule *v; size_t n; struct arena arena; };
void rules_drop(struct rules *r);
/* ERR_USAGE `FILE:LINE: why`: then nothing is to be applied. */
int rules_parse(const char *text, const char *file, struct rules *ret, struct err *e) must_use;
int rules_load(const char *file, struct rules *ret, struct err *e) must_use;
/* Are the groups there that are named without %? ERR_NOT_FOUND `FILE:LINE: …`. */
int rules_check_groups(const struct rules *r, const char *file, struct err *e) must_use;

struct rules_apply {
	struct engine *g;
	const struct rules *rules;
	bool dry, create; /* only say it; make groups that are missing */
	/* One move that was made, or would be; why NULL: all well. */
	void (*told)(void *arg, pid_t pid, const char *name, const char *controllers, const char *path, const struct err *why);
	void *arg;
};
void rules_apply_to(const struct rules_apply *a, pid_t pid);
int rules_apply_all(const struct rules_apply *a, struct err *e) must_use;
