/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apparmor: which AppArmor profile a container's command gets, and hull's own, which is given to the kernel when the first container
 * needs it.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define APPARMOR_PROFILE "hull-default"

/* Where a machine says what it has. */
struct apparmor_place {
	const char *enabled;    /* begins with Y: the kernel uses AppArmor */
	const char *profiles;   /* a line `name (mode)` for each that is loaded */
	const char *current;    /* our own */
	const char *parsers[3]; /* apparmor_parser, which compiles a text and loads it; NULL ends them */
};
extern const struct apparmor_place apparmor_here;

struct apparmor_wish {
	const char *name; /* --security-opt apparmor=; NULL: none was asked for */
	bool privileged, rootless;
};

/* The profile's name, or NULL for none: what --security-opt asks for; else hull's own, where there are AppArmor and a way to load it, for
 * all containers but privileged ones and a plain user's. Loads nothing. ERR_UNSUPPORTED, ERR_USAGE: what was asked for is not to be had. */
int apparmor_choose(const struct apparmor_place *p, const struct apparmor_wish *w, const char **ret, struct err *e) must_use;
/* The chosen profile is in the kernel afterwards; hull's own is loaded if it was not. */
int apparmor_need(const struct apparmor_place *p, const char *name, struct err *e) must_use;
/* The text of hull's own. own_label: the confinement hull runs in, whose signals reach its containers; NULL: none. */
void apparmor_write_profile(const char *own_label, struct buf *out);
