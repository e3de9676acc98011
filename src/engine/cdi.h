/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cdi: devices by name, VENDOR/CLASS=NAME, as the Container Device Interface describes them (CNCF's cdi SPEC.md, 1.0): what a container needs
 * of the machine for them, in files of JSON or YAML in /etc/cdi and /var/run/cdi, or the setting "cdi-spec-dirs". Of one device in several directories
 * that of the last counts. The files are the administrator's: their hooks run on the host.
 */
#pragma once

#include "engine/spec.h"

/* VENDOR/CLASS=NAME; with `kinds` VENDOR/CLASS and VENDOR/CLASS=* too, which mean all of that kind. */
bool cdi_is_name(const char *text, bool kinds);
/* Is any of that name described? */
int cdi_has(struct engine *g, const char *name, bool *ret, struct err *e) must_use;
/* Its environment, nodes, mounts, hooks and groups into the configuration. */
int cdi_apply(struct spec_build *b, const char *name, struct err *e) must_use;
