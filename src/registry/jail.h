/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail: what hull-registry gives up before it speaks to anybody: privileges (as root it becomes nobody, without
 * capabilities), new ones (no_new_privs), core dumps and being traced, memory and files without end, and, where the kernel has
 * Landlock, every file but those that name resolution and TLS read.
 */
#pragma once

#include "base/err.h"

int jail_enter(struct err *e) must_use;
