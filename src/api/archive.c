/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive: a container's files as a tar, out of it and into it.
 */
#include "api/call.h"
#include "engine/export.h"

static int export_to(void *arg, int fd, struct err *e)
{
	struct call *c = arg;
	return container_export(c->g, c->args[0], fd, e);
}

static int export(struct call *c, struct err *e)
{
	own(container_entry) struct container_entry entry = {.dir = -1, .lock = -1};
	if (call_container(c, 0, &entry, e) < 0)
		return -1;
	return call_stream(c, "application/octet-stream", export_to, c, e);
}

const struct route archive_routes[] = {
	{"GET", "/containers/{}/export", export},
	{NULL, NULL, NULL},
};
