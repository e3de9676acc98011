/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hull-runtime: the OCI runtime as a program of its own, linked statically: nothing is loaded before the container. What
 * needs a library of the system (systemd's bus) is done by hull, as `hull oci`.
 */
#include "base/dynlib.h"
#include "oci/oci.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the place of base's: a static program loads nothing. oci_need_libraries() comes before. */
int dynlib_open(struct dynlib *lib, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "%s cannot be loaded by a static program: use hull oci", lib->soname);
}

static void on_pipe(int sig unused)
{
}

int main(int argc, char **argv)
{
	int fd;
	/* Started with stdin, stdout or stderr closed: what is opened must not end up there. */
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= 2 && fcntl(fd, F_SETFD, 0) == 0);
	if (fd > 2)
		close(fd);
	umask(022);
	oci_is_static = true;
	/* A handler, not SIG_IGN: nothing of it is left in programs that are executed. */
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = on_pipe, .sa_flags = SA_RESTART}, NULL);
	return oci_main("hull-runtime", argc - 1, argv + 1);
}
