/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits: the words of linux.memoryPolicy, for who asks what there is: the i-th, NULL behind the last.
 */
#pragma once

#include "runtime/spec.h"

const char *limits_policy_mode(size_t i);
const char *limits_policy_flag(size_t i);
