/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64: RFC 4648, section 4. Strict: the standard alphabet, whole groups of four with their padding, nothing between them.
 */
#pragma once

#include "base/buf.h"

void base64_encode(const void *p, size_t n, struct buf *out);
int base64_decode(const char *text, struct buf *out, struct err *e) must_use; /* ERR_CORRUPT */
