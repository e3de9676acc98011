/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name: the names of a layer's entries as text (image-spec layer.md). What is promised about them in apply.h is decided
 * here, for whatever the layer becomes.
 */
#pragma once

#include "base/err.h"

#include <limits.h>
#include <stddef.h>

/* "./a//b/" becomes "a/b", the root "". A name that no layer may have is an error. */
int name_clean(const char *raw, char out[PATH_MAX], struct err *e) must_use;
size_t name_parent(const char *clean); /* how many bytes of it are the parent's name; 0: the root */
const char *name_last(const char *clean);
/* *ret_meta: it is aufs's own, of no meaning to others. What would lie below a whiteout is ERR_CORRUPT. */
int name_judge(const char *clean, bool *ret_meta, struct err *e) must_use;
/* What an error says of a hostile name. */
const char *name_shown(const char *name, char out[100]);
