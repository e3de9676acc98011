/* SPDX-License-Identifier: Apache-2.0 */
/*
 * annotations: the table of keys, with what each does. Of crun's are not honoured: run.oci.seccomp.plugins and
 * run.oci.systemd.force_cgroup_v1.
 */
#include "runtime/annotations.h"

static const char *const keys[ANNOTATIONS] = {
	/* a group below the container's, for its processes (cgroup_delegate.c) */
	[ANNOTATION_DELEGATE_CGROUP] = "run.oci.delegate-cgroup",
	/* what executes the command: hull has nothing but the kernel, so any other is refused (create.c) */
	[ANNOTATION_HANDLER] = "run.oci.handler",
	/* files that get what hooks print (hooks.c) */
	[ANNOTATION_HOOKS_STDERR] = "run.oci.hooks.stderr",
	[ANNOTATION_HOOKS_STDOUT] = "run.oci.hooks.stdout",
	/* supplementary groups stay the caller's (process.c) */
	[ANNOTATION_KEEP_GROUPS] = "run.oci.keep_original_groups",
	/* how mounts get linux.mountLabel: context, fscontext, defcontext or rootcontext (mounts.c) */
	[ANNOTATION_MOUNT_CONTEXT] = "run.oci.mount_context_type",
	/* a socket that gets a pidfd of the container's process (oci/bundle.c) */
	[ANNOTATION_PIDFD_RECEIVER] = "run.oci.pidfd_receiver",
	/* a filter as base64 in place of linux.seccomp (seccomp.c) */
	[ANNOTATION_SECCOMP_RAW] = "run.oci.seccomp_bpf_data",
	/* a socket that gets the seccomp listener (seccomp_listener.c) */
	[ANNOTATION_SECCOMP_RECEIVER] = "run.oci.seccomp.receiver",
	/* a configuration file of criu's (checkpoint.c) */
	[ANNOTATION_CRIU_CONFIG] = "org.criu.config",
	/* properties of the container's unit, by their name behind it (systemd_unit.c) */
	[ANNOTATION_SYSTEMD_PROPERTY] = "org.systemd.property.",
	/* the group below the unit in which the container is (cgroup_systemd.c) */
	[ANNOTATION_SYSTEMD_SUBGROUP] = "run.oci.systemd.subgroup",
	/* "monotonic 10 0": as linux.timeOffsets, when the container has a time namespace of its own (oci/state.c) */
	[ANNOTATION_TIME_OFFSET] = "run.oci.timens_offset",
};

const char *annotation_get(const struct spec *s, enum annotation a)
{
	return map_get(&s->annotations, keys[a]);
}

const char *annotation_key(size_t a)
{
	return a < ANNOTATIONS ? keys[a] : NULL;
}
