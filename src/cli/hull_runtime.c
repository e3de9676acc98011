/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hull-runtime: the OCI runtime as a program of its own, linked statically: nothing is loaded before the container. What
 * needs a library of the system (systemd's bus) is done by hull, as `hull oci`.
 */
#include "oci/oci.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

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
	/* A handler, not SIG_IGN: nothing of it is left in programs that are executed. */
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = on_pipe, .sa_flags = SA_RESTART}, NULL);
	return oci_main("hull-runtime", argc - 1, argv + 1);
}
