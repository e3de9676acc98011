/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats_json: a container's statistics as `runc events` prints them: the same keys in the same order, and the same ones left out.
 */
#pragma once

#include "runtime/cgroup_stats.h"

struct json *oci_stats_json(const struct cgroup_stats *s) must_use;
