/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml: a stream of YAML documents as a JSON array, a value for each. Read by libyaml, with Kubernetes' meanings: plain scalars as
 * YAML 1.1 has them (yes and on are true, 0644 is octal), so that a file says here what it says there; dates are strings. Keys are
 * scalars; one that is given twice is an error, `<<` merges. Anchors may be used again, which shares their value.
 *
 * ERR_CORRUPT, with the line, for what YAML does not allow and for what is past the bounds: 4 MiB, 64 deep, 100,000 values with
 * those that aliases repeat (a few hundred bytes can name billions). ERR_UNSUPPORTED: libyaml is not installed.
 */
#pragma once

#include "codec/json.h"

int yaml_parse(const char *text, size_t len, struct json **ret, struct err *e) must_use;
