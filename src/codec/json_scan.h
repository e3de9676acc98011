/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_scan: what json.c asks before it hands a text to its library: are these the words of RFC 8259, in
 * well-formed UTF-8, integers in 64 bits, no key with a NUL? How they stand together is not looked at.
 */
#pragma once

#include "base/err.h"

int json_scan(const char *text, size_t len, struct err *e) must_use;
