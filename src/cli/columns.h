/* SPDX-License-Identifier: Apache-2.0 */
/*
 * columns: what stands in the cells of docker's lists. All return new memory.
 */
#pragma once

#include "base/base.h"
#include "codec/json.h"

/* Without "sha256:", and 12 digits long unless full. "<none>" for NULL. */
char *column_id(const char *id, bool full) must_use;
/* At most n characters; where something was cut off the last one is "…". */
char *column_ellipsis(const char *text, size_t n) must_use;
char *column_ago(int64_t unix_s) must_use;        /* "2 hours ago" */
char *column_time(int64_t unix_s) must_use;       /* "2026-11-23 20:18:02 +0000 UTC", local time */
char *column_size(int64_t bytes) must_use;        /* "7.8MB" */
char *column_map(const struct json *map) must_use; /* "a=1,b=2", by key */
/* docker's words for the ports of a container: "0.0.0.0:8080->80/tcp, 90-92/tcp". ports: [{IP, PrivatePort, PublicPort, Type}]. */
char *column_ports(const struct json *ports) must_use;
