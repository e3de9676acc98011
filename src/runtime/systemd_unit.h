/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd_unit: a container as systemd has it: the names of its unit, and the properties that its configuration becomes. Nothing here
 * speaks to systemd.
 */
#pragma once

#include "runtime/spec.h"
#include "sys/systemd.h"

#include <sys/types.h>

/* systemd_text.c */

struct systemd_names { char slice[256], scope[256]; };
/* cgroupsPath "slice:prefix:name", or empty: "<default>:hull:<id>". The slice may be empty: system.slice, a plain user's user.slice. */
int systemd_names(const char *path, const char *id, bool user, struct systemd_names *ret, struct err *e) must_use;
/* Where a slice is: "a-b.slice" is /a.slice/a-b.slice, "-.slice" is /. */
int systemd_expand_slice(const char *slice, char *ret, size_t size, struct err *e) must_use;
/* A value as text (GVariant's: 5, uint64 5, true, 'text', "text", ['a', 'b'], @t 5) under the name that an annotation gives it: what ends in
 * Sec is seconds, and becomes microseconds of USec. Adds it to the list. */
int systemd_parse_property(struct arena *a, const char *name, const char *text, struct systemd_properties *l, struct err *e) must_use;

/* systemd_unit.c */

/* What a scope of a container always has, and its annotations org.systemd.property.NAME. */
int systemd_unit_base(struct arena *a, const struct spec *s, const char *id, const struct systemd_names *n, bool v2, pid_t pid,
	struct systemd_properties *l, struct err *e) must_use;
/* linux.resources. version: of systemd, which does not know some of them before it. */
int systemd_unit_resources(struct arena *a, const struct spec_resources *r, bool v2, int version, struct systemd_properties *l,
	struct err *e) must_use;
