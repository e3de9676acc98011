/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop: a file as a block device (loop(4)), for what is only mounted from one.
 */
#pragma once

#include "base/err.h"

enum { LOOP_PATH = 24 };

/* A read-only device for the file, gone with its last user. Returns an fd of the device; path is its name. */
int loop_open(int file, char path[LOOP_PATH], struct err *e) must_use;
