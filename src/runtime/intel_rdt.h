/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intel_rdt: a container's class of service and its monitoring group in the resctrl file system (config-linux.md, "IntelRdt";
 * the kernel's filesystems/resctrl.rst). `root` is a directory fd of that file system's root.
 */
#pragma once

#include "runtime/spec.h"

#include <sys/types.h>

/* Flat, so that a caller can keep it: what a container is in, and what of it is there because of the container. */
struct intel_rdt {
	char clos[256];  /* the class's directory: "/" is the default class; "": the container is in none by our doing */
	char group[256]; /* below its mon_groups, or "" */
	bool made_clos, made_group;
	bool shared;     /* the class has a name of its own: others may be in it */
};

/* Where resctrl is mounted; ERR_UNSUPPORTED when it is not. */
int intel_rdt_root(struct err *e) must_use;
/* What the words of a configuration must be; before anything is made. */
int intel_rdt_check(const struct spec_intel_rdt *w, const char *id, struct err *e) must_use;
/* The directories that a container with this configuration is in. */
void intel_rdt_of(const struct spec_intel_rdt *w, const char *id, struct intel_rdt *ret);
/* Makes them, writes the schemata. One that was there must have the schemata asked for. Makes all or nothing. */
int intel_rdt_create(int root, const struct spec_intel_rdt *w, const char *id, struct intel_rdt *ret, struct err *e) must_use;
/* A process, and whatever it will fork. */
int intel_rdt_apply(int root, const struct intel_rdt *r, pid_t pid, struct err *e) must_use;
/* Other schemata for a class. */
int intel_rdt_update(int root, const struct intel_rdt *r, const struct spec_intel_rdt *w, struct err *e) must_use;
/* Takes away what was made, but a shared class only when nobody is in it. Missing is success. */
int intel_rdt_remove(int root, struct intel_rdt *r, struct err *e) must_use;
