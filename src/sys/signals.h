/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals: their names.
 */
#pragma once

#include "base/err.h"

/* "TERM", "SIGTERM", "15", "RTMIN+3", in any case. ERR_USAGE for anything else. */
int signal_parse(const char *text, int *ret, struct err *e) must_use;
