/* SPDX-License-Identifier: Apache-2.0 */
/*
 * annotations: the keys of a configuration's annotations that change what hull does: crun's (crun(1), "Extensions to OCI"), systemd's
 * and criu's. Others are kept and shown, and have no effect (config.md, "Annotations").
 */
#pragma once

#include "runtime/spec.h"

enum annotation {
	ANNOTATION_DELEGATE_CGROUP,
	ANNOTATION_HANDLER,
	ANNOTATION_HOOKS_STDERR,
	ANNOTATION_HOOKS_STDOUT,
	ANNOTATION_KEEP_GROUPS,
	ANNOTATION_MOUNT_CONTEXT,
	ANNOTATION_PIDFD_RECEIVER,
	ANNOTATION_SECCOMP_RAW,
	ANNOTATION_SECCOMP_RECEIVER,
	ANNOTATION_CRIU_CONFIG,
	ANNOTATION_SYSTEMD_PROPERTY,
	ANNOTATION_SYSTEMD_SUBGROUP,
	ANNOTATION_TIME_OFFSET,
	ANNOTATIONS
};
/* NULL when the configuration does not have it. */
const char *annotation_get(const struct spec *s, enum annotation a);
/* Its key; one that ends with a dot begins several. NULL behind the last. */
const char *annotation_key(size_t a);
