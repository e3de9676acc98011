/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cni_list: a list of plugins, from its file.
 */
#pragma once

#include "codec/json.h"

/* An object with "name", "cniVersion" and "plugins", each of these with a "type" that is a file's name. A .conf or .json of one plugin comes
 * back as a list of one. */
int cni_list_read(const char *path, struct json **ret, struct err *e) must_use;
bool cni_list_has(const struct json *list, const char *capability);
struct json *cni_list_copy(const struct json *j);
