/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base: the few words that every file of hull uses: cleanup (own, take), array sizes, attributes.
 *
 * own(T) makes a local variable release itself: at the end of its scope T_drop(&variable) runs.
 * Every T_drop() accepts the empty value ({} for structs, NULL for pointers, -1 for fds), leaves the
 * empty value behind and keeps errno. take(x) is the only way out: it returns the value and leaves
 * the variable empty.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define own(T)   __attribute__((cleanup(T##_drop)))
#define take(p)  ({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })
#define take_fd(fd) ({ int taken_ = (fd); (fd) = -1; taken_; })

#define must_use          __attribute__((warn_unused_result))
#define cold              __attribute__((cold))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define unused            __attribute__((unused))
#define countof(a)        (sizeof(a) / sizeof((a)[0]))
#define offset_of(t, m)   __builtin_offsetof(t, m)
