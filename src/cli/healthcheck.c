/* SPDX-License-Identifier: Apache-2.0 */
/*
 * healthcheck: podman's group for it. The container's own checks, by its monitor, go on beside this one.
 */
#include "cli/commands.h"
#include "engine/health.h"

static int check(void *opts unused, int argc unused, char **argv, struct err *e)
{
	struct engine *g = cli_engine(e);
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	int status = 0;
	if (!g || container_get_running(g, argv[0], &c, e) < 0 || health_check_now(g, &c, &status, e) < 0)
		return -1;
	return status;
}

static const struct cmd cmd_check_now = {"run", "CONTAINER", "Run a container's health check now", NULL, 0, 0, 1, 1, check, .complete = "@running",
	.about = "The exit status is 0 when the container is well, 1 when it is not; what the check prints is shown."};
static const struct cmd *const verbs[] = {&cmd_check_now, NULL};
const struct cmd cmd_healthcheck = {"healthcheck", "COMMAND", "Work with health checks", .sub = verbs};
