/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: create and start in one, and, without --detach, the runtime stays until the process has ended and removes the container.
 */
#include "oci/bundle.h"
#include "oci/foreground.h"
#include "oci/notify.h"
#include "oci/verbs.h"

#include "base/fd.h"

#include <stdio.h>
#include <unistd.h>

#define O struct oci_create_options
static const struct opt options[] = {
	OCI_CREATE_OPTIONS(O, ),
	{"detach", 'd', OPT_BOOL, offset_of(O, detach), NULL, "Return when it runs"},
	{"keep", 0, OPT_BOOL, offset_of(O, keep), NULL, "Keep the container when it has ended, until delete"},
};
#undef O

static int end(struct oci_creation *x, int status, struct err *e)
{
	struct err why = {};
	/* The process's own status: whatever was tried on the way to it is no failure. */
	if (status >= 0)
		*e = why;
	if (x->options->keep && status >= 0)
		return status;
	int mine = oci_container_lock_again(&x->c, &why);
	if ((mine < 0 || (mine > 0 && oci_remove(x, &why) < 0)) && status >= 0)
		oci_warn("%s", why.text);
	return status >= 0 ? status : oci_command_status(e, 1);
}

int oci_follow(struct oci_creation *x, struct foreground *f, struct err *e)
{
	oci_container_unlock(&x->c);
	return end(x, foreground_follow(f, x->container.pid, x->container.pidfd, take_fd(x->container.console), e), e);
}

static int start_and_follow(struct oci_creation *x, struct foreground *f, struct err *e)
{
	if (oci_notify_listen(&x->c, &f->other, e) < 0) {
		container_reap(&x->container);
		return end(x, -1, e);
	}
	f->on_other = oci_notify_pass;
	if (container_start(&x->container, e) < 0) {
		struct err ignored = {};
		(void)!foreground_follow(f, x->container.pid, x->container.pidfd, -1, &ignored);
		return end(x, -1, e);
	}
	return oci_follow(x, f, e);
}

static int run(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct oci_create_options *o = opts;
	struct oci_creation x __attribute__((cleanup(oci_creation_drop))) = OCI_CREATION_EMPTY;
	own(foreground) struct foreground f = FOREGROUND_EMPTY;
	if (!o->detach && foreground_begin(&f, !o->no_subreaper, e) < 0)
		return -1;
	if (oci_create(argv[0], o, false, &x, e) < 0)
		return oci_command_status(e, 1);
	if (!o->detach)
		return start_and_follow(&x, &f, e);
	own(fd) int notify = -1;
	if (oci_notify_listen(&x.c, &notify, e) < 0 || container_start(&x.container, e) < 0) {
		container_reap(&x.container);
		return end(&x, -1, e);
	}
	oci_container_unlock(&x.c);
	return notify < 0 ? 0 : oci_notify_wait(notify, x.container.pid, x.container.pidfd, e);
}

const struct cmd oci_run_verb = {"run", "ID", "Make a container, run it and wait for its end", options, countof(options),
	sizeof(struct oci_create_options), 1, 1, run};
