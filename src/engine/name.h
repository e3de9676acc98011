/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name: made-up names for containers that were given none: an adjective and a word from the sea.
 */
#pragma once

#include "base/mem.h"

/* "calm_harbor"; with attempt > 0 a digit behind it. */
char *name_random(unsigned attempt) must_use;
