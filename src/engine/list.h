/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list: what there is, as docker's API documents: GET /containers/json, /containers/X/top, /info, /version.
 */
#pragma once

#include "engine/engine.h"

struct container_list_request {
	bool all, size;
	int64_t last;               /* the n newest whatever their state; <= 0: no limit */
	const struct strv *filters; /* "key=value": ancestor before exited expose health id is-task label name network publish since status volume */
};
/* An array of ContainerSummary, newest first. Reads one small file a container. ERR_USAGE for an unknown filter. */
struct json *container_list(struct engine *g, const struct container_list_request *r, struct err *e) must_use;
/* The same, one summary at a time: hundreds of them need no more memory than one. A summary is gone after the call. */
typedef int container_list_fn(void *arg, struct json *summary, struct err *e);
int container_list_each(struct engine *g, const struct container_list_request *r, container_list_fn *each, void *arg, struct err *e) must_use;
/* {Titles, Processes}: the host's ps(1) with these options over the processes of the container (from its cgroup, else its
 * pid namespace); "-ef" when there are none. */
struct json *container_top(struct engine *g, const char *text, char *const *ps_options, size_t n, struct err *e) must_use;
struct json *engine_info(struct engine *g, struct err *e) must_use;
struct json *engine_version(struct engine *g, struct err *e) must_use;
