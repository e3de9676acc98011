/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs: a container's log, found from its record: the driver, its directory and whether the container may still write.
 */
#pragma once

#include "engine/container.h"
#include "monitor/logs.h"

/* The driver and the bounds that a container's --log-driver and --log-opt ask for (10 MB, 3 files without any).
 * attrs lives in the arena. */
void logs_options(const struct container_entry *c, struct arena *a, struct log_options *ret);
/* Are driver and options such that logs_options() understands them? ERR_USAGE names the wrong one. */
int logs_check(const struct log_config *l, struct err *e) must_use;
/* Reads it. follow, since_ns, until_ns, tail, line and arg are the caller's, the rest of *r is ignored. ERR_UNSUPPORTED when
 * the driver keeps nothing (--log-driver none). With follow it returns when the container has ended and all was read. */
int container_logs(struct engine *g, struct container_entry *c, const struct logs_read *r, struct err *e) must_use;
/* What a reader is shown of a piece: before the first of a line when it was written, and its attributes as docker prints them. */
struct logs_shown { bool timestamps, details; bool cut[3]; /* the stream's last piece had no line break: the next one belongs to its line */ };
void logs_show(struct logs_shown *s, int stream, int64_t time_ns, const char *p, size_t n, const char *attrs, struct buf *out);
int logs_check_kept(const struct container_entry *c, struct err *e) must_use; /* what container_logs() would say: ERR_UNSUPPORTED */
int container_clear_logs(struct engine *g, struct container_entry *c, struct err *e) must_use; /* it may run */
/* Where docker's LogPath points: the newest file; "" for a driver that keeps nothing. Allocated. */
char *logs_path(const struct engine *g, const struct container_entry *c) must_use;
