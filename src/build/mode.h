/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mode: --chmod, octal or symbolic (chmod(1): u=rwX,go=rX).
 */
#pragma once

#include "base/err.h"

/* The mode that `text` makes of `mode`. ERR_USAGE. */
int mode_change(const char *text, uint32_t mode, bool is_dir, uint32_t *ret, struct err *e) must_use;
