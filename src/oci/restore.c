/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore: a container of a bundle, with the processes that checkpoint has saved instead of new ones.
 */
#include "oci/bundle.h"
#include "oci/criu.h"
#include "oci/foreground.h"
#include "oci/verbs.h"

#include "base/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

struct options {
	struct oci_create_options create;
	struct oci_criu_options shared;
};
#define O struct options
static const struct opt options[] = {
	OCI_CRIU_OPTIONS(O, shared.),
	{"bundle", 'b', OPT_STR, offset_of(O, create.bundle), "DIR", "The bundle (the working directory)", 0, "@dir"},
	{"config", 'f', OPT_STR, offset_of(O, create.config), "FILE", "The configuration (config.json in the bundle)", 0, "@file"},
	{"console-socket", 0, OPT_STR, offset_of(O, create.console_socket), "SOCKET", "Gets the terminal's master", 0, "@file"},
	{"detach", 'd', OPT_BOOL, offset_of(O, create.detach), NULL, "Return when it runs"},
	{"keep", 0, OPT_BOOL, offset_of(O, create.keep), NULL, "Keep the container when it has ended, until delete"},
	{"lsm-mount-context", 0, OPT_STR, offset_of(O, shared.criu.lsm_mount_context), "CONTEXT", "SELinux context of mounts that had another one"},
	{"lsm-profile", 0, OPT_STR, offset_of(O, shared.criu.lsm_profile), "TYPE:NAME", "Profile or label of the processes (apparmor:…, selinux:…)"},
	/* runc's: criu enters the root in its own way. */
	{"no-pivot", 0, OPT_BOOL, offset_of(O, create.no_pivot), NULL, "No effect", OPT_HIDDEN},
	{"no-subreaper", 0, OPT_BOOL, offset_of(O, create.no_subreaper), NULL, "Do not adopt the container's orphans"},
	{"pid-file", 0, OPT_STR, offset_of(O, create.pid_file), "FILE", "Gets the process's number", 0, "@file"},
	{"pidfd-socket", 0, OPT_STR, offset_of(O, create.pidfd_socket), "SOCKET", "Gets a pidfd of the process", 0, "@file"},
	{"tcp-close", 0, OPT_BOOL, offset_of(O, shared.criu.tcp_close), NULL, "TCP connections are closed"},
};
#undef O

static int check_profile(const char *text, struct err *e)
{
	if (!text || ((str_has_prefix(text, "apparmor:") || str_has_prefix(text, "selinux:")) && strchr(text, ':')[1]))
		return 0;
	return err_set(e, ERR_USAGE, "invalid --lsm-profile \"%.80s\": apparmor:PROFILE or selinux:LABEL", text);
}

static int restore(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct options *o = opts;
	own(oci_criu) struct oci_criu images = OCI_CRIU_EMPTY;
	struct oci_creation x __attribute__((cleanup(oci_creation_drop))) = OCI_CREATION_EMPTY;
	own(foreground) struct foreground f = FOREGROUND_EMPTY;
	if (check_profile(o->shared.criu.lsm_profile, e) < 0 || oci_criu_open(&o->shared, false, &images, e) < 0)
		return -1;
	if (!o->create.detach && foreground_begin(&f, !o->create.no_subreaper, e) < 0)
		return -1;
	x.restore = &images.options;
	if (oci_create(argv[0], &o->create, false, &x, e) < 0)
		return oci_criu_failed(&o->shared, "restore.log", e);
	return o->create.detach ? 0 : oci_follow(&x, &f, e);
}

const struct cmd oci_restore_verb = {"restore", "ID", "Make a container again from a checkpoint", options, countof(options), sizeof(struct options), 1, 1,
	restore};
