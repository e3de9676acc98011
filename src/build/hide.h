/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hide: a layer above a context's directory that says of all that is ignored in it that it is gone: whiteouts, and the directories that
 * lead to them, as they are below.
 */
#pragma once

#include "build/ignore.h"

/* from: the directory, open for reading; path: how the patterns know it ("": the root); to: an empty directory. */
int hide_ignored(const struct ignore *g, int from, const char *path, int to, bool user_xattrs, bool *ret_hides, struct err *e) must_use;
